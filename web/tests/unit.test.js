// The page's JavaScript against what the Python side computes (golden.py writes it).

import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";

import * as codec from "../engine/codec.js";
import { convert } from "../engine/convert.js";
import { transform } from "../engine/fft.js";
import { PartialTracker, nearestPeaks, peakOffset } from "../engine/partials.js";
import { griffinLim } from "../engine/phase.js";
import { resample } from "../engine/resample.js";
import { Unison } from "../engine/voices.js";
import { readWav, writeWav } from "../engine/wav.js";
import { Conversion, WEIGHTS } from "../engine/windows.js";
import { distance, readFile, spectralConvergence } from "./measures.js";

const folder = process.env.MADE ?? path.join(import.meta.dirname, "made");
const { BINS, FRAME_COLUMNS, HOP, SAMPLE_RATE } = codec;

const bytes = (name) => readFile(path.join(folder, name));
const golden = (name) => new Float32Array(bytes(`${name}.f32`));
const goldenSpectra = (name) => ({
  real: golden(`${name}.real`),
  imaginary: golden(`${name}.imaginary`),
});

const voices = JSON.parse(new TextDecoder().decode(bytes("voices.json")));

function near(found, expected, most) {
  const off = distance(found, expected);
  assert.ok(off < most, `differs by ${off}, not below ${most}`);
}

function nearSpectra(found, expected, most) {
  near(found.real, expected.real, most);
  near(found.imaginary, expected.imaginary, most);
}

// As in golden.py.
function standIn(frame) {
  return Float32Array.from(frame, (value, k) => {
    const column = Math.floor(k / BINS);
    const late = frame[((column - 3 + FRAME_COLUMNS) % FRAME_COLUMNS) * BINS + (k % BINS)];
    return 0.5 * (value + late) * (1 - (0.5 * (k % BINS)) / (BINS - 1));
  });
}

test("the constants are those of data.py", () => {
  const text = new TextDecoder().decode(bytes("codec.json"));
  assert.deepEqual(codec.CODEC, JSON.parse(text));
});

test("the Fourier transform is that of its definition", () => {
  const real = Float64Array.from({ length: 1024 }, (_, n) => Math.sin(n * n));
  const imaginary = Float64Array.from({ length: 1024 }, (_, n) => Math.cos(3 * n * n));
  const given = [real.slice(), imaginary.slice()];
  transform(real, imaginary);
  for (const k of [0, 1, 17, 512, 1023]) {
    let sumReal = 0;
    let sumImaginary = 0;
    for (let n = 0; n < 1024; n++) {
      const angle = (-2 * Math.PI * ((k * n) % 1024)) / 1024;
      sumReal += given[0][n] * Math.cos(angle) - given[1][n] * Math.sin(angle);
      sumImaginary += given[0][n] * Math.sin(angle) + given[1][n] * Math.cos(angle);
    }
    assert.ok(Math.hypot(real[k] - sumReal, imaginary[k] - sumImaginary) < 1e-9);
  }
});

const short = golden("audio").subarray(0, SAMPLE_RATE + 77);

for (const hop of [HOP, HOP / 2]) {
  test(`spectra, Griffin-Lim and the way back, hop ${hop}`, () => {
    const expected = goldenSpectra(`spectra${hop}`);
    const spectra = codec.forward(short, hop);
    nearSpectra(spectra, expected, 1e-6);
    const tail = codec.forward(short, hop, 21);
    near(tail.real, expected.real.subarray(21 * BINS), 1e-6);
    const wanted = golden(`wanted${hop}`);
    const phasors = codec.phasors(spectra);
    const start = {
      real: wanted.map((value, k) => value * phasors.real[k]),
      imaginary: wanted.map((value, k) => value * phasors.imaginary[k]),
    };
    const found = griffinLim(wanted, start, hop);
    nearSpectra(found, goldenSpectra(`search${hop}`), 1e-3);
    near(codec.backward(found, hop), golden(`backward${hop}`), 1e-3);
  });
}

test("the logarithmic scale and its inverse", () => {
  const magnitude = codec.magnitude(goldenSpectra("spectra256"));
  near(codec.toScale(magnitude), golden("scale"), 1e-6);
  near(codec.fromScale(golden("scale")), golden("unscaled"), 1e-6);
});

test("peaks, and phases of partials", () => {
  const level = golden("scale").subarray(9 * BINS, 10 * BINS);
  const expected = golden("nearest").subarray(9 * BINS, 10 * BINS);
  const nearest = nearestPeaks(level, new Int16Array(BINS));
  assert.deepEqual([...nearest], [...expected]);
  const offsets = golden("offsets").subarray(9 * BINS, 10 * BINS);
  for (const peak of new Set(nearest)) {
    assert.ok(Math.abs(peakOffset(level, peak) - offsets[peak]) < 1e-4);
  }
  const spectra = codec.forward(short, HOP / 2);
  const given = [golden("wanted256"), codec.magnitude(spectra), codec.phasors(spectra)];
  const whole = new PartialTracker(HOP / 2).push(...given);
  const weigh = (numbers) => numbers.map((value, k) => value * given[0][k]);
  const expectedPhasors = goldenSpectra("tracked");
  near(weigh(whole.real), weigh(expectedPhasors.real), 1e-3);
  near(weigh(whole.imaginary), weigh(expectedPhasors.imaginary), 1e-3);
});

test("voices in unison, also in parts", () => {
  const unison = new Unison(voices, HOP / 2);
  const wanted = golden("wanted256");
  const parts = [wanted.subarray(0, 9 * BINS), wanted.subarray(9 * BINS)];
  const found = parts.flatMap((part) => [...unison.push(part)]);
  near(found, golden("unison"), 1e-4);
});

test("windows are weighted and joined as in Python", async () => {
  near(WEIGHTS, golden("weights"), 1e-6);
  const conversion = new Conversion(async (frame) => standIn(frame));
  const image = golden("image");
  const converted = [
    ...(await conversion.push(image.slice(0, 700 * BINS))),
    ...(await conversion.push(image.slice(700 * BINS))),
    ...(await conversion.finish()),
  ];
  near(converted, golden("converted"), 1e-5);
});

for (const phase of ["mixed", "griffinlim"]) {
  test(`a recording is converted as in Python, phase ${phase}`, async () => {
    const settings = { predict: async (frame) => standIn(frame), phase, voices };
    const [sound] = await convert([golden("audio")], settings);
    const expected = golden(`sound.${phase}`);
    assert.equal(sound.length, expected.length);
    const off = spectralConvergence(sound, expected);
    assert.ok(off < 1e-4, `${off}`);
  });
}

for (const rate of [48000, 22050, 96000, 31111]) {
  test(`resampling to ${rate} Hz`, () => {
    const expected = golden(`resampled.${rate}`);
    const found = resample(short, SAMPLE_RATE, rate);
    near(found, expected, 1e-3);
  });
}

test("WAV files of all sample formats", async () => {
  for (const kind of ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]) {
    const { channels, rate, depth } = readWav(bytes(`${kind}.wav`));
    assert.equal(rate, 48000);
    assert.deepEqual(
      channels.map((one) => one.length),
      [1001, 1001],
    );
    const step = { PCM_U8: 2 ** -7, PCM_16: 2 ** -15 }[kind] ?? 1e-6;
    channels[0].forEach((value, n) => assert.ok(Math.abs(value - (-1 + n / 500)) <= step));
    const again = readWav(await writeWav(channels, rate, depth).arrayBuffer());
    assert.equal(again.depth, depth);
    channels.forEach((audio, k) => near(again.channels[k], audio, 2e-5));
  }
  assert.throws(() => readWav(bytes("audio.f32")));
});
