// A canvas that shows a spectrogram while it is computed, in the colours of the page.

const BINS = 256;
const SHOWN = 186; // of the lowest bins: 8 kHz
const FAINTEST = 0.1; // level that is not drawn
const STRONGEST = 0.65; // level that is drawn in full ink

export class Spectrogram {
  constructor(canvas) {
    this.canvas = canvas;
    this.pixels = null;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.drawAll());
  }

  clear() {
    this.pixels = null;
    this.canvas.width = 1;
    this.canvas.height = SHOWN;
  }

  // A change as engine/picture.js returns it.
  show({ width, first, pixels }) {
    if (!this.pixels) {
      this.canvas.width = width;
      this.canvas.height = SHOWN;
      this.pixels = new Uint8Array(width * BINS);
    }
    this.pixels.set(pixels, first * BINS);
    this.draw(first, first + pixels.length / BINS);
  }

  drawAll() {
    if (this.pixels) this.draw(0, this.canvas.width);
  }

  draw(first, stop) {
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(stop - first, SHOWN);
    const ink = getComputedStyle(this.canvas).color.match(/\d+/g).map(Number);
    for (let column = first; column < stop; column++) {
      for (let bin = 0; bin < SHOWN; bin++) {
        const level = this.pixels[column * BINS + bin] / 255;
        const place = 4 * ((SHOWN - 1 - bin) * (stop - first) + column - first);
        const strength = Math.max(level - FAINTEST, 0) / (STRONGEST - FAINTEST);
        image.data.set(ink.slice(0, 3), place);
        image.data[place + 3] = 255 * Math.min(strength, 1);
      }
    }
    context.putImageData(image, first, 0);
  }
}
