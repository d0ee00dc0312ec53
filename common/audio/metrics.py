"""Measures of a conversion: of its magnitude image, and of how it sounds.

All but ``border_flux`` compare an estimate with a reference of the same length, and are 0 for equal
ones. Audio is float32 (samples,) at ``data.SAMPLE_RATE``, mono; magnitudes are (BINS, columns) as
``data.forward_transform`` returns them.
"""

import numpy as np

from data import FFT_SIZE, FRAME_COLUMNS, HOP, SAMPLE_RATE

DYNAMIC_RANGE = 80  # dB below the reference's loudest value that count
RESOLUTIONS = (2048, 1024, 512, 256, 128, 64)  # samples, FFT sizes of Engel et al. 2020
_DECIBELS_PER_NEPER = 20 / np.log(10)
MEL_BANDS = 40
CEPSTRAL_COEFFICIENTS = 13  # the first of which is left out


def _same_shape(reference, estimate):
    reference, estimate = np.asarray(reference), np.asarray(estimate)
    if reference.shape != estimate.shape or reference.size == 0:
        raise ValueError(f"reference {reference.shape} and estimate {estimate.shape} do not match")
    return reference, estimate


def _decibels(reference, estimate, scale=20):
    """Both in dB, what lies DYNAMIC_RANGE below the reference's maximum raised to there."""
    peak = reference.max()
    if peak <= 0:
        raise ValueError("the reference is silent")
    floor = peak * 10 ** (-DYNAMIC_RANGE / scale)
    return (scale * np.log10(np.maximum(one, floor)) for one in (reference, estimate))


def log_spectral_distance(reference, estimate):
    """Log-spectral distance in dB (Gray and Markel 1976, their d2).

    The root of the mean square over the bins of the difference in dB, averaged over all columns.
    What is more than DYNAMIC_RANGE below the reference's loudest value counts as that.

    Args:
        reference, estimate: Magnitudes, (BINS, columns).

    Raises:
        ValueError: Other shapes, or a silent reference.
    """
    one, other = _decibels(*_same_shape(reference, estimate))
    return float(np.sqrt(np.square(one - other).mean(axis=0)).mean())


def spectral_convergence(reference, estimate):
    """``||estimate - reference|| / ||reference||`` of two magnitudes (Arik et al. 2019, eq. 2)."""
    reference, estimate = _same_shape(reference, estimate)
    norm = np.linalg.norm(reference)
    if norm == 0:
        raise ValueError("the reference is silent")
    return float(np.linalg.norm(estimate - reference) / norm)


def multi_resolution_spectral_distance(reference, estimate):
    """Multi-scale spectral loss of DDSP (Engel et al. 2020, eq. 4), alpha 1.

    Over six FFT sizes, the sum of the mean absolute differences of the magnitudes and of their
    natural logarithms. Periodic Hann windows with 75 % overlap; magnitudes are not normalised. Of
    the logarithms, what is more than DYNAMIC_RANGE below the reference's loudest value counts as
    that (theirs end at 1e-5, far below the noise of 16 bit).

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


def timbre_distance(reference, estimate):
    """Distance of the spectral envelopes in dB, whatever their level: from MFCCs.

    Mel cepstral distortion (Kubichek 1993) over the coefficients 2 to 13 of 40 mel bands in dB,
    divided by the root of the number of bands: with an orthonormal cosine transform that is the
    root-mean-square difference in dB of the smoothed envelopes without their mean. Averaged over
    the columns in which the reference sounds.

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


def loudness_error(reference, estimate):
    """Mean absolute difference of the A-weighted loudness in dB.

    Of the power of each column of a Fourier transform, A-weighted (Engel et al. 2020, section 4.2);
    over the columns in which the reference is less than DYNAMIC_RANGE below its loudest one.

    Args:
        reference, estimate: Audio, (samples,).

    Raises:
        ValueError: Other shapes, or a silent reference.
    """
    import librosa

    size = 2 * FFT_SIZE
    heard = librosa.fft_frequencies(sr=SAMPLE_RATE, n_fft=size)[1:]  # of 0 Hz, nothing is
    weights = librosa.db_to_power(librosa.A_weighting(heard))
    powers = [
        weights @ np.abs(librosa.stft(np.asarray(audio), n_fft=size, hop_length=HOP)[1:]) ** 2
        for audio in _same_shape(reference, estimate)
    ]
    one, other = _decibels(*powers, scale=10)
    sounds = powers[0] > powers[0].max() * 10 ** (-DYNAMIC_RANGE / 10)
    return float(np.abs(one - other)[sounds].mean())


def flux_ratio(reference, estimate):
    """Spectral flux of an estimate over that of the reference: 1 when it is as lively.

    The flux is the mean absolute difference from column to column (Masri 1996, without
    rectification). A network that learns from distances alone predicts the mean of what it cannot
    know, such as the beating of many strings, and its ratio is far below 1.

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


def border_flux(image, period=FRAME_COLUMNS):
    """Whether windows leave seams: spectral flux at their borders over that elsewhere.

    The flux of a column is the mean absolute difference from the one before it (Masri 1996, here
    in the dB scale and without rectification). Music that does not know of the borders gives about
    1; a hard cut between windows that do not match gives more. Transposed convolutions of stride 2
    give even and odd columns different flux, so borders are compared with their own parity.

    Args:
        image: (BINS, columns) in [0, 1], more than ``period`` columns.
        period: Columns from one border to the next, even.

    Returns:
        ``(ratio, borders)``: mean flux at the multiples of ``period`` over the mean elsewhere, and
        the number of borders.

    Raises:
        ValueError: No border in the image.
    """
    flux = np.abs(np.diff(np.asarray(image, np.float32), axis=-1)).mean(axis=0)
    at_border = np.zeros(flux.size, bool)
    at_border[period - 1 :: period] = True  # difference k lies between columns k and k + 1
    if not at_border.any():
        raise ValueError(f"{image.shape[-1]} columns have no border at a multiple of {period}")
    elsewhere = ~at_border
    elsewhere[0::2] = False  # borders lie at odd differences
    return float(flux[at_border].mean() / flux[elsewhere].mean()), int(at_border.sum())
