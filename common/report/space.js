"use strict";

const RADIUS = 14; // pixels around a press within which a note is searched
const STEP = 0.12; // radians that an arrow key turns
const LEAST_REACH = 3; // smallest radius that is shown, in standard deviations
const DISTANCE = 3; // of the eye from the centre, in radii that are shown
const MARGIN = 8; // pixels between the outermost points and the edge

/** A cloud of points that can be turned; points with a sound can be pressed. */
class Space {
  constructor(root) {
    const data = JSON.parse(root.querySelector("script").textContent);
    this.points = data.points;
    this.colours = data.colours;
    this.reach = this.points.reduce((far, point) => Math.max(far, Math.hypot(...point.at)), LEAST_REACH);
    this.canvas = root.querySelector("canvas");
    this.said = root.querySelector(".said");
    this.legend = root.querySelector(".legend");
    this.choice = root.querySelector("select");
    this.turned = [-0.5, 0.35]; // radians, around the upright and the level axis
    this.marked = null; // value of the colouring that alone is drawn in full
    this.chosen = null; // point that was heard last
    this.audio = new Audio();
    for (const name of Object.keys(this.colours)) this.choice.add(new Option(name));
    this.choice.addEventListener("change", () => this.explain());
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.explain();
  }

  listen() {
    let last = null;
    let far = 0;
    this.canvas.addEventListener("pointerdown", event => {
      last = event;
      far = 0;
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", event => {
      if (!last) return;
      const [x, y] = [event.clientX - last.clientX, event.clientY - last.clientY];
      far += Math.abs(x) + Math.abs(y);
      last = event;
      this.turn(x / 150, y / 150);
    });
    this.canvas.addEventListener("pointerup", event => {
      last = null;
      if (far < 4) this.press(event.offsetX, event.offsetY);
    });
    this.canvas.addEventListener("keydown", event => {
      const turns = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (turns[event.key]) this.turn(...turns[event.key].map(value => value * STEP));
      else if (event.key === "Enter" || event.key === " ") this.next();
      else return;
      event.preventDefault();
    });
  }

  turn(right, down) {
    this.turned[0] += right;
    this.turned[1] = Math.max(-1.5, Math.min(1.5, this.turned[1] + down));
    this.draw();
  }

  /** Place on the canvas of each point, and its depth. */
  placed() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const [sine, cosine] = [Math.sin(this.turned[0]), Math.cos(this.turned[0])];
    const [up, level] = [Math.sin(this.turned[1]), Math.cos(this.turned[1])];
    const eye = DISTANCE * this.reach;
    // Seen from the eye, a point of this radius is farthest from the centre when it lies a little nearer.
    const widest = this.reach * DISTANCE / Math.sqrt(DISTANCE ** 2 - 1);
    const unit = (Math.min(width, height) / 2 - MARGIN) / widest;
    return this.points.map((point, index) => {
      const [x, y, z] = point.at;
      const [right, back] = [x * cosine + z * sine, z * cosine - x * sine];
      const [high, depth] = [y * level - back * up, y * up + back * level];
      const nearness = eye / (eye + depth);
      const scale = unit * nearness;
      return { point, index, depth, nearness, x: width / 2 + right * scale, y: height / 2 - high * scale };
    });
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [width * ratio, height * ratio];
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    const colour = this.colours[this.choice.value];
    for (const one of this.placed().sort((first, second) => second.depth - first.depth)) {
      const value = colour.values[one.index];
      context.globalAlpha = this.marked === null || this.marked === value ? 0.9 : 0.08;
      context.fillStyle = colour.shown[value][1];
      const size = (one.point.audio ? 5 : 2.5) * one.nearness;
      context.beginPath();
      context.arc(one.x, one.y, Math.max(size, 1), 0, 7);
      context.fill();
      if (one.point.audio || one.index === this.chosen) {
        context.lineWidth = one.index === this.chosen ? 3 : 1;
        context.strokeStyle = one.index === this.chosen ? "#fff" : "#0008";
        context.stroke();
      }
    }
  }

  press(x, y) {
    const near = this.placed()
      .filter(one => one.point.audio)
      .map(one => ({ ...one, far: Math.hypot(one.x - x, one.y - y) }))
      .sort((first, second) => first.far - second.far)[0];
    if (near && near.far < RADIUS) this.play(near.index);
  }

  next() {
    const sounding = this.points.map((point, index) => index).filter(index => this.points[index].audio);
    const after = sounding.find(index => this.chosen === null || index > this.chosen);
    this.play(after ?? sounding[0]);
  }

  play(index) {
    this.chosen = index;
    this.said.textContent = this.points[index].name;
    this.audio.src = this.points[index].audio;
    this.audio.play();
    this.draw();
  }

  explain() {
    this.marked = null;
    this.legend.replaceChildren(...this.colours[this.choice.value].shown.map(([name, shade], value) => {
      const button = document.createElement("button");
      button.type = "button";
      button.innerHTML = "<i></i>";
      button.firstChild.style.background = shade;
      button.append(name);
      button.addEventListener("click", () => {
        this.marked = this.marked === value ? null : value;
        for (const other of this.legend.children) {
          other.setAttribute("aria-pressed", other === button && this.marked !== null);
        }
        this.draw();
      });
      return button;
    }));
    this.draw();
  }
}

for (const root of document.querySelectorAll(".space")) new Space(root);
