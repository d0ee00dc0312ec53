"""Audio files of any length, read in blocks, and in parts of whole columns."""

import numpy as np
import soxr

from common.files.audio import AudioFileError, read_blocks, read_header, to_mono
from data import HOP

_BLOCK_SECONDS = 3  # what is done to them stays in the processor's cache
_RESAMPLED_SECONDS = 1.4  # of such a block, likewise; at 44.1 kHz it is written at once, too


def filled_header(path):
    """The header of an audio file, as ``read_header``; AudioFileError if it has no samples."""
    header = read_header(path)
    if not header.frames:
        raise AudioFileError(f"{path}: holds no samples")
    return header


def make_resampler(rate, to, channels):
    """``soxr.ResampleStream`` from one rate to another, in Hz; None between equal ones."""
    if rate == to:
        return None
    return soxr.ResampleStream(rate, to, channels, dtype="float32", quality="HQ")


def resample_blocks(audio, rate, to):
    """Resample an audio, in blocks.

    Args:
        audio: (samples,) float32.
        rate, to: In Hz.

    Yields:
        (samples,) float32; together the samples of ``common.files.audio.resample``.
    """
    resampler = make_resampler(rate, to, 1)
    size = round(_RESAMPLED_SECONDS * rate)
    for start in range(0, len(audio), size):
        block = audio[start : start + size]
        if resampler is not None:
            block = resampler.resample_chunk(block, last=start + size >= len(audio))
        yield block


def read_resampled(path, resampler, mono=False):
    """Audio of a file in blocks, resampled.

    Args:
        path: Audio file.
        resampler: From the file's rate, as ``make_resampler`` returns it.
        mono: Average the channels.

    Yields:
        ``(block, samples)``: the block, (channels, samples) float32, and how many samples of the
        file it was made from.

    Raises:
        AudioFileError: As ``common.files.audio.read_blocks``.
    """
    for block, last in read_blocks(path, _BLOCK_SECONDS):
        resampled = to_mono(block)[np.newaxis] if mono else block
        if resampler is not None:  # it takes and gives (samples, channels)
            resampled = resampler.resample_chunk(resampled.T, last=last).T
        yield np.ascontiguousarray(resampled), block.shape[-1]


def parts_of(blocks, columns):
    """Audio for whole columns of ``data.forward_transform``, with a hop of context where there is.

    So the columns of a part are those of the whole signal.

    Args:
        blocks: Iterable of (channels, samples).
        columns: Of a part; the last one may have fewer.

    Yields:
        ``(audio, columns, last)``; the columns of the part are a slice of the audio's.
    """
    held, begin = None, 0
    for block in blocks:
        held = block if held is None else np.concatenate([held, block], axis=-1)
        size = (columns + begin) * HOP
        while held.shape[-1] > size:
            yield held[:, :size], slice(begin, -1), False
            held, begin = held[:, size - HOP :], 1
            size = (columns + begin) * HOP
    if held is not None:
        yield held, slice(begin, None), True
