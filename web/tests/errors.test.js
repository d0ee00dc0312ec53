// What the page says of mistakes, in one sentence each, and what it does when it is stopped.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { choose, convert, made, openPage } from "./browser.js";
import { sound } from "./measures.js";

let opened;

before(async () => {
  opened = await openPage();
});

after(() => opened.close());

async function complaint(page, pattern) {
  await page.waitForSelector("#mistake:not([hidden])");
  const text = await page.textContent("#mistake");
  assert.match(text, pattern);
  assert.match(text.replace(/“.*”/, "It"), /^[^.!?]+\.$/); // one sentence
}

for (const [file, pattern] of [
  ["notes.wav", /“notes.wav” is not a recording that this browser can read/],
  ["cut.wav", /“cut.wav” is damaged/],
  ["empty.wav", /“empty.wav” holds no sound/],
  ["silence.wav", /“silence.wav” is silent/],
  ["nan.wav", /“nan.wav” holds damaged samples/],
  ["long.flac", /“long.flac” is too long/],
]) {
  test(`a file: ${file}`, async () => {
    await choose(opened.page, made(file));
    await complaint(opened.page, pattern);
    assert.ok(await opened.page.isDisabled("#convert"));
  });
}

test("a missing microphone", async () => {
  await opened.page.click("#record");
  await complaint(opened.page, /no microphone/);
});

test("a silent clip", async () => {
  const { page } = opened;
  await page.check("input[value=any]", { force: true });
  await page.setInputFiles("#style-file", made("silence.wav"));
  await complaint(page, /“silence.wav” is silent/);
});

test("it can be stopped, and starts anew", async () => {
  const { page } = opened;
  await choose(page, made("deep.wav"));
  await page.click("#convert");
  await page.click("#stop");
  await page.waitForSelector("#convert:not([hidden])");
  assert.equal(await page.textContent("#status"), "Stopped.");
  assert.ok(await page.isHidden("#mistake"));
  assert.equal(sound(await convert(page)).channels[0].length, 529200);
});

test("a network that cannot be loaded", async (t) => {
  const { page, close } = await openPage();
  t.after(close);
  await page.context().route("**/*.onnx", (route) => route.abort());
  await choose(page, made("deep.wav"));
  await page.click("#convert");
  await complaint(page, /network could not be loaded/);
});

test("a browser without SIMD", async (t) => {
  const { page, close } = await openPage({ script: () => (WebAssembly.validate = () => false) });
  t.after(close);
  await choose(page, made("deep.wav"));
  await page.click("#convert");
  await complaint(page, /SIMD/);
});

test("the microphone, by keyboard alone", async (t) => {
  const flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
  const { page, close } = await openPage({ flags });
  t.after(close);
  const reach = async (id) => {
    for (let k = 0; k < 20; k++) {
      if ((await page.evaluate(() => document.activeElement.id)) === id) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`${id} is out of reach`);
  };
  await reach("record");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#record.on");
  await page.waitForTimeout(1500);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#convert:enabled");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.isChecked("input[value=strings]"));
  await reach("convert");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#save:not([hidden])");
});
