"""The non-stationary Gabor transform against identities, closed forms and cicuetea."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.audio.nsgt import NSGT, SCALES
from common.audio.phase import griffin_lim
from common.cli import UserError

PUBLISHED = NSGT(22050, 172, "mel", 30.0, 10000.0, 500)
# hops that even the highest bands permit
EXACT = [
    NSGT(22050, 128, "mel", 0.0, 11025.0, 500),
    NSGT(22050, 40, "erb", 0.0, 11025.0, 168),
    NSGT(16000, 20, "constant-q", 40.0, 8000.0, 185),
    NSGT(16000, 125, "mel", 30.0, 8000.0, 500),
]
NAMES = ["mel", "erb", "constant-q", "mel at 16 kHz"]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape)


@pytest.mark.parametrize("transform", EXACT, ids=NAMES)
@given(samples=st.integers(1, 9000), channels=st.integers(1, 2))
def test_audio_is_reconstructed_perfectly(transform, samples, channels):
    assert transform.check().is_exact
    audio = noise(channels, samples)
    spectra = transform.forward(audio)
    assert spectra.shape == (channels, transform.bins, transform.columns(samples))
    assert spectra.dtype == np.complex128
    np.testing.assert_allclose(transform.inverse(spectra, samples), audio, atol=1e-12)
    single = audio.astype(np.float32)
    spectra = transform.forward(single)
    assert spectra.dtype == np.complex64
    # single precision: a few dozen of its steps of 6e-8
    np.testing.assert_allclose(transform.inverse(spectra, samples), single, atol=3e-6)


def test_constant_q_is_that_of_cicuetea_with_the_same_windows():
    cicuetea = pytest.importorskip("cicuetea", reason="cicuetea is not installed")
    transform = NSGT(16000, 8, "constant-q", 55.0, 55.0 * 2**7, 7 * 12 + 1)
    audio = noise(8 * 1000 - 8)
    settings = {"frac": 1 / 12, "f_min": 55.0, "f_max": 55.0 * 2**7, "f_ref": 55.0}
    theirs = cicuetea.NsgfCQT("dense", 16000, 8000, **settings)
    np.testing.assert_allclose(transform.frequencies, theirs.band_axis)
    # cicuetea's filters are Gaussian; here ours has its frequencies
    hertz = np.maximum(theirs.freq_axis, 1e-9)[:, np.newaxis]
    distance = np.abs(12 * np.log2(hertz / theirs.band_axis))
    windows = np.cos(np.pi / 2 * np.minimum(distance, 1)) ** 2
    windows[hertz[:, 0] < theirs.band_axis[0], 0] = 1
    windows[hertz[:, 0] > theirs.band_axis[-1], -1] = 1
    windows[theirs.freq_axis > 8000] = 0
    operator = np.square(windows).sum(axis=1, keepdims=True)
    theirs.g = windows
    theirs.g_dual = np.divide(windows, operator, where=operator > 0, out=np.zeros_like(windows))
    expected = theirs.forward(np.pad(audio, (0, 8)))
    found = transform.forward(audio)
    np.testing.assert_allclose(found, expected[::8].T, atol=1e-10)
    back = theirs.inverse(theirs.forward(np.pad(audio, (0, 8))))
    np.testing.assert_allclose(transform.inverse(found), back[:-8], atol=1e-10)


@pytest.mark.parametrize("transform", [*EXACT, PUBLISHED], ids=[*NAMES, "published"])
def test_a_sine_in_the_middle_of_a_band_is_its_analytic_signal(transform):
    columns = 400
    length = columns * transform.hop
    for band in (transform.bins // 3, transform.bins // 2, transform.bins - 5):
        # the nearest frequency that is periodic in the audio
        hertz = round(transform.frequencies[band] * length / transform.sample_rate)
        hertz *= transform.sample_rate / length
        time = np.arange(length) / transform.sample_rate
        audio = 0.3 * np.cos(2 * np.pi * hertz * time + 0.7)
        # the transform replaces the last hop by silence
        spectra = transform.forward(audio[: -transform.hop])[band, 100:-100]
        position, _ = SCALES[transform.scale]
        step = np.diff(position(transform.frequencies[band : band + 2]))[0]
        away = (position(hertz) - position(transform.frequencies[band])) / step
        times = time[:: transform.hop][100:-100]
        expected = 0.3 * np.cos(np.pi / 2 * away) ** 2
        expected = expected * np.exp(1j * (2 * np.pi * hertz * times + 0.7))
        np.testing.assert_allclose(spectra, expected, atol=0.01)


def test_a_delay_of_whole_hops_delays_the_columns():
    audio = np.zeros(60 * 172)
    audio[: 20 * 172] = noise(20 * 172)
    first, later = (PUBLISHED.forward(np.roll(audio, shift * 172)) for shift in (0, 25))
    np.testing.assert_allclose(later, np.roll(first, 25, axis=-1), atol=1e-12)


def test_what_lies_between_the_bands_comes_back_at_the_published_hop_and_no_more():
    assert not PUBLISHED.check().is_exact
    audio = noise(99 * 172)
    hertz = np.fft.rfftfreq(100 * 172, 1 / 22050)
    found = np.fft.rfft(PUBLISHED.inverse(PUBLISHED.forward(audio), 100 * 172))
    truth = np.fft.rfft(audio, 100 * 172)
    within, beyond = hertz <= 10000, hertz > 10100
    np.testing.assert_allclose(found[within], truth[within], atol=1e-9)
    np.testing.assert_allclose(found[beyond], 0, atol=1e-9)


def test_scales_are_those_of_their_papers():
    mel, erb = SCALES["mel"][0], SCALES["erb"][0]
    assert mel(1000) == pytest.approx(1000, abs=0.1)
    assert erb(1000) == pytest.approx(15.62, abs=0.01)
    # the slope of the ERB scale is one over the bandwidth of the auditory filter
    width = 24.7 * (4.37 * 2.0 + 1)
    assert erb(2000 + width / 2) - erb(2000 - width / 2) == pytest.approx(1, abs=0.01)
    for position, inverse in SCALES.values():
        assert inverse(position(440.0)) == pytest.approx(440)
    octaves = NSGT(16000, 8, "constant-q", 55.0, 7040.0, 85).frequencies
    np.testing.assert_allclose(octaves[12:] / octaves[:-12], 2)


def test_griffin_lim_finds_a_signal_of_the_magnitude():
    time = np.arange(159 * 172) / 22050
    audio = sum(np.sin(2 * np.pi * 220 * k * time) / k for k in range(1, 20)).astype(np.float32)
    audio *= np.exp(-3 * time).astype(np.float32)
    magnitude = np.abs(PUBLISHED.forward(audio))

    def lost(spectra):
        reached = np.abs(PUBLISHED.forward(PUBLISHED.inverse(spectra)))
        return np.linalg.norm(reached - magnitude) / np.linalg.norm(magnitude)

    start = magnitude * np.exp(2j * np.pi * noise(*magnitude.shape))
    found = griffin_lim(magnitude, PUBLISHED, start, 32, 0.99)
    assert lost(found) < 0.1 * lost(start)


def test_the_estimated_phase_of_steady_partials_is_nearly_consistent():
    time = np.arange(159 * 172) / 22050
    audio = sum(np.sin(2 * np.pi * 331 * k * time + k) / k for k in range(1, 8))
    magnitude = np.abs(PUBLISHED.forward(audio))

    def lost(phase):
        reached = np.abs(PUBLISHED.forward(PUBLISHED.inverse(magnitude * np.exp(1j * phase))))
        return np.linalg.norm((reached - magnitude)[:, 40:-40]) / np.linalg.norm(magnitude)

    estimated = PUBLISHED.estimate_phase(magnitude)
    assert estimated.shape == magnitude.shape
    assert lost(estimated) < 0.1 * lost(2 * np.pi * noise(*magnitude.shape))
    # in the middle of a partial, the phase moves with its frequency
    band = np.argmax(magnitude[:, 80])
    moved = np.diff(np.unwrap(estimated[band])) * 22050 / (2 * np.pi * 172)
    expected = 331 - 22050 / 172 * np.rint(331 * 172 / 22050)
    np.testing.assert_allclose(moved[40:-40], expected, atol=1)
    silent = PUBLISHED.estimate_phase(np.zeros((500, 3)))
    assert np.isfinite(silent).all()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"highest": 11025.0}, "at most 169"),
        ({"hop": 200}, "too long"),
        ({"lowest": -1.0}, "between 0"),
        ({"highest": 12000.0}, "between 0"),
        ({"bins": 2}, "three"),
        ({"scale": "constant-q", "lowest": 0.0}, "above 0 Hz"),
    ],
)
def test_bands_that_their_samples_cannot_tell_are_refused(changes, word):
    with pytest.raises(UserError, match=word):
        PUBLISHED._replace(**changes).check()
