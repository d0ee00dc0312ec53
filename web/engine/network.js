// A network in a worker of its own, which computes while the phase of what is converted is found.

export class Network {
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

  // See network-worker.js. Returns the number of threads.
  async open(bytes, style) {
    return (await this.ask({ bytes, style }, [])).threads;
  }

  async convert(frame) {
    const copy = frame.slice(); // since the array goes to the worker
    return (await this.ask({ frame: copy }, [copy.buffer])).frame;
  }

  ask(request, transferred) {
    if (this.failed) return Promise.reject(this.failed);
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.worker.postMessage(request, transferred);
    });
  }
}
