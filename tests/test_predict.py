"""predict.py through its real parser: outputs have the form of the inputs; one-line errors."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import soundfile

import predict
from common.audio.phase import ESTIMATORS, estimate_phase
from common.audio.resynthesis import DEFAULT_PHASE, Mixed
from common.audio.voices import ALONE, Voices
from common.cli import run
from common.files.text import write_json
from common.trained import MODELS, shipped
from common.training.weights import save_h5
from data import (
    amplitude_to_db,
    db_to_amplitude,
    forward_transform,
    inverse_transform,
    load_audio,
)
from pix2pix_timbre import recordings
from pix2pix_timbre.features import CODEC
from pix2pix_timbre.model import build_generator
from pix2pix_timbre.trained import GUITAR, Predictor, load_model, own_sound
from pix2pix_timbre.weights import load_generator
from pix2pix_timbre.windows import OVERLAP, convert_image

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Run folder with a generator whose output is quiet and depends on its input."""
    folder = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(0)
    generator = build_generator(2)
    for variable in generator.weights:
        if variable.path.endswith("kernel"):
            variable.assign(variable.value * 4)
    generator.get_layer("generator_output").bias.assign([-0.3])
    save_h5(generator, folder / "generator.h5")
    write_json(folder / "config.json", {"codec": CODEC})
    return folder


@pytest.fixture(scope="module")
def predictor(model):
    return Predictor(load_generator(model / "generator.h5"))


def identity(frames):
    return frames


def melody(seconds, rate, channels=1, level=0.3):
    """Make decaying tones below 3 kHz, two per second: (samples, channels) float32."""
    time = np.arange(round(seconds * rate)) / rate
    since = time % 0.5
    tones = [220 * 2 ** (step / 12) for step in (0, 4, 7, 12, 9, 5)]
    frequency = np.take(tones, (time // 0.5).astype(int) % len(tones))
    audio = level * np.exp(-5 * since) * np.sin(2 * np.pi * frequency * since)
    return np.stack([audio * (channel + 1) / channels for channel in range(channels)], 1).astype(
        np.float32
    )


def write(path, audio, rate=44100, **settings):
    soundfile.write(path, audio, rate, **settings)
    return path


def arguments(model, source, output, *more):
    return ["--model", model, "--input", source, "--output", output, *more]


def outcome(argv, capsys):
    """Run the script in this process; return exit status, lines of stdout and lines of stderr."""
    with pytest.raises(SystemExit) as caught:
        run(predict.main, [str(word) for word in argv])
    said = capsys.readouterr()
    return caught.value.code, said.out.splitlines(), said.err.splitlines()


def assert_refused(argv, capsys, *words):
    """Check for status 2, one line, and no new files; return the line."""
    status, out, err = outcome(argv, capsys)
    assert (status, out, len(err)) == (2, [], 1), err
    for word in words:
        assert str(word) in err[0]
    return err[0]


def test_a_file_keeps_rate_channels_and_length(model, tmp_path, capsys):
    source = write(tmp_path / "in put.wav", melody(4.0, 48000, 2), 48000)
    output = tmp_path / "new" / "out put.wav"
    status, out, err = outcome(arguments(model, source, output), capsys)
    assert (status, err) == (0, [])
    assert out == [f"{output}: 4.0 s"]
    found, rate = soundfile.read(output)
    assert (rate, found.shape) == (48000, (192000, 2))
    assert 0.01 < np.abs(found).max() <= 1
    assert [path.name for path in output.parent.iterdir()] == ["out put.wav"]


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize(
    ("method", "samples"),
    [
        *[("input", samples) for samples in (1, 511, 20001, 10 * 8000)],
        *[("mixed", samples) for samples in (1, 256, 20001)],
    ],
)
def test_the_length_is_kept_to_the_sample_at_every_rate(predictor, tmp_path, rate, method, samples):
    audio = melody(samples / rate, rate)
    source, output = tmp_path / "in.wav", tmp_path / "out.wav"
    write(source, audio, rate)
    done = recordings.convert_file(source, output, predict=predictor, phase=method)
    info = soundfile.info(output)
    assert (info.samplerate, info.channels, info.frames) == (rate, 1, samples)
    assert done["seconds"] == pytest.approx(samples / rate)


@pytest.mark.parametrize(
    ("rate", "method"),
    [(16000, "input"), (44100, "input"), (44100, "mixed"), (48000, "mixed"), (96000, "input")],
)
def test_an_identity_generator_returns_the_recording_in_place(tmp_path, rate, method):
    """Resampling and blocks (of 10 s) neither shift nor stretch nor drop anything."""
    audio = melody(23.7, rate, 2)
    source = write(tmp_path / "in.wav", audio, rate, subtype="FLOAT")
    recordings.convert_file(source, tmp_path / "out.wav", predict=identity, phase=method)
    found, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    error = np.sqrt(np.mean((found - audio) ** 2) / np.mean(audio**2))
    assert error < 0.01


@pytest.mark.parametrize(
    ("suffix", "channels"),
    [
        (".wav", 1),
        (".wav", 2),
        (".wav", 6),
        (".flac", 2),
        (".flac", 6),
        (".ogg", 1),
        (".ogg", 2),
        (".mp3", 1),
        (".mp3", 2),
        (".aiff", 2),
    ],
)
def test_formats_and_channels_are_kept(tmp_path, suffix, channels):
    source = write(tmp_path / f"in{suffix}", melody(3.3, 44100, channels))
    wanted, _ = soundfile.read(source, dtype="float32", always_2d=True)
    output = tmp_path / f"out{suffix}"
    recordings.convert_file(source, output, predict=identity, phase="input")
    found, rate = soundfile.read(output, dtype="float32", always_2d=True)
    assert rate == 44100
    assert found.shape == wanted.shape
    for channel in range(channels):  # each channel in its place, with its level
        error = found[:, channel] - wanted[:, channel]
        assert np.sqrt(np.mean(error**2) / np.mean(wanted[:, channel] ** 2)) < 0.15
    assert soundfile.info(output).format == soundfile.info(source).format


def test_the_stream_equals_the_computation_on_the_whole_file(predictor, model, tmp_path, capsys):
    source = write(tmp_path / "in.wav", melody(60, 44100, 2))
    output = tmp_path / "out.wav"
    words = [*arguments(model, source, output), "--phase", "input"]
    assert outcome(words, capsys)[0] == 0
    found, _ = load_audio(output, mono=False)
    audio, _ = load_audio(source, mono=False)
    magnitude, phase = forward_transform(audio)
    image = convert_image(predictor, amplitude_to_db(magnitude))
    expected = inverse_transform(db_to_amplitude(image), phase, audio.shape[-1])
    assert 0.01 < np.abs(expected).max() < 0.999
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("overlap", [0, 0.75])
def test_other_overlaps_stream_alike(predictor, tmp_path, overlap):
    source = write(tmp_path / "in.wav", melody(25, 44100))
    recordings.convert_file(
        source, tmp_path / "out.wav", predict=predictor, overlap=overlap, phase="input"
    )
    found, _ = load_audio(tmp_path / "out.wav")
    audio, _ = load_audio(source)
    magnitude, phase = forward_transform(audio)
    image = convert_image(predictor, amplitude_to_db(magnitude), overlap)
    expected = inverse_transform(db_to_amplitude(image), phase, len(audio))
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("method", [method for method in ESTIMATORS if method != "input"])
def test_an_estimated_phase_streams_without_breaks(method, tmp_path):
    # the frames are swapped in frequency, so that the phase of the input does not fit them
    def shifted(frames):
        return np.roll(frames, 3, axis=1)

    audio = melody(40, 44100)
    source = write(tmp_path / "in.wav", audio)
    recordings.convert_file(source, tmp_path / "out.wav", predict=shifted, phase=method)
    found, _ = load_audio(tmp_path / "out.wav")
    assert len(found) == len(audio)
    magnitude, phase = forward_transform(load_audio(source)[0])
    wanted = db_to_amplitude(convert_image(shifted, amplitude_to_db(magnitude)))
    whole = inverse_transform(wanted, estimate_phase(method, wanted, phase), len(audio))
    lost = [
        np.linalg.norm(forward_transform(one)[0] - wanted, axis=0) / np.linalg.norm(wanted)
        for one in (found, whole)
    ]
    assert np.linalg.norm(lost[0]) < 1.1 * np.linalg.norm(lost[1])
    assert lost[0].max() < 1.5 * lost[1].max()


@pytest.mark.parametrize("overlap", [0, OVERLAP, 0.75])
def test_a_mixed_phase_streams_like_the_computation_on_the_whole_file(
    overlap, predictor, tmp_path, monkeypatch
):
    source = write(tmp_path / "in.wav", melody(6.1, 44100, 2))
    settings = {"predict": predictor, "overlap": overlap, "phase": "mixed"}
    found = []
    for columns in (256, 100_000):
        monkeypatch.setattr(recordings, "_PART_COLUMNS", columns)
        recordings.convert_file(source, tmp_path / "out.wav", **settings)
        found.append(load_audio(tmp_path / "out.wav", mono=False)[0])
    assert np.abs(found[0]).max() > 0.01
    np.testing.assert_allclose(*found, atol=1e-4)
    # the second image of the network begins a quarter of a window later
    audio, _ = load_audio(source, mono=False)
    magnitude, phase = forward_transform(audio, hop=256)
    wanted = np.empty_like(magnitude)
    for shift in (0, 1):
        image = convert_image(predictor, amplitude_to_db(magnitude[..., shift::2]), overlap)
        wanted[..., shift::2] = db_to_amplitude(image)
    expected = Mixed().push(wanted, magnitude, phase, last=True)
    np.testing.assert_allclose(found[1], expected[:, : audio.shape[1]], atol=1e-4)


def test_a_result_beyond_full_scale_is_turned_down_and_said(tmp_path):
    source = write(tmp_path / "in.wav", melody(12, 44100))

    def loud(frames):
        return np.full_like(frames, 0.9)

    done = recordings.convert_file(source, tmp_path / "out.wav", predict=loud, phase="input")
    found, _ = soundfile.read(tmp_path / "out.wav")
    assert done["gain"] < 0.9
    assert np.abs(found).max() == pytest.approx(0.999, abs=1e-4)
    assert (np.abs(found) > 0.998).sum() < 10  # scaled, not clipped


def test_without_a_model_the_shipped_guitar_converts(tmp_path, capsys):
    source = write(tmp_path / "in.wav", melody(3, 44100))
    outputs = [tmp_path / "default.wav", tmp_path / "named.wav"]
    named = ["--model", shipped("keyboard_acoustic_2_guitar_acoustic_textured")]
    assert f"MODEL := models/{GUITAR}\n" in (ROOT / "Makefile").read_text()  # of the demo
    for output, model in zip(outputs, ([], named), strict=True):
        argv = [*model, "--input", source, "--output", output]
        assert outcome(argv, capsys)[0] == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_silence_in_gives_silence_out_and_a_word(model, tmp_path, capsys):
    source = write(tmp_path / "in.flac", np.zeros((50000, 2)), 22050)
    status, out, err = outcome(arguments(model, source, tmp_path / "out.wav"), capsys)
    assert (status, err) == (0, [])
    assert "silent" in out[0]
    found, _ = soundfile.read(tmp_path / "out.wav")
    assert found.shape == (50000, 2)
    assert not found.any()


def test_a_single_sample_comes_back_as_one(model, tmp_path, capsys):
    source = write(tmp_path / "in.wav", np.array([0.5]), 16000)
    assert outcome(arguments(model, source, tmp_path / "out.wav"), capsys)[0] == 0
    assert soundfile.info(tmp_path / "out.wav").frames == 1


def test_the_model_may_be_the_file_itself(model, tmp_path, capsys):
    source = write(tmp_path / "in.wav", melody(1, 44100))
    outcome(arguments(model, source, tmp_path / "a.wav"), capsys)
    outcome(arguments(model / "generator.h5", source, tmp_path / "b.wav"), capsys)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_a_folder_is_converted_file_by_file_and_a_bad_one_is_skipped(model, tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    write(folder / "one.wav", melody(1, 16000), 16000)
    write(folder / "below" / "two.flac", melody(1, 44100, 2))
    (folder / "bad.wav").write_bytes(b"RIFF of no use")
    write(folder / "nan.wav", np.full(100, np.nan, np.float32), subtype="FLOAT")
    (folder / "notes.txt").write_text("no audio")
    output = tmp_path / "out"
    status, out, err = outcome(arguments(model, folder, output), capsys)
    assert status == 1
    assert len(out) == 2
    assert sum("bad.wav" in line for line in err) == 1
    assert sum("nan.wav" in line for line in err) == 1
    assert "2 skipped" in err[-1]
    written = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
    assert written == {"one.wav", "below/two.wav"}
    assert soundfile.info(output / "one.wav").samplerate == 16000
    assert soundfile.info(output / "below" / "two.wav").channels == 2


def nan_input(path):
    audio = melody(12, 44100)
    audio[-5] = np.nan
    write(path, audio, subtype="FLOAT")


def infinite_input(path):
    write(path, np.float32([0, 0.1, np.inf]), subtype="FLOAT")


def corrupt_input(path):
    path.write_bytes(bytes(range(256)) * 20)


def empty_input(path):
    path.write_bytes(b"")


def no_samples(path):
    write(path, np.zeros((0, 1)))


def cut_header(path):
    write(path, melody(1, 44100))
    path.write_bytes(path.read_bytes()[:20])


def missing_input(path):
    pass


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (nan_input, "NaN or infinite"),
        (infinite_input, "NaN or infinite"),
        (corrupt_input, "not a readable audio file"),
        (empty_input, "not a readable audio file"),
        (no_samples, "holds no samples"),
        (cut_header, "in.wav"),
        (missing_input, "no such file"),
    ],
)
def test_a_bad_input_is_one_line_and_leaves_nothing(model, tmp_path, capsys, make, message):
    source, output = tmp_path / "in.wav", tmp_path / "out"
    make(source)
    assert_refused(arguments(model, source, output / "out.wav"), capsys, source, message)
    assert not output.exists() or not list(output.iterdir())


def test_a_truncated_flac_is_one_line_and_leaves_nothing(model, tmp_path, capsys):
    rng = np.random.default_rng(0)
    source = write(tmp_path / "in.flac", rng.uniform(-0.5, 0.5, 100000))
    source.write_bytes(source.read_bytes()[:90000])
    assert_refused(arguments(model, source, tmp_path / "out" / "out.wav"), capsys, source)
    assert not list((tmp_path / "out").glob("*"))


def test_a_bad_input_leaves_an_older_output_as_it_was(model, tmp_path, capsys):
    source, output = tmp_path / "in.wav", tmp_path / "out.wav"
    nan_input(source)
    output.write_bytes(b"older")
    assert_refused(arguments(model, source, output), capsys)
    assert output.read_bytes() == b"older"
    assert {path.name for path in tmp_path.iterdir()} == {"in.wav", "out.wav"}


def test_an_output_that_is_the_input_is_refused(model, tmp_path, capsys):
    source = write(tmp_path / "in.wav", melody(0.1, 44100))
    before = source.read_bytes()
    (tmp_path / "link.wav").symlink_to(source)
    for output in (source, tmp_path / "link.wav"):
        assert_refused(arguments(model, source, output), capsys, "is the input")
    assert source.read_bytes() == before


def test_an_output_of_unknown_format_is_refused(model, tmp_path, capsys):
    source = write(tmp_path / "in.wav", melody(0.1, 44100))
    for name in ("out", "out.txt"):
        assert_refused(arguments(model, source, tmp_path / name), capsys, "--output", ".flac")


def test_a_format_that_cannot_hold_the_signal_is_refused(model, tmp_path, capsys):
    source = write(tmp_path / "in.wav", melody(0.1, 44100, 6))
    output = tmp_path / "out" / "out.mp3"
    assert_refused(arguments(model, source, output), capsys, "6 channels")
    assert not output.parent.exists()


def test_an_output_folder_that_cannot_be_written_is_one_line(model, tmp_path, capsys):
    source = write(tmp_path / "in.wav", melody(0.1, 44100))
    (tmp_path / "file").write_text("no folder")
    assert_refused(arguments(model, source, tmp_path / "file" / "out.wav"), capsys, "file")
    assert_refused(arguments(model, source, "/proc/out.wav"), capsys, "/proc")
    (tmp_path / "out.wav").mkdir()
    assert_refused(arguments(model, source, tmp_path / "out.wav"), capsys, "out.wav")


@pytest.fixture
def tiny_disk(tmp_path):
    """File system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("seconds", [20, 5])  # full while waiting (4 bytes a sample), or writing
def test_a_full_disk_is_one_line_and_leaves_nothing(model, tmp_path, tiny_disk, capsys, seconds):
    source = write(tmp_path / "in.wav", melody(seconds, 44100))
    assert_refused(arguments(model, source, tiny_disk / "out.wav"), capsys)
    assert not list(tiny_disk.iterdir())


def test_a_model_that_is_none_is_one_line(model, tmp_path, capsys):
    source = write(tmp_path / "in.wav", melody(0.1, 44100))
    output = tmp_path / "out.wav"
    assert_refused(arguments(tmp_path / "absent", source, output), capsys, "absent")
    assert_refused(arguments(tmp_path, source, output), capsys, "config.json", "no run folder")
    write_json(tmp_path / "config.json", {"codec": CODEC})
    assert_refused(arguments(tmp_path, source, output), capsys, "generator.h5", "no such file")
    write_json(tmp_path / "config.json", {"codec": {**CODEC, "hop": 256}})
    assert_refused(arguments(tmp_path, source, output), capsys, "hop")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["pieces"] = np.zeros(3)
    assert_refused(arguments(tmp_path / "other.h5", source, output), capsys, "other.h5")
    save_h5(build_generator(1, channels=2), tmp_path / "two.h5")
    assert_refused(arguments(tmp_path / "two.h5", source, output), capsys, "2 input channels")
    assert not output.exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--overlap", "1"], ["--overlap", "below 1"]),
        (["--overlap", "-0.1"], ["--overlap", "at least 0"]),
        (["--overlap", "nan"], ["--overlap"]),
        (["--phase", "random"], ["--phase", "input"]),
        (["--voices", "0"], ["--voices", "at least 1"]),
        (["--detune", "-3"], ["--detune", "at least 1"]),
        (["--voice_level", "2"], ["--voice_level"]),
    ],
)
def test_flags_out_of_range_are_one_line(model, tmp_path, capsys, flags, words):
    source = write(tmp_path / "in.wav", melody(0.1, 44100))
    assert_refused(arguments(model, source, tmp_path / "out.wav", *flags), capsys, *words)


def test_a_model_s_config_names_the_phase_that_suits_it(model, tmp_path, capsys):
    weights = tmp_path / "generator.h5"
    shutil.copyfile(model / "generator.h5", weights)
    assert own_sound(weights) == {"phase": DEFAULT_PHASE, "voices": ALONE}
    (tmp_path / "config.json").write_text('{"phase": "input"}')
    opened = load_model(weights)
    assert opened.settings()["phase"] == "input"
    assert opened.settings("pghi")["phase"] == "pghi"
    (tmp_path / "config.json").write_text('{"phase": "loud"}')
    source = write(tmp_path / "in.wav", melody(0.1, 44100))
    assert_refused(arguments(weights, source, tmp_path / "out.wav"), capsys, "loud", "correct it")


def test_voices_are_those_of_the_model_or_of_the_flags(model, tmp_path, capsys):
    weights = tmp_path / "generator.h5"
    shutil.copyfile(model / "generator.h5", weights)
    (tmp_path / "config.json").write_text('{"voices": {"count": 3, "cents": 20, "level": 0.5}}')
    assert load_model(weights).settings()["voices"] == Voices(3, 20, 0.5)
    source = write(tmp_path / "in.wav", melody(1.0, 44100))

    def made(name, *flags):
        output = tmp_path / f"{name}.wav"
        assert predict.main([*map(str, arguments(weights, source, output, *flags))]) == 0
        return load_audio(output)[0]

    own, alone = made("own"), made("alone", "--voices", "1")
    same = made("same", "--voices", "3", "--detune", "20", "--voice_level", "0.5")
    np.testing.assert_array_equal(own, same)
    assert np.abs(own - alone).max() > 0.01
    assert np.abs(own - made("wider", "--detune", "40")).max() > 0.01
    (tmp_path / "config.json").unlink()
    np.testing.assert_array_equal(alone, made("none"))
    capsys.readouterr()
    argv = arguments(weights, source, tmp_path / "out.wav", "--voice_level", "0.3")
    assert_refused(argv, capsys, "--voice_level", "--voices 2")
    example = '"count": 2'
    wrong = {'{"count": 0}': "count 0", '{"many": 2}': example, "3": example, "[2]": example}
    for voices, words in wrong.items():
        (tmp_path / "config.json").write_text(f'{{"voices": {voices}}}')
        argv = arguments(weights, source, tmp_path / "out.wav")
        assert_refused(argv, capsys, "config.json", words)


def test_the_shipped_model_that_is_best_with_griffin_lim_keeps_it():
    phases = {path.name: own_sound(path / "generator.h5")["phase"] for path in MODELS.glob("*_2_*")}
    with_mixed = {"guitar_acoustic", "guitar_acoustic_trimmed", "guitar_acoustic_textured"}
    with_mixed |= {"string_acoustic", "synth_lead_synthetic"}
    expected = {f"keyboard_acoustic_2_{name}": "mixed" for name in with_mixed}
    assert phases == {"keyboard_acoustic_2_any": "griffinlim"} | expected


def test_an_empty_folder_is_refused(model, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    argv = arguments(model, tmp_path / "in", tmp_path / "out")
    assert_refused(argv, capsys, "no audio file")


def test_a_mistake_is_answered_without_importing_keras(model, tmp_path):
    script = """
import sys, predict
from common.cli import run
try:
    run(predict.main, sys.argv[1:])
finally:
    print("keras" in sys.modules, "tensorflow" in sys.modules)
"""
    argv = arguments(model, tmp_path / "absent.wav", tmp_path / "out.wav")
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, argv)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == "False False\n"


@pytest.mark.slow
@pytest.mark.stress
def test_memory_does_not_grow_with_the_length_of_the_recording(tmp_path):
    """A process converts 2 minutes and then 10, which must not need more memory."""
    save_h5(build_generator(1), tmp_path / "generator.h5")
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 120 * 44100).astype(np.float32)
    write(tmp_path / "short.wav", noise)
    write(tmp_path / "long.wav", np.tile(noise, 5))
    script = """
import sys, predict
from benchmarks.memory import peak_memory
folder = sys.argv[1]
for name in ("short", "long"):
    files = ["--input", f"{folder}/{name}.wav", "--output", f"{folder}/{name}.flac"]
    assert predict.main(["--model", f"{folder}/generator.h5", *files]) == 0
    print("peak", peak_memory())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peaks = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("peak")]
    assert peaks[1] - peaks[0] < 60e6
    assert soundfile.info(tmp_path / "long.flac").frames == 600 * 44100
