// A song of three minutes in stereo: below one gigabyte, faster than real time on one thread.

import assert from "node:assert/strict";
import { test } from "node:test";

import { made } from "./browser.js";
import { measure } from "./speed.js";

test("on one thread", async () => {
  const { seconds, length, threads, megabytes } = await measure(made("song.wav"), true);
  console.log(
    `${threads} thread: ${(length / seconds).toFixed(2)} times real time, ${megabytes} MB`,
  );
  assert.equal(threads, 1);
  assert.ok(megabytes < 1000, `${megabytes} MB`);
  assert.ok(seconds < length, `${seconds} s for ${length} s`);
});
