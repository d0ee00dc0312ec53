// The network in ONNX Runtime Web.

import * as ort from "../vendor/ort.wasm.min.mjs";
import { BINS, FRAME_COLUMNS } from "./codec.js";

const FRAME = BINS * FRAME_COLUMNS;
const MOST_THREADS = 4; // more gain nothing with networks of this size

ort.env.wasm.wasmPaths = new URL("../vendor/", import.meta.url).href;
ort.env.wasm.numThreads = self.crossOriginIsolated
  ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS)
  : 1;

export const threads = ort.env.wasm.numThreads;

// Opens an exported generator. Returns an async function of windows, columns of numbers in [0, 1].
// style: the frame that shows the instrument, for a generator that takes one.
export async function openNetwork(bytes, style) {
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const channels = style ? 2 : 1;
  const input = new Float32Array(FRAME * channels);
  if (style) interleave(style, input, 1, channels);
  return async (frame) => {
    interleave(frame, input, 0, channels);
    const tensor = new ort.Tensor("float32", input, [1, BINS, FRAME_COLUMNS, channels]);
    const outputs = await session.run({ [session.inputNames[0]]: tensor });
    const output = outputs[session.outputNames[0]];
    return fromNetwork(output.data);
  };
}

// The network takes rows of bins, in [-1, 1].
function interleave(frame, input, channel, channels) {
  for (let column = 0; column < FRAME_COLUMNS; column++) {
    for (let bin = 0; bin < BINS; bin++) {
      input[(bin * FRAME_COLUMNS + column) * channels + channel] =
        frame[column * BINS + bin] * 2 - 1;
    }
  }
}

function fromNetwork(output) {
  const frame = new Float32Array(FRAME);
  for (let bin = 0; bin < BINS; bin++) {
    for (let column = 0; column < FRAME_COLUMNS; column++) {
      frame[column * BINS + bin] = (output[bin * FRAME_COLUMNS + column] + 1) / 2;
    }
  }
  return frame;
}
