// A network in workers of its own: windows are independent, so several are converted at once, and
// the phase of the last part is found meanwhile. Unlike threads of the runtime, workers need no
// headers of the host, and they wait less for each other.

export class Network {
  // count: of workers.
  constructor(count) {
    this.copies = Array.from({ length: count }, () => new Copy());
  }

  // Opens an exported generator; see network-worker.js.
  async open(bytes, style) {
    await Promise.all(this.copies.map((copy) => copy.ask({ bytes, style }, [])));
  }

  // Converts a window, columns of numbers in [0, 1].
  async convert(frame) {
    const given = frame.slice(); // since the array goes to the worker
    const idlest = this.copies.reduce((one, other) =>
      other.waiting.length < one.waiting.length ? other : one,
    );
    return (await idlest.ask({ frame: given }, [given.buffer])).frame;
  }
}

class Copy {
  constructor() {
    this.waiting = []; // for answers, which come in the order of the requests
    this.worker = new Worker(new URL("network-worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.waiting.shift();
      if (data.error) reject(new Error(data.error));
      else resolve(data);
    };
    this.worker.onerror = () => {
      // it may fail before anything is asked, so the failure is kept
      this.failed = Object.assign(new Error("the network's worker"), { reason: "model" });
      for (const { reject } of this.waiting.splice(0)) reject(this.failed);
    };
  }

  ask(request, transferred) {
    if (this.failed) return Promise.reject(this.failed);
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.worker.postMessage(request, transferred);
    });
  }
}
