// Sound of a converted magnitude, whose phase is estimated: common/audio/resynthesis.py.
//
// Both methods are deterministic: they start from the phase of the recording, not from a random
// one. Each converts one channel that comes in parts.

import { joined, joinedSpectra, partOfSpectra } from "./arrays.js";
import { BINS, HOP, backward, emptySpectra, forward } from "./codec.js";
import { PartialTracker } from "./partials.js";

const ITERATIONS = 4;
const SMALLEST = 1e-30;
const AHEAD = 32; // columns that are known beyond a column when its phase is estimated
const BLOCK = 256; // columns that are searched at once
const MARGIN = 3 * (ITERATIONS + 1); // columns that a column depends on, on both sides

// Spectra with a given magnitude and a fitting phase (Griffin and Lim 1984). The first columns, as
// many as are known, are kept from the start.
export function griffinLim(magnitudes, start, hop, known = 0, iterations = ITERATIONS) {
  let spectra = start;
  for (let iteration = 0; iteration < iterations; iteration++) {
    spectra = withMagnitude(forward(backward(spectra, hop), hop), magnitudes);
    spectra.real.set(start.real.subarray(0, known * BINS));
    spectra.imaginary.set(start.imaginary.subarray(0, known * BINS));
  }
  return spectra;
}

function withMagnitude(spectra, magnitudes) {
  const { real, imaginary } = spectra;
  for (let k = 0; k < real.length; k++) {
    const length = Math.sqrt(real[k] * real[k] + imaginary[k] * imaginary[k]);
    if (length < SMALLEST) {
      real[k] = magnitudes[k];
      imaginary[k] = 0;
    } else {
      real[k] *= magnitudes[k] / length;
      imaginary[k] *= magnitudes[k] / length;
    }
  }
  return spectra;
}

function product(magnitudes, phasors) {
  const spectra = emptySpectra(magnitudes.length / BINS);
  for (let k = 0; k < magnitudes.length; k++) {
    spectra.real[k] = magnitudes[k] * phasors.real[k];
    spectra.imaginary[k] = magnitudes[k] * phasors.imaginary[k];
  }
  return spectra;
}

// Griffin-Lim from the phase of the recording, for columns half a window apart.
export class GriffinLim {
  static hop = HOP;

  constructor() {
    this.magnitudes = null;
    this.phasors = null;
    this.known = 0;
  }

  // wanted, played: magnitudes; given: phasors of the recording. Returns the audio that is ready.
  push(wanted, played, given, last) {
    const magnitudes = joined(this.magnitudes, wanted);
    const phasors = joinedSpectra(this.phasors, given);
    this.magnitudes = magnitudes;
    this.phasors = phasors;
    const columns = magnitudes.length / BINS;
    const done = last ? columns : columns - AHEAD;
    if (done < 2) return new Float32Array(0);
    const spectra = griffinLim(magnitudes, product(magnitudes, phasors), HOP, this.known);
    // samples between two columns need both, so one column is kept for the next part
    const kept = (done - 1) * BINS;
    const left = partOfSpectra(phasors, kept);
    for (let bin = 0; bin < BINS; bin++) {
      const value = magnitudes[kept + bin];
      if (!(value > 0)) continue; // the product has lost the phase
      left.real[bin] = spectra.real[kept + bin] / value;
      left.imaginary[bin] = spectra.imaginary[kept + bin] / value;
    }
    this.magnitudes = magnitudes.slice(kept);
    this.phasors = left;
    this.known = 1;
    return backward(partOfSpectra(spectra, 0, done * BINS), HOP);
  }
}

// The phase of the recording where it fits, and of tracked partials elsewhere, then improved by
// Griffin-Lim, for columns a quarter of a window apart.
export class Mixed {
  static hop = HOP / 2;

  constructor() {
    this.tracker = new PartialTracker(Mixed.hop);
    this.magnitudes = null;
    this.phasors = null;
    this.done = 0; // columns, of those that are kept, whose audio is out
  }

  push(wanted, played, given, last) {
    this.phasors = joinedSpectra(this.phasors, this.tracker.push(wanted, played, given));
    this.magnitudes = joined(this.magnitudes, wanted);
    let audio = new Float32Array(0);
    while (this.magnitudes.length / BINS >= this.done + BLOCK + MARGIN) {
      audio = joined(audio, this.search(this.done + BLOCK));
    }
    return last ? joined(audio, this.search(null)) : audio;
  }

  // Audio up to a column, or up to the last one; forgets what nothing else needs.
  search(end) {
    const stop = end === null ? undefined : (end + MARGIN) * BINS;
    const magnitudes = this.magnitudes.subarray(0, stop);
    const start = product(magnitudes, partOfSpectra(this.phasors, 0, stop));
    const audio = backward(griffinLim(magnitudes, start, Mixed.hop), Mixed.hop);
    const first = this.done * Mixed.hop;
    if (end === null) return audio.subarray(first);
    this.magnitudes = this.magnitudes.slice((end - MARGIN) * BINS);
    this.phasors = partOfSpectra(this.phasors, (end - MARGIN) * BINS);
    this.done = MARGIN;
    return audio.slice(first, end * Mixed.hop);
  }
}

export const METHODS = { mixed: Mixed, griffinlim: GriffinLim };
