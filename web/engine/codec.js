// The codec of data.py: audio to columns of magnitudes and phasors, and back.
//
// Columns lie one after the other in memory, BINS numbers each. Spectra are { real, imaginary },
// two Float32Arrays of that order.

import { SIZE as FFT_SIZE, inverse, transform } from "./fft.js";

export const SAMPLE_RATE = 44100; // Hz
export const HOP = FFT_SIZE / 2; // samples
export const BINS = 256; // kept of 513, from 0 Hz to 10.98 kHz
export const FRAME_COLUMNS = 256; // columns of one frame: 2.97 s
export { FFT_SIZE };

const AMIN = 1 / 2 ** 16; // the smallest magnitude above silence
const LOG_RANGE = Math.log1p(1 / AMIN);
const HALF = FFT_SIZE / 2;

// symmetric Hann
const WINDOW = Float32Array.from(
  { length: FFT_SIZE },
  (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / (FFT_SIZE - 1)),
);
const SCALE = 2 / ((FFT_SIZE - 1) / 2); // 2 / sum of the window
const SCALED_WINDOW = WINDOW.map((value) => value * SCALE);
const UNSCALING_WINDOW = WINDOW.map((value) => value / SCALE / FFT_SIZE);
const SQUARED_WINDOW = WINDOW.map((value) => value * value);

const real = new Float64Array(FFT_SIZE);
const imaginary = new Float64Array(FFT_SIZE);

// What the page and the exported models must agree on, named as in their metadata.
export const CODEC = {
  amin: AMIN,
  bins: BINS,
  fft_size: FFT_SIZE,
  frame_columns: FRAME_COLUMNS,
  hop: HOP,
  sample_rate: SAMPLE_RATE,
  window: "symmetric Hann",
};

// Number of columns of a signal: one per hop, the last hop padded with zeros.
export function columnCount(samples, hop = HOP) {
  return 1 + Math.ceil(samples / hop);
}

// Spectra of the columns first to stop of a signal; column k is centred on sample k * hop.
export function forward(audio, hop = HOP, first = 0, stop = columnCount(audio.length, hop)) {
  const count = Math.max(stop - first, 0);
  const spectra = emptySpectra(count);
  for (let column = 0; column < count; column += 2) {
    const paired = column + 1 < count;
    cut(audio, (first + column) * hop - HALF, real);
    if (paired) cut(audio, (first + column + 1) * hop - HALF, imaginary);
    else imaginary.fill(0);
    transform(real, imaginary);
    separate(spectra, column * BINS, paired);
  }
  return spectra;
}

// The windowed samples from a position on, silence outside of the signal.
function cut(audio, start, into) {
  const from = Math.max(-start, 0);
  const to = Math.min(audio.length - start, FFT_SIZE);
  for (let n = 0; n < from; n++) into[n] = 0;
  for (let n = from; n < to; n++) into[n] = audio[start + n] * SCALED_WINDOW[n];
  for (let n = Math.max(to, 0); n < FFT_SIZE; n++) into[n] = 0;
}

// Two real signals that were transformed as one complex signal.
function separate(spectra, place, paired) {
  for (let bin = 0; bin < BINS; bin++) {
    const mirrored = bin ? FFT_SIZE - bin : 0;
    spectra.real[place + bin] = (real[bin] + real[mirrored]) / 2;
    spectra.imaginary[place + bin] = (imaginary[bin] - imaginary[mirrored]) / 2;
    if (paired) {
      spectra.real[place + BINS + bin] = (imaginary[bin] + imaginary[mirrored]) / 2;
      spectra.imaginary[place + BINS + bin] = (real[mirrored] - real[bin]) / 2;
    }
  }
}

// Audio of spectra, by weighted overlap-add (Griffin and Lim 1984, eq. 6): (columns - 1) * hop
// samples. Bins above BINS count as zero.
export function backward(spectra, hop = HOP) {
  const columns = spectra.real.length / BINS;
  const length = Math.max(columns - 1, 0) * hop;
  const sum = new Float32Array(length);
  const weights = new Float32Array(length);
  for (let column = 0; column < columns; column += 2) {
    const paired = column + 1 < columns;
    combine(spectra, column * BINS, paired);
    inverse(real, imaginary);
    add(real, column * hop - HALF, sum, weights);
    if (paired) add(imaginary, (column + 1) * hop - HALF, sum, weights);
  }
  for (let n = 0; n < length; n++) sum[n] /= weights[n];
  return sum;
}

function combine(spectra, place, paired) {
  real.fill(0, BINS, FFT_SIZE - BINS + 1);
  imaginary.fill(0, BINS, FFT_SIZE - BINS + 1);
  for (let bin = 0; bin < BINS; bin++) {
    const aReal = spectra.real[place + bin];
    const aImaginary = bin ? spectra.imaginary[place + bin] : 0;
    const bReal = paired ? spectra.real[place + BINS + bin] : 0;
    const bImaginary = paired && bin ? spectra.imaginary[place + BINS + bin] : 0;
    real[bin] = aReal - bImaginary;
    imaginary[bin] = aImaginary + bReal;
    if (bin) {
      real[FFT_SIZE - bin] = aReal + bImaginary;
      imaginary[FFT_SIZE - bin] = bReal - aImaginary;
    }
  }
}

function add(grain, start, sum, weights) {
  const to = Math.min(sum.length - start, FFT_SIZE);
  for (let n = Math.max(-start, 0); n < to; n++) {
    sum[start + n] += grain[n] * UNSCALING_WINDOW[n];
    weights[start + n] += SQUARED_WINDOW[n];
  }
}

export function emptySpectra(columns) {
  return {
    real: new Float32Array(columns * BINS),
    imaginary: new Float32Array(columns * BINS),
  };
}

export function magnitude(spectra) {
  const { real, imaginary } = spectra;
  const found = new Float32Array(real.length);
  for (let k = 0; k < found.length; k++) {
    found[k] = Math.sqrt(real[k] * real[k] + imaginary[k] * imaginary[k]);
  }
  return found;
}

// Spectra of magnitude 1 with the same phase; zeros, and what is too small to divide by, become 1.
export function phasors(spectra) {
  const unit = emptySpectra(spectra.real.length / BINS);
  for (let k = 0; k < spectra.real.length; k++) {
    const a = spectra.real[k];
    const b = spectra.imaginary[k];
    const length = Math.sqrt(a * a + b * b);
    unit.real[k] = length > 0 ? a / length : 1;
    unit.imaginary[k] = length > 0 ? b / length : 0;
  }
  return unit;
}

// Magnitude to the logarithmic scale: 0 at silence, 1 at magnitude 1.
export function toScale(magnitudes) {
  return magnitudes.map((value) => Math.log1p(value / AMIN) / LOG_RANGE);
}

export function fromScale(image) {
  return image.map((value) => Math.expm1(value * LOG_RANGE) * AMIN);
}
