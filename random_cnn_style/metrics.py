"""Three distances between sounds that need not have the same melody or instrument.

The first is that of Cifka et al. 2021 (arXiv:2102.05749). Their other two need a trained network
and a closed-source tool; the substitutes here have other names, and their figures are not
comparable.
"""

import numpy as np

SAMPLE_RATE = 16000  # Hz, of all audio in this module
_HOP = 512
_COEFFICIENTS = 13  # including the first one, which is not used
_LOWEST, _SEMITONES = 36, 60  # lowest MIDI pitch, and number of semitones
_BINS = 80  # up to 6.3 kHz
_PARTIALS = 8
_PROMINENT = 0.4  # relative to the strongest pitch of a column
_QUIET_DB = 40  # columns more than this below the loudest one count as silent


def _unit(audio):
    """Scale audio to a root mean square of 1; ``ValueError`` for silence."""
    level = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
    if level == 0:
        raise ValueError("silence has no distance to anything")
    return np.asarray(audio / level, np.float32)


def _mel_decibels(audio):
    import librosa

    return librosa.power_to_db(librosa.feature.melspectrogram(y=_unit(audio), sr=SAMPLE_RATE))


def mel_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Log-spectral distance of Cifka et al. 2021: dB, of mel bands.

    Both sounds are scaled to a root mean square of 1. For each of librosa's 128 bands, the root
    mean square of the differences over time; averaged over the bands.

    Args:
        reference, estimate: Audio, (samples,) at SAMPLE_RATE; the longer one is cut.

    Raises:
        ValueError: Silence.
    """
    samples = min(reference.size, estimate.size)
    difference = _mel_decibels(reference[:samples]) - _mel_decibels(estimate[:samples])
    return float(np.sqrt(np.mean(difference**2, axis=1)).mean())


def _cepstrum(audio):
    import librosa

    decibels = _mel_decibels(audio)
    loud = decibels.max(axis=0) > decibels.max() - _QUIET_DB
    return librosa.feature.mfcc(S=decibels[:, loud], n_mfcc=_COEFFICIENTS)[1:]


def cepstral_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Cosine distance of the mean mel cepstra: compares timbre, whatever is played.

    The means are over the columns that are less than 40 dB below the loudest one; coefficients 2 to
    13 are used.

    Args:
        reference, estimate: Audio, (samples,) at SAMPLE_RATE, of any length each.

    Returns:
        Between 0 and 2.

    Raises:
        ValueError: Silence.
    """
    one, other = (_cepstrum(audio).mean(axis=1) for audio in (reference, estimate))
    return float(1 - one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def pitch_sets(audio: np.ndarray) -> np.ndarray:
    """Find the prominent semitones of each column: (60, columns) bool, from C2 on.

    The amplitudes of a constant-Q transform at the first eight partials of a semitone are added up,
    the higher ones with less weight (after Klapuri 2006). A semitone is prominent if neither
    neighbour has a greater sum, and its sum is at least 0.4 times the greatest one.

    Args:
        audio: (samples,) at SAMPLE_RATE.

    Raises:
        ValueError: Silence.
    """
    import librosa

    found = np.abs(
        librosa.cqt(
            _unit(audio),
            sr=SAMPLE_RATE,
            hop_length=_HOP,
            fmin=librosa.midi_to_hz(_LOWEST),
            n_bins=_BINS,
        )
    )
    padded = np.pad(np.sqrt(found), ((0, 36 + _SEMITONES - _BINS), (0, 0)))
    sums = np.zeros((_SEMITONES, found.shape[1]), np.float32)
    for partial in range(1, _PARTIALS + 1):
        shift = round(12 * np.log2(partial))
        sums += padded[shift : shift + _SEMITONES] / partial
    best = sums.max(axis=0)
    around = np.pad(sums, ((1, 1), (0, 0)))
    peaks = (sums >= around[:-2]) & (sums >= around[2:])
    loud = best > best.max() * 10 ** (-_QUIET_DB / 40)  # of square roots
    return peaks & (sums > _PROMINENT * best) & loud


def pitch_set_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Mean Jaccard distance of ``pitch_sets``; 0 in columns without any pitch.

    Args:
        reference, estimate: Audio, (samples,) at SAMPLE_RATE; the longer one is cut.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: Silence.
    """
    samples = min(reference.size, estimate.size)
    one, other = pitch_sets(reference[:samples]), pitch_sets(estimate[:samples])
    common, all_of_them = (one & other).sum(axis=0), (one | other).sum(axis=0)
    return float(np.mean(1 - common / np.maximum(all_of_them, 1) - (all_of_them == 0)))


METRICS = {"LSD": mel_distance, "cepstral": cepstral_distance, "pitch_sets": pitch_set_distance}
