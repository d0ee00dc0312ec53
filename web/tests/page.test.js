// The built page in headless Chromium, against what predict.py makes of the same recordings
// (reference.py writes it).

import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";

import { choose, convert, made, openPage } from "./browser.js";
import { sound, spectralConvergence } from "./measures.js";

const DOCS = path.resolve(import.meta.dirname, "../../docs");
const CODEC_FRAME = 1152; // samples, of MP3

let opened;

before(async () => {
  opened = await openPage();
});

after(() => opened.close());

async function compare(name, target, most, page = opened.page) {
  await choose(page, made(name));
  const found = sound(await convert(page, target));
  const expected = sound(made(`${target}-${path.parse(name).name}.wav`));
  assert.equal(found.rate, expected.rate);
  assert.equal(found.depth, expected.depth);
  assert.equal(found.channels.length, expected.channels.length);
  const off = found.channels.map((audio, k) => spectralConvergence(audio, expected.channels[k]));
  console.log(`${name} to ${target}: spectral convergence ${Math.max(...off).toExponential(1)}`);
  assert.ok(Math.max(...off) < most, `${off}`);
}

test("a stereo WAV at 44.1 kHz", () => compare("wav.wav", "guitar", 1e-3));
test("a floating-point WAV", () => compare("deep.wav", "guitar", 1e-3));
test("a FLAC at 44.1 kHz", () => compare("flac.flac", "guitar", 1e-3));
test("a WAV at 48 kHz", () => compare("48.wav", "guitar", 1e-2));
test("strings", () => compare("deep.wav", "strings", 1e-3));
test("a synth lead", () => compare("deep.wav", "synth lead", 1e-3));

test("a clip that shows the instrument", async () => {
  await opened.page.check("input[value=any]", { force: true });
  await opened.page.selectOption("#style-choice", "example_any_synth.ogg");
  await compare("deep.wav", "any", 1e-3);
});

test("a clip of one's own", async () => {
  const { page } = opened;
  await page.setInputFiles("#style-file", path.join(DOCS, "example_any_synth.ogg"));
  await page.waitForFunction(() => document.getElementById("style-choice").value === "own");
  await compare("deep.wav", "any", 1e-3);
});

test("a recording that is dropped, and the name of the result", async () => {
  const { page } = opened;
  await page.evaluate(async () => {
    const response = await fetch("examples/example_input.ogg");
    const files = new DataTransfer();
    files.items.add(new File([await response.blob()], "my.piano.ogg"));
    window.dispatchEvent(new DragEvent("drop", { dataTransfer: files, cancelable: true }));
  });
  await page.getByText("my.piano.ogg").first().waitFor();
  await convert(page, "strings");
  assert.equal(await page.getAttribute("#save", "download"), "my.piano (strings).wav");
});

test("an MP3 keeps its length, to a frame of the codec", async () => {
  await choose(opened.page, made("mp3.mp3"));
  const found = sound(await convert(opened.page)).channels[0].length;
  const expected = sound(made("guitar-mp3.wav")).channels[0].length;
  console.log(`MP3: ${found} samples, predict.py ${expected}`);
  assert.ok(Math.abs(found - expected) <= CODEC_FRAME);
});

test("on a host without headers, by touch, on a phone", async (t) => {
  const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
  const { page, close } = await openPage({ plain: true, ...phone });
  t.after(close);
  await page.getByText("Strings", { exact: true }).tap();
  assert.ok(await page.getByRole("radio", { name: "Strings a section" }).isChecked());
  await page.getByRole("button", { name: "Take the example" }).tap();
  await page.waitForSelector("#convert:enabled");
  await compare("deep.wav", "strings", 1e-3, page);
  assert.ok(await page.getByRole("img", { name: "Spectrogram of the result" }).isVisible());
  const [wide, seen] = await page.evaluate(() => [document.body.scrollWidth, innerWidth]);
  assert.ok(wide <= seen, `${wide} wide, on a screen of ${seen}`);
});

test("a click in a spectrogram leads to its place in the sound", async () => {
  const { page } = opened;
  const { width } = await page.locator("#after").boundingBox();
  await page.click("#after", { position: { x: width / 2, y: 20 } });
  const place = await page.$eval("#after-sound", (sound) => sound.currentTime / sound.duration);
  assert.ok(Math.abs(place - 0.5) < 0.02, `${place}`);
});

test("nothing leaves the machine, and nothing fails on the way", () => {
  const foreign = opened.requests.filter(
    (one) => !one.startsWith(opened.address) && !one.startsWith("blob:"),
  );
  assert.deepEqual(foreign, []);
  assert.deepEqual(opened.errors, []);
});
