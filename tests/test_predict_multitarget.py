"""predict_multitarget.py through its real parser: the style that it uses, and mistakes."""

import keras
import numpy as np
import pytest
import soundfile
from conftest import assert_refused, outcome

import predict
import predict_multitarget
from common.files.text import write_json
from common.training.weights import save_h5
from data import load_audio
from pix2pix_timbre.features import CODEC
from pix2pix_timbre.model import build_generator


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Run folders of generators with one and with two channels, whose output is quiet."""
    folder = tmp_path_factory.mktemp("runs")
    for name, channels in (("one", 1), ("any", 2)):
        keras.utils.set_random_seed(0)
        generator = build_generator(2, channels)
        for variable in generator.weights:
            if variable.path.endswith("kernel"):
                variable.assign(variable.value * 4)
        generator.get_layer("generator_output").bias.assign([-0.3])
        save_h5(generator, folder / name / "generator.h5")
        write_json(folder / name / "config.json", {"codec": CODEC})
    return folder


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """piano.wav, and style.wav: quiet at first, loud from second 4 to 8, as stereo of 22.05 kHz."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    time = np.arange(5 * 44100) / 44100
    soundfile.write(folder / "piano.wav", 0.3 * np.sin(2 * np.pi * 440 * time), 44100)
    style = rng.normal(0, 0.001, (10 * 22050, 2))
    style[4 * 22050 : 8 * 22050] *= 100
    soundfile.write(folder / "style.wav", style, 22050)
    soundfile.write(folder / "silence.wav", np.zeros(44100), 44100)
    return folder


@pytest.fixture
def arguments(models, sounds):
    """Function of an output and changed flags that returns a command line."""
    folders = {"runs": models, "sounds": sounds}

    def words(output, **changes):
        flags = {"model": "runs/any", "input": "sounds/piano.wav", "style": "sounds/style.wav"}
        argv = ["--output", str(output)]
        for name, value in {**flags, **changes}.items():
            folder, _, rest = str(value).partition("/")
            argv += [f"--{name}", str(folders[folder] / rest if folder in folders else value)]
        return argv

    return words


def test_the_style_is_chosen_printed_repeatable_and_heeded(arguments, sounds, tmp_path, capsys):
    status, out, err = outcome(predict_multitarget.main, arguments(tmp_path / "chosen.wav"), capsys)
    assert (status, err) == (0, [])
    offset = out[0].split()[-1]
    assert out[0] == f"style: {sounds / 'style.wav'}, 2.97 s from --style_offset {offset}"
    assert 4 <= float(offset) <= 8 - 2.97
    audios = {"chosen": load_audio(tmp_path / "chosen.wav")[0]}
    for name, start in (("again", offset), ("other", "0.5")):
        argv = arguments(tmp_path / f"{name}.wav", style_offset=start)
        status, out, _ = outcome(predict_multitarget.main, argv, capsys)
        assert status == 0
        assert float(out[0].split()[-1]) == pytest.approx(float(start), abs=512 / 44100)
        audios[name] = load_audio(tmp_path / f"{name}.wav")[0]
    assert len(audios["chosen"]) == 5 * 44100
    np.testing.assert_array_equal(audios["chosen"], audios["again"])
    assert np.abs(audios["chosen"] - audios["other"]).max() > 0.01


def test_a_folder_is_converted_with_one_style(arguments, tmp_path, capsys):
    argv = arguments(tmp_path / "out", input="sounds/")
    status, _, err = outcome(predict_multitarget.main, argv, capsys)
    assert (status, err) == (0, [])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"piano.wav", "silence.wav", "style.wav"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"style": "sounds/none.wav"}, ["none.wav", "no such file"]),
        ({"style": "sounds/silence.wav"}, ["silence.wav", "silent", "--style"]),
        ({"style_offset": 10.5}, ["--style_offset 10.5", "style.wav", "10.0 s"]),
        ({"style_offset": -1}, ["--style_offset", "at least 0"]),
        ({"model": "runs/one"}, ["1 input channels", "predict.py"]),
        ({"input": "sounds/none.wav"}, ["none.wav"]),
    ],
)
def test_mistakes_are_one_line(arguments, tmp_path, capsys, changes, words):
    argv = arguments(tmp_path / "out.wav", **changes)
    assert_refused(predict_multitarget.main, argv, capsys, *words)
    assert not list(tmp_path.iterdir())


def test_each_script_names_the_other_for_the_other_kind_of_model(models, sounds, tmp_path, capsys):
    words = ["--model", models / "any", "--input", sounds / "piano.wav"]
    argv = [str(word) for word in [*words, "--output", tmp_path / "out.wav"]]
    assert_refused(predict.main, argv, capsys, "2 input channels", "predict_multitarget.py")
