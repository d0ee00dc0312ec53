"""The scripts of random_cnn_style through their real parsers."""

import h5py
import numpy as np
import pytest
import soundfile
from conftest import assert_refused, make_note, read_csv

from data import load_audio
from random_cnn_style import evaluate, mix, timbre

SMALL = ["--filters", "16", "--kernel", "3", "--iterations", "4"]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A piano at 44.1 kHz in stereo, a guitar at 16 kHz, one second each."""
    folder = tmp_path_factory.mktemp("sounds")
    piano = make_note(60, (1.0, 0.4), seconds=1.0, rate=44100)
    soundfile.write(folder / "piano.wav", np.stack([piano, 0.5 * piano], axis=1), 44100)
    soundfile.write(folder / "guitar.wav", make_note(57, (0.6, 1.0, 0.7), seconds=1.0), 16000)
    soundfile.write(folder / "silence.wav", np.zeros(16000), 16000)
    return folder


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """Empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(*parts):
    return [str(part) for part in parts]


def test_a_mix_keeps_rate_channels_and_length(sounds, tmp_path, capsys):
    output, report = tmp_path / "mixed.wav", tmp_path / "report"
    argv = words("--content", sounds / "piano.wav", "--style", sounds / "guitar.wav")
    assert mix.main([*argv, *words("--output", output, "--report", report), *SMALL]) == 0
    audio, rate = load_audio(output, sample_rate=None, mono=False)
    assert (rate, audio.shape) == (44100, (2, 44100))
    assert "evaluations, losses" in capsys.readouterr().out
    rows = read_csv(report / "history.csv")
    assert {row["channel"] for row in rows} == {"0", "1"}
    for name in ("spectrograms.png", "losses.png"):
        assert (report / name).read_bytes().startswith(b"\x89PNG")


def test_styles_are_saved_and_blended(sounds, tmp_path):
    style = tmp_path / "guitar.h5"
    argv = words("--style", sounds / "guitar.wav", "--save_style", style)
    assert mix.main([*argv, *SMALL]) == 0
    with h5py.File(style) as file:
        assert file["factor"].shape[1] == 16
    made = []
    for name, *given in (
        ("saved.wav", style),
        ("direct.wav", sounds / "guitar.wav"),
        ("blend.wav", style, sounds / "piano.wav", "--weights", 3, 1),
    ):
        argv = words("--content", sounds / "piano.wav", "--style", *given)
        assert mix.main([*argv, *words("--output", tmp_path / name), *SMALL]) == 0
        made.append(load_audio(tmp_path / name)[0])
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


def test_a_sweep_gives_files_and_a_page(sounds, tmp_path):
    argv = words("--content", sounds / "piano.wav", "--style", sounds / "guitar.wav")
    argv += words("--sweep", "0.1:10:3", "--output", tmp_path / "sweep")
    assert mix.main([*argv, *SMALL]) == 0
    names = sorted(path.name for path in (tmp_path / "sweep").iterdir())
    audios = ["alpha_0.1.wav", "alpha_1.wav", "alpha_10.wav"]
    assert names == [*audios, "sweep.csv", "sweep.html", "sweep.png"]
    rows = read_csv(tmp_path / "sweep" / "sweep.csv")
    assert [float(row["alpha"]) for row in rows] == pytest.approx([0.1, 1, 10])
    assert (tmp_path / "sweep" / "sweep.html").read_text().count("<audio") == 5


@pytest.mark.parametrize("more", [["--networks", "2"], ["--optimiser", "adam"], ["--published"]])
def test_options_make_sound(sounds, tmp_path, more, monkeypatch):
    from random_cnn_style import transfer

    published = transfer.PUBLISHED._replace(griffin_lim=3)
    monkeypatch.setattr(transfer, "PUBLISHED", published)
    argv = words("--content", sounds / "guitar.wav", "--style", sounds / "piano.wav")
    assert mix.main([*argv, *words("--output", tmp_path / "a.wav"), *SMALL, *more]) == 0
    assert load_audio(tmp_path / "a.wav")[0].any()


def test_a_texture_needs_no_content(sounds, tmp_path):
    argv = words("--style", sounds / "guitar.wav", "--texture", 1.2)
    assert mix.main([*argv, *words("--output", tmp_path / "a.wav"), *SMALL]) == 0
    audio, rate = load_audio(tmp_path / "a.wav", sample_rate=None)
    assert audio.size == round(1.2 * rate)


@pytest.mark.parametrize(
    "flags, said",
    [
        ("--style guitar.wav --output a.wav", "--content"),
        ("--style guitar.wav --content none.wav --output a.wav", "none.wav"),
        ("--style none.wav --content piano.wav --output a.wav", "none.wav"),
        ("--style none.h5 --content piano.wav --output a.wav", "none.h5"),
        ("--style silence.wav --content piano.wav --output a.wav", "silence.wav: is silent"),
        ("--style guitar.wav --content silence.wav --output a.wav", "silence.wav: is silent"),
        ("--style guitar.wav --content piano.wav", "--output"),
        ("--style guitar.wav --content piano.wav --output a.txt", "a.txt"),
        ("--style guitar.wav --content piano.wav --output a.wav --weights 1 2", "--weights"),
        ("--style guitar.wav --content piano.wav --output a --sweep 1:0.1:3", "--sweep"),
        ("--style guitar.wav --content piano.wav --output a --sweep 1:2:3 --alpha 1", "--alpha"),
        ("--style guitar.wav --content piano.wav --output a.wav --texture 1", "--content"),
        ("--style guitar.wav --texture 1 --output a.wav --init content", "--init"),
        ("--style guitar.wav --texture 0.01 --output a.wav", "--texture: too short"),
        ("--style guitar.wav --save_style a.wav", "--save_style"),
        ("--style guitar.wav --save_style a.h5 --networks 2", "--save_style"),
    ],
)
def test_mistakes_take_one_line(sounds, empty_folder, capsys, flags, said):
    argv = [str(sounds / word) if word in INPUTS else word for word in flags.split()]
    assert_refused(mix.main, [*argv, *SMALL], capsys, said)
    assert not list(empty_folder.iterdir())


INPUTS = ("guitar.wav", "piano.wav", "silence.wav")


def test_a_saved_style_fits_its_network_alone(sounds, tmp_path, capsys):
    style = tmp_path / "guitar.h5"
    argv = words("--style", sounds / "guitar.wav", "--save_style", style)
    assert mix.main([*argv, *SMALL]) == 0
    argv = words("--style", style, "--content", sounds / "piano.wav", "--seed", 1)
    argv += words("--output", tmp_path / "a.wav")
    assert_refused(
        mix.main, [*argv, *SMALL], capsys, "--filters", "--seed 0 ", "--spectrogram stft"
    )


def test_transfers_are_measured_against_their_truth(audios_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(timbre, "_STEPS", 9)
    argv = words("--audios_path", audios_folder, "--pairs", 2, "--start", 0, "--seconds", 1)
    argv += words("--iterations", 3, "--filters", 16, "--alpha", 1, "--no-published")
    assert evaluate.main([*argv, *words("--output", tmp_path / "sounds")]) == 0
    out = capsys.readouterr().out
    for name in ("copy content", "copy style", "ours, alpha 1"):
        assert name in out
    rows = read_csv(tmp_path / "sounds" / "pairs.csv")
    assert len(rows) == 2 * 3
    assert {row["content"] for row in rows} == {"keyboard_acoustic", "guitar_acoustic"}
    assert all(row["content"] != row["style"] for row in rows)
    assert len(list((tmp_path / "sounds").glob("*.wav"))) == 6


def test_pairs_are_of_two_pieces_and_two_instruments(audios_folder, capsys):
    pairs = evaluate.choose_pairs(audios_folder, 8)
    assert len(set(pairs)) == 8
    for content, style, truth in pairs:
        assert content.parent != style.parent == truth.parent
        assert content.stem == truth.stem != style.stem
    argv = words("--audios_path", audios_folder, "--pairs", 9)
    assert_refused(evaluate.main, argv, capsys, "--pairs 9")
    argv = words("--audios_path", audios_folder / "keyboard_acoustic")
    assert_refused(evaluate.main, argv, capsys, "no two instruments")


def test_pairs_are_of_any_format(audios_folder, tmp_path):
    for path in audios_folder.glob("*/*.wav"):
        (tmp_path / path.parent.name / "deep").mkdir(parents=True, exist_ok=True)
        audio, rate = soundfile.read(path)
        soundfile.write(tmp_path / path.parent.name / "deep" / f"{path.stem}.flac", audio, rate)
    pairs = evaluate.choose_pairs(tmp_path, 8)
    assert len(set(pairs)) == 8
    assert {path.suffix for pair in pairs for path in pair} == {".flac"}


def test_a_summary_is_of_means_and_of_ratios():
    metrics = ("LSD", "cepstral", "pitch_sets", "learned")
    rows = [
        {"system": system} | dict(zip(metrics, values, strict=True))
        for system, values in (
            ("copy content", (10.0, 0.2, 0.5, 1.0)),
            ("copy content", (20.0, 0.4, 0.5, 1.4)),
            ("ours", (9.0, 0.1, 0.6, 0.5)),
            ("ours", (15.0, 0.2, 0.6, 0.7)),
        )
    ]
    ours = evaluate.summary(rows)[1]
    assert ours["system"] == "ours"
    assert ours["LSD"] == 12
    assert ours["LSD_ratio"] == pytest.approx(0.8)
    assert ours["cepstral_ratio"] == pytest.approx(0.5)
    assert ours["learned_ratio"] == pytest.approx(0.5)
    assert ours["pitch_more"] == pytest.approx(0.1)
