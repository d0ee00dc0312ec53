// WAV files, read and written without the help of the browser, which would round and resample.

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;
const UNKNOWN = 0x7fffff00; // sizes from here on stand for one that was not known beforehand

// Returns { channels: Float32Arrays, rate, depth }; null if the samples are in a compressed format.
// depth: bits of a sample; 32 stands for floating-point numbers.
export function readWav(buffer) {
  const view = new DataView(buffer);
  let format = null;
  for (let place = 12; place + 8 <= view.byteLength;) {
    const name = text(view, place);
    const start = place + 8;
    const stated = view.getUint32(place + 4, true);
    const size = Math.min(stated, view.byteLength - start);
    if (name === "fmt " && size >= 16) format = readFormat(view, start, size);
    if (name === "data" && stated > size && stated < UNKNOWN) throw new Error("cut off");
    if (name === "data" && format) return readSamples(view, start, size, format);
    place = start + size + (size % 2);
  }
  throw new Error("no samples");
}

function readFormat(view, start, size) {
  let code = view.getUint16(start, true);
  if (code === EXTENSIBLE && size >= 26) code = view.getUint16(start + 24, true);
  return {
    code,
    channels: view.getUint16(start + 2, true),
    rate: view.getUint32(start + 4, true),
    frame: view.getUint16(start + 12, true), // bytes of a sample of all channels
    bits: view.getUint16(start + 14, true),
  };
}

function readSamples(view, start, size, { code, channels, rate, frame, bits }) {
  const read = READERS[`${code}:${bits}`];
  if (!read || frame !== (channels * bits) / 8) return null;
  const samples = Math.floor(size / frame);
  const arrays = Array.from({ length: channels }, (_, channel) => {
    const array = new Float32Array(samples);
    const first = start + (channel * bits) / 8;
    for (let n = 0; n < samples; n++) array[n] = read(view, first + n * frame);
    return array;
  });
  const depth = code === FLOAT ? 32 : Math.min(Math.max(bits, 16), 24);
  return { channels: arrays, rate, depth };
}

const READERS = {
  [`${PCM}:8`]: (view, place) => (view.getUint8(place) - 128) / 2 ** 7,
  [`${PCM}:16`]: (view, place) => view.getInt16(place, true) / 2 ** 15,
  [`${PCM}:24`]: (view, place) =>
    (view.getInt16(place + 1, true) * 256 + view.getUint8(place)) / 2 ** 23,
  [`${PCM}:32`]: (view, place) => view.getInt32(place, true) / 2 ** 31,
  [`${FLOAT}:32`]: (view, place) => view.getFloat32(place, true),
  [`${FLOAT}:64`]: (view, place) => view.getFloat64(place, true),
};

// A Blob. depth: 16 or 24 bits, or 32 for floating-point numbers.
export function writeWav(channels, rate, depth) {
  const samples = channels[0].length;
  const bytes = depth / 8;
  const size = samples * channels.length * bytes;
  const buffer = new ArrayBuffer(44 + size + (size % 2));
  const view = new DataView(buffer);
  const letters = (place, word) => {
    for (let k = 0; k < word.length; k++) view.setUint8(place + k, word.charCodeAt(k));
  };
  letters(0, "RIFF");
  view.setUint32(4, buffer.byteLength - 8, true);
  letters(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, depth === 32 ? FLOAT : PCM, true);
  view.setUint16(22, channels.length, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * channels.length * bytes, true);
  view.setUint16(32, channels.length * bytes, true);
  view.setUint16(34, depth, true);
  letters(36, "data");
  view.setUint32(40, size, true);
  const write = WRITERS[depth];
  channels.forEach((audio, channel) => {
    const first = 44 + channel * bytes;
    const frame = channels.length * bytes;
    for (let n = 0; n < samples; n++) write(view, first + n * frame, audio[n]);
  });
  return new Blob([buffer], { type: "audio/wav" });
}

function rounded(value, bits) {
  const most = 2 ** (bits - 1);
  return Math.min(Math.max(Math.round(value * most), -most), most - 1);
}

const WRITERS = {
  16: (view, place, value) => view.setInt16(place, rounded(value, 16), true),
  24: (view, place, value) => {
    const whole = rounded(value, 24);
    view.setUint8(place, whole & 255);
    view.setInt16(place + 1, whole >> 8, true);
  },
  32: (view, place, value) => view.setFloat32(place, value, true),
};

function text(view, place) {
  return String.fromCharCode(...[0, 1, 2, 3].map((k) => view.getUint8(place + k)));
}
