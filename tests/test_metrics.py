"""common/audio/metrics.py against cases with known answers."""

import librosa
import numpy as np
import pytest

from common.audio import metrics
from common.audio.metrics import (
    DYNAMIC_RANGE,
    border_flux,
    fine_spectral_distance,
    flux_ratio,
    log_spectral_distance,
    loudness_error,
    mfcc_cosine,
    multi_resolution_spectral_distance,
    onset_ratio,
    spectral_convergence,
    timbre_distance,
    tonal_balance_error,
    valley_excess,
)

OF_AUDIO = [
    multi_resolution_spectral_distance,
    timbre_distance,
    loudness_error,
    fine_spectral_distance,
    tonal_balance_error,
    valley_excess,
]
OF_MAGNITUDES = [log_spectral_distance, spectral_convergence]


def tone(frequency, partials=1, seconds=1.0):
    """Make a harmonic tone of equally loud partials: (samples,) float32."""
    time = np.arange(round(seconds * 44100)) / 44100
    waves = [np.sin(2 * np.pi * frequency * n * time) for n in range(1, partials + 1)]
    return np.float32(0.2 / partials * np.sum(waves, axis=0))


@pytest.fixture
def noise():
    """A second of white noise: (samples,) float32."""
    return np.random.default_rng(0).normal(0, 0.1, 44100).astype(np.float32)


@pytest.fixture
def magnitude():
    """Random magnitudes within 60 dB: (256, 20)."""
    return 10 ** np.random.default_rng(1).uniform(-3, 0, (256, 20))


@pytest.mark.parametrize("measure", OF_AUDIO)
def test_equal_audio_is_at_distance_zero_and_unchanged(measure, noise):
    before = noise.copy()
    assert measure(noise, noise.copy()) == 0
    np.testing.assert_array_equal(noise, before)


@pytest.mark.parametrize("measure", OF_MAGNITUDES)
def test_equal_magnitudes_are_at_distance_zero(measure, magnitude):
    assert measure(magnitude, magnitude.copy()) == 0


@pytest.mark.parametrize("measure", [*OF_AUDIO, *OF_MAGNITUDES])
def test_shapes_that_differ_or_are_empty_are_refused(measure):
    with pytest.raises(ValueError, match="do not match"):
        measure(np.ones((256, 3)), np.ones((256, 4)))
    with pytest.raises(ValueError, match="do not match"):
        measure(np.ones((256, 0)), np.ones((256, 0)))


@pytest.mark.parametrize("measure", OF_AUDIO)
def test_silent_audio_is_no_reference(measure, noise):
    with pytest.raises(ValueError, match="silent"):
        measure(np.zeros_like(noise), noise)


@pytest.mark.parametrize("measure", OF_MAGNITUDES)
def test_silent_magnitudes_are_no_reference(measure, magnitude):
    with pytest.raises(ValueError, match="silent"):
        measure(np.zeros_like(magnitude), magnitude)


@pytest.mark.parametrize("gain", [0.1, 0.5, 2])
def test_log_spectral_distance_of_a_gain_is_that_gain(magnitude, gain):
    expected = abs(20 * np.log10(gain))
    assert log_spectral_distance(magnitude, gain * magnitude) == pytest.approx(expected)


def test_log_spectral_distance_is_the_mean_over_columns_of_roots_of_mean_squares():
    reference = np.ones((4, 2))
    estimate = reference.copy()
    estimate[0, 0] = 10  # 20 dB in one of four bins: 10 dB in one of two columns
    assert log_spectral_distance(reference, estimate) == pytest.approx(5)


def test_log_spectral_distance_ends_at_the_dynamic_range(magnitude):
    reference = np.ones((4, 3))
    assert log_spectral_distance(reference, 0 * reference) == pytest.approx(DYNAMIC_RANGE)
    faint = np.where(np.arange(256) < 128, 0.5e-4, 1)[:, np.newaxis] * np.ones(3)
    assert log_spectral_distance(faint, np.where(faint < 1, 0, faint)) == 0


@pytest.mark.parametrize("gain", [0, 0.5, 3])
def test_spectral_convergence_of_a_gain_is_the_share_that_changed(magnitude, gain):
    assert spectral_convergence(magnitude, gain * magnitude) == pytest.approx(abs(gain - 1))


def test_multi_resolution_distance_of_a_gain_is_its_logarithm_and_a_share_of_the_magnitudes(noise):
    half = noise / 2
    magnitudes = [
        np.abs(librosa.stft(noise, n_fft=size, hop_length=size // 4)).mean()
        for size in metrics.RESOLUTIONS
    ]
    expected = sum(magnitudes) / 2 + len(magnitudes) * np.log(2)
    found = multi_resolution_spectral_distance(noise, half)
    assert found == pytest.approx(expected, rel=1e-3)


def test_timbre_distance_hears_the_envelope_and_not_the_level(noise):
    assert timbre_distance(noise, noise / 4) == pytest.approx(0, abs=1e-3)
    dull = np.convolve(noise, np.ones(8, np.float32) / 8, mode="same")
    assert timbre_distance(noise, dull) > 3


def test_timbre_distance_is_that_of_the_smoothed_envelopes(noise, monkeypatch):
    # with all coefficients, the cosine transform keeps distances
    monkeypatch.setattr(metrics, "CEPSTRAL_COEFFICIENTS", metrics.MEL_BANDS)
    other = np.random.default_rng(5).normal(0, 0.1, noise.size).astype(np.float32)
    settings = {"sr": 44100, "n_fft": 2048, "hop_length": 512, "n_mels": 40, "fmax": 11025}
    one, two = (
        10 * np.log10(librosa.feature.melspectrogram(y=audio, **settings))
        for audio in (noise, other)
    )
    difference = one - two - (one - two).mean(axis=0)
    expected = np.sqrt(np.square(difference).mean(axis=0)).mean()
    assert timbre_distance(noise, other) == pytest.approx(expected, rel=1e-4)


def test_timbre_distance_tells_instruments_apart_more_than_pitches():
    same = timbre_distance(tone(440, 8), tone(466, 8))
    assert timbre_distance(tone(440, 8), tone(440, 2)) > 2 * same


def test_loudness_error_of_a_gain_is_that_gain(noise):
    assert loudness_error(noise, noise / 10) == pytest.approx(20, rel=1e-3)


def test_loudness_is_a_weighted():
    # by IEC 61672, 100 Hz sounds 19.1 dB less loud than 1 kHz
    middle = slice(8192, -8192)  # without the click at the abrupt start
    low, high = tone(100, seconds=2)[middle], tone(1000, seconds=2)[middle]
    low, high = (np.pad(audio, 4096, mode="reflect") for audio in (low, high))
    assert loudness_error(high, low) == pytest.approx(19.1, abs=0.7)


def test_loudness_of_silent_columns_does_not_count(noise):
    reference = np.concatenate([noise, np.zeros(44100, np.float32)])
    estimate = np.concatenate([noise / 2, np.zeros(44100, np.float32)])
    assert loudness_error(reference, estimate) == pytest.approx(6.02, rel=1e-2)


@pytest.mark.parametrize("measure", [fine_spectral_distance, tonal_balance_error])
def test_distances_of_a_gain_are_that_gain(measure, noise):
    assert measure(noise, noise / 10) == pytest.approx(20, rel=1e-2)


def test_fine_spectral_distance_is_that_of_windows_of_4096_samples(noise):
    other = np.convolve(noise, np.ones(4, np.float32) / 4, mode="same")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(4096) / 4096)

    def spectrum(audio):
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(audio, 2048), 4096)[::1024]
        return np.abs(np.fft.rfft(window * frames)).T[:1024]

    expected = log_spectral_distance(spectrum(noise), spectrum(other))
    assert fine_spectral_distance(noise, other) == pytest.approx(expected, rel=1e-4)


def tilted(audio, decibels_per_octave):
    """Tilt the spectrum of audio; the gain at 1 kHz is 0 dB."""
    spectrum = np.fft.rfft(audio)
    frequencies = np.maximum(np.fft.rfftfreq(audio.size, 1 / 44100), 20)
    gains = 10 ** (decibels_per_octave * np.log2(frequencies / 1000) / 20)
    return np.fft.irfft(gains * spectrum, audio.size).astype(np.float32)


@pytest.mark.parametrize("slope", [-3, 2])
def test_tonal_balance_error_of_a_tilt_is_its_mean_over_the_bands(noise, slope):
    centres = 100 * 2 ** ((np.arange(20) + 0.5) / 3)
    expected = abs(slope) * np.abs(np.log2(centres / 1000)).mean()
    assert tonal_balance_error(noise, tilted(noise, slope)) == pytest.approx(expected, rel=0.03)


def test_tonal_balance_leaves_out_bands_without_sound(noise):
    low = tone(200) * np.hanning(44100) ** 2
    added = low + np.float32(1e-7) * noise  # 100 dB lower, in silent bands
    assert tonal_balance_error(low.astype(np.float32), added.astype(np.float32)) < 0.1


def test_noise_between_partials_fills_valleys_by_its_level(noise):
    clear = tone(440, partials=10, seconds=1.0)
    quiet, loud = (clear + level * noise for level in (1e-2, 1e-1))
    assert valley_excess(quiet, loud) == pytest.approx(20, abs=2)
    assert valley_excess(loud, quiet) == pytest.approx(-20, abs=2)


def test_valleys_far_from_partials_do_not_count(noise):
    # white noise above 5 kHz, where the tone has no partials
    high = np.fft.rfft(noise)
    high[: round(5000 / 44100 * noise.size)] = 0
    hiss = np.fft.irfft(high, noise.size).astype(np.float32)
    clear = tone(440, partials=5, seconds=1.0) * np.hanning(44100).astype(np.float32)
    assert abs(valley_excess(clear, clear + 1e-4 * hiss)) < 0.2


def struck(sharpness):
    """Make four notes that fade in within 1 / ``sharpness`` seconds, over a faint tone."""
    time = np.arange(22050) / 44100
    note = np.minimum(time * sharpness, 1) * np.exp(-4 * time) * np.sin(2 * np.pi * 440 * time)
    return np.float32(0.5) * np.tile(note, 4).astype(np.float32)


def test_onsets_of_soft_attacks_are_lower_whatever_the_level():
    sharp, soft = struck(1000), struck(8)
    assert onset_ratio(sharp, sharp.copy()) == 1
    assert onset_ratio(sharp, sharp / 4) == pytest.approx(1, rel=1e-2)
    assert onset_ratio(sharp, soft) < 0.8
    # an onset two columns later is the same onset
    assert onset_ratio(sharp, np.roll(sharp, 1024)) == pytest.approx(1, rel=0.1)


def test_onset_ratio_needs_onsets_and_equal_lengths():
    assert np.isnan(onset_ratio(np.zeros(44100, np.float32), struck(8)[:44100]))
    with pytest.raises(ValueError, match="do not match"):
        onset_ratio(np.ones(3000), np.ones(4000))


def test_flux_ratio_of_what_moves_half_as_much_is_a_half():
    image = np.random.default_rng(3).random((256, 50))
    assert flux_ratio(image, image) == 1
    assert flux_ratio(image, 0.5 * image + 0.2) == pytest.approx(0.5)
    assert flux_ratio(image, np.full_like(image, 0.5)) == 0
    assert flux_ratio(image, image[:, ::-1]) == pytest.approx(1)


def test_flux_ratio_needs_a_reference_that_changes():
    with pytest.raises(ValueError, match="never changes"):
        flux_ratio(np.ones((256, 9)), np.zeros((256, 9)))
    with pytest.raises(ValueError, match="never changes"):
        flux_ratio(np.ones((256, 1)), np.ones((256, 1)))
    with pytest.raises(ValueError, match="do not match"):
        flux_ratio(np.ones((256, 3)), np.ones((256, 4)))


def test_border_flux_of_steps_only_at_borders_is_infinite_and_counted():
    image = np.repeat(np.arange(4, dtype=np.float32) / 4, 256)[np.newaxis].repeat(256, axis=0)
    with np.errstate(divide="ignore"):
        ratio, borders = border_flux(image)
    assert borders == 3
    assert ratio == np.inf


def test_border_flux_of_a_ramp_is_one():
    image = np.linspace(0, 1, 1024, dtype=np.float64)[np.newaxis].repeat(256, axis=0)
    ratio, _ = border_flux(image)
    assert ratio == pytest.approx(1, rel=1e-3)


def test_border_flux_sees_a_doubled_step():
    flux = np.ones(600)
    flux[255] = flux[511] = 2
    image = np.concatenate([[0], np.cumsum(flux)])[np.newaxis].repeat(3, axis=0) / 1000
    assert border_flux(image)[0] == pytest.approx(2, rel=1e-3)


def test_an_image_without_borders_is_refused():
    with pytest.raises(ValueError, match="no border"):
        border_flux(np.zeros((256, 256)))


def test_border_flux_passes_over_what_alternates_from_column_to_column():
    flux = np.where(np.arange(1023) % 2, 0.5, 2.0)
    image = np.concatenate([[0], np.cumsum(flux)])[np.newaxis].repeat(3, axis=0) / 2000
    assert border_flux(image)[0] == pytest.approx(1, rel=1e-3)


def test_the_distance_of_images_is_that_of_their_levels():
    ones = np.ones((2, 5, 3))
    assert metrics.image_distance(ones, ones, 80) == 0
    assert metrics.image_distance(ones, ones - 0.1, 80) == pytest.approx(8)
    half = ones - np.array([[0.2], [0.2], [0.2], [0.2], [0]])
    assert metrics.image_distance(ones, half, 80) == pytest.approx(16 * np.sqrt(0.8))


def test_the_cosine_of_mfccs_hears_the_envelope_and_not_the_level(noise):
    assert mfcc_cosine(noise, noise) == pytest.approx(1)
    rich = tone(220, 20)
    assert mfcc_cosine(rich, 0.1 * rich[:22050]) == pytest.approx(1, abs=0.02)
    assert mfcc_cosine(noise, rich) < 0.8
