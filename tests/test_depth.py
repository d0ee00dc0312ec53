"""Converted recordings keep their bit depth."""

import numpy as np
import pytest
import soundfile

from common.files.audio import kept_subtype, read_header
from time_stretching import stretch

AUDIO = np.random.default_rng(0).uniform(-0.5, 0.5, 8000)


@pytest.mark.parametrize(
    ("source", "subtype", "output", "kept"),
    [
        ("a.wav", "PCM_16", "b.wav", None),
        ("a.wav", "PCM_U8", "b.wav", None),
        ("a.wav", "PCM_24", "b.wav", "PCM_24"),
        ("a.wav", "PCM_24", "b.flac", "PCM_24"),
        ("a.flac", "PCM_24", "b.aiff", "PCM_24"),
        ("a.wav", "PCM_24", "b.ogg", None),
        ("a.wav", "PCM_32", "b.wav", "PCM_32"),
        ("a.wav", "PCM_32", "b.flac", "PCM_24"),
        ("a.wav", "FLOAT", "b.wav", "FLOAT"),
        ("a.wav", "FLOAT", "b.flac", "PCM_24"),
        ("a.wav", "DOUBLE", "b.wav", "FLOAT"),
        ("a.ogg", "VORBIS", "b.wav", None),
        ("a.wav", "PCM_24", "b.xyz", None),
    ],
)
def test_sample_format_of_an_output(tmp_path, source, subtype, output, kept):
    soundfile.write(tmp_path / source, AUDIO, 44100, subtype)
    assert kept_subtype(read_header(tmp_path / source), tmp_path / output) == kept


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_stretched_recording_is_as_deep(tmp_path, subtype):
    soundfile.write(tmp_path / "a.wav", AUDIO, 16000, subtype)
    paths = ["--input", tmp_path / "a.wav", "--output", tmp_path / "b.wav"]
    flags = ["--method", "vocoder", "--rate", "1"]
    assert stretch.main([str(word) for word in [*paths, *flags]]) == 0
    assert soundfile.info(tmp_path / "b.wav").subtype == subtype
