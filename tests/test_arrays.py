"""The functions for notebooks check the arrays that they are given, all in the same way."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import pix2pix_timbre
import random_cnn_style
import time_stretching
from common.audio.voices import Voices
from common.cli import UserError
from common.files.audio import checked_audio, load_audio
from pix2pix_timbre import trained as timbre
from vae_generation import ways

RATE = 16000
GOOD = np.sin(np.arange(4000, dtype=np.float32) / 9)
FUNCTIONS = {
    "convert": pix2pix_timbre.convert,
    "style of convert": lambda audio, rate: pix2pix_timbre.convert(GOOD, rate, style=audio),
    "time_stretch": lambda audio, rate: time_stretching.time_stretch(audio, rate, 2),
    "content": lambda audio, rate: random_cnn_style.style_transfer(audio, GOOD, rate),
    "style": lambda audio, rate: random_cnn_style.style_transfer(GOOD, audio, rate),
    "reconstruct": ways.reconstruct,
    "first": lambda audio, rate: ways.interpolate(audio, GOOD, rate),
    "second": lambda audio, rate: ways.interpolate(GOOD, audio, rate),
}
WRONG = [
    (np.array([0, np.nan]), "NaN or infinite"),
    (np.array([0, -np.inf], np.float32), "NaN or infinite"),
    (GOOD * 32767, "up to 3276.* full scale is 1; divide"),
    (np.array([1e300, 0]), "repair the recording first"),
    (GOOD.astype(complex), "real numbers but of complex128"),
    (GOOD.astype(object), "real numbers but of object"),
    (GOOD > 0, "real numbers but of bool"),
    ("song.wav", "real numbers but of <U8; give samples"),
    (None, "real numbers but of object"),
    ([[0.5], [0.5, 0.5]], "the same length"),
    (GOOD[:0], "is empty"),
    (np.zeros((2, 0)), "is empty"),
    (np.float32(0.5), "has 0 axes"),
    (GOOD.reshape(2, 2, -1), r"has 3 axes; give \(samples,\) or \(channels, samples\)"),
    (GOOD.reshape(-1, 2), r"2000 channels, .*\(channels, samples\); transpose what soundfile.read"),
    (np.array([0, 1000]), "int64 has no full scale; divide"),
]


@pytest.fixture(autouse=True)
def tiny_generators(monkeypatch):
    """Models without networks, for mistakes that are found before anything is computed."""

    def open_once(model):
        channels = 2 if str(model).endswith("any") else 1
        shapes = {"input_shape": (None, channels), "output_shape": (None, 1)}
        return timbre.TimbreModel(
            SimpleNamespace(**shapes, layers=[], compile=lambda **settings: None)
        )

    monkeypatch.setattr(timbre, "open_once", open_once)


@pytest.mark.parametrize("audio, message", WRONG)
def test_arrays_that_are_not_audio_are_refused(audio, message):
    with pytest.raises(UserError, match=message) as caught:
        checked_audio(audio, RATE, "first")
    assert str(caught.value).startswith("first: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_checks_its_arrays(name):
    for audio in ("song.wav", GOOD[:0], np.array([np.nan]), GOOD.reshape(-1, 2)):
        with pytest.raises(UserError, match=f"^({name.split()[0]}|audio): "):
            FUNCTIONS[name](audio, RATE)
    with pytest.raises(UserError, match=r"^sample_rate 0: "):
        FUNCTIONS[name](GOOD, 0)


@pytest.mark.parametrize("rate", [3999, 768001, -1, 44100.0, True, "44100", None])
def test_sample_rates_are_whole_numbers_as_of_files(rate):
    with pytest.raises(
        UserError, match=r"^sample_rate .*: give a whole number from 4000 to 768000"
    ):
        checked_audio(GOOD, rate)


@pytest.mark.parametrize("rate", [4000, np.int64(768000)])
def test_float32_is_taken_as_it_is(rate):
    for audio in (GOOD, GOOD.reshape(2, -1), GOOD[::-2], np.float32([16, -16])):
        assert checked_audio(audio, rate) is audio


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", ">i2", "uint16", "int32", "uint32"])
def test_integers_are_scaled_by_their_type(dtype):
    limits = np.iinfo(dtype)
    middle = (int(limits.max) + int(limits.min) + 1) // 2
    given = np.array([limits.min, middle, limits.max], dtype)
    before = given.copy()
    found = checked_audio(given, RATE)
    assert found.dtype == np.float32
    highest = 1 - 2.0 ** (1 - limits.bits)
    np.testing.assert_array_equal(found, np.float32([-1, 0, highest]))
    np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("dtype, subtype", [("int16", "PCM_16"), ("int32", "PCM_32")])
def test_integers_are_what_the_reader_makes_of_them(tmp_path, dtype, subtype):
    limits = np.iinfo(dtype)
    given = np.random.default_rng(0).integers(limits.min, limits.max, 999, dtype)
    soundfile.write(tmp_path / "a.wav", given, RATE, subtype)
    expected, _ = load_audio(tmp_path / "a.wav")
    np.testing.assert_array_equal(checked_audio(given, RATE), expected)


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
def test_other_floats_become_float32(dtype):
    found = checked_audio(GOOD.astype(dtype), RATE)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, GOOD, atol=1e-3)


def test_integers_sound_like_floats():
    whole = np.round(GOOD * 32767).astype(np.int16)
    made = [time_stretching.time_stretch(one, RATE, 2) for one in (whole, whole / 32768)]
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"method": "bogus"}, "method 'bogus': give one of neural, "),
        ({"method": None}, "method None: "),
        ({"onsets": "x"}, "onsets 'x': give True or False"),
        ({"iterations": -1}, "iterations -1: give a whole number of at least 0"),
        ({"iterations": 1.5}, "iterations 1.5: "),
        ({"samples": -1}, "samples -1: "),
        ({"rate": 5}, "rate 5: not between"),
        ({"rate": "2"}, "rate '2': give a number"),
        ({"rate": np.nan}, "rate nan: "),
    ],
)
def test_settings_of_time_stretch(settings, message):
    with pytest.raises(UserError, match=f"^{message}"):
        time_stretching.time_stretch(GOOD, RATE, **{"rate": 2} | settings)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"overlap": 2}, "overlap 2: give a number of at least 0 and below 1"),
        ({"overlap": 1}, "overlap 1: "),
        ({"overlap": -0.1}, "overlap -0.1: "),
        ({"overlap": "0"}, "overlap '0': "),
        ({"phase": "bogus"}, "phase 'bogus': give one of mixed, .*, network"),
        ({"phase": 3}, "phase 3: "),
        ({"voices": 3}, "voices 3: give common.audio.voices.Voices"),
        ({"voices": Voices(2, -5)}, "voices: cents -5: give a number from 1 to 100"),
        ({"phase": "network"}, "phase network: give its network as phase_model"),
    ],
)
def test_settings_of_convert(settings, message):
    with pytest.raises(UserError, match=f"^{message}"):
        pix2pix_timbre.convert(GOOD, RATE, **settings)


@pytest.mark.parametrize("number", [0, -1, 1.5, "2", None])
def test_numbers_of_sounds(number):
    with pytest.raises(UserError, match=r"^number .*: give a whole number of at least 1"):
        ways.draw(number)
    with pytest.raises(UserError, match=r"^steps .*: give a whole number of at least 1"):
        ways.interpolate(GOOD, GOOD, RATE, steps=number)


def test_functions_with_one_channel_average_them(monkeypatch):
    class Same:
        sample_rate = RATE
        encode = staticmethod(lambda audio: audio)
        decode = staticmethod(lambda z, seed: z)

    monkeypatch.setattr(ways, "open_once", lambda model: Same)
    two = np.stack([GOOD, 0 * GOOD])
    np.testing.assert_array_equal(ways.reconstruct(two, RATE), GOOD / 2)
    np.testing.assert_array_equal(ways.reconstruct(GOOD, RATE), GOOD)
