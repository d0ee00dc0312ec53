"""VQ timbre: frames, synthesis and descriptors against closed forms, streams, and the scripts."""

import json

import keras
import numpy as np
import pytest
import soundfile
from conftest import assert_refused, assert_trained_on, make_note, outcome, read_csv
from scipy.signal import find_peaks

import vq_timbre
from common.latent import LatentModel
from common.trained import open_model
from vq_timbre import evaluate, page, preprocess, reconstruct, synthesize, train, transfer
from vq_timbre import map as map_script
from vq_timbre.curves import read_curve
from vq_timbre.descriptors import (
    NAMES,
    Table,
    choose_codes,
    describe_audio,
    rank_correlation,
    read_table,
)
from vq_timbre.excitation import Harmonics, Noise, envelopes
from vq_timbre.frames import BINS, CONTEXT, HOP, SIZE, analyse, padded
from vq_timbre.humming import hum
from vq_timbre.model import Architecture, expected_power
from vq_timbre.pitch import fundamental, track
from vq_timbre.store import PhraseStore
from vq_timbre.synthesis import magnitudes, speak
from vq_timbre.trained import Converter, convert_blocks

RATE = 22050


def words(*parts):
    return [str(part) for part in parts]


def tone(hertz, seconds=1.0, level=0.5):
    pitch = 69 + 12 * np.log2(hertz / 440)
    decaying = make_note(pitch, (1, 0.6, 0.4, 0.2), seconds, level, RATE)
    return decaying * np.exp(np.arange(decaying.size) / RATE).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Recordings of an instrument, and a run folder of a toy trained on them."""
    base = tmp_path_factory.mktemp("vq")
    (base / "phrases").mkdir()
    rest = np.zeros(RATE // 2, np.float32)
    for number, hertz in enumerate((220, 262, 294, 330, 392)):
        audio = np.concatenate([tone(hertz), rest, tone(2 * hertz, 0.8)])
        soundfile.write(base / "phrases" / f"piece{number}.wav", audio, RATE)
    argv = words("--input", base / "phrases", "--output", base / "run", "--size", "tiny")
    argv += words("--codes", 8, "--epochs", 3, "--steps_per_epoch", 4, "--batch_size", 2)
    argv += words("--validation_split", 0.4, "--lr", 0.01, "--free_epochs", 1)
    assert train.main(argv) == 0
    return base


@pytest.fixture(scope="module")
def trained(folder):
    return open_model(folder / "run")


@pytest.fixture
def short_sweeps(monkeypatch):
    monkeypatch.setattr(evaluate, "_SWEEP_SECONDS", 2)
    monkeypatch.setattr(evaluate, "_SPEED_SECONDS", 2)
    monkeypatch.setattr(evaluate, "_NOISES", 2)


def test_a_trimmed_model_is_trained_on(folder, tmp_path):
    argv = words("--input", folder / "phrases", "--size", "tiny", "--codes", 8)
    assert_trained_on(train, folder / "run", tmp_path / "small", argv)


def test_a_frame_is_freed_of_its_level():
    audio = tone(440, 0.5, 0.01)
    frames, louder = analyse(padded(audio)), analyse(padded(8 * audio))
    assert len(frames.gains) == -(-audio.size // HOP) + CONTEXT
    np.testing.assert_allclose(louder.inputs, frames.inputs, atol=1e-5)
    heard = frames.gains > 0
    np.testing.assert_allclose(louder.gains[heard], 8 * frames.gains[heard], rtol=1e-5)
    middle = len(frames.gains) // 2
    assert frames.gains[middle] == pytest.approx(np.sqrt(np.mean(audio**2)), rel=0.03)
    assert np.argmax(frames.power[middle]) == round(440 * SIZE / RATE)
    np.testing.assert_allclose(frames.power.mean(axis=1), 1, rtol=1e-4)
    waveform = analyse(padded(audio), "waveform").inputs[middle]
    window = np.hanning(SIZE + 1)[:-1]
    assert np.sqrt(np.square(waveform).mean() / np.square(window).mean()) == pytest.approx(1)
    silent = analyse(np.zeros(SIZE, np.float32))
    assert np.isfinite(silent.inputs).all()
    assert silent.gains == [0]
    assert analyse(np.full(SIZE, 1e-4, np.float32)).gains == [0]


def test_flat_filters_give_the_noise_back_at_the_level_asked_for():
    noise = Noise(1).draw(20)
    shares = np.full((1, 17, BINS), -np.log(BINS), np.float32)
    np.testing.assert_allclose(magnitudes(shares), 1, rtol=1e-4)
    level = np.sqrt(np.mean(noise**2))
    sound = np.asarray(speak(shares, np.full((1, 17), level, np.float32), noise[np.newaxis]))[0]
    inside = noise[CONTEXT * HOP : -CONTEXT * HOP]
    assert sound.shape == inside.shape
    assert np.corrcoef(sound, inside)[0, 1] > 0.999
    found = analyse(sound).gains
    np.testing.assert_allclose(found, level, rtol=0.05)
    silent = speak(shares, np.zeros((1, 17), np.float32), noise[np.newaxis])
    assert not np.asarray(silent).any()


def test_the_expected_power_is_the_mean_over_many_noises():
    rng = np.random.default_rng(0)
    bumps = np.exp(-np.square((np.arange(BINS) - 200) / 30)) + 0.01
    shares = np.log(bumps / bumps.sum()).astype(np.float32)[np.newaxis, np.newaxis]
    frames = 400
    noise = rng.uniform(-1, 1, (1, (frames + CONTEXT) * HOP)).astype(np.float32)
    sound = np.asarray(
        speak(np.repeat(shares, frames, axis=1), np.ones((1, frames), np.float32), noise)
    )[0]
    measured = analyse(sound).power.mean(axis=0)
    expected = np.asarray(expected_power(shares))[0, 0]
    bands = (slice(150, 170), slice(190, 210), slice(240, 260), slice(400, 800))
    for band in bands:
        assert measured[band].mean() == pytest.approx(expected[band].mean(), rel=0.25)


def test_noise_and_harmonics_do_not_depend_on_how_they_are_cut():
    one, other = Noise(3), Noise(3)
    cut = np.concatenate([other.draw(hops) for hops in (1, 4, 2)])
    np.testing.assert_array_equal(one.draw(7), cut)
    hertz = np.array([0, 220, 220, 230, 240, 240, 0.0])
    one, other = Harmonics(RATE, 3), Harmonics(RATE, 3)
    whole = one.draw(hertz)
    cut = np.concatenate([other.draw(part) for part in (hertz[:2], hertz[2:])])
    np.testing.assert_allclose(cut, whole, atol=1e-3)


def test_harmonics_lie_at_multiples_of_the_pitch_and_are_as_loud_as_noise():
    sound = Harmonics(RATE).draw(np.full(40, 300.0))
    power = analyse(sound).power.mean(axis=0)
    peaks = find_peaks(power, height=power.max() / 20)[0] * RATE / SIZE
    assert peaks[0] == pytest.approx(300, abs=8)
    np.testing.assert_allclose(np.diff(peaks), 300, atol=12)
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(np.sqrt(1 / 3), rel=0.1)


def test_an_envelope_lies_over_the_partials():
    hertz = np.array([300.0, 0.0])
    comb = np.where(np.arange(BINS) % round(300 * SIZE / RATE) == 0, 0.0, -8.0)
    shares = np.stack([comb, comb]).astype(np.float32)
    found = envelopes(shares, hertz, RATE)
    np.testing.assert_allclose(found[0, :980], 0, atol=1e-5)
    np.testing.assert_array_equal(found[1], shares[1])


@pytest.mark.parametrize("hertz", [110.0, 440.0, 987.8])
def test_both_trackers_hear_the_pitch(hertz):
    audio = tone(hertz, 0.5)
    audio = audio[: audio.size // HOP * HOP]
    power = analyse(audio).power
    assert len(track(audio, RATE)) == len(power)
    np.testing.assert_allclose(fundamental(power, RATE), hertz, rtol=0.01)
    assert np.median(track(audio, RATE)) == pytest.approx(hertz, rel=0.01)
    noise = np.random.default_rng(0).normal(size=(1, 60 * HOP))
    flat = analyse(noise.astype(np.float32)).power.mean(axis=1)
    assert np.isnan(fundamental(flat, RATE)).all()


def test_humming_is_heard_as_a_low_voice():
    audio = hum(3.0, RATE, np.random.default_rng(0))
    assert np.abs(audio).max() == pytest.approx(0.25, rel=1e-3)
    power = analyse(audio).power
    hertz = fundamental(power, RATE)
    assert 130 < np.nanmedian(hertz) < 420
    assert np.nanmedian(describe_audio(audio, RATE)["centroid"]) < 900


def test_codes_of_a_curve_are_expected_nearest_and_what_is_beyond_is_told():
    values, deviations = np.array([[100.0, 300, np.nan, 700, 290], [10, 10, np.nan, 10, 90]])
    table = Table({"centroid": values}, {"centroid": deviations})
    choice = choose_codes(table, "centroid", np.array([90, 180, 220, 690, 900.0]))
    assert choice.codes.tolist() == [0, 0, 1, 3, 3]
    steady = choose_codes(table, "centroid", np.array([290.0]))  # the last code is less certain
    assert steady.codes.tolist() == [1]
    assert (choice.low, choice.high, choice.beyond) == (100, 700, 0.4)
    assert rank_correlation(np.arange(9.0), np.arange(9.0) ** 3) == pytest.approx(1)
    assert np.isnan(rank_correlation(np.arange(9.0), np.ones(9)))


def test_descriptors_of_a_sine_are_its_frequency():
    audio = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    audio[: RATE // 4] = 0
    found = describe_audio(audio, RATE)
    assert set(found) == set(NAMES)
    assert np.isnan(found["centroid"][:5]).all()
    assert np.nanmedian(found["centroid"]) == pytest.approx(1000, rel=0.01)
    assert np.nanmedian(found["bandwidth"]) < 30


def test_a_stream_is_decoded_as_the_whole(trained):
    rng = np.random.default_rng(0)
    audio = np.concatenate([tone(262, 2.2), tone(392, 2.3)])
    audio = (audio + 0.01 * rng.normal(size=audio.size)).astype(np.float32)
    assert isinstance(trained, LatentModel)
    for quantised in (True, False):
        vectors, gains = trained.encode_vectors(audio)
        if quantised:
            vectors = trained.code_vectors[trained.nearest(vectors)]
        whole = trained.decode_vectors(vectors, gains)
        converter = Converter(trained, quantised=quantised)
        parts = [
            converter.push(audio[start : start + 7777]) for start in range(0, audio.size, 7777)
        ]
        streamed = np.concatenate([*parts, converter.finish()])
        assert streamed.shape == whole.shape
        np.testing.assert_allclose(streamed, whole, atol=1e-4)
        assert max(part.size for part in parts) <= 2 * 64 * HOP
    harmonic = [
        np.concatenate(list(convert_blocks(np.array_split(audio[np.newaxis], cuts, axis=1), trained,
                                           track=track)), axis=1)
        for cuts in (1, 7)
    ]  # fmt: skip
    np.testing.assert_allclose(*harmonic, atol=1e-4)


def test_codes_do_not_hear_the_level_and_the_level_follows(trained):
    audio = 0.2 * np.concatenate([tone(262, 0.7), 0.1 * tone(392, 0.7)])
    codes, gains = trained.encode_codes(audio)
    for factor in (0.25, 4.0):
        other, louder = trained.encode_codes((factor * audio).astype(np.float32))
        assert np.mean(other != codes) < 0.05
        one, two = trained.decode_codes(codes, gains), trained.decode_codes(other, louder)
        ratio = np.sqrt(np.mean(two**2) / np.mean(one**2))
        assert 20 * np.log10(ratio / factor) == pytest.approx(0, abs=0.3)


def test_latent_paths_make_sound_and_silence_stays_silent(trained):
    audio = np.concatenate([tone(262, 0.5), np.zeros(RATE, np.float32)])
    path = trained.encode(audio)
    assert path.shape == (-(-audio.size // HOP), trained.dims)
    sound = trained.decode(path)
    assert sound.size == len(path) * HOP
    assert not sound[-RATE // 2 :].any()
    assert sound[: RATE // 2].any()
    assert trained.decode(path[:1]).size == HOP


def test_a_run_folder_holds_stock_networks_the_split_and_the_use_of_codes(folder):
    run = folder / "run"
    config = json.loads((run / "config.json").read_text())
    assert len(config["split"]["held_out"]) in (1, 2, 3)
    assert not set(config["split"]["training"]) & set(config["split"]["held_out"])
    rows = read_csv(run / "history.csv")
    assert float(rows[0]["commitment"]) == 0
    assert 1 <= float(rows[-1]["perplexity"]) <= 8
    for name in ("encoder", "codebook", "decoder"):
        network = keras.models.load_model(run / f"{name}.h5", compile=False)
        assert {type(layer).__module__.partition(".")[0] for layer in network.layers} == {"keras"}
    for name in ("reconstruction.png", "codebook.png", "codes.csv"):
        assert (run / name).is_file()
    assert read_table(open_model(run), run).mean["centroid"].shape == (8,)


@pytest.mark.slow
@pytest.mark.stress
def test_a_trained_run_goes_on(folder, tmp_path):
    argv = words("--input", folder / "phrases", "--output", tmp_path / "run", "--size", "tiny")
    argv += words("--codes", 8, "--steps_per_epoch", 2, "--batch_size", 2, "--free_epochs", 0)
    argv += words("--sees", "waveform", "--validation_split", 0.4)
    assert train.main([*argv, "--epochs", "1"]) == 0
    assert train.main([*argv, "--epochs", "2"]) == 0
    assert len(read_csv(tmp_path / "run" / "history.csv")) == 2


def test_phrases_lie_between_rests(folder, tmp_path, capsys):
    argv = words("--audio_path", folder / "phrases", "--features_path", tmp_path / "x.h5")
    status, out, _ = outcome(preprocess.main, [*argv, "--jobs", "1"], capsys)
    assert status == 0
    assert "10 phrases of 5 recordings" in out[0]
    with PhraseStore(tmp_path / "x.h5") as store:
        row = store.rows[0]
        whole, _ = soundfile.read(folder / "phrases" / "piece0.wav", dtype="float32")
        audio = store.audio(row, -1, 4)
        assert not audio[:HOP].any()
        np.testing.assert_allclose(audio[HOP:], whole[: 3 * HOP] / np.abs(whole).max(), atol=1e-3)


@pytest.mark.parametrize("excitation", transfer.EXCITATIONS)
def test_recordings_are_converted(folder, tmp_path, capsys, excitation):
    solo = np.stack([tone(300, 2.0), 0.3 * tone(450, 2.0)], axis=-1)
    soundfile.write(tmp_path / "solo.wav", solo, 2 * RATE)
    argv = words("--input", tmp_path / "solo.wav", "--output", tmp_path / "made.wav")
    argv += words("--model", folder / "run", "--excitation", excitation)
    status, _, _ = outcome(transfer.main, argv, capsys)
    assert status == 0
    made, rate = soundfile.read(tmp_path / "made.wav")
    assert (made.shape, rate) == (solo.shape, 2 * RATE)
    levels = np.sqrt(np.square(made).mean(axis=0))
    assert levels[1] / levels[0] == pytest.approx(0.3, rel=0.2)


def test_reconstructions_come_with_one_without_codes(folder, tmp_path, capsys):
    given = folder / "phrases" / "piece0.wav"
    argv = words("--input", given, "--output", tmp_path / "again.flac", "--model", folder / "run")
    status, out, _ = outcome(reconstruct.main, argv, capsys)
    assert (status, len(out)) == (0, 2)
    assert (tmp_path / "again_unquantised.flac").is_file()
    assert soundfile.info(tmp_path / "again.flac").frames == soundfile.info(given).frames


def test_a_curve_becomes_sound_and_targets_out_of_reach_are_told(folder, tmp_path, capsys):
    (tmp_path / "curve.csv").write_text("seconds,value\n0,10\n1.5,9000\n", encoding="utf-8")
    (tmp_path / "gain.txt").write_text("0 -60\n# louder\n1.5 -10\n", encoding="utf-8")
    argv = words("--descriptor", "centroid", "--curve", tmp_path / "curve.csv")
    argv += words("--gain", tmp_path / "gain.txt", "--output", tmp_path / "made.wav")
    status, out, _ = outcome(synthesize.main, [*argv, "--model", str(folder / "run")], capsys)
    assert status == 0
    assert "rank correlation" in out[0]
    assert "out of reach" in out[1]
    made, rate = soundfile.read(tmp_path / "made.wav")
    assert made.shape == (-(-int(1.5 * rate) // HOP) * HOP,)
    assert np.abs(made[: rate // 4]).max() < 0.1 * np.abs(made[-rate // 4 :]).max()
    assert (tmp_path / "made.png").is_file()


@pytest.mark.parametrize(
    "text", ["", "0 1", "0 1\n0 2", "0 1\nx y", "0 1\n1", "-1 0\n1 1", "0 nan\n1 1"]
)
def test_curves_that_are_none_are_refused(tmp_path, capsys, text):
    (tmp_path / "curve.csv").write_text(text, encoding="utf-8")
    argv = words("--descriptor", "f0", "--curve", tmp_path / "curve.csv")
    assert_refused(
        synthesize.main, [*argv, "--output", str(tmp_path / "x.wav")], capsys, "curve.csv"
    )
    assert not (tmp_path / "x.wav").exists()


def test_a_curve_may_have_a_heading_and_any_separator(tmp_path):
    (tmp_path / "curve").write_text("time value\n\n0;1\n0.5\t2\n1, 3e1\n", encoding="utf-8")
    seconds, values = read_curve(tmp_path / "curve")
    assert (seconds.tolist(), values.tolist()) == ([0, 0.5, 1], [1, 2, 30])


def test_the_map_has_a_line_for_each_code_and_descriptor(folder, tmp_path, capsys):
    argv = words("--model", folder / "run", "--output", tmp_path / "map")
    status, _, _ = outcome(map_script.main, argv, capsys)
    assert status == 0
    rows = read_csv(tmp_path / "map" / "codes.csv")
    assert len(rows) == 8 * len(NAMES)
    assert list(rows[0]) == ["code", "descriptor", "mean", "std"]


def test_the_evaluation_measures_what_was_held_out(folder, tmp_path, capsys, short_sweeps):
    argv = words("--audio_path", folder / "phrases", "--model", folder / "run", "--seconds", 1)
    argv += words("--others", folder / "phrases", "--excerpts", 2, "--output", tmp_path / "out")
    status, out, _ = outcome(evaluate.main, argv, capsys)
    assert status == 0
    text = "\n".join(out)
    for word in ("perplexity", "slope", "lsd_ratio", "decode_ms", "ten frames", "nearer"):
        assert word in text
    assert (tmp_path / "out" / "run" / "sweep_f0.png").is_file()


def test_a_page_plays_conversions_sweeps_and_codes(
    folder, tmp_path, capsys, monkeypatch, short_sweeps
):
    monkeypatch.setattr(page, "_CELLS", 2)
    argv = words("--model", folder / "run", "--output", tmp_path / "page.html", "--seconds", 1)
    status, _, _ = outcome(page.main, argv, capsys)
    assert status == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("<audio") == 3 + 3 + 4
    assert "codes over time" in text


def test_mistakes_are_told_in_one_line(folder, tmp_path, capsys):
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    argv = words("--output", tmp_path / "x.wav", "--model", folder / "run", "--input")
    assert_refused(transfer.main, [*argv, str(tmp_path / "silent.wav")], capsys, "is silent")
    assert_refused(transfer.main, [*argv, str(tmp_path / "none.wav")], capsys, "none.wav")
    assert not (tmp_path / "x.wav").exists()
    (tmp_path / "empty").mkdir()
    argv = words("--output", tmp_path / "run", "--input")
    assert_refused(train.main, [*argv, str(tmp_path / "empty")], capsys, "no audio file")
    argv = words("--input", folder / "phrases", "--output", tmp_path / "run", "--size", "published")
    assert_refused(train.main, argv, capsys, "--sees waveform")


def test_the_published_sizes_are_those_of_the_table():
    from vq_timbre.model import build_decoder, build_encoder

    architecture = Architecture("published", 1024, "waveform").check()
    encoder, decoder = build_encoder(architecture), build_decoder(architecture)
    assert encoder.get_layer("flat").output.shape[1] == 1280  # 5 steps of 256 filters
    assert 8e6 < encoder.count_params() + decoder.count_params() < 14e6


def test_audio_in_memory(folder):
    audio = np.stack([tone(262, 0.5), tone(330, 0.5)])
    made = vq_timbre.transfer_timbre(audio, RATE, folder / "run")
    assert (made.shape, made.dtype) == (audio.shape, np.float32)
    curve = [(0.0, 500.0), (0.5, 900.0)]
    swept, rate = vq_timbre.synthesize_descriptor("centroid", curve, folder / "run")
    assert swept.size >= 0.5 * rate
