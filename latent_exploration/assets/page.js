"use strict";

const POINTS = 17; // of a curve
const STEP = 0.05; // of the map that an arrow key moves
const FADE = 0.04; // seconds from one sound to the next
const FARTHEST = 3; // of a place or an offset
const LENGTHS = [1, 2, 4]; // seconds

const find = id => document.getElementById(id);
const limited = (value, low, high) => Math.max(low, Math.min(high, value));
const shown = value => (value < 0 ? "−" : "") + Math.abs(value).toFixed(2);

/** What is heard: one sound at a time, each faded into the next one. */
class Player {
  constructor() {
    this.source = null;
    this.held = false; // a held sound is repeated
    this.volume = 0.8;
  }

  /** Browsers allow sound only after a press or a key, by touch only after the first release. */
  wake() {
    if (!this.context) {
      this.context = new AudioContext();
      this.output = new GainNode(this.context, { gain: this.volume });
      this.output.connect(this.context.destination);
    }
    if (this.context.state !== "running") this.context.resume();
  }

  setVolume(volume) {
    this.volume = volume;
    this.output?.gain.setTargetAtTime(volume, this.context.currentTime, 0.01);
  }

  /** Play a sound; while one is held, from where the sound before it has come to. */
  async play(bytes, goesOn) {
    this.wake();
    const buffer = await this.context.decodeAudioData(bytes);
    const now = this.context.currentTime;
    const passed = this.source && goesOn ? (now - this.source.begin) % buffer.duration : 0;
    this.fadeOut();
    const node = new AudioBufferSourceNode(this.context, { buffer, loop: this.held });
    const gain = new GainNode(this.context, { gain: 0 });
    gain.gain.setValueAtTime(0, now);
    gain.gain.linearRampToValueAtTime(1, now + (passed ? FADE : 0.005));
    node.connect(gain).connect(this.output);
    node.start(now, passed);
    const source = { node, gain, begin: now - passed };
    node.onended = () => {
      if (this.source === source) this.source = null;
    };
    this.source = source;
  }

  fadeOut() {
    if (!this.source) return;
    const { node, gain } = this.source;
    const now = this.context.currentTime;
    gain.gain.cancelScheduledValues(now);
    gain.gain.setTargetAtTime(0, now, FADE / 3);
    node.stop(now + 2 * FADE);
    this.source = null;
  }

  hold(held) {
    this.held = held;
    if (!held && this.source) this.source.node.loop = false;
  }
}

/** Records what is heard, as a WAV file of 16 bits. */
class Recorder {
  constructor(player) {
    this.player = player;
    this.parts = [];
    this.running = false;
  }

  async start() {
    this.player.wake();
    const { context, output } = this.player;
    if (!this.node) {
      await context.audioWorklet.addModule("recorder.js");
      this.node = new AudioWorkletNode(context, "recorder", { channelCount: 1, channelCountMode: "explicit" });
      this.node.port.onmessage = event => this.running && this.parts.push(event.data);
      this.node.connect(context.destination); // it gives silence, but has to be pulled
    }
    this.parts = [];
    this.running = true;
    output.connect(this.node);
  }

  stop() {
    this.running = false;
    this.player.output.disconnect(this.node);
    return this.file();
  }

  get seconds() {
    return this.parts.length * 128 / this.player.context.sampleRate;
  }

  file() {
    const samples = this.parts.reduce((count, part) => count + part.length, 0);
    const view = new DataView(new ArrayBuffer(44 + 2 * samples));
    const rate = this.player.context.sampleRate;
    const text = (at, word) => [...word].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
    text(0, "RIFF");
    view.setUint32(4, 36 + 2 * samples, true);
    text(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true); // PCM
    view.setUint16(22, 1, true); // channels
    view.setUint32(24, rate, true);
    view.setUint32(28, 2 * rate, true);
    view.setUint16(32, 2, true);
    view.setUint16(34, 16, true);
    text(36, "data");
    view.setUint32(40, 2 * samples, true);
    let at = 44;
    for (const part of this.parts) {
      for (const value of part) {
        view.setInt16(at, Math.round(32767 * limited(value, -1, 1)), true);
        at += 2;
      }
    }
    return new Blob([view], { type: "audio/wav" });
  }
}

/** Asks for sounds, one at a time; of the orders that come meanwhile, only the last one counts. */
class Renderer {
  constructor(player, tell) {
    this.player = player;
    this.tell = tell;
    this.waiting = null;
    this.busy = false;
    this.played = 0;
  }

  async play(order, goesOn = false) {
    this.waiting = { order, goesOn };
    if (this.busy) return;
    this.busy = true;
    while (this.waiting) {
      const next = this.waiting;
      this.waiting = null;
      try {
        const answer = await fetch("render", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(next.order),
        });
        if (!answer.ok) throw new Error(await answer.text());
        await this.player.play(await answer.arrayBuffer(), next.goesOn);
        this.played += 1;
      } catch (error) {
        this.tell(error instanceof TypeError ? "The server does not answer; is it running?" : error.message);
      }
    }
    this.busy = false;
  }
}

class Page {
  constructor(map) {
    this.map = map;
    this.at = [0, 0];
    this.offsets = map.axes.map(() => 0);
    this.curves = {};
    this.marked = null; // kind that alone is drawn in full
    this.point = 0; // of the curve, for keys
    this.player = new Player();
    this.recorder = new Recorder(this.player);
    this.renderer = new Renderer(this.player, text => find("where").textContent = text);
    this.extent = this.extentOf(map.sounds);
    document.title = `${map.title} · latent exploration`;
    find("title").textContent = map.title.replaceAll("_", " ");
    this.makeKinds();
    this.makeChoices();
    this.makeAxes();
    this.listenToMap();
    this.listenToCurve();
    this.listenToPresets();
    this.listenToRecorder();
    const redraw = () => { this.drawMap(); this.drawCurve(); };
    new ResizeObserver(redraw).observe(find("map"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.makeKinds(); redraw(); });
    this.moveTo([0, 0]);
  }

  // The map

  extentOf(sounds) {
    return [0, 1].map(axis => {
      const places = sounds.map(sound => limited(sound.at[axis], -FARTHEST, FARTHEST));
      const [low, high] = [Math.min(...places), Math.max(...places)];
      return { middle: (low + high) / 2, far: Math.max(0.58 * (high - low), 0.1) };
    });
  }

  colour(kind) {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const light = (dark ? 0.72 : 0.58) + (kind % 2 ? 0.07 : -0.05);
    return `oklch(${light} 0.15 ${25 + 360 * kind / this.map.kinds.length})`;
  }

  makeKinds() {
    find("kinds").replaceChildren(...this.map.kinds.map((name, kind) => {
      const button = document.createElement("button");
      button.type = "button";
      button.innerHTML = '<svg viewBox="0 0 2 2" aria-hidden="true"><circle cx="1" cy="1" r="1"/></svg>';
      button.firstChild.setAttribute("fill", this.colour(kind));
      button.append(name);
      button.setAttribute("aria-pressed", this.marked === kind);
      button.addEventListener("click", () => {
        this.marked = this.marked === kind ? null : kind;
        [...find("kinds").children].forEach((other, index) =>
          other.setAttribute("aria-pressed", this.marked === index));
        this.drawMap();
      });
      return button;
    }));
  }

  makeChoices() {
    find("sounds").add(new Option("a sound …", ""));
    this.map.sounds.forEach((sound, index) => find("sounds").add(new Option(sound.name, index)));
    find("sounds").addEventListener("change", event => {
      if (event.target.value === "") return;
      this.moveTo(this.map.sounds[event.target.value].at);
      this.play();
    });
    for (const seconds of LENGTHS) find("seconds").add(new Option(`${seconds} s`, seconds));
    find("seconds").addEventListener("change", () => this.play());
    find("still").addEventListener("change", () => this.play());
    find("volume").addEventListener("input", event => this.player.setVolume(Number(event.target.value)));
    find("play").addEventListener("click", () => this.play());
  }

  get order() {
    return {
      at: this.at,
      seconds: Number(find("seconds").value),
      still: find("still").checked,
      offsets: this.offsets,
      curves: Object.fromEntries(Object.entries(this.curves).map(([axis, values]) =>
        [axis, values.map((value, index) => [index / (POINTS - 1), value])])),
    };
  }

  play(goesOn = false) {
    this.renderer.play(this.order, goesOn);
  }

  moveTo(at) {
    this.at = at.map(value => limited(value, -FARTHEST, FARTHEST));
    for (const axis of [0, 1]) this.showAxis(axis);
    const nearest = this.map.sounds
      .map(sound => ({ sound, far: Math.hypot(sound.at[0] - this.at[0], sound.at[1] - this.at[1]) }))
      .sort((one, other) => one.far - other.far)[0];
    const near = nearest.far < 0.02 ? "at" : "near";
    find("where").textContent = `${shown(this.at[0])}, ${shown(this.at[1])} · ${near} ${nearest.sound.name}`;
    this.drawMap();
  }

  toPixels([x, y]) {
    const { clientWidth: width, clientHeight: height } = find("map");
    const [across, up] = [x, y].map((value, axis) => (value - this.extent[axis].middle) / this.extent[axis].far);
    return [width / 2 * (1 + across), height / 2 * (1 - up)];
  }

  fromPixels(x, y) {
    const { clientWidth: width, clientHeight: height } = find("map");
    return [2 * x / width - 1, 1 - 2 * y / height].map((share, axis) =>
      this.extent[axis].middle + share * this.extent[axis].far);
  }

  listenToMap() {
    const map = find("map");
    let pressed = false;
    const follow = (event, goesOn) => {
      const box = map.getBoundingClientRect();
      const [x, y] = [limited(event.clientX - box.left, 0, box.width), limited(event.clientY - box.top, 0, box.height)];
      this.moveTo(this.fromPixels(x, y));
      this.play(goesOn);
    };
    map.addEventListener("pointerdown", event => {
      pressed = true;
      map.setPointerCapture(event.pointerId);
      this.player.wake();
      this.player.hold(true);
      follow(event, false);
    });
    map.addEventListener("pointermove", event => pressed && follow(event, true));
    const release = () => {
      if (pressed) this.player.wake();
      pressed = false;
      this.player.hold(false);
    };
    for (const name of ["pointerup", "pointercancel"]) map.addEventListener(name, release);
    map.addEventListener("keydown", event => {
      const size = STEP * (event.shiftKey ? 5 : 1);
      const moves = { ArrowLeft: [-size, 0], ArrowRight: [size, 0], ArrowUp: [0, size], ArrowDown: [0, -size] };
      const move = moves[event.key];
      if (move) this.moveTo(this.at.map((place, axis) => {
        const { middle, far } = this.extent[axis];
        return limited(place + move[axis] * far, middle - far, middle + far);
      }));
      else if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.play();
    });
  }

  drawMap() {
    const context = prepared(find("map"));
    const style = getComputedStyle(document.documentElement);
    const [left, top] = this.toPixels([0, 0]);
    context.strokeStyle = style.getPropertyValue("--line");
    context.beginPath();
    context.moveTo(left, 0);
    context.lineTo(left, context.height);
    context.moveTo(0, top);
    context.lineTo(context.width, top);
    context.stroke();
    for (const sound of this.map.sounds) {
      context.globalAlpha = this.marked === null || this.marked === sound.kind ? 0.95 : 0.12;
      context.fillStyle = this.colour(sound.kind);
      context.beginPath();
      context.arc(...this.toPixels(sound.at), 6, 0, 7);
      context.fill();
    }
    context.globalAlpha = 1;
    const [x, y] = this.toPixels(this.at);
    for (const [width, colour] of [[5, "--ground"], [2.5, "--text"]]) {
      context.lineWidth = width;
      context.strokeStyle = style.getPropertyValue(colour);
      context.beginPath();
      context.arc(x, y, 13, 0, 7);
      context.stroke();
    }
  }

  // Axes

  makeAxes() {
    find("axes").replaceChildren(...this.offsets.map((_, axis) => {
      const row = document.createElement("div");
      row.className = "knob";
      const name = this.map.axes[axis];
      row.innerHTML = `<label for="axis${axis}">${name}</label>` +
        `<input type="range" id="axis${axis}" min="-1.5" max="1.5" step="0.01" value="0"><output for="axis${axis}"></output>`;
      const moves = this.map.moves[axis];
      if (moves) {
        const small = document.createElement("small");
        small.textContent = moves;
        row.firstChild.append(small);
      }
      row.querySelector("input").addEventListener("input", event => {
        const value = Number(event.target.value);
        if (axis < 2) {
          const at = [...this.at];
          at[axis] = value;
          this.moveTo(at);
        } else {
          this.offsets[axis] = value;
          this.showAxis(axis);
        }
        this.play(true);
      });
      find("curve-axis").add(new Option(name, axis));
      return row;
    }));
    this.offsets.forEach((_, axis) => this.showAxis(axis));
    find("curve-axis").value = this.map.axes.length > 2 ? 2 : 0;
  }

  showAxis(axis) {
    const input = find(`axis${axis}`);
    if (!input) return;
    const value = axis < 2 ? this.at[axis] : this.offsets[axis];
    input.value = value;
    input.parentNode.querySelector("output").textContent = shown(value);
  }

  // Curves

  get axis() {
    return find("curve-axis").value;
  }

  setPoint(index, value) {
    this.curves[this.axis] ??= Array(POINTS).fill(0);
    this.curves[this.axis][index] = limited(value, -1, 1);
    this.point = index;
    this.drawCurve();
  }

  listenToCurve() {
    const canvas = find("curve");
    let last = null;
    const draw = event => {
      const box = canvas.getBoundingClientRect();
      const index = Math.round(limited((event.clientX - box.left) / box.width, 0, 1) * (POINTS - 1));
      const value = 1 - 2 * limited((event.clientY - box.top) / box.height, 0, 1);
      const from = last ?? { index, value };
      const steps = Math.max(Math.abs(index - from.index), 1);
      for (let step = 1; step <= steps; step += 1) {
        const share = step / steps;
        this.setPoint(Math.round(from.index + share * (index - from.index)), from.value + share * (value - from.value));
      }
      last = { index, value };
    };
    canvas.addEventListener("pointerdown", event => {
      canvas.setPointerCapture(event.pointerId);
      this.player.wake();
      last = null;
      draw(event);
    });
    canvas.addEventListener("pointermove", event => last && draw(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, () => {
        if (last) this.play();
        last = null;
      });
    }
    canvas.addEventListener("keydown", event => {
      const value = this.curves[this.axis]?.[this.point] ?? 0;
      if (event.key === "ArrowLeft") this.point = Math.max(this.point - 1, 0);
      else if (event.key === "ArrowRight") this.point = Math.min(this.point + 1, POINTS - 1);
      else if (event.key === "ArrowUp") this.setPoint(this.point, value + 0.1);
      else if (event.key === "ArrowDown") this.setPoint(this.point, value - 0.1);
      else if (event.key === "Enter" || event.key === " ") this.play();
      else return;
      event.preventDefault();
      this.drawCurve();
    });
    find("curve-axis").addEventListener("change", () => this.drawCurve());
    find("curve-clear").addEventListener("click", () => {
      delete this.curves[this.axis];
      this.drawCurve();
      this.play();
    });
  }

  drawCurve() {
    const canvas = find("curve");
    const context = prepared(canvas);
    const style = getComputedStyle(document.documentElement);
    const { width, height } = context;
    const values = this.curves[this.axis] ?? Array(POINTS).fill(0);
    const place = index => [8 + (width - 16) * index / (POINTS - 1), height / 2 - values[index] * (height / 2 - 8)];
    context.strokeStyle = style.getPropertyValue("--line");
    context.beginPath();
    context.moveTo(0, height / 2);
    context.lineTo(width, height / 2);
    context.stroke();
    context.strokeStyle = context.fillStyle = style.getPropertyValue("--accent");
    context.lineWidth = 2.5;
    context.lineJoin = "round";
    context.beginPath();
    values.forEach((_, index) => context.lineTo(...place(index)));
    context.stroke();
    context.beginPath();
    context.arc(...place(this.point), 5, 0, 7);
    context.fill();
    const value = values[this.point];
    canvas.setAttribute("aria-valuenow", value.toFixed(2));
    canvas.setAttribute("aria-valuetext", `point ${this.point + 1} of ${POINTS}: ${value.toFixed(1)}`);
  }

  // Presets

  get presets() {
    try {
      return JSON.parse(localStorage.getItem(`latent ${this.map.title}`)) ?? {};
    } catch {
      return {};
    }
  }

  set presets(all) {
    localStorage.setItem(`latent ${this.map.title}`, JSON.stringify(all));
    this.showPresets();
  }

  listenToPresets() {
    find("preset-form").addEventListener("submit", event => {
      event.preventDefault();
      const given = find("preset-name").value.trim();
      let number = 1;
      while (`preset ${number}` in this.presets) number += 1;
      const name = given || `preset ${number}`;
      this.presets = { ...this.presets, [name]: structuredClone({ ...this.order, curves: this.curves }) };
      find("preset-name").value = "";
    });
    this.showPresets();
  }

  showPresets() {
    find("presets").replaceChildren(...Object.entries(this.presets).map(([name, order]) => {
      const item = document.createElement("li");
      const [recall, forget] = [document.createElement("button"), document.createElement("button")];
      recall.type = forget.type = "button";
      recall.textContent = name;
      forget.textContent = "×";
      forget.setAttribute("aria-label", `Forget ${name}`);
      recall.addEventListener("click", () => this.recall(order));
      forget.addEventListener("click", () => {
        const { [name]: _, ...others } = this.presets;
        this.presets = others;
      });
      item.append(recall, forget);
      return item;
    }));
  }

  recall(order) {
    this.offsets = this.offsets.map((_, axis) => order.offsets[axis] ?? 0);
    const known = Object.entries(order.curves).filter(([axis]) => axis < this.offsets.length);
    this.curves = structuredClone(Object.fromEntries(known));
    find("seconds").value = order.seconds;
    find("still").checked = order.still;
    this.offsets.forEach((_, axis) => this.showAxis(axis));
    this.moveTo(order.at);
    this.drawCurve();
    this.play();
  }

  // Recording

  listenToRecorder() {
    const button = find("record");
    let clock;
    button.addEventListener("click", async () => {
      if (!this.recorder.running) {
        await this.recorder.start();
        clock = setInterval(() => find("recorded").textContent = `${this.recorder.seconds.toFixed(0)} s`, 500);
      } else {
        clearInterval(clock);
        find("recorded").textContent = `${this.recorder.seconds.toFixed(1)} s saved`;
        const link = document.createElement("a");
        link.href = URL.createObjectURL(this.recorder.stop());
        link.download = `${this.map.title}.wav`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      }
      button.setAttribute("aria-pressed", this.recorder.running);
      button.textContent = this.recorder.running ? "■ Stop and save" : "● Record";
    });
  }
}

/** The context of a canvas in CSS pixels, cleared; with its ``width`` and ``height``. */
function prepared(canvas) {
  const ratio = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.width = width;
  context.height = height;
  return context;
}

fetch("map")
  .then(answer => answer.json())
  .then(map => window.page = new Page(map))
  .catch(error => find("where").textContent = `The page could not be set up: ${error.message}`);
