// Passes what the microphone hears on to the page; its own output is silent.

registerProcessor(
  "tap",
  class extends AudioWorkletProcessor {
    process([input]) {
      if (input.length) this.port.postMessage(input.map((channel) => channel.slice()));
      return true;
    }
  },
);
