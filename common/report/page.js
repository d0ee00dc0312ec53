"use strict";

const FADE = 0.01; // seconds of cross-fade between two sources, which avoids clicks and gaps
const AHEAD = 0.03; // seconds from a press to its effect, so that a sound never starts too late
const STEP = 1; // seconds by which the arrow keys move the position

let context = null; // AudioContext; browsers permit sound only after the first press
let current = null; // the player that keys act on

function decoded(audio) {
  const content = atob(audio.src.slice(audio.src.indexOf(",") + 1));
  return context.decodeAudioData(Uint8Array.from(content, letter => letter.charCodeAt(0)).buffer);
}

function shuffled(items) {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [result[last], result[other]] = [result[other], result[last]];
  }
  return result;
}

function clock(seconds) {
  const whole = Math.floor(seconds + 0.05);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** A sound that a player can play, with its button and picture. */
class Source {
  constructor(element, picture) {
    this.element = element;
    this.button = element.querySelector(".choose");
    this.name = element.querySelector(".name");
    this.label = this.name.textContent;
    this.audio = element.querySelector("audio");
    this.gain = this.audio ? Number(this.audio.dataset.gain) : 0;
    const image = element.querySelector("img");
    this.image = image.closest("button") ? image.cloneNode() : image; // a cell keeps its image
    picture.append(this.image);
  }

  async load() {
    if (this.audio && !this.buffer) this.buffer = await decoded(this.audio);
  }
}

/** Switches between sources at the same position; the cells of a plane play from the beginning. */
class Player {
  constructor(root) {
    this.root = root;
    this.plane = root.classList.contains("plane");
    this.seconds = Number(root.dataset.seconds);
    this.picture = root.querySelector(".picture");
    this.list = root.querySelector(".sources");
    this.sources = [...root.querySelectorAll(".source")]
      .map(element => new Source(element, this.picture));
    this.chosen = this.sources[0];
    this.offset = 0; // position in seconds while paused
    this.origin = 0; // while playing: time of the context at which position 0 was heard
    this.playing = false;
    this.sounding = null;
    this.playButton = root.querySelector(".play");
    this.blindButton = root.querySelector(".blind");
    this.listen();
    this.choose(this.chosen);
    this.show();
  }

  get position() {
    const now = this.playing ? context.currentTime - this.origin : this.offset;
    return Math.min(Math.max(now, 0), this.seconds);
  }

  listen() {
    for (const source of this.sources) {
      source.button.addEventListener("click", () => this.press(source));
    }
    this.root.addEventListener("pointerdown", () => this.take());
    if (!this.seconds) return;
    this.playButton.addEventListener("click", () => this.toggle());
    if (this.blindButton) this.blindButton.addEventListener("click", () => this.hideOrReveal());
    const seek = event => {
      const {left, width} = this.picture.getBoundingClientRect();
      this.seek((event.clientX - left) / width * this.seconds);
    };
    this.picture.addEventListener("pointerdown", event => {
      this.picture.setPointerCapture(event.pointerId);
      seek(event);
    });
    this.picture.addEventListener("pointermove", event => { if (event.buttons) seek(event); });
  }

  take() {
    if (current) current.root.classList.remove("current");
    current = this;
    this.root.classList.add("current");
  }

  press(source) {
    this.choose(source);
    if (!this.plane) return;
    this.pause();
    this.offset = 0;
    this.play();
  }

  choose(source) {
    this.chosen = source;
    for (const other of this.sources) {
      other.button.setAttribute("aria-pressed", other === source);
      other.image.classList.toggle("shown", other === source);
    }
    if (this.playing) this.sound();
    this.show();
  }

  toggle() {
    return this.playing ? this.pause() : this.play();
  }

  async play() {
    if (!this.seconds) return;
    context = context || new AudioContext();
    context.resume();
    for (const other of players) other.pause();
    this.take();
    const asked = this.asked = {};
    await Promise.all((this.plane ? [this.chosen] : this.sources).map(source => source.load()));
    if (this.asked !== asked) return; // paused or pressed again in the meantime
    if (this.offset >= this.seconds) this.offset = 0;
    this.origin = context.currentTime + AHEAD - this.offset;
    this.playing = true;
    this.sound();
    this.show();
  }

  pause() {
    this.asked = null;
    this.offset = this.position;
    this.playing = false;
    if (context) this.silence(context.currentTime + AHEAD);
    this.show();
  }

  seek(seconds) {
    const target = Math.min(Math.max(seconds, 0), this.seconds);
    if (this.playing) {
      this.origin = context.currentTime + AHEAD - target;
      this.sound();
    } else {
      this.offset = target;
    }
    this.show();
  }

  /** Cross-fades to the chosen source at the current position. */
  sound() {
    const when = context.currentTime + AHEAD;
    this.silence(when);
    const {buffer, gain: level} = this.chosen;
    if (!buffer || when - this.origin >= buffer.duration) return;
    const node = context.createBufferSource();
    const gain = context.createGain();
    node.buffer = buffer;
    gain.gain.setValueAtTime(0, when);
    gain.gain.linearRampToValueAtTime(level, when + FADE);
    node.connect(gain).connect(context.destination);
    node.start(when, when - this.origin);
    this.sounding = {node, gain, level};
  }

  silence(when) {
    if (!this.sounding) return;
    const {node, gain, level} = this.sounding;
    gain.gain.setValueAtTime(level, when);
    gain.gain.linearRampToValueAtTime(0, when + FADE);
    node.stop(when + FADE);
    this.sounding = null;
  }

  show() {
    const {position, seconds} = this;
    if (!seconds) return;
    if (this.playing && position >= seconds) {
      this.pause();
      this.offset = 0;
      return this.show();
    }
    this.picture.querySelector(".cursor").style.left = `${100 * position / seconds}%`;
    this.picture.setAttribute("aria-valuenow", position.toFixed(1));
    this.picture.setAttribute("aria-valuetext",
      `${position.toFixed(1)} of ${seconds.toFixed(1)} seconds, ${this.chosen.name.textContent}`);
    this.root.querySelector(".time").textContent = `${clock(position)} / ${clock(seconds)}`
      + (this.plane ? `, ${this.chosen.label}` : "");
    this.playButton.textContent = this.playing ? "❚❚" : "▶";
    this.playButton.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    if (this.playing) {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.show());
    }
  }

  /** Replaces names, scores and pictures by letters in random order, or reveals them again. */
  hideOrReveal() {
    const blind = this.root.classList.toggle("blinded");
    if (blind) {
      this.sources = shuffled(this.sources);
      this.list.append(...this.sources.map(source => source.element));
    }
    this.sources.forEach((source, index) => {
      const letter = String.fromCharCode(65 + index);
      source.name.textContent = blind ? letter : `${letter}: ${source.label}`;
      source.image.alt = blind ? "" : `Spectrogram of ${source.label}`;
      source.element.querySelector("kbd").textContent = index + 1;
    });
    this.blindButton.textContent = blind ? "Reveal which is which" : "Hide which is which";
    this.choose(blind ? this.sources[0] : this.chosen);
  }

  /** Handles a key; returns whether it had an effect. */
  key(key, target) {
    const index = this.sources.findIndex(source => source.button === target);
    if (this.plane && index >= 0) {
      const columns = Number(this.list.dataset.columns);
      const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns}[key];
      if (step && this.sources[index + step]) this.sources[index + step].button.focus();
      if (step) return true;
    }
    if (key === " ") {
      // on the button of another source, the space bar presses it, as on any button
      if (index >= 0 && this.sources[index] !== this.chosen) this.press(this.sources[index]);
      else this.toggle();
    } else if (/^[1-9]$/.test(key) && !this.plane && this.sources[key - 1]) {
      this.choose(this.sources[key - 1]);
    } else if (target === this.picture && key in SEEKS) {
      this.seek(SEEKS[key](this));
    } else {
      return false;
    }
    return true;
  }
}

const SEEKS = {
  ArrowLeft: player => player.position - STEP,
  ArrowDown: player => player.position - STEP,
  ArrowRight: player => player.position + STEP,
  ArrowUp: player => player.position + STEP,
  Home: () => 0,
  End: player => player.seconds,
};

const players = [...document.querySelectorAll(".player")].map(root => new Player(root));
document.documentElement.classList.add("live");
if (players.length) players[0].take();

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || !players.length) return;
  const {key, target} = event;
  if (key === " " && (event.repeat || target.closest("summary, th, .blind"))) return;
  const player = players.find(one => one.root.contains(target)) || current;
  player.take();
  if (player.key(key, target)) event.preventDefault();
});
// buttons would react once more when the space bar is released
document.addEventListener("keyup", event => {
  if (event.key === " " && event.target.closest(".play, .choose")) event.preventDefault();
});

// A press on a heading sorts by its column, numerically if possible; a second press reverses.
for (const heading of document.querySelectorAll("th")) {
  heading.querySelector("button").addEventListener("click", () => {
    const body = heading.closest("table").tBodies[0];
    const column = heading.cellIndex;
    const up = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = row => row.cells[column].textContent;
    const compare = (a, b) => {
      const difference = Number(value(a)) - Number(value(b));
      return Number.isNaN(difference) ? value(a).localeCompare(value(b)) : difference;
    };
    const rows = [...body.rows].sort((a, b) => {
      if (!value(a) || !value(b)) return value(a) ? -1 : 1;
      return up ? compare(a, b) : compare(b, a);
    });
    body.append(...rows);
  });
}
