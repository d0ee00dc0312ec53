"""How far the result of a system lags behind a stream that it converts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from benchmarks.transfer.excerpts import Excerpt
from benchmarks.transfer.systems import pix2pix_folder, vq_folder
from common.files.audio import resample
from common.trained import shipped
from data import SAMPLE_RATE

_BLOCK = 0.02  # seconds of audio that arrive at once
_LONG = 40.0  # seconds of a stream, longer than any latency here
Stream = Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]


def lag(stream: Stream, audio: np.ndarray, block: int) -> int:
    """Largest time from the arrival of a sample to that of its result, in samples.

    Time to compute is not counted: it is the number of samples that the stream has taken before it
    returns the one that belongs to the first of those it did not return yet.

    Args:
        stream: Function of blocks (channels, samples) that yields blocks, as many samples in all.
        audio: (samples,) float32.
        block: Number of samples that arrive at once.
    """
    taken = returned = longest = 0

    def blocks():
        nonlocal taken
        for start in range(0, audio.size, block):
            part = audio[np.newaxis, start : start + block]
            taken += part.shape[-1]
            yield part

    for part in stream(blocks()):
        if part.shape[-1]:
            longest = max(longest, taken - returned)
            returned += part.shape[-1]
    return longest


def _pix2pix(model, **style):
    from pix2pix_timbre.recordings import convert_blocks
    from pix2pix_timbre.trained import open_once

    settings = open_once(model).settings(**style)
    return lambda blocks: convert_blocks(blocks, 1, **settings), SAMPLE_RATE


def _stream_of(system: str, excerpt: Excerpt) -> tuple[Stream, int] | None:
    """Function of a stream and its sample rate; None for what needs a whole recording."""
    if system == "pix2pix":
        return _pix2pix(pix2pix_folder(excerpt))
    if system == "multitarget":
        from pix2pix_timbre.style import style_of

        style, _ = style_of(excerpt.example()[np.newaxis], SAMPLE_RATE)
        return _pix2pix(shipped("keyboard_acoustic_2_any"), style=style)
    if system == "move":
        from move.sections import transfer_blocks
        from move.trained import ITERATIONS, load_trained

        move = load_trained(shipped("move_orchestra"))
        return (
            lambda blocks: transfer_blocks(blocks, move, excerpt.target, iterations=ITERATIONS),
            move.sample_rate,
        )
    if system in ("vq", "vq-harmonic"):
        from vq_timbre.pitch import track
        from vq_timbre.trained import convert_blocks, load_trained

        timbre = load_trained(vq_folder(excerpt))
        tracked = track if system == "vq-harmonic" else None
        return lambda blocks: convert_blocks(blocks, timbre, track=tracked), timbre.sample_rate
    return None


def latency(system: str, excerpt: Excerpt) -> float | None:
    """Seconds by which a system lags behind a stream; None if it needs the whole recording.

    Args:
        system: Of ``benchmarks.transfer.systems.SYSTEMS``.
        excerpt: ``Excerpt`` that the system takes, of which the stream is made.
    """
    found = _stream_of(system, excerpt)
    if found is None:
        return None
    stream, rate = found
    audio = np.resize(excerpt.source(), round(_LONG * SAMPLE_RATE))
    audio = resample(audio, SAMPLE_RATE, rate)
    return lag(stream, audio, round(_BLOCK * rate)) / rate
