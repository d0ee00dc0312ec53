// Converts what the page sends, and tells it how far it is.
//
// Given: { recording: { channels, rate }, model, style: { channels, rate } or null, threads }.
// Told: { kind: "loading" or "progress", share }, { kind: "picture", side, ... }, and at the end
// { kind: "done", channels, gain } or { kind: "failed", reason }.

import { SAMPLE_RATE, columnCount } from "./codec.js";
import { convert } from "./convert.js";
import { Network } from "./network.js";
import { Picture } from "./picture.js";
import { resample } from "./resample.js";
import { styleFrame } from "./style.js";

const PEAK = 0.999; // to which louder results are turned down
const cached = new Map(); // bytes of networks, by address
let network = null;

self.onmessage = async ({ data }) => {
  try {
    const done = await run(data);
    self.postMessage(
      { kind: "done", ...done },
      done.channels.map((one) => one.buffer),
    );
  } catch (error) {
    console.error(error);
    self.postMessage({ kind: "failed", reason: error.reason ?? "unknown" });
  }
};

async function run({ recording, model, style, threads }) {
  const frame = style && styleFrame(style.channels, style.rate);
  if (style && !frame) throw failure("silent-style");
  const bytes = await load(new URL(model.file, self.location.href).href);
  network ??= new Network(threads);
  await network.open(bytes, frame);
  const { channels, rate } = recording;
  const samples = channels[0].length;
  const given = channels.map((audio) => resample(audio, rate, SAMPLE_RATE));
  const columns = columnCount(given[0].length);
  const before = new Picture(columns);
  const after = new Picture(columns);
  const show = (side, change) => {
    if (change) self.postMessage({ kind: "picture", side, ...change });
  };
  const converted = await convert(given, {
    predict: (window) => network.convert(window),
    phase: model.phase,
    voices: model.voices,
    progress: (share) => self.postMessage({ kind: "progress", share }),
    given: (channel, image) => show("before", before.add(channel, image)),
    found: (channel, image) => show("after", after.add(channel, image)),
  });
  const fitted = converted.map((audio) => fit(resample(audio, SAMPLE_RATE, rate), samples));
  return { channels: fitted, gain: turnDown(fitted) };
}

async function load(address) {
  if (cached.has(address)) return cached.get(address);
  const response = await fetch(address).catch(() => null);
  if (!response?.ok) throw failure("model");
  const length = Number(response.headers.get("content-length"));
  const parts = [];
  let size = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read().catch(() => {
      throw failure("model");
    });
    if (done) break;
    parts.push(value);
    size += value.length;
    if (length) self.postMessage({ kind: "loading", share: Math.min(size / length, 1) });
  }
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  cached.set(address, bytes);
  return bytes;
}

function failure(reason) {
  return Object.assign(new Error(reason), { reason });
}

function fit(audio, samples) {
  if (audio.length === samples) return audio;
  const fitted = new Float32Array(samples);
  fitted.set(audio.subarray(0, samples));
  return fitted;
}

// Turns all channels down if one of them would leave [-1, 1]; returns the factor.
function turnDown(channels) {
  let loudest = 0;
  for (const audio of channels)
    for (const value of audio) loudest = Math.max(loudest, Math.abs(value));
  const gain = loudest > PEAK ? PEAK / loudest : 1;
  if (gain < 1)
    for (const audio of channels) for (let n = 0; n < audio.length; n++) audio[n] *= gain;
  return gain;
}
