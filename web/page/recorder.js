// The microphone, without what browsers do to voices.

import { Mistake } from "./files.js";

// Starts to record. Returns a function that stops and returns { channels, rate, depth }.
export async function startRecording() {
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
  } catch {
    throw new Mistake("There is no microphone to record with: allow it, or choose a file.");
  }
  const context = new AudioContext();
  await context.audioWorklet.addModule(new URL("tap.js", import.meta.url));
  const tap = new AudioWorkletNode(context, "tap");
  const blocks = [];
  tap.port.onmessage = ({ data }) => blocks.push(data);
  context.createMediaStreamSource(stream).connect(tap).connect(context.destination);
  return async () => {
    for (const track of stream.getTracks()) track.stop();
    const rate = context.sampleRate;
    await context.close();
    const count = Math.max(...blocks.map((block) => block.length), 1);
    const channels = Array.from({ length: count }, (_, channel) => {
      const parts = blocks.map((block) => block[channel] ?? block[0]);
      const audio = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
      let place = 0;
      for (const part of parts) {
        audio.set(part, place);
        place += part.length;
      }
      return audio;
    });
    return { channels, rate, depth: 24 };
  };
}
