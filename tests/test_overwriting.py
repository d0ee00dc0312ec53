"""No script overwrites its inputs, or writes where its next run would read."""

import importlib
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from common import cli
from common.cli import UserError
from common.files.atomic import replace_when_done
from common.files.audio import write_audio

CASES = [  # module, flags with SOURCE for the recording
    ("predict", "--input SOURCE --output OUTPUT"),
    ("predict_multitarget", "--input SOURCE --style OTHER --output OUTPUT"),
    ("predict_multitarget", "--input OTHER --style SOURCE --output OUTPUT"),
    ("time_stretching.stretch", "--input SOURCE --rate 2 --method vocoder --output OUTPUT"),
    ("vae_generation.generate", "--reconstruct SOURCE --output OUTPUT"),
    ("vae_generation.generate", "--continuation SOURCE --output OUTPUT"),
    ("vae_generation.generate", "--interpolate OTHER SOURCE --output OUTPUT"),
    ("random_cnn_style.mix", "--content SOURCE --style OTHER --output OUTPUT"),
    ("random_cnn_style.mix", "--content OTHER --style OTHER SOURCE --output OUTPUT"),
    ("random_cnn_style.mix", "--style SOURCE --save_style OUTPUT"),
    ("random_cnn_style.mix", "--style OTHER --texture 1 --output OUTPUT"),
    ("vae_generation.preprocess", "--audio_path FOLDER --features_path OUTPUT"),
    ("time_stretching.preprocess", "--audio_path FOLDER --features_path OUTPUT"),
    ("synthesize_notes", "--soundfont SOURCE --out OUTPUT"),
]


def recording(path):
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, np.sin(np.arange(22050) / 20) / 2, 44100)
    return path


def same(path, _):
    return path


def symbolic(path, folder):
    (folder / "link.wav").symlink_to(path)
    return folder / "link.wav"


def hard(path, folder):
    (folder / "hard.wav").hardlink_to(path)
    return folder / "hard.wav"


def relative(path, _):
    return Path(os.path.relpath(path))


@pytest.mark.parametrize("way", [same, symbolic, hard, relative])
@pytest.mark.parametrize(("module", "flags"), CASES)
def test_a_source_is_never_overwritten(tmp_path, module, flags, way):
    source, other = (recording(tmp_path / "in" / name) for name in ("take.wav", "other.wav"))
    given = source if "SOURCE" in flags or "FOLDER" in flags else other
    if "FOLDER" in flags and way in (symbolic, hard):
        pytest.skip("only links within the folder are of it")
    before = given.read_bytes()
    words = {
        "SOURCE": source,
        "OTHER": other,
        "FOLDER": source.parent,
        "OUTPUT": way(given, tmp_path),
    }
    main = importlib.import_module(module).main
    with pytest.raises(UserError, match="choose another --"):
        main([str(words.get(word, word)) for word in flags.split()])
    assert given.read_bytes() == before
    assert sorted(path.name for path in given.parent.iterdir()) == ["other.wav", "take.wav"]


@pytest.mark.parametrize("below", [".", "out", "out/deeper"])
@pytest.mark.parametrize("linked", [False, True])
def test_an_output_folder_within_the_input_folder_is_refused(tmp_path, below, linked):
    folder = recording(tmp_path / "songs" / "a.wav").parent
    output = folder / below
    if linked:
        (tmp_path / "elsewhere").symlink_to(folder)
        output = tmp_path / "elsewhere" / below
    predict = importlib.import_module("predict").main
    compute = importlib.import_module("compute_features").main
    with pytest.raises(UserError, match="lies in the folder of --input"):
        predict(["--input", str(folder), "--output", str(output)])
    with pytest.raises(UserError, match="lies in the folder of --audios_path"):
        compute(["--audios_path", str(folder), "--features_path", str(output)])
    assert [path.name for path in folder.iterdir()] == ["a.wav"]


def test_a_folder_above_or_beside_the_sources_is_fine(tmp_path):
    source = recording(tmp_path / "songs" / "a.wav")
    for output in (tmp_path, tmp_path / "songs2", source.parent / "b.wav"):
        cli.require_apart({"output": [output]}, {"input": [source]}, ["input"])
    cli.require_apart({"output": [tmp_path]}, {"input": [source.parent]}, ["input"])


def test_what_a_script_was_given_is_not_replaced_later(tmp_path):
    """For example if an output folder gets a file with the name of a source."""
    source = recording(tmp_path / "alpha_1.wav")
    before = source.read_bytes()
    cli.require_apart({"output": [tmp_path]}, {"style": [source]})
    with pytest.raises(UserError, match="is one of the inputs; write elsewhere"):
        write_audio(source, np.zeros(9), 44100)
    assert source.read_bytes() == before
    cli.require_apart({}, {})
    with replace_when_done(source) as temporary:
        temporary.write_bytes(b"")
    assert source.read_bytes() == b""


def test_every_path_of_a_script_is_a_source_unless_it_is_written(tmp_path):
    source = recording(tmp_path / "a.wav")
    built = cli.parser("A script.", writes=("output", "report"))
    for flag in ("--output", "--report", "--of_a_later_day"):
        built.add_argument(flag, type=Path, nargs="+")
    for flag in ("--output", "--report"):
        with pytest.raises(UserError, match=f"is the file of --of_a_later_day; choose .* {flag}"):
            built.parse_args(["--of_a_later_day", "x", str(source), flag, str(source)])


@pytest.mark.parametrize("below", ["", "in", "in/deeper"])
def test_a_model_is_not_shipped_into_itself(tmp_path, below):
    (tmp_path / "model").mkdir()
    ship = importlib.import_module("ship_model").main
    with pytest.raises(UserError, match="lies in the folder of --model"):
        ship(["--model", str(tmp_path / "model"), "--output", str(tmp_path / "model" / below)])
    assert not list((tmp_path / "model").iterdir())
