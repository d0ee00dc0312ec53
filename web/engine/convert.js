// Conversion of a recording part by part: pix2pix_timbre/recordings.py.

import { joined, joinedSpectra, partOfSpectra } from "./arrays.js";
import {
  BINS,
  FFT_SIZE,
  FRAME_COLUMNS,
  HOP,
  columnCount,
  forward,
  fromScale,
  magnitude,
  phasors,
  toScale,
} from "./codec.js";
import { METHODS } from "./phase.js";
import { ALONE, Unison } from "./voices.js";
import { Conversion, windowCount } from "./windows.js";

const PART_COLUMNS = 4 * FRAME_COLUMNS; // of the network's columns, which are HOP apart

// Converts channels at SAMPLE_RATE; returns arrays of the same lengths.
//
// predict: async function of a window, columns of numbers in [0, 1].
// phase: name in METHODS.
// voices: what is added to the converted magnitude, see Unison.
// progress: is told the share of what is done, in [0, 1].
// given, found: are told what the network is given and returns, (channel, image), columns HOP
// apart.
export async function convert(channels, { predict, phase, voices, progress, given, found }) {
  const { hop } = METHODS[phase];
  const shifts = HOP / hop;
  const samples = channels[0].length;
  const columns = columnCount(samples, hop);
  const total = channels.length * shifts * windowCount(Math.ceil(columns / shifts));
  let done = 0;
  const predictAll = async (frame) => {
    const silent = frame.every((value) => value === 0); // and stays silent
    const converted = silent ? null : await predict(frame);
    done += 1;
    progress?.(done / total);
    return converted;
  };
  const sounds = channels.map((audio, channel) => {
    const seen = {
      given: (image) => given?.(channel, image),
      found: (image) => found?.(channel, image),
    };
    return new Channel(audio, METHODS[phase], voices ?? ALONE, predictAll, seen);
  });
  let first = 0;
  for (let last = false; !last;) {
    let stop = first + shifts * PART_COLUMNS;
    last = samples <= (stop - 1) * hop + FFT_SIZE / 2;
    if (last) stop = columns;
    const asked = sounds.map((sound) => sound.convert(first, stop, last));
    for (const sound of sounds) sound.play(); // while the network converts the next part
    await Promise.all(asked);
    first = stop;
  }
  for (const sound of sounds) sound.play();
  return sounds.map((sound) => sound.converted);
}

// One channel. If the network's columns are further apart than those of the phase, it converts
// several images, each of which begins one hop later.
class Channel {
  constructor(audio, Method, voices, predict, seen) {
    this.audio = audio;
    this.converted = new Float32Array(audio.length);
    this.written = 0;
    this.method = new Method();
    this.hop = Method.hop;
    this.seen = seen;
    this.unison = new Unison(voices, Method.hop);
    this.conversions = Array.from({ length: HOP / Method.hop }, () => new Conversion(predict));
    this.played = null; // magnitudes of the recording that are not yet converted
    this.phasors = null; // of the same columns
    this.ready = null; // what method.push takes next
  }

  // Converts the magnitude of the next columns.
  async convert(first, stop, last) {
    const spectra = forward(this.audio, this.hop, first, stop);
    const played = magnitude(spectra);
    this.played = joined(this.played, played);
    this.phasors = joinedSpectra(this.phasors, phasors(spectra));
    const images = apart(toScale(played), this.conversions.length);
    this.seen.given(images[0]);
    const asked = this.conversions.map(async (conversion, shift) => {
      const converted = await conversion.push(images[shift]);
      return last ? joined(converted, await conversion.finish()) : converted;
    });
    const found = await Promise.all(asked);
    const steady = fromScale(together(found)).subarray(0, this.played.length);
    const wanted = this.unison.push(steady);
    this.seen.found(apart(toScale(wanted), this.conversions.length)[0]);
    const ready = wanted.length;
    const given = partOfSpectra(this.phasors, 0, ready);
    this.ready = [wanted, this.played.subarray(0, ready), given, last];
    this.played = this.played.slice(ready);
    this.phasors = partOfSpectra(this.phasors, ready);
  }

  // Makes sound of what was converted, if anything was.
  play() {
    if (this.ready) this.write(this.method.push(...this.ready));
    this.ready = null;
  }

  write(audio) {
    const room = this.converted.length - this.written;
    this.converted.set(audio.subarray(0, room), this.written);
    this.written += Math.min(audio.length, room);
  }
}

// Every so many columns from the first, the second and so on; the last ones may end with silence.
function apart(image, shifts) {
  const columns = image.length / BINS;
  return Array.from({ length: shifts }, (_, shift) => {
    const part = new Float32Array(Math.ceil(columns / shifts) * BINS);
    for (let column = shift, to = 0; column < columns; column += shifts, to += BINS) {
      part.set(image.subarray(column * BINS, (column + 1) * BINS), to);
    }
    return part;
  });
}

// The inverse of apart, with the silence.
function together(images) {
  const whole = new Float32Array(images.length * images[0].length);
  images.forEach((image, shift) => {
    for (let from = 0; from < image.length; from += BINS) {
      whole.set(image.subarray(from, from + BINS), from * images.length + shift * BINS);
    }
  });
  return whole;
}
