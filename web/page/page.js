// The page: what the user chooses, and what the worker says of it.

import { writeWav } from "../engine/wav.js";
import { Mistake, check, readAudio } from "./files.js";
import { startRecording } from "./recorder.js";
import { Spectrogram } from "./spectrogram.js";

const NAMES = { guitar: "guitar", strings: "strings", "synth lead": "synth lead", any: "clip" };
const REASONS = {
  model: "The network could not be loaded: check the connection, and that the page is complete.",
  "silent-style": "The clip is silent: choose one with the sound of an instrument.",
  unknown:
    "The conversion failed, perhaps for lack of memory: " +
    "close other pages, or cut the recording up.",
};
// a module that adds two vectors of numbers, to find out whether the browser can
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65];
SIMD.push(0, 253, 15, 253, 98, 11);

// Workers that compute the network. With more than three, the phase is what takes longest. An
// address that ends in ?threads=1 leaves the other cores of the machine alone.
const asked = Number(new URLSearchParams(location.search).get("threads"));
const threads = asked > 0 ? Math.ceil(asked) : Math.min(navigator.hardwareConcurrency || 1, 3);

const find = (id) => document.getElementById(id);
const spectrograms = {
  before: new Spectrogram(find("before")),
  after: new Spectrogram(find("after")),
};
const sounds = { before: find("before-sound"), after: find("after-sound") };
const state = {
  recording: null, // as readAudio returns it, like the next one
  style: null,
  models: null, // what models.json says
  worker: null,
  running: null, // { stopped, reject } of the conversion
  asking: false, // for the microphone
  stopRecording: null,
  clock: null, // of the recording
};

// Shows a sentence in a section of the page, or none.
function complain(sentence, section) {
  const mistake = find("mistake");
  if (section) find(section).append(mistake);
  mistake.textContent = sentence;
  mistake.hidden = !sentence;
}

// Runs what may fail by a mistake of the user, and tells it in a section of the page.
async function attempt(section, action) {
  complain("");
  try {
    await action();
  } catch (error) {
    if (!(error instanceof Mistake)) console.error(error);
    complain(error instanceof Mistake ? error.message : REASONS.unknown, section);
  }
}

function seconds(count) {
  const whole = Math.round(count);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function load(audio, blob) {
  if (audio.src) URL.revokeObjectURL(audio.src);
  audio.src = URL.createObjectURL(blob);
}

function choose(recording, sound) {
  stop();
  state.recording = recording;
  const { name, channels, rate } = recording;
  const kind = ["mono", "stereo"][channels.length - 1] ?? `${channels.length} channels`;
  find("chosen-name").textContent = name;
  find("chosen-facts").textContent =
    `${seconds(channels[0].length / rate)}, ${kind}, ${(rate / 1000).toLocaleString("en")} kHz`;
  find("chosen").hidden = false;
  find("result").hidden = true;
  find("status").textContent = "";
  find("convert").disabled = false;
  load(sounds.before, sound);
}

async function chooseFile(file) {
  if (file) await attempt("source", async () => choose(await readAudio(file), file));
}

async function fetchFile(name) {
  const response = await fetch(`examples/${name}`).catch(() => null);
  if (!response?.ok) throw new Mistake("The example could not be loaded: check the connection.");
  return new File([await response.blob()], name);
}

async function record() {
  const button = find("record");
  if (!state.stopRecording) {
    if (state.asking) return; // for permission, since an earlier click
    state.asking = true;
    try {
      state.stopRecording = await startRecording();
    } finally {
      state.asking = false;
    }
    const began = performance.now();
    const count = () => {
      button.textContent = `Stop recording (${seconds((performance.now() - began) / 1000)})`;
    };
    count();
    state.clock = setInterval(count, 1000);
    button.classList.add("on");
    return;
  }
  const finish = state.stopRecording;
  state.stopRecording = null;
  clearInterval(state.clock);
  button.textContent = "Record";
  button.classList.remove("on");
  const recording = { name: "My recording", ...(await finish()) };
  check(recording.name, recording);
  choose(recording, writeWav(recording.channels, recording.rate, recording.depth));
}

async function modelOf(name) {
  const response = state.models ? null : await fetch("models/models.json").catch(() => null);
  if (!state.models && !response?.ok) throw new Mistake(REASONS.model);
  state.models ??= await response.json();
  return state.models.find((model) => model.name === name);
}

async function styleOf(model) {
  if (!model.styled) return null;
  const own = find("style-choice").value === "own";
  return own ? state.style : readAudio(await fetchFile(find("style-choice").value));
}

async function chooseStyle(file) {
  if (!file) return;
  await attempt("target", async () => {
    state.style = await readAudio(file);
    const choice = find("style-choice");
    const option = choice.querySelector("[value=own]") ?? new Option("", "own");
    option.textContent = file.name;
    choice.append(option);
    choice.value = "own";
  });
}

const chosenTarget = () => document.querySelector("input[name=target]:checked").value;

async function convert() {
  if (!WebAssembly.validate(new Uint8Array(SIMD))) {
    throw new Mistake("This browser cannot compute with WebAssembly SIMD: use a newer one.");
  }
  const name = chosenTarget();
  const running = { stopped: false, reject: () => {} };
  state.running = running;
  find("result").hidden = sounds.after.hidden = find("save").hidden = true;
  working(true);
  try {
    const model = await modelOf(name);
    const style = await styleOf(model);
    if (running.stopped) throw new Stopped("");
    const { channels, rate } = state.recording;
    spectrograms.before.clear();
    spectrograms.after.clear();
    find("before-label").textContent = state.recording.name;
    find("after-label").textContent = NAMES[name];
    find("result").hidden = false;
    const done = await ask(running, {
      recording: { channels, rate },
      model: { file: model.file, phase: model.phase, voices: model.voices },
      style: style && { channels: style.channels, rate: style.rate },
      threads,
    });
    finish(done, name);
  } finally {
    state.running = null;
    working(false);
  }
}

function working(now) {
  find("running").hidden = find("stop").hidden = !now;
  find("convert").hidden = now;
  if (now) {
    find("progress").removeAttribute("value");
    find("status").textContent = "Loading the network …";
    find("stop").focus();
  } else if (document.activeElement === document.body) find("convert").focus();
}

class Stopped extends Mistake {}

// Sends a request to the worker; returns its result.
function ask(running, request) {
  const worker = (state.worker ??= new Worker(new URL("../engine/worker.js", import.meta.url), {
    type: "module",
  }));
  let began = null;
  return new Promise((resolve, reject) => {
    running.reject = reject;
    worker.onerror = () => reject(new Mistake(REASONS.unknown));
    worker.onmessage = ({ data }) => {
      if (data.kind === "picture") spectrograms[data.side].show(data);
      if (data.kind === "loading") find("progress").value = data.share;
      if (data.kind === "progress") {
        began ??= performance.now();
        showProgress(data.share, performance.now() - began);
      }
      if (data.kind === "done") resolve(data);
      if (data.kind === "failed") {
        drop(); // the next try begins anew
        reject(new Mistake(REASONS[data.reason]));
      }
    };
    worker.postMessage(request);
  });
}

function showProgress(share, elapsed) {
  find("progress").value = share;
  const percent = Math.floor(100 * share);
  const left = (elapsed * (1 - share)) / share;
  // screen readers read the whole text whenever it changes, so it changes in steps
  const text = `${percent - (percent % 10)} % converted`;
  const remaining = elapsed > 3000 && left > 1000 ? `, about ${seconds(left / 1000)} left` : "";
  if (!find("status").textContent.startsWith(text)) find("status").textContent = text + remaining;
}

function finish({ channels, gain }, name) {
  const { rate, depth } = state.recording;
  const sound = writeWav(channels, rate, depth);
  load(sounds.after, sound);
  const save = find("save");
  save.href = sounds.after.src;
  save.download = `${state.recording.name.replace(/\.\w+$/, "")} (${NAMES[name]}).wav`;
  sounds.after.hidden = save.hidden = false;
  const quieter =
    gain < 1 ? ` It was turned down by ${(-20 * Math.log10(gain)).toFixed(1)} dB.` : "";
  find("status").textContent = `Done.${quieter}`;
}

function drop() {
  state.worker?.terminate();
  state.worker = null;
}

function stop() {
  if (!state.running) return;
  state.running.stopped = true;
  state.running.reject(new Stopped(""));
  drop();
  find("status").textContent = "Stopped.";
}

find("file").addEventListener("change", ({ target: input }) => {
  chooseFile(input.files[0]);
  input.value = "";
});
find("style-file").addEventListener("change", ({ target: input }) => {
  chooseStyle(input.files[0]);
  input.value = "";
});
find("example").addEventListener("click", () =>
  attempt("source", async () => {
    const file = await fetchFile("example_input.ogg");
    choose(await readAudio(file), file);
  }),
);
find("record").addEventListener("click", () => attempt("source", record));
find("convert").addEventListener("click", () => attempt("conversion", convert));
find("stop").addEventListener("click", stop);
find("targets").addEventListener("change", () => {
  find("style").hidden = chosenTarget() !== "any";
});
find("style").hidden = chosenTarget() !== "any";

// One sound at a time; a line in its spectrogram shows where it is, and a click there leads there.
for (const [side, other] of [
  ["before", "after"],
  ["after", "before"],
]) {
  const sound = sounds[side];
  const frame = find(side).parentElement;
  const follow = () => {
    frame.style.setProperty("--played", sound.currentTime / sound.duration || 0);
    if (!sound.paused) requestAnimationFrame(follow);
  };
  sound.addEventListener("play", () => {
    sounds[other].pause();
    follow();
  });
  sound.addEventListener("seeked", follow);
  frame.addEventListener("click", ({ offsetX }) => {
    if (sound.duration) sound.currentTime = (offsetX / frame.clientWidth) * sound.duration;
  });
}

for (const kind of ["dragover", "dragleave", "drop"]) {
  window.addEventListener(kind, (event) => {
    event.preventDefault();
    find("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") chooseFile(event.dataTransfer.files[0]);
  });
}

document.body.dataset.threads = threads;
find("waiting").remove();
