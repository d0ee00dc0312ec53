"""Measures of the quality of a conversion, on images and on sound.

All but ``border_flux`` compare an estimate with a reference of the same length; distances are 0 and
ratios 1 if both are equal. Audio is float32 (samples,) at ``data.SAMPLE_RATE``, mono; magnitudes
are (BINS, columns) as ``data.forward_transform`` returns them.
"""

import numpy as np

from data import FFT_SIZE, FRAME_COLUMNS, HOP, SAMPLE_RATE

DYNAMIC_RANGE = 80  # dB; values further below the reference's loudest one count as equal
RESOLUTIONS = (2048, 1024, 512, 256, 128, 64)  # samples, FFT sizes of Engel et al. 2020
_DECIBELS_PER_NEPER = 20 / np.log(10)
MEL_BANDS = 40
CEPSTRAL_COEFFICIENTS = 13  # including the first one, which is not used
FINE_SIZE = 4096  # samples, FFT size that resolves partials
VALLEY_BINS = 13  # of FINE_SIZE, 140 Hz: from one partial to the next in most notes
_FIRST_BAND = 100.0  # Hz, lower edge of the first of the third-octave bands
_THIRD_OCTAVES = 20  # number of bands, up to 10.2 kHz
_ONSET_COLUMNS = 5  # of 512 samples, centred on the reference's onset


def _same_shape(reference, estimate):
    reference, estimate = np.asarray(reference), np.asarray(estimate)
    if reference.shape != estimate.shape or reference.size == 0:
        raise ValueError(f"reference {reference.shape} and estimate {estimate.shape} do not match")
    return reference, estimate


def _decibels(reference, estimate, scale=20):
    """Both in dB, with values limited to DYNAMIC_RANGE below the reference's maximum."""
    peak = reference.max()
    if peak <= 0:
        raise ValueError("the reference is silent")
    floor = peak * 10 ** (-DYNAMIC_RANGE / scale)
    return (scale * np.log10(np.maximum(one, floor)) for one in (reference, estimate))


def log_spectral_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Log-spectral distance in dB (Gray and Markel 1976, their d2).

    The root mean square over the bins of the difference in dB, averaged over all columns. Values
    more than DYNAMIC_RANGE below the reference's loudest one are raised to that level.

    Args:
        reference, estimate: Magnitudes, (BINS, columns).

    Raises:
        ValueError: Other shapes, or a silent reference.
    """
    one, other = _decibels(*_same_shape(reference, estimate))
    return float(np.sqrt(np.square(one - other).mean(axis=0)).mean())


def image_distance(reference: np.ndarray, estimate: np.ndarray, range_db: float) -> float:
    """Log-spectral distance in dB of images whose values are levels.

    Args:
        reference, estimate: (images, bins, columns) in [0, 1].
        range_db: What the range from 0 to 1 stands for, in dB.

    Returns:
        Root mean square over the bins, and its mean over columns and images.
    """
    squares = np.square(range_db * (reference - estimate))
    return float(np.sqrt(squares.mean(axis=1)).mean())


def spectral_convergence(reference: np.ndarray, estimate: np.ndarray) -> float:
    """``||estimate - reference|| / ||reference||`` of two magnitudes (Arik et al. 2019, eq. 2)."""
    reference, estimate = _same_shape(reference, estimate)
    norm = np.linalg.norm(reference)
    if norm == 0:
        raise ValueError("the reference is silent")
    return float(np.linalg.norm(estimate - reference) / norm)


def multi_resolution_spectral_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Multi-scale spectral loss of DDSP (Engel et al. 2020, eq. 4), alpha 1.

    Over six FFT sizes, the sum of the mean absolute differences of the magnitudes and of their
    natural logarithms. Periodic Hann windows with 75 % overlap; magnitudes are not normalised. For
    the logarithms, values more than DYNAMIC_RANGE below the reference's loudest one are raised to
    that level (in DDSP the limit is 1e-5, far below the noise of 16 bits).

    Args:
        reference, estimate: Audio, (samples,).

    Raises:
        ValueError: Other shapes, or a silent reference.
    """
    import librosa

    reference, estimate = _same_shape(reference, estimate)
    total = 0.0
    for size in RESOLUTIONS:
        one, other = (
            np.abs(librosa.stft(np.asarray(audio), n_fft=size, hop_length=size // 4))
            for audio in (reference, estimate)
        )
        total += np.abs(one - other).mean()
        total += np.abs(np.subtract(*_decibels(one, other))).mean() / _DECIBELS_PER_NEPER
    return float(total)


def timbre_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Distance of the spectral envelopes (MFCCs) in dB, independent of level.

    Mel cepstral distortion (Kubichek 1993) over the coefficients 2 to 13 of 40 mel bands in dB,
    divided by the root of the number of bands: with an orthonormal cosine transform that is the
    root-mean-square difference in dB of the smoothed envelopes without their mean. Averaged over
    the columns in which the reference is not silent.

    Args:
        reference, estimate: Audio, (samples,).

    Raises:
        ValueError: Other shapes, or a silent reference.
    """
    import librosa

    powers = [
        librosa.feature.melspectrogram(
            y=np.asarray(audio, np.float32),
            sr=SAMPLE_RATE,
            n_fft=2 * FFT_SIZE,
            hop_length=HOP,
            n_mels=MEL_BANDS,
            fmax=SAMPLE_RATE / 4,
        )
        for audio in _same_shape(reference, estimate)
    ]
    sounds = powers[0].max(axis=0) > powers[0].max() * 10 ** (-DYNAMIC_RANGE / 10)
    cepstra = [
        librosa.feature.mfcc(S=decibels, n_mfcc=CEPSTRAL_COEFFICIENTS)[1:, sounds]
        for decibels in _decibels(*powers, scale=10)
    ]
    return float(np.linalg.norm(np.subtract(*cepstra), axis=0).mean() / np.sqrt(MEL_BANDS))


def mean_mfcc(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean of the MFCCs 2 to 20 over the columns within 40 dB of the loudest one: (19,).

    Args:
        audio: (samples,) float32.
        sample_rate: Hz.
    """
    import librosa

    power = librosa.feature.melspectrogram(y=audio, sr=sample_rate, n_fft=2048, hop_length=HOP)
    levels = power.sum(axis=0)
    loud = levels >= levels.max() * 1e-4
    return librosa.feature.mfcc(S=librosa.power_to_db(power[:, loud]), n_mfcc=20)[1:].mean(axis=1)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Cosine of the angle between two vectors."""
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-12))


def mfcc_cosine(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Cosine of the mean MFCCs of two sounds: 1 for the same mean envelope, at any level.

    The MFCCs 2 to 20 (Davis and Mermelstein 1980); the sounds may have different lengths.

    Args:
        reference, estimate: Audio, (samples,).
    """
    return cosine(*(mean_mfcc(audio, SAMPLE_RATE) for audio in (reference, estimate)))


def loudness_error(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Mean absolute difference of the A-weighted loudness in dB.

    Computed from the A-weighted power of each column of a Fourier transform (Engel et al. 2020,
    section 4.2), over the columns in which the reference is less than DYNAMIC_RANGE below its
    loudest one.

    Args:
        reference, estimate: Audio, (samples,).

    Raises:
        ValueError: Other shapes, or a silent reference.
    """
    import librosa

    size = 2 * FFT_SIZE
    heard = librosa.fft_frequencies(sr=SAMPLE_RATE, n_fft=size)[1:]  # 0 Hz is inaudible
    weights = librosa.db_to_power(librosa.A_weighting(heard))
    powers = [
        weights @ np.abs(librosa.stft(np.asarray(audio), n_fft=size, hop_length=HOP)[1:]) ** 2
        for audio in _same_shape(reference, estimate)
    ]
    one, other = _decibels(*powers, scale=10)
    sounds = powers[0] > powers[0].max() * 10 ** (-DYNAMIC_RANGE / 10)
    return float(np.abs(one - other)[sounds].mean())


def _fine_magnitudes(reference, estimate):
    """Magnitudes of two audios in windows of FINE_SIZE: (FINE_SIZE / 4, columns) each.

    The bins reach as far as those of the codec, to 11 kHz.
    """
    import librosa

    return [
        np.abs(
            librosa.stft(np.asarray(audio), n_fft=FINE_SIZE, hop_length=FINE_SIZE // 4)[
                : FINE_SIZE // 4
            ]
        )
        for audio in _same_shape(reference, estimate)
    ]


def fine_spectral_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Log-spectral distance in dB with windows of 4096 samples.

    The windows of the codec, 1024 samples, neither separate two partials a semitone apart nor show
    what an unsuitable phase does to a partial; these do. Hann windows with 75 % overlap, up to
    11 kHz; otherwise as ``log_spectral_distance``.

    Args:
        reference, estimate: Audio, (samples,).

    Raises:
        ValueError: Other shapes, or a silent reference.
    """
    return log_spectral_distance(*_fine_magnitudes(reference, estimate))


def tonal_balance_error(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Mean absolute difference of the long-term spectra in dB, in bands of a third of an octave.

    Each band's power is averaged over time. The bands cover 100 Hz to 10.2 kHz; those in which the
    reference is more than DYNAMIC_RANGE below its loudest band do not count.

    Args:
        reference, estimate: Audio, (samples,).

    Raises:
        ValueError: Other shapes, or a reference that is silent in all bands.
    """
    edges = _FIRST_BAND * 2 ** (np.arange(_THIRD_OCTAVES + 1) / 3)
    powers = []
    for magnitude in _fine_magnitudes(reference, estimate):
        power = np.square(magnitude).mean(axis=1)
        bins = np.searchsorted(np.arange(len(power)) * SAMPLE_RATE / FINE_SIZE, edges)
        powers.append(np.add.reduceat(power, bins)[:-1])
    one, other = _decibels(*powers, scale=10)
    sounds = powers[0] > powers[0].max() * 10 ** (-DYNAMIC_RANGE / 10)
    return float(np.abs(one - other)[sounds].mean())


def valley_excess(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Mean level of the valleys between partials in dB, relative to the reference's.

    A positive value means that noise or blur fills the valleys. The level of a valley is the lowest
    one within VALLEY_BINS around each bin of a Fourier transform with windows of 4096 samples. The
    mean is taken over all bins and columns with a partial of the reference within the same
    distance: a magnitude less than 60 dB below the reference's loudest one.

    Args:
        reference, estimate: Audio, (samples,).

    Returns:
        The mean difference in dB, 0 for valleys of equal depth.

    Raises:
        ValueError: Other shapes, or a silent reference.
    """
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    one, other = _decibels(*_fine_magnitudes(reference, estimate))
    near_partial = maximum_filter1d(one, VALLEY_BINS, axis=0) > one.max() - 60
    floors = [minimum_filter1d(level, VALLEY_BINS, axis=0) for level in (one, other)]
    return float((floors[1] - floors[0])[near_partial].mean())


def onset_ratio(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Mean height of the onset peaks, relative to the reference's: below 1 if attacks are softer.

    The peaks are those of the onset strength of ``librosa.onset`` (mean rectified flux of mel bands
    in dB; Boeck and Widmer 2013) at the onsets of the reference. Those of the estimate may be up to
    two columns of 512 samples away.

    Args:
        reference, estimate: Audio, (samples,).

    Returns:
        The ratio; NaN for a reference without onsets.

    Raises:
        ValueError: Other shapes.
    """
    import librosa
    from scipy.ndimage import maximum_filter1d

    strengths = [
        librosa.onset.onset_strength(y=np.asarray(audio, np.float32), sr=SAMPLE_RATE)
        for audio in _same_shape(reference, estimate)
    ]
    onsets = librosa.onset.onset_detect(onset_envelope=strengths[0], sr=SAMPLE_RATE)
    if not len(onsets):
        return float("nan")
    heights = [maximum_filter1d(strength, _ONSET_COLUMNS)[onsets].mean() for strength in strengths]
    return float(heights[1] / heights[0])


def flux_ratio(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Spectral flux of an estimate relative to the reference's: below 1 if it is smoother.

    The flux is the mean absolute difference from column to column (Masri 1996, without
    rectification). A network that is trained on distances alone predicts the mean of everything
    that is possible, for example of the beating of many strings, so its ratio is far below 1.

    Args:
        reference, estimate: Images, (BINS, columns) in [0, 1].

    Raises:
        ValueError: Other shapes, or a reference that never changes.
    """
    fluxes = [
        np.abs(np.diff(image, axis=-1)).mean() if image.shape[-1] > 1 else 0.0
        for image in _same_shape(reference, estimate)
    ]
    if fluxes[0] == 0:
        raise ValueError("the reference never changes")
    return float(fluxes[1] / fluxes[0])


def border_flux(image: np.ndarray) -> tuple[float, int]:
    """Measure seams: spectral flux at the borders of windows relative to elsewhere.

    The flux of a column is the mean absolute difference from the one before it (Masri 1996, here
    in the dB scale and without rectification). Music without seams gives about 1; hard cuts between
    windows that do not match give more. Transposed convolutions of stride 2 give even and odd
    columns different flux, so borders are compared with their own parity.

    Args:
        image: (BINS, columns) in [0, 1], more than FRAME_COLUMNS columns.

    Returns:
        ``(ratio, borders)``: mean flux at the multiples of FRAME_COLUMNS over the mean elsewhere,
        and the number of borders.

    Raises:
        ValueError: There is no border in the image.
    """
    flux = np.abs(np.diff(np.asarray(image, np.float32), axis=-1)).mean(axis=0)
    at_border = np.zeros(flux.size, bool)
    # difference k lies between columns k and k + 1
    at_border[FRAME_COLUMNS - 1 :: FRAME_COLUMNS] = True
    if not at_border.any():
        columns = image.shape[-1]
        raise ValueError(f"{columns} columns have no border at a multiple of {FRAME_COLUMNS}")
    elsewhere = ~at_border
    elsewhere[0::2] = False  # borders lie at odd differences
    return float(flux[at_border].mean() / flux[elsewhere].mean()), int(at_border.sum())
