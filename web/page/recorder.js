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
  const close = async () => {
    for (const track of stream.getTracks()) track.stop();
    await context.close();
  };
  const blocks = [];
  try {
    await context.audioWorklet.addModule(new URL("tap.js", import.meta.url));
    const tap = new AudioWorkletNode(context, "tap");
    tap.port.onmessage = ({ data }) => blocks.push(data);
    context.createMediaStreamSource(stream).connect(tap).connect(context.destination);
  } catch {
    await close(); // the microphone must not stay on
    throw new Mistake("This browser could not record: choose a file.");
  }
  return async () => {
    const rate = context.sampleRate;
    await close();
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
