"""Convert audio: arrays, and files of any length in constant memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from common.audio.phase import DEFAULT_PHASE, estimate_phase
from common.audio.streaming import filled_header, make_resampler, parts_of, read_resampled
from common.files.audio import PEAK, AudioWriter, fit_length, kept_subtype, resample, safe_peak
from common.files.audio import peak as audio_peak
from data import (
    FRAME_COLUMNS,
    SAMPLE_RATE,
    amplitude_to_db,
    db_to_amplitude,
    forward_transform,
    inverse_transform,
)
from pix2pix_timbre.windows import OVERLAP, Conversion

_SECONDS_AT_ONCE = 10  # length of the blocks that are written
_PART_COLUMNS = 4 * FRAME_COLUMNS  # length of the parts that are read: whole frames
_COLUMNS_AHEAD = 32  # columns that are known beyond a column when its phase is estimated


def convert_blocks(
    blocks: Iterable[np.ndarray],
    conversion: Conversion,
    method: str,
    network: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None,
) -> Iterator[np.ndarray]:
    """Convert a stream of audio.

    Args:
        blocks: Iterable of (channels, samples) float32 at SAMPLE_RATE.
        conversion: ``pix2pix_timbre.windows.Conversion``.
        method: Of ``common.audio.phase.ESTIMATORS``.
        network: Function ``(image, phase) -> (image, phase)`` that is called first, such as a
            ``pix2pix_timbre.phase_network.PhaseNetwork``; it receives whole frames if possible.

    Yields:
        Converted blocks (channels, samples); in total as many samples as the input, rounded up to
        whole hops.
    """
    phases = ready = None
    known = 0
    for audio, part, last in parts_of(blocks, _PART_COLUMNS):
        magnitude, phase = forward_transform(audio, columns=part)
        image = amplitude_to_db(magnitude)
        if network is not None:
            image, phase = network(image, phase)
        converted = conversion.push(image)
        if last:
            converted = np.concatenate([converted, conversion.finish()], axis=-1)
        phases = phase if phases is None else np.concatenate([phases, phase], axis=-1)
        ready = converted if ready is None else np.concatenate([ready, converted], axis=-1)
        columns = ready.shape[-1]
        # the phase of the last columns depends on what comes next, so they wait
        done = columns if last else columns - _COLUMNS_AHEAD
        if done > 1:
            magnitude = db_to_amplitude(ready)
            estimated = estimate_phase(method, magnitude, phases[..., :columns], known)[..., :done]
            yield inverse_transform(magnitude[..., :done], estimated)
            # samples between two columns need both, so one column is kept for the next part
            ready, known = ready[..., done - 1 :], 1
            phases = np.concatenate([estimated[..., -1:], phases[..., done:]], axis=-1)


def _mark_last(items):
    previous = None  # and stays None if resampling a sample or two gives nothing
    for item in items:
        if previous is not None:
            yield previous, False
        previous = item
    if previous is not None:
        yield previous, True


def convert_audio(
    audio: np.ndarray,
    sample_rate: int,
    *,
    predict: Callable[[np.ndarray], np.ndarray],
    overlap: float = OVERLAP,
    phase: str = DEFAULT_PHASE,
    network: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None,
) -> np.ndarray:
    """Convert audio in memory.

    Args:
        audio: (samples,) or (channels, samples) float32 in [-1, 1].
        sample_rate: Hz.
        predict, overlap, phase, network: See ``convert_file``.

    Returns:
        float32, same shape, turned down where it would leave [-1, 1].
    """
    channels = np.atleast_2d(audio)
    conversion = Conversion(predict, len(channels), overlap)
    given = resample(channels, sample_rate, SAMPLE_RATE)
    converted = np.concatenate([*convert_blocks([given], conversion, phase, network)], axis=-1)
    converted = resample(converted, SAMPLE_RATE, sample_rate)
    return safe_peak(fit_length(converted, audio.shape[-1])).reshape(audio.shape)


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


def convert_file(
    source: Path,
    output: Path,
    *,
    predict: Callable[[np.ndarray], np.ndarray],
    overlap: float = OVERLAP,
    phase: str = DEFAULT_PHASE,
    network: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None,
) -> dict[str, Any]:
    """Convert one audio file; memory does not grow with its length.

    Args:
        source: Audio file.
        output: Audio file to write; it appears whole or not at all.
        predict: Function from frames to frames in [0, 1], such as a
            ``pix2pix_timbre.trained.Predictor``.
        overlap: Share of a frame that overlaps with the next one, in [0, 1).
        phase: Of ``common.audio.phase.ESTIMATORS``.
        network: As in ``convert_blocks``.

    Returns:
        Dict: ``seconds`` of audio, whether the input was ``silent``, and the ``gain`` that kept the
        result within [-1, 1].
    """
    header = filled_header(source)
    rate, channels = header.samplerate, header.channels
    into = make_resampler(rate, SAMPLE_RATE, channels)
    back = make_resampler(SAMPLE_RATE, rate, channels)
    samples, silent, peak = 0, True, 0.0

    def blocks():
        nonlocal samples, silent
        for block, count in read_resampled(source, into):
            samples += count
            silent = silent and not block.any()
            yield block

    output.parent.mkdir(parents=True, exist_ok=True)
    # The peak is only known at the end; until then the result is in an unnamed file.
    with _unnamed_file(output) as waiting:
        conversion = Conversion(predict, channels, overlap)
        with closing(convert_blocks(blocks(), conversion, phase, network)) as converted:
            for part, last in _mark_last(converted):
                audio = part.T if back is None else back.resample_chunk(part.T, last=last)
                peak = max(peak, audio_peak(audio))
                waiting.write(np.ascontiguousarray(audio, dtype=np.float32).tobytes())
        gain = min(1.0, PEAK / peak) if peak else 1.0
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
