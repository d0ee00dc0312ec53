// Conversion of images of any length in overlapping windows: pix2pix_timbre/windows.py.

import { joined } from "./arrays.js";
import { BINS, FRAME_COLUMNS } from "./codec.js";

const HOP_COLUMNS = 121; // distance of windows, a number without small factors
const BATCH = 8; // windows that are converted together, so that parts are those of predict.py
const FRAME = BINS * FRAME_COLUMNS;

// Weights of the cross-fade, for each column of a window.
export const WEIGHTS = Float32Array.from({ length: FRAME_COLUMNS }, (_, column) => {
  const ramp = Math.min(FRAME_COLUMNS - HOP_COLUMNS, FRAME_COLUMNS / 2);
  const toEdge = Math.min(column + 0.5, FRAME_COLUMNS - column - 0.5);
  return Math.sin((Math.PI / 2) * Math.min(toEdge / ramp, 1)) ** 2;
});

// Number of windows of an image.
export function windowCount(columns) {
  return Math.ceil(columns / HOP_COLUMNS);
}

export class Conversion {
  // predict: async function from a window to a window, columns of numbers in [0, 1]; or to null,
  // for silence.
  constructor(predict) {
    this.predict = predict;
    this.pending = new Float32Array(0);
    this.sum = new Float32Array(FRAME);
    this.weight = new Float32Array(FRAME_COLUMNS);
  }

  // Adds columns; returns those that no later window changes.
  push(image) {
    this.pending = joined(this.pending, image);
    const columns = this.pending.length / BINS;
    const windows = Math.max(Math.floor((columns - FRAME_COLUMNS) / HOP_COLUMNS) + 1, 0);
    return this.convert(windows - (windows % BATCH));
  }

  // Converts the rest; the last window is padded with silence.
  async finish() {
    const left = this.pending.length / BINS;
    const windows = windowCount(left);
    const columns = Math.max((windows - 1) * HOP_COLUMNS + FRAME_COLUMNS, left);
    this.pending = joined(this.pending, new Float32Array((columns - left) * BINS));
    return (await this.convert(windows)).subarray(0, left * BINS);
  }

  async convert(windows) {
    const size = HOP_COLUMNS * BINS;
    const asked = Array.from({ length: windows }, (_, number) =>
      this.predict(this.pending.subarray(number * size, number * size + FRAME)),
    );
    const finished = new Float32Array(windows * size);
    for (const [number, converted] of (await Promise.all(asked)).entries()) {
      if (converted) this.add(converted);
      this.take(finished.subarray(number * size, (number + 1) * size));
    }
    this.pending = this.pending.slice(windows * size);
    return finished;
  }

  add(frame) {
    for (let column = 0; column < FRAME_COLUMNS; column++) {
      const weight = WEIGHTS[column];
      for (let k = column * BINS; k < (column + 1) * BINS; k++) this.sum[k] += frame[k] * weight;
    }
  }

  // The columns that are finished; those that remain move to the beginning.
  take(finished) {
    for (let column = 0; column < FRAME_COLUMNS; column++) this.weight[column] += WEIGHTS[column];
    for (let k = 0; k < finished.length; k++) {
      finished[k] = this.sum[k] / this.weight[Math.floor(k / BINS)];
    }
    for (const [array, count] of [
      [this.sum, finished.length],
      [this.weight, HOP_COLUMNS],
    ]) {
      array.copyWithin(0, count);
      array.fill(0, array.length - count);
    }
  }
}
