"""The shipped model gives the outputs that TensorFlow gave, kept in tests/golden, on any backend.

    PYTHONPATH=. python tests/test_golden.py

run on TensorFlow in the root of the project makes the file again, after a change of the model.
"""

import sys
from pathlib import Path

import numpy as np

from common.training.devices import list_gpus

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "models" / "keyboard_acoustic_2_guitar_acoustic" / "generator.h5"
GOLDEN = ROOT / "tests" / "golden" / "keyboard_acoustic_2_guitar_acoustic.npz"
SAMPLE = np.s_[:, ::6, ::6]  # the part of the outputs that is kept: 14 kB


def chords():
    """Make two frames of decaying harmonics: (2, 256, 256, 1) float32 in [-1, 1]."""
    rng = np.random.default_rng(20)
    frames = np.zeros((2, 256, 256))
    columns = np.arange(256)
    for frame in frames:
        for start in range(0, 256, 32):
            decay = np.where(columns >= start, np.exp(-(columns - start) / 60), 0)
            for pitch in rng.integers(3, 24, size=3):
                for harmonic in range(1, 256 // pitch):
                    frame[pitch * harmonic] += decay * 0.8**harmonic
    image = np.log1p(1000 * frames) / np.log1p(4000) + 0.02 * rng.random(frames.shape)
    return np.float32(np.clip(image, 0, 1) * 2 - 1)[..., np.newaxis]


def sampled_outputs():
    """Convert the chords by the shipped model; return some values: (2, 43, 43) float32."""
    from pix2pix_timbre.trained import Predictor
    from pix2pix_timbre.weights import load_generator

    predicted = Predictor(load_generator(MODEL))((chords() + 1) / 2) * 2 - 1
    return predicted[..., 0][SAMPLE]


def test_the_shipped_model_gives_the_outputs_that_are_kept():
    with np.load(GOLDEN) as golden:
        expected = golden["outputs"]
    found = sampled_outputs()
    assert found.shape == expected.shape
    assert expected.std() > 0.2  # the output is not silent
    # GPUs convolve in TensorFloat-32
    tolerance = 5e-3 if list_gpus() else 2e-5
    np.testing.assert_allclose(found, expected, atol=tolerance)


def test_the_kept_file_is_small():
    assert GOLDEN.stat().st_size < 20_000


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    np.savez(GOLDEN, outputs=sampled_outputs())
