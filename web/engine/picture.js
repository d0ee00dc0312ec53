// Images of columns, reduced to a width that fits a screen: of several columns, the largest values.

import { BINS } from "./codec.js";

const WIDEST = 1200; // pixels

export class Picture {
  // columns: of the whole image.
  constructor(columns) {
    this.columns = columns;
    this.width = Math.min(columns, WIDEST);
    this.pixels = new Uint8Array(this.width * BINS);
    this.places = new Map(); // column that comes next, of each voice
  }

  // Adds the next columns of a voice; returns what they changed, for a message to the page.
  add(voice, image) {
    const begin = this.places.get(voice) ?? 0;
    const end = Math.min(begin + image.length / BINS, this.columns);
    this.places.set(voice, end);
    if (end <= begin) return null;
    for (let column = begin; column < end; column++) {
      const to = this.place(column) * BINS;
      const from = (column - begin) * BINS;
      for (let bin = 0; bin < BINS; bin++) {
        const level = Math.round(255 * Math.min(Math.max(image[from + bin], 0), 1));
        if (level > this.pixels[to + bin]) this.pixels[to + bin] = level;
      }
    }
    const first = this.place(begin);
    const stop = this.place(end - 1) + 1;
    return { width: this.width, first, pixels: this.pixels.slice(first * BINS, stop * BINS) };
  }

  place(column) {
    return Math.floor((column * this.width) / this.columns);
  }
}
