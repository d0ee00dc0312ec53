"""Read audio files of any length in blocks, and in parts of whole STFT columns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr

from common.files.audio import (
    PEAK,
    AudioFileError,
    AudioWriter,
    kept_subtype,
    peak,
    read_blocks,
    read_header,
    to_mono,
)
from data import FFT_SIZE, HOP

if TYPE_CHECKING:
    import soundfile


_BLOCK_SECONDS = 3  # small enough for the processor's cache
_SECONDS_AT_ONCE = 10  # length of the blocks that are written
_RESAMPLED_SECONDS = 1.4  # of such a block, likewise; at 44.1 kHz it is written at once, too


def filled_header(path: Path) -> soundfile._SoundFileInfo:
    """Like ``read_header``; raises ``AudioFileError`` if the file has no samples."""
    header = read_header(path)
    if not header.frames:
        raise AudioFileError(f"{path}: holds no samples; give another file")
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


def stream_file(
    source: Path,
    output: Path,
    sample_rate: int,
    convert: Callable[[Iterable[np.ndarray], int], Iterator[np.ndarray]],
    *,
    refuse_silence: bool = False,
) -> dict[str, Any]:
    """Convert one audio file by a function of blocks; memory does not grow with its length.

    The output has the length, the rate, the channels and the bit depth of the source.

    Args:
        source: Audio file.
        output: Audio file to write; it appears whole or not at all.
        sample_rate: Hz, of the blocks.
        convert: Function of an iterable of blocks (channels, samples) float32 and the number of
            channels; returns a generator of converted blocks, in total about as many samples.
        refuse_silence: Whether an input without sound is an error, and nothing is written.

    Returns:
        Dict: ``seconds`` of audio, whether the input was ``silent``, and the ``gain`` that kept the
        result within [-1, 1].
    """
    header = filled_header(source)
    rate, channels = header.samplerate, header.channels
    into = make_resampler(rate, sample_rate, channels)
    back = make_resampler(sample_rate, rate, channels)
    samples, silent, loudest = 0, True, 0.0

    def blocks():
        nonlocal samples, silent
        for block, count in read_resampled(source, into):
            samples += count
            silent = silent and not block.any()
            yield block

    output.parent.mkdir(parents=True, exist_ok=True)
    # The peak is only known at the end; until then the result is in an unnamed file.
    with _unnamed_file(output) as waiting:
        with closing(convert(blocks(), channels)) as converted:
            for part, last in _mark_last(converted):
                audio = part.T if back is None else back.resample_chunk(part.T, last=last)
                loudest = max(loudest, peak(audio))
                waiting.write(np.ascontiguousarray(audio, dtype=np.float32).tobytes())
        if silent and refuse_silence:
            raise AudioFileError(f"{source}: is silent; give another recording")
        gain = min(1.0, PEAK / loudest) if loudest else 1.0
        seconds = samples / rate
        waiting.seek(0)
        with AudioWriter(output, rate, channels, kept_subtype(header, output)) as writer:
            while samples:
                count = min(samples, _SECONDS_AT_ONCE * rate)
                stored = waiting.read(count * channels * np.dtype(np.float32).itemsize)
                audio = np.frombuffer(stored, np.float32).reshape(-1, channels)
                audio = np.pad(audio, [(0, count - len(audio)), (0, 0)])
                writer.write(audio.T * np.float32(gain))
                samples -= count
    return {"seconds": seconds, "silent": silent, "gain": gain}


def _mark_last(items):
    previous = None  # and stays None if resampling a sample or two gives nothing
    for item in items:
        if previous is not None:
            yield previous, False
        previous = item
    if previous is not None:
        yield previous, True


@contextmanager
def _unnamed_file(output):
    """Context manager: an unnamed file beside an output, whose errors name the output."""
    try:
        with tempfile.TemporaryFile(dir=output.parent) as file:
            yield file
    except OSError as error:
        if error.errno is None or error.filename is not None:  # an error of another file
            raise
        raise OSError(f"{output}: cannot be written; is the disk full?") from error
