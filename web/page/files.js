// Audio of a file that the user has chosen, at the file's own rate: the browser does not resample.

import { readWav } from "../engine/wav.js";

const LONGEST = 10 * 60; // seconds of stereo, which need about 1.5 GB of memory
const LOUDEST = 16; // largest floating-point sample
const RATES = [4000, 192000]; // Hz

// What a user can mend, as a sentence.
export class Mistake extends Error {}

// Returns { name, channels: Float32Arrays, rate, depth: bits of a sample as in wav.js }.
export async function readAudio(file) {
  if (!file.size) throw new Mistake(`“${file.name}” is empty: copy it again.`);
  const seconds = await duration(file);
  if (Number.isFinite(seconds) && seconds > 2 * LONGEST) throw tooLong(file.name); // even as mono
  const buffer = await file.arrayBuffer();
  const kind = kindOf(new DataView(buffer));
  const audio = (kind === "wav" && wav(file, buffer)) || (await decode(file, buffer, kind));
  check(file.name, audio);
  return { name: file.name, ...audio };
}

// Seconds, as the browser's player finds out without reading it all; not finite if it cannot.
function duration(file) {
  const player = new Audio();
  return new Promise((resolve) => {
    player.onloadedmetadata = player.onerror = () => resolve(player.duration);
    setTimeout(() => resolve(NaN), 3000);
    player.preload = "metadata";
    player.src = URL.createObjectURL(file);
  }).finally(() => URL.revokeObjectURL(player.src));
}

export function check(name, { channels, rate }) {
  const samples = channels[0]?.length ?? 0;
  if (!samples) throw new Mistake(`“${name}” holds no sound: choose another file.`);
  if (!(rate >= RATES[0] && rate <= RATES[1])) {
    throw new Mistake(`“${name}” has ${rate} samples a second: choose one of 4,000 to 192,000.`);
  }
  if ((samples * channels.length) / rate > 2 * LONGEST) throw tooLong(name);
  let sounds = false;
  for (const channel of channels) {
    for (const value of channel) {
      if (!(Math.abs(value) <= LOUDEST))
        throw new Mistake(`“${name}” holds damaged samples: save it again.`);
      sounds ||= value !== 0;
    }
  }
  if (!sounds) throw new Mistake(`“${name}” is silent, so there is nothing to convert.`);
}

function tooLong(name) {
  return new Mistake(
    `“${name}” is too long: this page converts ${LONGEST / 60} minutes of stereo at most, ` +
      "so cut the recording up.",
  );
}

function wav(file, buffer) {
  try {
    return readWav(buffer);
  } catch {
    throw new Mistake(`“${file.name}” is damaged: copy it again.`);
  }
}

async function decode(file, buffer, kind) {
  const view = new DataView(buffer);
  const { rate, depth } = (READERS[kind] ?? (() => ({})))(view) ?? {};
  try {
    const context = new OfflineAudioContext(1, 1, rate || 44100);
    const decoded = await context.decodeAudioData(buffer);
    const channels = Array.from({ length: decoded.numberOfChannels }, (_, channel) =>
      decoded.getChannelData(channel),
    );
    return { channels, rate: decoded.sampleRate, depth: depth > 16 ? 24 : 16 };
  } catch {
    throw new Mistake(
      `“${file.name}” is not a recording that this browser can read: ` +
        "choose WAV, FLAC, MP3 or Ogg.",
    );
  }
}

function kindOf(view) {
  const starts = (word, place = 0) => at(view, place, word);
  if ((starts("RIFF") || starts("RF64")) && starts("WAVE", 8)) return "wav";
  if (starts("fLaC")) return "flac";
  if (starts("OggS")) return "ogg";
  if (starts("ftyp", 4)) return "mp4";
  if (starts("ID3")) return at(view, afterTags(view), "fLaC") ? "flac" : "mp3";
  return isMpeg(view, 0) ? "mp3" : "unknown";
}

// The rate in Hz, and the bits of a sample, as the headers of each kind of file give them.
const READERS = {
  // compressed formats in a WAV
  wav: (view) => ({ rate: at(view, 12, "fmt ") && view.getUint32(24, true) }),
  flac: (view) => {
    const place = (at(view, 0, "ID3") ? afterTags(view) : 0) + 18;
    const bits = view.getUint32(place);
    return { rate: bits >>> 12, depth: ((bits >>> 4) & 31) + 1 };
  },
  ogg: (view) => {
    const vorbis = find(view, "\x01vorbis");
    return { rate: vorbis < 0 ? 48000 : view.getUint32(vorbis + 12, true) };
  },
  mp4: (view) => {
    const place = find(view, "mp4a", view.byteLength);
    return { rate: place < 0 ? 44100 : view.getUint16(place + 28) };
  },
  mp3: (view) => {
    let place = at(view, 0, "ID3") ? afterTags(view) : 0;
    while (place < view.byteLength - 4 && !isMpeg(view, place)) place++;
    const version = (view.getUint8(place + 1) >> 3) & 3; // 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
    const rate = [44100, 48000, 32000][(view.getUint8(place + 2) >> 2) & 3];
    return { rate: version === 3 ? rate : version === 2 ? rate / 2 : rate / 4 };
  },
};

function at(view, place, word) {
  if (place + word.length > view.byteLength) return false;
  return [...word].every((letter, k) => view.getUint8(place + k) === letter.charCodeAt(0));
}

function find(view, word, within = 4096) {
  const last = Math.min(within, view.byteLength) - word.length;
  for (let place = 0; place <= last; place++) if (at(view, place, word)) return place;
  return -1;
}

// Where the tags end that precede the sound; their size has seven bits in each byte.
function afterTags(view) {
  return [6, 7, 8, 9].reduce((size, k) => size * 128 + view.getUint8(k), 0) + 10;
}

// Whether a frame header of MPEG audio stands there, of a known version, layer and rate.
function isMpeg(view, place) {
  if (place + 4 > view.byteLength) return false;
  const second = view.getUint8(place + 1);
  const third = view.getUint8(place + 2);
  return (
    view.getUint8(place) === 255 &&
    second >= 0xe0 &&
    (second & 0x18) !== 0x08 &&
    (second & 6) !== 0 &&
    (third & 0xf0) !== 0xf0 &&
    (third & 0x0c) !== 0x0c
  );
}
