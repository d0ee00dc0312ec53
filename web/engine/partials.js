// Phases of partials that run on at their own frequency: common/audio/partials.py
// (single pass spectrogram inversion, Beauregard, Harish and Wyse 2015).

import { BINS, FFT_SIZE, emptySpectra } from "./codec.js";

const round = Math.fround;
const KEPT = round(10 ** (12 / 20)); // a recording that is as close as that lends its phase
const SMALLEST = 1e-9;

// Number of the peak that is nearest to each bin, the lower one of two; of the bin itself where
// there is no peak.
export function nearestPeaks(level, nearest) {
  const isPeak = (bin) =>
    bin > 0 && bin < BINS - 1 && level[bin] > level[bin - 1] && level[bin] >= level[bin + 1];
  let last = -3 * BINS;
  for (let bin = 0; bin < BINS; bin++) {
    if (isPeak(bin)) last = bin;
    nearest[bin] = last;
  }
  last = 3 * BINS;
  for (let bin = BINS - 1; bin >= 0; bin--) {
    if (isPeak(bin)) last = bin;
    if (bin - nearest[bin] > last - bin) nearest[bin] = last;
    if (nearest[bin] < 0 || nearest[bin] >= BINS) nearest[bin] = bin;
  }
  return nearest;
}

// Distance of the top of a parabola through three bins from the middle one.
export function peakOffset(level, bin) {
  if (bin < 1 || bin > BINS - 2) return 0;
  const low = level[bin - 1];
  const high = level[bin + 1];
  const curvature = Math.min(low - 2 * level[bin] + high, -SMALLEST);
  return Math.min(Math.max((low - high) / (2 * curvature), -0.5), 0.5);
}

// Phases for a magnitude of one channel that comes in parts: those of the recording where its
// magnitude fits, else those of the nearest partial, advanced from the last column.
export class PartialTracker {
  constructor(hop) {
    this.hop = hop;
    this.level = null; // of the last column, like the next two
    this.real = null;
    this.imaginary = null;
  }

  // wanted, played: magnitudes; given: phasors of the recording. Returns phasors.
  push(wanted, played, given) {
    const columns = wanted.length / BINS;
    const found = emptySpectra(columns);
    const level = new Float32Array(BINS);
    const middle = new Float32Array(BINS);
    const nearest = new Int16Array(BINS);
    for (let column = 0; column < columns; column++) {
      const first = column * BINS;
      const real = found.real.subarray(first, first + BINS);
      const imaginary = found.imaginary.subarray(first, first + BINS);
      for (let bin = 0; bin < BINS; bin++) {
        level[bin] = Math.log(Math.max(wanted[first + bin], SMALLEST));
      }
      if (!this.level) {
        real.set(given.real.subarray(first, first + BINS));
        imaginary.set(given.imaginary.subarray(first, first + BINS));
        this.level = level.slice();
      } else {
        for (let bin = 0; bin < BINS; bin++) middle[bin] = (level[bin] + this.level[bin]) / 2;
        nearestPeaks(middle, nearest);
        for (let bin = 0; bin < BINS; bin++) {
          const k = first + bin;
          if (wanted[k] < round(KEPT * played[k]) && played[k] < round(KEPT * wanted[k])) {
            real[bin] = given.real[k];
            imaginary[bin] = given.imaginary[k];
          } else this.advance(bin, nearest[bin], middle, real, imaginary);
        }
        this.level.set(level);
      }
      this.real = real;
      this.imaginary = imaginary;
    }
    return found;
  }

  // The phase of a bin that belongs to a partial: bins around a peak alternate by pi.
  advance(bin, peak, level, real, imaginary) {
    const cycles =
      (this.hop / FFT_SIZE) * (peak + peakOffset(level, peak)) + 0.5 * ((bin - peak) & 1);
    const angle = 2 * Math.PI * (cycles - Math.floor(cycles));
    const stepReal = Math.cos(angle);
    const stepImaginary = Math.sin(angle);
    const a = this.real[peak];
    const b = this.imaginary[peak];
    const length = Math.sqrt(a * a + b * b);
    real[bin] = (a * stepReal - b * stepImaginary) / length;
    imaginary[bin] = (a * stepImaginary + b * stepReal) / length;
  }
}
