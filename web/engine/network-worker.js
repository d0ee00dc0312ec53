// Computes a network in ONNX Runtime Web, one request after the other, in their order.
//
// { bytes, style } opens an exported generator; style: the frame that shows the instrument, for a
// generator that takes one. The answer is {}. { frame } converts a window, columns of
// numbers in [0, 1]; the answer is { frame }. An answer to what fails is { error }.

import * as ort from "../vendor/ort.wasm.min.mjs";
import { BINS, FRAME_COLUMNS } from "./codec.js";

const FRAME = BINS * FRAME_COLUMNS;

ort.env.wasm.wasmPaths = new URL("../vendor/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // see network.js

let session = null;
let input = null;
let last = Promise.resolve();

self.onmessage = ({ data }) => {
  last = last.then(async () => {
    try {
      const answer = data.bytes ? await open(data) : { frame: await convert(data.frame) };
      self.postMessage(answer, answer.frame ? [answer.frame.buffer] : []);
    } catch (error) {
      self.postMessage({ error: String(error) });
    }
  });
};

async function open({ bytes, style }) {
  await session?.release();
  session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const channels = style ? 2 : 1;
  const shape = [1, BINS, FRAME_COLUMNS, channels];
  input = new ort.Tensor("float32", new Float32Array(FRAME * channels), shape);
  if (style) interleave(style, 1);
  return {};
}

async function convert(frame) {
  interleave(frame, 0);
  const outputs = await session.run({ [session.inputNames[0]]: input });
  return fromNetwork(outputs[session.outputNames[0]].data);
}

// The network takes rows of bins, in [-1, 1].
function interleave(frame, channel) {
  const channels = input.dims[3];
  for (let column = 0; column < FRAME_COLUMNS; column++) {
    for (let bin = 0; bin < BINS; bin++) {
      input.data[(bin * FRAME_COLUMNS + column) * channels + channel] =
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
