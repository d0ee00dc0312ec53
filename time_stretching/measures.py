"""Measures of stretched test sounds: pitch, timing and shape, compared with the known truth.

Test sounds have a closed form, so the true result is known at every tempo. Audio is (samples,).
"""

from collections.abc import Sequence

import numpy as np

_ZERO_PADDING = 8
_ENVELOPE_SECONDS = 0.005
_LEVEL_SECONDS = 0.032
_LOUD_DB = 40  # range below the loudest value that counts in a comparison of levels
_REACH_SECONDS = 0.1  # time around a click in which its energy is measured
_BAND_WINDOW = 4096  # samples
_HIGHEST = 8000.0  # Hz, up to which bands are compared
_AUDIBLE_DB = 30  # range below the loudest band in which a loss counts
_EDGE = 0.2  # share that is cut off at each end of a steady sound


def tone(
    frequency: float, seconds: float, sample_rate: int, partials: int = 1, level: float = 0.5
) -> np.ndarray:
    """Make a steady tone of partials 1/n, all cosines, so that each period begins with a pulse."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    numbers = [n for n in range(1, partials + 1) if n * frequency < 0.45 * sample_rate]
    wave = sum(np.cos(2 * np.pi * n * frequency * time) / n for n in numbers)
    return (level * wave / sum(1 / n for n in numbers)).astype(np.float32)


def clicks(
    times: Sequence[float] | np.ndarray, seconds: float, sample_rate: int, level: float = 0.9
) -> np.ndarray:
    """Make clicks: bursts of 2 ms around the given times in seconds."""
    audio = np.zeros(round(seconds * sample_rate), np.float32)
    width = round(0.001 * sample_rate)
    shape = np.hanning(2 * width + 3)[1:-1] * np.cos(np.pi * np.arange(-width, width + 1) / 2)
    for time in times:
        start = round(time * sample_rate) - width
        audio[start : start + shape.size] += level * shape
    return audio


def steady(audio: np.ndarray) -> np.ndarray:
    """Cut out the middle of a steady sound."""
    edge = round(_EDGE * audio.size)
    return audio[edge : audio.size - edge]


def pitch_error(audio: np.ndarray, sample_rate: int, frequency: float) -> float:
    """Difference in cents between the strongest partial of a sound and a frequency in Hz.

    The partial is the peak of the logarithmic spectrum, interpolated by a parabola.
    """
    middle = steady(audio)
    size = _ZERO_PADDING * middle.size
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size), size))
    peak = int(np.clip(np.argmax(spectrum), 1, spectrum.size - 2))
    left, top, right = np.log(np.maximum(spectrum[peak - 1 : peak + 2], 1e-20))
    curve = left - 2 * top + right
    shift = 0.5 * (left - right) / curve if curve else 0.0
    return float(1200 * np.log2((peak + shift) * sample_rate / size / frequency))


def click_errors(
    audio: np.ndarray, sample_rate: int, times: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Errors in the timing of clicks, in seconds: (times,) float64.

    A click is found where the energy of 5 ms is greatest, between the middles of the gaps.

    Args:
        audio: (samples,).
        sample_rate: Hz.
        times: Expected times of the clicks in seconds, ascending, at least two.
    """
    width = round(_ENVELOPE_SECONDS * sample_rate)
    energy = np.convolve(np.square(audio.astype(float)), np.hanning(width), "same")
    half = np.diff(times).min() / 2
    found = []
    for time in times:
        start = max(round((time - half) * sample_rate), 0)
        found.append(start + np.argmax(energy[start : round((time + half) * sample_rate)]))
    return np.array(found) / sample_rate - np.asarray(times)


def energy_spread(
    audio: np.ndarray, sample_rate: int, times: Sequence[float] | np.ndarray
) -> float:
    """Spread of the energy of clicks in milliseconds, averaged over the clicks.

    The spread is the root of the second moment of the energy about its centroid, within 0.1 s of
    the expected time.
    """
    spreads = []
    for time in times:
        start = max(round((time - _REACH_SECONDS) * sample_rate), 0)
        energy = np.square(
            audio[start : round((time + _REACH_SECONDS) * sample_rate)].astype(float)
        )
        if energy.sum() > 0:
            place = np.arange(energy.size) / sample_rate
            centre = np.average(place, weights=energy)
            spreads.append(np.sqrt(np.average((place - centre) ** 2, weights=energy)))
    return float(1000 * np.mean(spreads)) if spreads else float("nan")


def level_modulation(audio: np.ndarray, sample_rate: int) -> float:
    """Standard deviation of the level of a steady sound in dB; 0 if it does not flutter.

    The level is the root mean square over 32 ms, in the middle of the sound.
    """
    width = round(_LEVEL_SECONDS * sample_rate)
    middle = steady(audio)
    frames = middle[: middle.size // width * width].reshape(-1, width)
    level = np.sqrt(np.mean(np.square(frames.astype(float)), axis=1))
    return float(np.std(20 * np.log10(np.maximum(level, 1e-10))))


def crest_loss(audio: np.ndarray, reference: np.ndarray) -> float:
    """Loss of crest factor of a sound relative to its reference, in dB.

    The crest factor is peak over root mean square. Partials in phase form pulses. The phase vocoder
    lets them drift apart, which sounds distant: phasiness, the loss of vertical phase coherence
    (Laroche and Dolson 1999, section III).
    """
    crests = []
    for one in (reference, audio):
        middle = steady(one).astype(float)
        crests.append(np.abs(middle).max() / np.sqrt(np.mean(np.square(middle))))
    return float(20 * np.log10(crests[0] / crests[1]))


def level_difference(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Level difference of two spectrograms in dB: median over the bins that are loud in both.

    It is needed because each rendering of ``synthesize_audios.py`` has its own gain.

    Args:
        reference, estimate: Magnitudes in dB, of the same shape.
    """
    loud = np.all([one > np.max(one) - _LOUD_DB for one in (reference, estimate)], axis=0)
    return float(np.median((reference - estimate)[loud])) if loud.any() else 0.0


def level_change(audio: np.ndarray, reference: np.ndarray) -> float:
    """Level of the middle of a steady sound relative to that of its reference, in dB."""
    powers = [np.mean(np.square(steady(one), dtype=np.float64)) for one in (audio, reference)]
    return float(10 * np.log10(max(powers[0], 1e-20) / powers[1]))


def band_losses(audio: np.ndarray, reference: np.ndarray, sample_rate: int) -> dict[float, float]:
    """Losses of a sound by frequency: dict from the centre of a band in Hz to the loss in dB.

    Mean powers are compared in bands of a third of an octave from 50 Hz to 8 kHz. The durations may
    differ. Bands more than 30 dB below the reference's loudest one are left out.

    Args:
        audio, reference: (samples,) or (channels, samples); channels are averaged in power.
        sample_rate: Hz.
    """
    centres = 50.0 * 2 ** (np.arange(30) / 3)
    centres = centres[centres < min(_HIGHEST, sample_rate / 2) / 2 ** (1 / 6)]
    powers = [_band_powers(one, sample_rate, centres) for one in (audio, reference)]
    heard = powers[1] > powers[1].max(initial=0) * 10 ** (-_AUDIBLE_DB / 10)
    lost = 10 * np.log10(powers[1][heard] / np.maximum(powers[0][heard], 1e-20))
    return dict(zip(centres[heard].tolist(), lost.tolist(), strict=True))


def _band_powers(audio, sample_rate, centres):
    """Mean power of a sound in bands of a third of an octave: (bands,) float64."""
    window = np.hanning(_BAND_WINDOW).astype(np.float32)
    channels = np.atleast_2d(audio)
    total = np.zeros(_BAND_WINDOW // 2 + 1)
    count = 0
    # in blocks, so that the memory does not grow with the length
    for start in range(0, channels.shape[-1], 256 * _BAND_WINDOW):
        part = channels[:, start : start + 256 * _BAND_WINDOW]
        part = np.pad(part, [(0, 0), (0, -part.shape[-1] % _BAND_WINDOW)])
        frames = part.reshape(-1, _BAND_WINDOW) * window
        total += np.square(np.abs(np.fft.rfft(frames, axis=-1))).sum(axis=0)
        count += len(frames)
    frequencies = np.fft.rfftfreq(_BAND_WINDOW, 1 / sample_rate)
    edges = np.append(centres, centres[-1:] * 2 ** (1 / 3)) / 2 ** (1 / 6)
    band = np.searchsorted(edges, frequencies, side="right") - 1
    return np.array([total[band == number].sum() for number in range(len(centres))]) / max(count, 1)
