"""What the methods of time_stretching must preserve: duration, pitch, timing, channels, silence."""

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.audio.phase import unit
from common.audio.spectrograms import Scale
from common.cli import UserError
from common.music.names import Variation, tempo_of
from time_stretching import measures, methods
from time_stretching.measures import clicks, tone
from time_stretching.methods import by_spectra, stretch
from time_stretching.phase import rotations
from time_stretching.resize import positions
from time_stretching.spectrogram import TRANSFORM

RATE = 16000
PLAIN = ("vocoder", "interp", "resample")


class Transparent:
    """Networks that change nothing: codes are spectra."""

    scale = Scale(-105.0, 55.0)
    context = 4

    def encode(self, image):
        return image

    def correct(self, codes, rate):
        return codes

    def magnitude(self, codes, start, stop):
        return self.scale.magnitude(codes[:, start:stop])


def made(audio, rate, method, sample_rate=RATE, **settings):
    return stretch(audio, sample_rate, rate, method, trained=Transparent(), **settings)


@pytest.fixture(scope="module")
def music():
    rng = np.random.default_rng(1)
    notes = [tone(220 * 2 ** (n / 12), 0.4, RATE, 6) for n in rng.integers(0, 24, 10)]
    tune = np.concatenate([note * np.exp(-np.arange(note.size) / 3000) for note in notes])
    # in silence, phases are those of rounding errors
    return (tune + rng.normal(0, 1e-3, tune.size)).astype(np.float32)


@settings(max_examples=25)
@given(
    st.integers(1, 9000),
    st.floats(0.25, 4),
    st.sampled_from(methods.METHODS),
    st.sampled_from([8000, 16000, 44100]),
    st.sampled_from([(), (1,), (2,)]),
)
def test_every_duration_is_exact(samples, rate, method, sample_rate, channels):
    audio = np.random.default_rng(samples).uniform(-1, 1, (*channels, samples)).astype(np.float32)
    before = audio.copy()
    found = made(audio, rate, method, sample_rate, iterations=1)
    assert found.shape == (*channels, round(samples / rate))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(audio, before)


@pytest.mark.parametrize("method", methods.METHODS)
def test_rate_1_is_the_identity(music, method):
    found = made(music, 1.0, method)
    worst = np.abs(found - music).max()
    assert worst < (1e-5 if method in PLAIN else 1e-3)


@pytest.mark.filterwarnings("ignore:The `(hop_length|n_fft)` parameter")  # of librosa 1.0
@pytest.mark.parametrize("rate", [0.37, 0.5, 1.5, 2.0])
def test_the_phase_vocoder_is_that_of_librosa(music, rate):
    expected = librosa.effects.time_stretch(music.astype(float), rate=rate)  # 2048 samples, hop 512
    found = made(music, rate, "vocoder", onsets=False)
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.02 * np.sqrt(np.mean(expected**2))


@pytest.mark.parametrize("rate", [0.25, 0.75, 1.3, 2.0, 4.0])
@pytest.mark.parametrize("method", ["codes", "vocoder", "interp"])
def test_a_tone_keeps_its_pitch(method, rate):
    for pitch in (196.0, 440.0, 1234.5):
        found = made(tone(pitch, 3.0, RATE), rate, method)
        assert abs(measures.pitch_error(found, RATE, pitch)) < 2


def test_playing_faster_changes_the_pitch():
    found = made(tone(440, 3.0, RATE), 2.0, "resample")
    assert measures.pitch_error(found, RATE, 440) == pytest.approx(1200, abs=2)


@pytest.mark.parametrize("rate", [0.5, 0.75, 1.5, 2.0])
@pytest.mark.parametrize("method", methods.METHODS)
def test_clicks_land_where_they_belong(method, rate):
    times = np.array([0.6, 1.3, 2.0, 2.7])
    found = made(clicks(times, 3.5, RATE), rate, method)
    assert np.abs(measures.click_errors(found, RATE, times / rate)).max() < 0.025


def test_the_phase_vocoder_alone_misplaces_clicks():
    times = np.array([0.6, 1.3, 2.0, 2.7])
    found = made(clicks(times, 3.5, RATE), 0.5, "vocoder", onsets=False)
    assert np.abs(measures.click_errors(found, RATE, times / 0.5)).max() > 0.025


@pytest.mark.parametrize("rate", [0.5, 1.5])
@pytest.mark.parametrize("method", ["vocoder", "interp"])
def test_a_hundred_onsets_land_where_they_belong(method, rate):
    times = np.arange(0.5, 20.5, 0.2)
    found = made(clicks(times, 21.0, RATE), rate, method)
    assert np.isfinite(found).all()
    assert np.abs(measures.click_errors(found, RATE, times / rate)).max() < 0.025


@pytest.mark.parametrize("method", methods.METHODS)
def test_channels_stay_what_they_are_to_each_other(music, method):
    left = made(music, 1.4, method)
    both = made(np.stack([music, 0.25 * music, 0 * music]), 1.4, method)
    np.testing.assert_array_equal(both[2], 0)
    np.testing.assert_allclose(both[1], 0.25 * both[0], atol=1e-5)
    if method == "vocoder":
        np.testing.assert_allclose(both[0], left, atol=1e-5)
    level = np.sqrt(np.mean(both[0] ** 2) / np.mean(left**2))
    assert level == pytest.approx(1, abs=0.05)


def test_opposite_channels_stay_opposite(music):
    other = np.concatenate([np.zeros(4000), music])[: music.size].astype(np.float32)
    found = made(np.stack([music, -music]), 0.7, "vocoder")
    np.testing.assert_allclose(found[0], -found[1], atol=1e-6)
    # of two different channels, differences of phase are those of the column that is played
    given = TRANSFORM.forward(np.stack([music, other]))
    places = positions(0, given.shape[-1] - 1, 0.7)
    at = places.astype(int)
    phase = unit(given[..., at]) * rotations(given, places)
    wanted = unit(given[0][:, at]) * np.conj(unit(given[1][:, at]))
    np.testing.assert_allclose(phase[0] * np.conj(phase[1]), wanted, atol=1e-5)


@pytest.mark.parametrize("method", methods.METHODS)
def test_silence_stays_silence(music, method):
    np.testing.assert_array_equal(made(np.zeros(5000, np.float32), 0.5, method), 0)
    assert made(np.zeros(0, np.float32), 0.5, method).shape == (0,)
    with_rest = np.concatenate([music[:20000], np.zeros(40000, np.float32), music[:20000]])
    found = made(with_rest, 2.0, method)
    np.testing.assert_allclose(found[14000:26000], 0, atol=1e-6)


@pytest.mark.parametrize("method", methods.METHODS)
def test_the_same_input_gives_the_same_output_and_level_does_not_matter(music, method):
    first = made(music, 0.8, method)
    np.testing.assert_array_equal(first, made(music, 0.8, method))
    np.testing.assert_allclose(made(0.01 * music, 0.8, method), 0.01 * first, atol=2e-5)


@pytest.mark.parametrize(("method", "limit"), [("vocoder", 1e-5), ("interp", 0.1), ("codes", 0.1)])
def test_long_sounds_are_made_in_parts_as_in_one(music, monkeypatch, method, limit):
    whole = made(music, 0.9, method)
    monkeypatch.setattr(methods, "_BLOCK", 30)
    parts = made(music, 0.9, method)
    assert np.sqrt(np.mean((whole - parts) ** 2) / np.mean(whole**2)) < limit


def test_bandwidth_is_kept_without_networks():
    high = tone(15000, 1.0, 44100)
    kept = made(high, 1.5, "vocoder", 44100)
    assert abs(measures.pitch_error(kept, 44100, 15000)) < 2
    lost = measures.steady(made(high, 1.5, "codes", 44100))
    assert np.abs(lost).max() < 0.01 * np.abs(kept).max()


@pytest.mark.parametrize("rate", [0.2499, 4.01])
def test_rates_that_are_not_offered_are_refused(rate):
    with pytest.raises(UserError, match=r"^rate .* in several steps"):
        made(np.zeros(100, np.float32), rate, "vocoder")


def test_the_exponent_sharpens_and_keeps_the_level(music):
    plain, sharp = (made(music, 1.2, "codes", power=power) for power in (1.0, 1.4))
    rms = [np.sqrt(np.mean(one**2)) for one in (music, sharp)]
    assert rms[1] == pytest.approx(rms[0], rel=1e-3)
    spectra = [np.abs(TRANSFORM.forward(one)) for one in (plain, sharp)]
    middle, loud = (np.percentile(spectra, q, axis=(1, 2)) for q in (50, 99.9))
    assert (middle / loud)[1] < 0.5 * (middle / loud)[0]


@pytest.mark.parametrize("method", methods.METHODS)
def test_sounds_that_fade_beyond_all_numbers_stay_finite(method):
    time = np.arange(40000)
    fading = (np.cos(time / 5) * 10.0 ** (-time / 600)).astype(np.float32)  # to denormals
    assert 0 < np.abs(fading).min() < 1e-40 or (fading == 0).any()
    found = made(np.concatenate([fading, fading]), 0.7, method)
    assert np.isfinite(found).all()


def test_channels_of_any_number_go_through(music):
    found = by_spectra(np.stack([music] * 5), TRANSFORM, 1.1, 10000)
    assert found.shape == (5, 10000)


def test_measures_know_perfect_sounds():
    steady = tone(220, 3.0, RATE, 10)
    assert abs(measures.pitch_error(steady, RATE, 220)) < 0.1
    assert measures.pitch_error(tone(440, 3.0, RATE), RATE, 415.305) == pytest.approx(100, abs=0.1)
    assert measures.level_modulation(steady, RATE) < 0.3
    assert measures.crest_loss(steady, steady) == 0
    times = np.array([0.5, 1.2, 1.9])
    train = clicks(times, 2.5, RATE)
    np.testing.assert_allclose(measures.click_errors(train, RATE, times), 0, atol=2e-4)
    np.testing.assert_allclose(measures.click_errors(train, RATE, times - 0.01), 0.01, atol=2e-4)
    assert measures.energy_spread(train, RATE, times) < 0.5
    assert np.isnan(measures.energy_spread(0 * train, RATE, times))


def test_smearing_and_phasiness_are_measured():
    times = np.array([0.5, 1.2])
    width = 800
    smeared = np.convolve(clicks(times, 2.0, RATE) ** 2, np.ones(width), "same")
    # energy even over 2w + 1 samples has a deviation of about w / sqrt(12)
    spread = measures.energy_spread(np.sqrt(smeared), RATE, times)
    assert spread == pytest.approx(1000 * width / RATE / np.sqrt(12), rel=0.05)
    rng, time = np.random.default_rng(0), np.arange(3 * RATE) / RATE
    phases = rng.uniform(0, 2 * np.pi, 20)
    partials = [np.cos(2 * np.pi * 110 * (n + 1) * time + phases[n]) / (n + 1) for n in range(20)]
    assert measures.crest_loss(sum(partials), tone(110, 3.0, RATE, 20)) > 2
    trembling = tone(440, 3.0, RATE) * (1 + 0.5 * np.sin(2 * np.pi * 3 * time))
    assert measures.level_modulation(trembling, RATE) > 2


@given(st.floats(-30, 30))
def test_a_difference_of_level_is_found(louder):
    image = np.random.default_rng(0).uniform(-60, 40, (20, 30))
    assert measures.level_difference(image + louder, image) == pytest.approx(louder, abs=1e-6)


@given(
    st.sampled_from([-3, 0, 2]),
    st.sampled_from([0.75, 1.0, 1.5]),
    st.sampled_from([1.0, 4.0]),
    st.booleans(),
    st.sampled_from(["", "@003"]),
)
def test_the_tempo_of_a_rendering_is_in_its_name(transpose, speed, duration, sustain, preset):
    name = f"guitar/piece{Variation(transpose, speed, duration, sustain)}{preset}"
    written = f"guitar/piece{Variation(transpose, 1, duration, sustain)}{preset}"
    assert tempo_of(name) == (written, speed)


@pytest.mark.parametrize("name", ["a~b", "speed2", "x~speed--", "x~speed0", "ä/~"])
def test_other_names_are_at_the_tempo_as_written(name):
    assert tempo_of(name) == (name, 1.0)
