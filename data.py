"""The codec of the timbre transfer: audio to magnitude frames of 256x256 and back.

Every constant that training and prediction must agree on is defined here, once.
Magnitude arrays are (..., frequency, time) float32; audio arrays are (..., samples)
float32 in [-1, 1]. No function modifies its arguments.

    >>> audio, rate = load_audio("piano.wav")
    >>> magnitude, phase = forward_transform(audio)
    >>> frames = slice_magnitude(amplitude_to_db(magnitude))  # in [0, 1]
    >>> restored = join_magnitude_slices(frames, magnitude.shape[-1])
    >>> audio = inverse_transform(db_to_amplitude(restored), phase, audio.shape[-1])
"""

from pathlib import Path

import numpy as np

from common.files import audio as audio_files

SAMPLE_RATE = 44100  # Hz
FFT_SIZE = 1024  # samples
HOP = FFT_SIZE // 2  # samples
BINS = 256  # kept of FFT_SIZE // 2 + 1 = 513, from 0 Hz to 10.98 kHz
FRAME_COLUMNS = 256  # columns (STFT hops) in one frame: 2.97 s
AMIN = np.float32(1 / 2**16)  # one step of 16-bit audio: the smallest magnitude above silence

# numpy.hanning is symmetric; with a hop of half the window its square overlap-adds to between
# 0.5 and 1, so the inverse divides by it instead of relying on a constant sum.
WINDOW = np.hanning(FFT_SIZE).astype(np.float32)
_SCALE = np.float32(2 / np.hanning(FFT_SIZE).sum())
_SCALED_WINDOW, _UNSCALING_WINDOW = WINDOW * _SCALE, WINDOW / _SCALE
_LOG_RANGE = np.log1p(1 / AMIN, dtype=np.float32)


# Columns per step of a long transform: few enough that its arrays stay in the processor's cache,
# and that malloc reuses their memory, since getting it from the system takes longer than the
# transform
_COLUMNS_AT_ONCE = 64


def load_audio(
    path: Path | str, sample_rate: int | None = SAMPLE_RATE, mono: bool = True
) -> tuple[np.ndarray, int]:
    """``common.files.audio.load_audio``, by default at SAMPLE_RATE."""
    return audio_files.load_audio(path, sample_rate, mono)


def write_audio(
    path: Path | str, audio: np.ndarray, sample_rate: int = SAMPLE_RATE, subtype: str | None = None
) -> None:
    """``common.files.audio.write_audio``, by default at SAMPLE_RATE."""
    audio_files.write_audio(path, audio, sample_rate, subtype)


def column_count(samples: int, hop: int = HOP) -> int:
    """Number of STFT columns of a signal: one per hop, the last hop padded with zeros."""
    return 1 + -(-samples // hop)


def _spectra(audio, start, stop, hop):
    """Scaled spectra (..., columns, FFT_SIZE // 2 + 1) of columns start to stop."""
    import scipy.fft  # imported here, or --help would take twice as long

    first, last = start * hop - FFT_SIZE // 2, (stop - 1) * hop + FFT_SIZE // 2
    samples = audio.shape[-1]
    block = audio[..., max(first, 0) : min(last, samples)]
    padding = [(0, 0)] * (audio.ndim - 1) + [(max(-first, 0), max(last - max(samples, first), 0))]
    if any(padding[-1]):
        block = np.pad(block, padding)
    # each window is a whole number of hops of the signal
    hops = block.reshape(*audio.shape[:-1], -1, hop)
    windows = np.empty((*audio.shape[:-1], stop - start, FFT_SIZE), np.float32)
    for number, part in enumerate(_parts(hop)):
        shifted = hops[..., number : number + stop - start, :]
        np.multiply(shifted, _SCALED_WINDOW[part], out=windows[..., part])
    return scipy.fft.rfft(windows, axis=-1)


def _parts(hop):
    """Slices of a window that are one hop long."""
    return [slice(start, start + hop) for start in range(0, FFT_SIZE, hop)]


def forward_transform(
    audio: np.ndarray,
    with_phase: bool = True,
    columns: slice = slice(None),
    hop: int = HOP,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Short-time Fourier transform, centred and zero-padded, as magnitude and phase.

    Column k is centred on sample ``k * hop``. The last incomplete hop is padded with zeros, so that
    the inverse is well conditioned up to the last sample.

    Args:
        audio: (..., samples), real.
        with_phase: Also return the phase.
        columns: Slice of the columns to compute and return; default all.
        hop: Distance of columns in samples: HOP, or a smaller divisor of it for more overlap.

    Returns:
        magnitude: (..., BINS, columns) float32, ``2 |S| / sum(window)``: a sine of amplitude 1 in
            the middle of a bin has magnitude 1 there. Without a slice, there are
            ``column_count(samples, hop)`` columns.
        phase: same shape, radians in [-pi, pi]; None without ``with_phase``.
    """
    audio = np.asarray(audio, dtype=np.float32)
    first, stop, _ = columns.indices(column_count(audio.shape[-1], hop))
    count = max(stop - first, 0)
    magnitude = np.empty((*audio.shape[:-1], count, BINS), dtype=np.float32)
    phase = np.empty_like(magnitude) if with_phase else None
    for start in range(0, count, _COLUMNS_AT_ONCE):
        part = slice(start, min(start + _COLUMNS_AT_ONCE, count))
        spectra = _spectra(audio, first + part.start, first + part.stop, hop)[..., :BINS]
        np.abs(spectra, out=magnitude[..., part, :])
        if with_phase:
            np.arctan2(spectra.imag, spectra.real, out=phase[..., part, :])
    if not with_phase:
        return np.swapaxes(magnitude, -1, -2), None
    return np.swapaxes(magnitude, -1, -2), np.swapaxes(phase, -1, -2)


def forward_spectra(audio: np.ndarray, hop: int = HOP) -> np.ndarray:
    """Like ``forward_transform``, but as complex numbers: (..., BINS, columns) complex64."""
    audio = np.asarray(audio, dtype=np.float32)
    count = column_count(audio.shape[-1], hop)
    spectra = np.empty((*audio.shape[:-1], count, BINS), np.complex64)
    for start in range(0, count, _COLUMNS_AT_ONCE):
        stop = min(start + _COLUMNS_AT_ONCE, count)
        spectra[..., start:stop, :] = _spectra(audio, start, stop, hop)[..., :BINS]
    return np.swapaxes(spectra, -1, -2)


def inverse_transform(
    magnitude: np.ndarray, phase: np.ndarray, length: int | None = None
) -> np.ndarray:
    """Convert magnitude and phase to audio: inverse of ``forward_transform``.

    Bins above ``BINS`` count as zero. Weighted overlap-add (Griffin and Lim 1984, eq. 6):
    the least-squares signal for the given spectra.

    Args:
        magnitude: (..., BINS, columns), as ``forward_transform`` returns it.
        phase: same shape, radians.
        length: Number of samples to return; default ``(columns - 1) * HOP``.

    Returns:
        float32 (..., length).

    Raises:
        ValueError: Shapes differ, the number of bins is wrong, or ``length`` is longer than the
            columns reach.
    """
    magnitude, phase = np.asarray(magnitude), np.asarray(phase)
    if magnitude.shape != phase.shape or magnitude.shape[-2] != BINS:
        raise ValueError(
            f"magnitude {magnitude.shape}, phase {phase.shape}: not both (..., {BINS}, columns)"
        )

    def spectra(part):
        angle = np.swapaxes(phase[..., part], -1, -2)
        amplitude = np.swapaxes(magnitude[..., part], -1, -2)
        polar = np.empty(amplitude.shape, np.complex64)
        np.multiply(amplitude, np.cos(angle), out=polar.real)
        np.multiply(amplitude, np.sin(angle), out=polar.imag)
        return polar

    return _overlap_add(spectra, magnitude.shape[:-2], magnitude.shape[-1], length, HOP)


def inverse_spectra(spectra: np.ndarray, length: int | None = None, hop: int = HOP) -> np.ndarray:
    """Like ``inverse_transform``, but from complex spectra: inverse of ``forward_spectra``.

    Args:
        spectra: (..., BINS, columns), as ``forward_spectra`` returns them.
        length: Samples to return; default ``(columns - 1) * hop``.
        hop: As in ``forward_transform``.

    Returns:
        float32 (..., length).
    """
    by_column = np.swapaxes(np.asarray(spectra), -1, -2)
    *shape, columns, _ = by_column.shape
    return _overlap_add(lambda part: by_column[..., part, :], shape, columns, length, hop)


def _overlap_add(spectra, shape, columns, length, hop):
    """Convert spectra, returned by a function for a slice of columns, to audio (*shape, length)."""
    import scipy.fft

    length = max(columns - 1, 0) * hop if length is None else length
    if length > 0 and column_count(length, hop) > columns:
        raise ValueError(f"{columns} columns cannot fill {length} samples")
    # each part of a grain, one hop long, falls into exactly one hop
    parts = _parts(hop)
    hops = np.zeros((*shape, columns + len(parts) - 1, hop), np.float32)
    weights = np.zeros(hops.shape[-2:], np.float32)
    square = np.square(WINDOW)
    whole = np.zeros((*shape, min(_COLUMNS_AT_ONCE, columns), FFT_SIZE // 2 + 1), np.complex64)
    for start in range(0, columns, _COLUMNS_AT_ONCE):
        stop = min(start + _COLUMNS_AT_ONCE, columns)
        whole = whole[..., : stop - start, :]
        whole[..., :BINS] = spectra(slice(start, stop))
        grains = scipy.fft.irfft(whole, FFT_SIZE, axis=-1)
        grains *= _UNSCALING_WINDOW
        for number, part in enumerate(parts):
            hops[..., start + number : stop + number, :] += grains[..., part]
            weights[start + number : stop + number] += square[part]
    covered = slice(FFT_SIZE // 2, FFT_SIZE // 2 + length)
    return hops.reshape(*shape, -1)[..., covered] / weights.ravel()[covered]


def amplitude_to_db(mag: np.ndarray) -> np.ndarray:
    """Convert magnitude to the normalised logarithmic scale: 0 at silence, 1 at magnitude 1.

    ``20 log1p(mag / amin) / (20 log1p(1 / amin))``; float32, same shape.
    """
    mag_db = np.asarray(np.divide(mag, AMIN, dtype=np.float32))
    np.log1p(mag_db, out=mag_db)
    mag_db /= _LOG_RANGE
    return mag_db


def db_to_amplitude(mag_db: np.ndarray) -> np.ndarray:
    """Exact inverse of ``amplitude_to_db``; float32, same shape."""
    mag = np.asarray(np.multiply(mag_db, _LOG_RANGE, dtype=np.float32))
    np.expm1(mag, out=mag)
    mag *= AMIN
    return mag


def frames_to_network(frames: np.ndarray) -> np.ndarray:
    """Map frames from [0, 1] to the networks' range [-1, 1]; same shape."""
    return np.asarray(frames) * 2 - 1


def network_to_frames(frames: np.ndarray) -> np.ndarray:
    """Map a network's output from [-1, 1] to frames in [0, 1]; same shape."""
    return (np.asarray(frames) + 1) / 2


def phase_to_image(phase: np.ndarray) -> np.ndarray:
    """Map phase from [-pi, pi] to an image in [0, 1]; float32, same shape."""
    return np.asarray(np.divide(phase, 2 * np.pi, dtype=np.float32) + np.float32(0.5))


def image_to_phase(image: np.ndarray) -> np.ndarray:
    """Inverse of ``phase_to_image``; float32, same shape."""
    return np.asarray((np.asarray(image, np.float32) - np.float32(0.5)) * np.float32(2 * np.pi))


def slice_magnitude(mag: np.ndarray) -> np.ndarray:
    """Cut an image into frames, the last one padded with zeros.

    Args:
        mag: (BINS, columns).

    Returns:
        (frames, BINS, FRAME_COLUMNS, 1), same dtype; zero frames for zero columns.
    """
    mag = np.asarray(mag)
    if mag.ndim != 2 or mag.shape[0] != BINS:
        raise ValueError(f"expected ({BINS}, columns), got {mag.shape}")
    frames = -(-mag.shape[1] // FRAME_COLUMNS)
    sliced = np.zeros((BINS, frames * FRAME_COLUMNS), dtype=mag.dtype)
    sliced[:, : mag.shape[1]] = mag
    return np.moveaxis(sliced.reshape(BINS, frames, FRAME_COLUMNS), 1, 0)[..., np.newaxis]


def join_magnitude_slices(frames: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Join frames to an image (BINS, columns): exact inverse of ``slice_magnitude``.

    Args:
        frames: (frames, BINS, FRAME_COLUMNS, 1).
        columns: Number of columns to keep; default all, including the padding of the last frame.

    Raises:
        ValueError: Wrong shape, or fewer columns in the frames than asked for.
    """
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[1:] != (BINS, FRAME_COLUMNS, 1):
        raise ValueError(f"expected (frames, {BINS}, {FRAME_COLUMNS}, 1), got {frames.shape}")
    joined = np.moveaxis(frames[..., 0], 0, 1).reshape(BINS, -1)
    columns = joined.shape[1] if columns is None else columns
    if columns > joined.shape[1]:
        raise ValueError(f"{len(frames)} frames hold {joined.shape[1]} columns, not {columns}")
    return joined[:, :columns]
