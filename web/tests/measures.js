// How near a sound is to another one.

import { readFileSync } from "node:fs";

import { forward, magnitude } from "../engine/codec.js";
import { readWav } from "../engine/wav.js";

export function readFile(name) {
  const file = readFileSync(name);
  return file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
}

export const sound = (name) => readWav(readFile(name));

// Norm of the difference over that of what is expected.
export function distance(found, expected) {
  if (found.length !== expected.length) throw new Error(`${found.length}, not ${expected.length}`);
  let off = 0;
  let norm = 0;
  for (let k = 0; k < expected.length; k++) {
    off += (found[k] - expected[k]) ** 2;
    norm += expected[k] ** 2;
  }
  return Math.sqrt(off / norm);
}

// The same of the magnitudes of their spectra: the spectral convergence.
export function spectralConvergence(found, expected) {
  return distance(magnitude(forward(found)), magnitude(forward(expected)));
}
