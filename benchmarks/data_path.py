"""Measure the way from MIDI files to batches and back to audio, compared with plain loops.

    python -m benchmarks.data_path

Parts, each of which --part runs alone:

synthesis  synthesize_audios.py, compared with a plain loop as published: every note of the
           instrument is loaded at 16 kHz, the notes are added one by one with their exponential
           release, and librosa resamples the mix.
features   compute_features.py, also without writing anything, compared with a plain loop with
           librosa that writes each frame as a float64 .npy, as published, and with a bare loop of
           SciPy's FFT and a logarithm, without and with reading and writing.
memory     memory of a note library of five velocities.
input      reading random windows for five epochs, from a store that is not in the system's cache,
           compared with the fastest training step.
predict    memory and speed on an hour of stereo audio, compared with three minutes.
help       time that --help of every script takes.

Figures are medians over rounds, each of which times everything once. Speed is seconds of audio per
second.
"""

import contextlib
import functools
import io
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from unittest import mock

import numpy as np
import soundfile

from benchmarks.flags import ROOT, add_data_flag
from benchmarks.floor import timed
from common.cli import number, parser, run
from common.music.midi import find_midi
from common.report.tables import as_text
from common.work.machine import cores
from data import AMIN, BINS, FFT_SIZE, FRAME_COLUMNS, HOP, SAMPLE_RATE, WINDOW, load_audio

PARTS = "synthesis", "features", "memory", "input", "predict", "help"
INSTRUMENTS = "keyboard_acoustic", "guitar_acoustic"
NOTE_RATE = 16000  # Hz
RELEASE = 3000  # samples
VELOCITIES = 25, 50, 75, 100, 127
FOLDERS = "vae_generation", "random_cnn_style", "time_stretching"
BATCH, EPOCHS = 8, 5
STEP_WIDTH = 8  # of the network of `make demo`, the narrowest one that the kit trains
STEPS = 8
SHORT_SECONDS = 180
PREDICT = """
import sys, time
import predict
from benchmarks.memory import peak_memory
for output in sys.argv[2:]:
    began = time.perf_counter()
    assert predict.main(["--input", output + ".in.wav", "--output", output]) == 0
    print("measured:", time.perf_counter() - began)
print("measured:", peak_memory())
"""


def build_parser():
    """Create the parser of the command line."""
    built = parser(__doc__)
    built.add_argument(
        "--part",
        nargs="+",
        choices=PARTS,
        default=list(PARTS),
        help="parts to run, see below (default: all)",
    )
    built.add_flag(
        "--rounds", 3, "number of rounds, of which medians are taken", type=number(int, 1)
    )
    built.add_argument(
        "--jobs",
        type=number(int, 1),
        default=cores(),
        help="number of processes (default: one per core)",
    )
    built.add_flag(
        "--renderings", 12, "number of transpositions of each shipped piece", type=number(int, 1)
    )
    built.add_flag(
        "--minutes",
        60,
        "length of the recording for the part predict, in minutes",
        type=number(float, 0),
    )
    add_data_flag(built, "--midi_path", "midi", "folder of MIDI files")
    return built


def quietly(function, *arguments):
    """Run a script that must succeed; return the seconds that it took. Its output is discarded."""

    def call():
        assert function(*arguments) == 0

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return timed(call)


def audio_seconds(folder):
    """Add up the lengths of all WAV files below a folder, in seconds."""
    return sum(soundfile.info(path).duration for path in folder.rglob("*.wav"))


def speeds(measured, seconds):
    """Return the rows of a table: median speed of each way, and its ratio to the first one.

    Args:
        measured: List of dicts from name to seconds, one per round.
        seconds: Length of the audio.
    """
    first = next(iter(measured[0]))
    return [
        {
            "": name,
            "speed": f"{statistics.median(seconds / one[name] for one in measured):,.0f}",
            "ratio": statistics.median(one[first] / one[name] for one in measured),
        }
        for name in measured[0]
    ]


def plain_synthesis(pieces, output):
    """Play pieces as published; ``pieces`` is a list of (name, notes)."""
    import librosa

    from common.music.synthesis import HELD, PEAK

    for instrument in INSTRUMENTS:
        samples = {}
        for path in sorted((ROOT / "data" / "notes" / "audio").glob(f"{instrument}_000-*")):
            samples[int(path.stem.split("-")[1])] = librosa.load(path, sr=NOTE_RATE)[0]
        (output / instrument).mkdir(parents=True)
        for name, notes in pieces:
            audio = np.zeros(int((max(note.end for note in notes) + 5) * NOTE_RATE))
            for note in notes:
                pitch = min(samples, key=lambda known: abs(known - note.pitch))
                sample = samples[pitch].copy()
                held = min(int(HELD * 4 * (note.end - note.start) * NOTE_RATE), sample.size)
                sample[held:] *= np.exp(-np.arange(sample.size - held) / RELEASE)
                start = int(note.start * NOTE_RATE)
                audio[start : start + sample.size] += sample
            audio = librosa.resample(audio, orig_sr=NOTE_RATE, target_sr=SAMPLE_RATE)
            audio *= PEAK / np.abs(audio).max()
            soundfile.write(
                output / instrument / f"{name.replace('/', '_')}.wav", audio, SAMPLE_RATE
            )


def synthesis(args, folder):
    """Measure part "synthesis"; our time includes the start of the processes."""
    import synthesize_audios
    from common.music.midi import read_notes

    shifts = list(range(-(args.renderings // 2), args.renderings - args.renderings // 2))
    ours = folder / "ours"
    argv = ["--nsynth_path", ROOT / "data" / "notes", "--midi_path", args.midi_path]
    argv += ["--audios_path", ours, "--instruments", *INSTRUMENTS, "--transpose", *shifts]
    files = find_midi(args.midi_path).files

    def plain():
        pieces = [
            (f"{name}{shift}", read_notes(path, sustain=True, transpose=shift).notes)
            for name, path in files.items()
            for shift in shifts
        ]
        plain_synthesis(pieces, folder / "plain")

    measured = []
    for _ in range(args.rounds):
        for part in ("ours", "plain"):
            shutil.rmtree(folder / part, ignore_errors=True)
        one = {"plain loop": timed(plain)}
        for jobs in dict.fromkeys((1, args.jobs)):
            shutil.rmtree(ours, ignore_errors=True)
            one[f"synthesize_audios.py --jobs {jobs}"] = quietly(
                synthesize_audios.main, [str(word) for word in [*argv, "--jobs", jobs]]
            )
        measured.append(one)
    notes = sum(len(read_notes(path, sustain=True).notes) for path in files.values())
    played = audio_seconds(ours)
    density = notes * len(shifts) * len(INSTRUMENTS) / played
    print(f"synthesis: {played / 3600:.1f} hours, {density:.1f} notes a second, with the pedal")
    print(as_text(speeds(measured, played)))


def plain_features(paths, output):
    """Write the frames of audio files as the published code does."""
    import librosa

    output.mkdir(parents=True)
    for index, path in enumerate(paths):
        audio, _ = librosa.load(path, sr=SAMPLE_RATE)
        spectra = librosa.stft(audio, n_fft=FFT_SIZE, hop_length=HOP, window=np.hanning)
        magnitude = np.abs(spectra[:BINS]) * 2 / np.hanning(FFT_SIZE).sum()
        image = 20 * np.log1p(magnitude / AMIN) / (20 * np.log1p(1 / AMIN))
        for start in range(0, image.shape[1], FRAME_COLUMNS):
            frame = np.zeros((BINS, FRAME_COLUMNS, 1))
            part = image[:, start : start + FRAME_COLUMNS]
            frame[:, : part.shape[1], 0] = part
            np.save(output / f"{index}_{start}.npy", frame)


def bare_images(audio):
    """Compute log magnitudes of an audio by windows and FFT; yield one frame at a time."""
    import scipy.fft

    padded = np.pad(audio, HOP)
    windows = np.lib.stride_tricks.sliding_window_view(padded, FFT_SIZE)[::HOP]
    for start in range(0, len(windows), FRAME_COLUMNS):
        part = windows[start : start + FRAME_COLUMNS] * WINDOW
        yield np.log1p(np.abs(scipy.fft.rfft(part)[:, :BINS]) / AMIN)


def bare_loop(audios):
    """Compute the images of audios in memory; they are discarded."""
    for audio in audios:
        for _ in bare_images(audio):
            pass


def copying_loop(paths, output):
    """Compute the images of audio files; write each as plain float16 to a file of its own."""
    output.mkdir(parents=True)
    for index, path in enumerate(paths):
        with (output / str(index)).open("wb") as file:
            for image in bare_images(soundfile.read(path, dtype="float32")[0]):
                file.write(image.astype(np.float16))


def reading_loop(paths):
    """Compute the images of audio files as ``compute_features.py`` does; nothing is written."""
    from pix2pix_timbre.features import read_image

    for path in paths:
        read_image(path)


def features(args, folder):
    """Measure part "features", on the audios that part "synthesis" wrote."""
    import compute_features

    audios = folder / "ours"
    paths = sorted(audios.rglob("*.wav"))
    some = paths[:: len(paths) // 20 + 1]
    loaded = [load_audio(path)[0] for path in some]
    share = sum(map(len, loaded)) / SAMPLE_RATE / audio_seconds(audios)
    argv = ["--audios_path", str(audios), "--features_path", str(folder / "features")]
    bare = f"bare loop on one core, over {100 * share:.0f} % of it"
    copying = "the same, reading and writing"
    reading = "ours on one core, writing nothing"
    measured = []
    for _ in range(args.rounds):
        shutil.rmtree(folder / "frames", ignore_errors=True)
        one = {"plain loop": timed(lambda: plain_features(paths, folder / "frames"))}
        one[bare] = timed(lambda: bare_loop(loaded)) / share
        shutil.rmtree(folder / "images", ignore_errors=True)
        one[copying] = timed(lambda: copying_loop(some, folder / "images")) / share
        one[reading] = timed(lambda: reading_loop(some)) / share
        for jobs in dict.fromkeys((1, args.jobs)):
            shutil.rmtree(folder / "features", ignore_errors=True)
            one[f"compute_features.py --jobs {jobs}"] = quietly(
                compute_features.main, [*argv, "--jobs", str(jobs)]
            )
        measured.append(one)
    sizes = [
        sum(path.stat().st_size for path in (folder / name).rglob("*.*"))
        for name in ("frames", "features")
    ]
    played = audio_seconds(audios)
    print(f"features: {played / 3600:.1f} hours")
    print(as_text(speeds(measured, played)))
    print(
        f"bytes: plain loop {sizes[0]:,}, compute_features.py {sizes[1]:,}, or 1 / "
        f"{sizes[0] / sizes[1]:.2f}"
    )


def memory(args, folder):
    """Measure part "memory"."""
    from common.music.notes import NOTE_SECONDS, NoteLibrary

    notes = folder / "notes"
    notes.mkdir()
    noise = np.random.default_rng(0).uniform(-1, 1, int(NOTE_SECONDS * NOTE_RATE))
    for pitch in range(21, 109):
        for velocity in VELOCITIES:
            name = f"keyboard_acoustic_000-{pitch:03d}-{velocity:03d}.wav"
            soundfile.write(notes / name, noise, NOTE_RATE)
    tracemalloc.start()
    voice = NoteLibrary(notes).voice("keyboard_acoustic", 0)
    for pitch in range(21, 109):
        for velocity in VELOCITIES:
            voice.note(pitch, velocity)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"memory: 88 notes in {len(VELOCITIES)} velocities take {held / 1e6:.0f} MB")


def training_input(args, folder):
    """Measure part "input": the batches of train.py, with enough memory and with too little."""
    from common.training.devices import OneDevice, jit_setting, start_backend

    start_backend(None)

    import keras

    from common.training.session import set_up_keras
    from pix2pix_timbre import pairs
    from pix2pix_timbre.features import FeatureStore, write_store
    from pix2pix_timbre.gan import Pix2Pix
    from pix2pix_timbre.model import build_generator
    from pix2pix_timbre.optimizer import TwoRateAdam

    rng = np.random.default_rng(0)
    paths = [folder / "origin.h5", folder / "target.h5"]
    for path in paths:
        images = rng.random((64, 16 * FRAME_COLUMNS, BINS), np.float32).astype(np.float16)
        write_store(path, ((f"piece_{index}", one) for index, one in enumerate(images)), path.stem)

    def draw():
        with contextlib.ExitStack() as opened:
            stores = [opened.enter_context(FeatureStore(path)) for path in paths]
            training, _, _ = pairs.split_pairs(*stores, 0)
            frames = pairs.PairedFrames(training, BATCH, random_offsets=True, shuffle=True)
            for frames.epoch in range(EPOCHS):
                for index in range(len(frames)):
                    frames[index]
            return EPOCHS * len(frames)

    def from_cold(limit):
        for path in paths:
            with path.open("rb") as file:  # on the disk already, so the system can drop it
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with mock.patch.object(pairs, "memory_limit", lambda: limit):
            began = time.perf_counter()
            batches = draw()
            return (time.perf_counter() - began) / batches

    set_up_keras(0, "bfloat16")
    generator = build_generator(STEP_WIDTH)
    OneDevice().prepare(generator)
    model = Pix2Pix(generator)
    model.compile(TwoRateAdam(1e-4), jit_compile=jit_setting())
    batch = rng.uniform(-1, 1, (2, BATCH, BINS, FRAME_COLUMNS, 1)).astype(np.float32)

    def train():
        for _ in range(STEPS):
            model.train_on_batch(*batch)

    train()
    measured = [
        {
            f"step of width {STEP_WIDTH}, L1 alone, bfloat16": timed(train) / STEPS,
            "windows, read into memory before": from_cold(pairs.memory_limit()),
            "windows, each read from the store": from_cold(0),
        }
        for _ in range(args.rounds)
    ]
    keras.config.set_dtype_policy("float32")
    total = sum(path.stat().st_size for path in paths)
    print(
        f"training input: {EPOCHS} epochs of {total / 1e6:.0f} MB, in batches of {BATCH}, from cold"
    )
    step = next(iter(measured[0]))
    rows = [
        {
            "": name,
            "ms": 1000 * statistics.median(one[name] for one in measured),
            "of the step's rate": statistics.median(one[step] / one[name] for one in measured),
        }
        for name in measured[0]
    ]
    print(as_text(rows))


def prediction(args, folder):
    """Measure part "predict" in a process of its own, which converts a first file to warm up."""
    rng = np.random.default_rng(0)
    lengths = {"first.wav": 10, "short.wav": SHORT_SECONDS, "long.wav": 60 * args.minutes}
    for name, seconds in lengths.items():
        with soundfile.SoundFile(folder / f"{name}.in.wav", "w", SAMPLE_RATE, 2) as file:
            for _ in range(round(seconds)):
                file.write(rng.uniform(-0.1, 0.1, (SAMPLE_RATE, 2)))
    command = [sys.executable, "-c", PREDICT, "-", *(str(folder / name) for name in lengths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    *taken, peak = map(float, re.findall(r"^measured: (.*)$", done.stdout, re.MULTILINE))
    rates = [seconds / took for seconds, took in zip(lengths.values(), taken, strict=True)][1:]
    print(
        f"predict.py, stereo: {rates[0]:.1f} times real time on {SHORT_SECONDS} s, {rates[1]:.1f} "
        f"on {args.minutes:g} minutes; ratio {rates[1] / rates[0]:.2f}; peak memory "
        f"{peak / 1e6:.0f} MB"
    )


def scripts():
    """List the command lines of all scripts, without flags."""
    paths = [*ROOT.glob("*.py"), *(path for name in FOLDERS for path in (ROOT / name).glob("*.py"))]
    for path in sorted(paths):
        if "run(main)" in path.read_text():
            relative = path.relative_to(ROOT).with_suffix("")
            yield (
                [str(relative) + ".py"] if path.parent == ROOT else ["-m", ".".join(relative.parts)]
            )


def help_of_scripts(args, folder):
    """Measure part "help"."""
    seconds = {}
    for words in scripts():
        command = [sys.executable, *words, "--help"]
        call = functools.partial(subprocess.run, command, cwd=ROOT, capture_output=True, check=True)
        seconds[words[-1]] = statistics.median(timed(call) for _ in range(args.rounds))
    slowest = max(seconds, key=seconds.get)
    print(f"--help: at most {seconds[slowest]:.2f} s ({slowest}) of {len(seconds)} scripts")


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    args = build_parser().parse_args(argv)
    measures = {
        "synthesis": synthesis,
        "features": features,
        "memory": memory,
        "input": training_input,
        "predict": prediction,
        "help": help_of_scripts,
    }
    with tempfile.TemporaryDirectory() as folder:
        for part in args.part:
            measures[part](args, Path(folder))
    return 0


if __name__ == "__main__":
    run(main)
