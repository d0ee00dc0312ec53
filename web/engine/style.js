// The frame of a recording that shows the network which instrument to imitate:
// pix2pix_timbre/style.py.

import { BINS, FRAME_COLUMNS, SAMPLE_RATE, forward, magnitude, toScale } from "./codec.js";
import { resample } from "./resample.js";

const HOP_COLUMNS = FRAME_COLUMNS / 4;
const FRAME = BINS * FRAME_COLUMNS;

// The fullest frame of a recording of any length, silent where it is too short; null if it is
// silent. channels: Float32Arrays at a rate in Hz.
export function styleFrame(channels, rate) {
  const image = toScale(magnitude(forward(resample(mono(channels), rate, SAMPLE_RATE))));
  const start = fullest(image) * BINS;
  const frame = new Float32Array(FRAME);
  // stored images have half precision
  frame.set(image.subarray(start, start + FRAME).map(toHalf));
  return frame.some((value) => value !== 0) ? frame : null;
}

function mono(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map(
    (_, n) => channels.reduce((sum, audio) => sum + audio[n], 0) / channels.length,
  );
}

// Column at which the frame with the largest mean begins, a multiple of a quarter of a frame.
export function fullest(image) {
  const columns = image.length / BINS;
  let best = 0;
  let most = -1;
  for (let start = 0; start <= Math.max(columns - FRAME_COLUMNS, 0); start += HOP_COLUMNS) {
    let sum = 0;
    const stop = Math.min(start + FRAME_COLUMNS, columns) * BINS;
    for (let k = start * BINS; k < stop; k++) sum += image[k];
    if (sum > most) [best, most] = [start, sum];
  }
  return best;
}

// The nearest number of half precision, for numbers in [0, 1].
function toHalf(value) {
  const step = 2 ** (Math.max(Math.floor(Math.log2(value)), -14) - 10);
  const steps = value / step;
  const below = Math.floor(steps);
  const up = steps - below > 0.5 || (steps - below === 0.5 && below % 2 === 1);
  return (below + up) * step;
}
