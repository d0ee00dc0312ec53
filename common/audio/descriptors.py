"""Descriptors of the timbre of a note (Peeters 2004), from its mean spectrum where it is loud."""

from __future__ import annotations

import numpy as np

NAMES = (
    *("centroid", "bandwidth", "rolloff", "flatness"),
    *("loudness", "sharpness", "inharmonicity", "tristimulus"),
)
_SIZE = 4096  # samples of a transform
_RANGE_DB = 30  # columns further below the loudest one are left out
_ROLLOFF = 0.85  # share of the energy
_PARTIALS = 20
_BARK = 24  # bands


def describe(audio: np.ndarray, sample_rate: int, fundamental: float) -> dict[str, float]:
    """Describe a note.

    Args:
        audio: (samples,) float32, not silent.
        sample_rate: Hz.
        fundamental: Hz.

    Returns:
        Dict from ``NAMES`` to floats: ``centroid``, ``bandwidth`` and ``rolloff`` (85 % of the
        energy lie below) in Hz; ``flatness``, geometric over arithmetic mean of the power;
        ``loudness``, A-weighted level in dB; ``sharpness`` in about acum (von Bismarck 1974);
        ``inharmonicity``, twice the mean deviation of the partials, weighted by energy, over the
        fundamental; ``tristimulus``, the share of the amplitude in the first partial (Pollard and
        Jansson 1982).
    """
    power, hertz = mean_power(audio, sample_rate)
    amplitudes, deviations = partials(power, hertz, fundamental)
    inharmonicity = 2 * (deviations * amplitudes**2).sum() / (amplitudes**2).sum() / fundamental
    found = {
        **describe_shape(power, hertz),
        "loudness": a_weighted_level(power, hertz),
        "inharmonicity": float(inharmonicity),
        "tristimulus": float(amplitudes[0] / amplitudes.sum()),
    }
    return {name: found[name] for name in NAMES}


def describe_shape(power: np.ndarray, hertz: np.ndarray) -> dict[str, float]:
    """The descriptors that need no level and no fundamental.

    Args:
        power: (bins,), not silent.
        hertz: Frequency of each bin, ascending.

    Returns:
        Dict with ``centroid``, ``bandwidth``, ``rolloff``, ``flatness`` and ``sharpness``.
    """
    energy = power.sum()
    centroid = (hertz * power).sum() / energy
    return {
        "centroid": float(centroid),
        "bandwidth": float(np.sqrt((np.square(hertz - centroid) * power).sum() / energy)),
        "rolloff": float(hertz[np.searchsorted(np.cumsum(power), _ROLLOFF * energy)]),
        "flatness": float(np.exp(np.log(power + 1e-12 * power.max()).mean()) / power.mean()),
        "sharpness": sharpness(power, hertz),
    }


def mean_power(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean power spectrum of the loud columns of an audio: ``(power, hertz)``, (bins,) each."""
    from common.audio.spectrograms import STFT

    transform = STFT(_SIZE, _SIZE // 4)
    power = np.abs(transform.forward(np.asarray(audio, np.float64)) / transform.full_scale) ** 2
    levels = power.sum(axis=0)
    loud = levels > levels.max() * 10 ** (-_RANGE_DB / 10)
    return power[:, loud].mean(axis=1), np.fft.rfftfreq(_SIZE, 1 / sample_rate)


def partials(
    power: np.ndarray, hertz: np.ndarray, fundamental: float
) -> tuple[np.ndarray, np.ndarray]:
    """Amplitudes of at most 20 partials, and how far they are from multiples of the fundamental.

    Args:
        power: (bins,).
        hertz: Frequency of each bin.
        fundamental: Hz.

    Returns:
        ``(amplitudes, deviations)``: the latter in Hz, not negative.
    """
    width = hertz[1]
    count = int(np.clip(hertz[-1] / fundamental - 0.25, 1, _PARTIALS))
    amplitudes, deviations = np.zeros(count), np.zeros(count)
    for number in range(1, count + 1):
        centre, reach = number * fundamental, max(fundamental / 4, width)
        first = max(int(np.ceil((centre - reach) / width)), 1)
        last = min(int((centre + reach) / width), power.size - 2)
        place = first + int(np.argmax(power[first : last + 1]))
        below, middle, above = np.log(power[place - 1 : place + 2] + 1e-30)
        bend = below - 2 * middle + above
        shift = np.clip((below - above) / (2 * bend), -0.5, 0.5) if bend < 0 else 0.0
        amplitudes[number - 1] = np.exp((middle - (below - above) * shift / 4) / 2)
        deviations[number - 1] = abs((place + shift) * width - centre)
    return amplitudes, deviations


def a_weighted_level(power: np.ndarray, hertz: np.ndarray) -> float:
    """Level in dB with the A-weighting of IEC 61672; 0 dB is a sine of full scale at 1 kHz."""
    import librosa

    weights = librosa.db_to_power(librosa.A_weighting(hertz[1:]))
    # a Hann window spreads a sine over 1.5 bins
    return float(10 * np.log10((weights * power[1:]).sum() / 1.5 + 1e-12))


def sharpness(power: np.ndarray, hertz: np.ndarray) -> float:
    """Sharpness in about acum (von Bismarck 1974, weights of Zwicker and Fastl, eq. 9.1).

    The specific loudness of a Bark band is taken as the 0.23rd power of its energy.
    """
    bark = 13 * np.arctan(0.00076 * hertz) + 3.5 * np.arctan(np.square(hertz / 7500))
    bands = np.bincount(np.minimum(bark.astype(int), _BARK - 1), power, minlength=_BARK)
    loudness = bands**0.23
    centres = np.arange(_BARK) + 0.5
    weights = np.where(centres < 16, 1, 0.066 * np.exp(0.171 * centres))
    return float(0.11 * (loudness * weights * centres).sum() / loudness.sum())
