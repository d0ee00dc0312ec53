"""benchmarks/data_path.py; and that the fast data path computes the same samples."""

import re

import numpy as np
import pytest
import soundfile

import data
from benchmarks import data_path
from common.files.audio import peak


@pytest.fixture
def audio():
    """(samples, 2) float32 within [-1, 1], with its extremes and values halfway between steps."""
    audio = np.random.default_rng(0).uniform(-1, 1, (3000, 2)).astype(np.float32)
    audio[:6, 0] = -1, 1, 0, 0.5 / 32767, 1.5 / 32767, -2.5 / 32767
    return audio


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".caf"])
def test_16_bits_are_written_to_the_nearest_step_and_read_as_libsndfile_does_it(
    tmp_path, audio, suffix
):
    ours, again = tmp_path / f"ours{suffix}", tmp_path / f"again{suffix}"
    data.write_audio(ours, audio.T, 8000)
    expected, _ = soundfile.read(ours, dtype="float32")
    np.testing.assert_allclose(expected, np.minimum(audio, 1 - 2**-15), rtol=0, atol=2**-16)
    loaded, rate = data.load_audio(ours, sample_rate=None, mono=False)
    assert rate == 8000 and loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, expected.T)
    data.write_audio(again, loaded, 8000)
    assert again.read_bytes() == ours.read_bytes()
    mono, _ = data.load_audio(ours, sample_rate=None)
    np.testing.assert_array_equal(mono, expected.mean(axis=1, dtype=np.float32))


@pytest.mark.parametrize("loudest", [1 - 2**-15, 1 - 2**-16 - 2**-24, 1 - 2**-16, 1 - 2**-24, 1])
def test_the_loudest_sample_is_written_to_the_nearest_step_there_is(tmp_path, loudest):
    given = np.array([0, loudest, -loudest], np.float32)
    data.write_audio(tmp_path / "loud.wav", given, 8000)
    found, _ = soundfile.read(tmp_path / "loud.wav", dtype="int16")
    np.testing.assert_array_equal(found, np.minimum(np.rint(given * 2**15), 2**15 - 1))


@pytest.mark.parametrize(
    ("audio", "expected"),
    [([], 0), ([0.25, -0.5], 0.5), ([[0.75, 0], [0, -0.25]], 0.75), ([-0.125], 0.125)],
)
def test_peak(audio, expected):
    assert peak(np.array(audio, np.float32)) == expected


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_peak_of_what_holds_nan_is_nan(place):
    audio = np.array([0.5, -1, 0.25], np.float32)
    audio[place] = np.nan
    assert np.isnan(peak(audio))


@pytest.mark.parametrize("columns", [slice(None), slice(1, -1), slice(100, 3), slice(70, 400)])
def test_some_columns_are_those_of_all(audio, columns):
    for signal in (audio[:, 0], np.repeat(audio, 60, axis=0).T):
        whole, found = data.forward_transform(signal), data.forward_transform(signal, True, columns)
        for all_columns, some in zip(whole, found, strict=True):
            np.testing.assert_array_equal(some, all_columns[..., columns])
        alone, _ = data.forward_transform(signal, False, columns)
        np.testing.assert_array_equal(alone, found[0])


def test_every_script_has_help_and_stands_in_the_benchmark():
    names = [words[-1] for words in data_path.scripts()]
    assert {"train.py", "predict.py", "vae_generation.generate", "random_cnn_style.mix"} < {*names}
    assert len(names) == len({*names}) > 20
    assert "data.py" not in names


@pytest.mark.stress
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what librosa imports
def test_the_benchmark_prints_what_fits_together(tmp_path, capsys):
    (tmp_path / "piece.mid").write_bytes(
        (data_path.ROOT / "data/midi/chopin_prelude_op28_no20.mid").read_bytes()
    )
    argv = ["--rounds", "1", "--renderings", "2", "--jobs", "1", "--midi_path", str(tmp_path)]
    assert data_path.main([*argv, "--part", "memory", "synthesis", "features"]) == 0
    printed = capsys.readouterr().out
    held = float(re.search(r"5 velocities take (\d+) MB", printed)[1])
    assert held == pytest.approx(88 * 5 * 4 * 16000 * 4 / 1e6, rel=0.1) and held < 300
    rows = dict(re.findall(r"^(\S.*\S)\s{2,}([\d,]+)\s+\d+\.\d{4}$", printed, re.MULTILINE))
    speeds = {name: float(speed.replace(",", "")) for name, speed in rows.items()}
    ratios = dict(re.findall(r"^(\S.*\S)\s{2,}[\d,]+\s+(\d+\.\d{4})$", printed, re.MULTILINE))
    assert {"synthesize_audios.py --jobs 1", "compute_features.py --jobs 1"} < speeds.keys()
    assert float(ratios["plain loop"]) == 1 and all(speed > 0 for speed in speeds.values())
    less = float(re.search(r"or 1 / ([\d.]+)$", printed, re.MULTILINE)[1])
    assert 3 < less < 6  # a quarter, except for padding and the store's overhead
