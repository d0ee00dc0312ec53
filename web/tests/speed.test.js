// A song of three minutes in stereo: below one gigabyte, and faster than real time on one core.

import assert from "node:assert/strict";
import { test } from "node:test";

import { made } from "./browser.js";
import { measure } from "./speed.js";

for (const query of ["?threads=1", ""]) {
  test(`a song of three minutes, ${query || "with threads"}`, async () => {
    const { seconds, computed, length, threads, megabytes } = await measure(
      made("song.wav"),
      query,
    );
    const speed = (length / seconds).toFixed(2);
    console.log(`threads: ${threads}; times real time: ${speed}; MB: ${megabytes}`);
    assert.ok(megabytes < 1000, `${megabytes} MB`);
    assert.ok(seconds < length, `${seconds} s for ${length} s`);
    assert.ok(computed < length, `${computed} s on one core for ${length} s`);
  });
}
