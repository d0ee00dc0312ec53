"""Read audio files of any length in blocks, and in parts of whole STFT columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr

from common.files.audio import AudioFileError, read_blocks, read_header, to_mono
from data import FFT_SIZE, HOP

if TYPE_CHECKING:
    import soundfile


_BLOCK_SECONDS = 3  # small enough for the processor's cache
_RESAMPLED_SECONDS = 1.4  # of such a block, likewise; at 44.1 kHz it is written at once, too


def filled_header(path: Path) -> soundfile._SoundFileInfo:
    """Like ``read_header``; raises ``AudioFileError`` if the file has no samples."""
    header = read_header(path)
    if not header.frames:
        raise AudioFileError(f"{path}: holds no samples")
    return header


def make_resampler(rate: int, to: int, channels: int) -> soxr.ResampleStream | None:
    """Create a ``soxr.ResampleStream`` between two rates in Hz; None if they are equal."""
    if rate == to:
        return None
    return soxr.ResampleStream(rate, to, channels, dtype="float32", quality="HQ")


def resample_blocks(audio: np.ndarray, rate: int, to: int) -> Iterator[np.ndarray]:
    """Resample audio in blocks.

    Args:
        audio: (samples,) float32.
        rate, to: In Hz.

    Yields:
        (samples,) float32; joined, they equal the result of ``common.files.audio.resample``.
    """
    resampler = make_resampler(rate, to, 1)
    size = round(_RESAMPLED_SECONDS * rate)
    for start in range(0, len(audio), size):
        block = audio[start : start + size]
        if resampler is not None:
            block = resampler.resample_chunk(block, last=start + size >= len(audio))
        yield block


def read_resampled(
    path: Path, resampler: soxr.ResampleStream | None, mono: bool = False
) -> Iterator[tuple[np.ndarray, int]]:
    """Read an audio file in resampled blocks.

    Args:
        path: Audio file.
        resampler: Result of ``make_resampler`` for the file's rate.
        mono: Average the channels.

    Yields:
        ``(block, samples)``: the block, (channels, samples) float32, and how many samples of the
        file it was made from.

    Raises:
        AudioFileError: As ``common.files.audio.read_blocks``.
    """
    for block, last in read_blocks(path, _BLOCK_SECONDS):
        resampled = to_mono(block)[np.newaxis] if mono else block
        if resampler is not None:  # its arrays are (samples, channels)
            resampled = resampler.resample_chunk(resampled.T, last=last).T
        yield np.ascontiguousarray(resampled), block.shape[-1]


def parts_of(
    blocks: Iterable[np.ndarray], columns: int, hop: int = HOP
) -> Iterator[tuple[np.ndarray, slice, bool]]:
    """Cut audio into parts for ``data.forward_transform``, with context on both sides.

    So the columns of a part equal those of the whole signal.

    Args:
        blocks: Iterable of (channels, samples).
        columns: Number of columns of a part; the last one may have fewer.
        hop: Distance of columns in samples.

    Yields:
        ``(audio, columns, last)``; the columns of the part are a slice of the audio's.
    """
    half = FFT_SIZE // 2  # a window reaches as far on both sides of its column
    context = half // hop
    held, begin = None, 0
    for block in blocks:
        held = block if held is None else np.concatenate([held, block], axis=-1)
        last = (begin + columns - 1) * hop  # where the last column is centred
        while held.shape[-1] > last + half:
            yield held[:, : last + half], slice(begin, -context), False
            begin = min(begin + columns, context)
            held = held[:, last + hop - begin * hop :]
            last = (begin + columns - 1) * hop
    if held is not None:
        yield held, slice(begin, None), True
