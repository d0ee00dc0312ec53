"""The transform of the codec with more overlap than that of its images."""

import librosa
import numpy as np
import pytest
from test_data import STFT, low_passed, snr

from data import (
    BINS,
    FFT_SIZE,
    HOP,
    column_count,
    forward_spectra,
    forward_transform,
    inverse_spectra,
)


@pytest.mark.parametrize("hop", [64, 128, 256])
def test_more_overlap_adds_columns_in_between(hop):
    audio = low_passed(20_001)
    steps = HOP // hop
    magnitude, phase = forward_transform(audio, hop=hop)
    assert magnitude.shape[1] == column_count(audio.size, hop) == 1 + -(-audio.size // hop)
    for shift in range(steps):
        # columns of the audio that begins later
        found = [one[:, shift::steps][:, 1:30] for one in (magnitude, phase)]
        expected = [one[:, 1:30] for one in forward_transform(audio[shift * hop :])]
        np.testing.assert_array_equal(found, expected)
    some = forward_transform(audio, columns=slice(7, 21), hop=hop)
    np.testing.assert_array_equal(some, (magnitude[:, 7:21], phase[:, 7:21]))
    spectra = forward_spectra(audio, hop)
    np.testing.assert_allclose(spectra, magnitude * np.exp(1j * phase), atol=1e-7)
    back = inverse_spectra(spectra, audio.size, hop)
    assert snr(audio, back) > 60
    assert inverse_spectra(spectra, hop=hop).size == (magnitude.shape[1] - 1) * hop


def test_more_overlap_inverts_like_librosa_also_spectra_of_no_signal():
    rng = np.random.default_rng(1)
    hop, samples = 256, 5120
    shape = BINS, column_count(samples, hop)
    spectra = np.complex64(rng.normal(size=shape) + 1j * rng.normal(size=shape)) / 100
    whole = np.zeros((FFT_SIZE // 2 + 1, shape[1]), np.complex128)
    whole[:BINS] = spectra * np.hanning(1024).sum() / 2
    settings = {"n_fft": FFT_SIZE, "window": STFT["window"]}
    expected = librosa.istft(whole, hop_length=hop, length=samples, **settings)
    np.testing.assert_allclose(inverse_spectra(spectra, samples, hop), expected, atol=2e-6)
