// Several voices in unison: common/audio/voices.py.

import { BINS, FFT_SIZE, SAMPLE_RATE } from "./codec.js";
import { nearestPeaks, peakOffset } from "./partials.js";

const SMALLEST = 1e-9;
const RISE = (2 / 20) * Math.log(10); // a bin that rises as much in a window's time begins a note
const RISE_SECONDS = 0.023;

export const ALONE = { detunings: [], level: 0 };

// Adds voices to the magnitude of one channel, which comes in parts.
export class Unison {
  // detunings: of the further voices, in cents; level: amplitude of each.
  constructor({ detunings, level }, hop) {
    this.detunings = detunings.map((cents) => 2 ** (cents / 1200) - 1); // relative
    this.level = level;
    this.hop = hop;
    const back = Math.max(Math.round((RISE_SECONDS * SAMPLE_RATE) / hop), 1);
    // logarithms of the last columns, the oldest one first
    this.before = Array.from({ length: back }, () =>
      new Float32Array(BINS).fill(Math.log(SMALLEST)),
    );
    this.cycles = new Float64Array(BINS); // of the partial of each bin, since its note began
  }

  // magnitude: columns of BINS; returns the same with all voices.
  push(magnitude) {
    if (!this.detunings.length) return magnitude;
    const found = new Float32Array(magnitude.length);
    const nearest = new Int16Array(BINS);
    const rms = Math.sqrt(1 + this.detunings.length * this.level ** 2);
    for (let first = 0; first < magnitude.length; first += BINS) {
      const level = new Float32Array(BINS);
      for (let bin = 0; bin < BINS; bin++) {
        level[bin] = Math.log(Math.max(magnitude[first + bin], SMALLEST));
      }
      nearestPeaks(level, nearest);
      this.before.push(level);
      const old = this.before.shift();
      const cycles = new Float64Array(BINS);
      for (let bin = 0; bin < BINS; bin++) {
        const peak = nearest[bin];
        if (!(level[peak] - old[peak] > RISE)) {
          const advance = (this.hop / FFT_SIZE) * (peak + peakOffset(level, peak));
          cycles[bin] = this.cycles[peak] + advance;
        }
        let real = 1;
        let imaginary = 0;
        for (const detuning of this.detunings) {
          const angle = 2 * Math.PI * detuning * cycles[bin];
          real += this.level * Math.cos(angle);
          imaginary += this.level * Math.sin(angle);
        }
        found[first + bin] =
          (magnitude[first + bin] * Math.sqrt(real * real + imaginary * imaginary)) / rms;
      }
      this.cycles = cycles;
    }
    return found;
  }
}
