// Resampling by a windowed sinc of linear phase, with the pass band of soxr's "HQ".
//
// Below 0.9 of the lower Nyquist frequency, both agree to 1e-5. Delays are compensated: sample n of
// the result is at the time n / to.

const CROSSINGS = 64; // of the sinc, on each side
const CUTOFF = 0.957; // of the lower Nyquist frequency, in the middle of the transition
const BETA = 10.5; // of the Kaiser window: 106 dB
const MOST_PHASES = 4096; // for rates without a common divisor, positions are rounded to these

// Audio at another rate; Math.round(samples * to / rate) samples.
export function resample(audio, rate, to) {
  if (rate === to) return audio;
  const divisor = greatestDivisor(rate, to);
  const steps = to / divisor;
  const phases = Math.min(steps, MOST_PHASES);
  const filters = filterBank(phases, Math.min(1, to / rate));
  const taps = filters[0].length;
  const before = taps / 2 - 1; // samples before the position, beside the one at it
  const resampled = new Float32Array(Math.round((audio.length * to) / rate));
  for (let n = 0; n < resampled.length; n++) {
    const position = (n * (rate / divisor)) / steps;
    let whole = Math.floor(position);
    let phase = Math.round((position - whole) * phases);
    if (phase === phases) {
      whole++;
      phase = 0;
    }
    const filter = filters[phase];
    const start = whole - before;
    let sum = 0;
    const from = Math.max(-start, 0);
    const end = Math.min(audio.length - start, taps);
    for (let tap = from; tap < end; tap++) sum += audio[start + tap] * filter[tap];
    resampled[n] = sum;
  }
  return resampled;
}

function greatestDivisor(a, b) {
  return b ? greatestDivisor(b, a % b) : a;
}

// One filter for each position between two samples; scale: bandwidth, of that of the input.
function filterBank(phases, scale) {
  const reach = Math.ceil(CROSSINGS / scale);
  const bank = [];
  for (let phase = 0; phase < phases; phase++) {
    const filter = new Float64Array(2 * reach);
    let sum = 0;
    for (let tap = 0; tap < filter.length; tap++) {
      const distance = tap - (reach - 1) - phase / phases;
      filter[tap] = sinc(distance * scale * CUTOFF) * kaiser(distance / reach);
      sum += filter[tap];
    }
    for (let tap = 0; tap < filter.length; tap++) filter[tap] /= sum;
    bank.push(filter);
  }
  return bank;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function kaiser(x) {
  return x * x < 1 ? bessel(BETA * Math.sqrt(1 - x * x)) / bessel(BETA) : 0;
}

// Modified Bessel function of the first kind and order zero.
function bessel(x) {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
