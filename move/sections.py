"""Change the image of a recording of any length, section by section."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from common.files.audio import to_mono
from move.pitches import TRACKERS, heard_pitches
from move.slices import FAINT, Slices, as_loud, cut, join_notes

if TYPE_CHECKING:
    from move.trained import TrainedMove


_SECTION = 48  # slices, 6 s
_LEAD = 4  # slices before and after a section that are changed with it


def transfer_blocks(
    blocks: Iterable[np.ndarray],
    trained: TrainedMove,
    target: str,
    *,
    source: str | None = None,
    tracker: str = TRACKERS[0],
    iterations: int,
) -> Iterator[np.ndarray]:
    """Transfer a stream of audio to another instrument.

    Where no pitch is heard in a slice and its neighbours, the result is silent. Each note has the
    energy that it had, as far as 20 dB allow, or each part of it that lies in another section; if
    the source is known, the level of all changes by as much as those of the instruments differ in
    the training.

    Args:
        blocks: Iterable of (channels, samples) float32 at the rate of the model.
        trained: ``move.trained.TrainedMove``.
        target: Name of an instrument of the model.
        source: Source of the recording, or None.
        tracker: Of its pitch, one of ``move.pitches.TRACKERS``.
        iterations: Number of Griffin-Lim iterations.

    Yields:
        (channels, samples) float32.
    """

    def change(image, heard):
        slices = cut(image)
        near = np.convolve(heard.voiced, np.ones(3), "same") > 0
        sounds = near & (slices.max(axis=(1, 2)) > FAINT)
        changed = trained.transfer(slices, heard.pitches, target, source, ages=heard.ages)
        made, given = (np.where(sounds[:, None, None], one, 0) for one in (changed, slices))
        return join_notes(as_loud(made, given, heard.ages))

    told = {"tracker": tracker, "iterations": iterations, "gain": trained.gain(target, source)}
    return change_blocks(blocks, trained.slices, change, **told)


def change_blocks(
    blocks: Iterable[np.ndarray],
    slices: Slices,
    change: Callable[..., np.ndarray] | None = None,
    *,
    tracker: str = TRACKERS[0],
    iterations: int,
    gain: float = 1.0,
) -> Iterator[np.ndarray]:
    """Change the images of a stream of audio, and find phases for them.

    Args:
        blocks: Iterable of (channels, samples) float32.
        slices: ``move.slices.Slices``.
        change: Function of an image (bins, columns) in [0, 1] and ``move.pitches.Heard`` of its
            slices, that returns an image of the same shape, whose values may exceed 1; None leaves
            it as it is.
        tracker, iterations: As in ``transfer_blocks``.
        gain: Factor on the level of what is changed.

    Yields:
        (channels, samples) float32.
    """
    lead, section = _LEAD * slices.samples, _SECTION * slices.samples
    before = age = None
    for audio, size in _sections(blocks, lead, section):
        adapted = None
        if change:
            heard = heard_pitches(to_mono(audio), slices, tracker, before=age)
            age = heard.ages[min(2 * _SECTION, len(heard.ages)) - 1]
            adapted = partial(change, heard=heard)
        after = [()] * len(audio) if before is None else before
        found = np.stack(
            [
                _sound(one, known, slices, adapted, iterations)
                for one, known in zip(audio, after, strict=True)
            ]
        )
        made = found[:, lead : lead + size].copy()
        if before is not None:
            ramp = np.linspace(0, 1, lead, dtype=np.float32)[:size]
            faded = before[:, lead : lead + ramp.size]
            made[:, : ramp.size] = ramp * made[:, : ramp.size] + (1 - ramp) * faded
        before = found[:, section : section + 2 * lead]
        yield np.float32(gain) * made


def _sections(blocks, lead, section):
    """Cut a stream into ``(audio, size)``: ``size`` samples with ``lead`` before and after them."""
    held = None
    for block in blocks:
        held = (
            np.pad(block, [(0, 0), (lead, 0)])
            if held is None
            else np.concatenate([held, block], axis=-1)
        )
        while held.shape[-1] >= section + 2 * lead:
            yield held[:, : section + 2 * lead], section
            held = held[:, section:]
    left = 0 if held is None else held.shape[-1] - lead
    while left > 0:  # what is left may be longer than a section
        size = min(left, section)
        part = held[:, : size + 2 * lead]
        yield np.pad(part, [(0, 0), (0, size + 2 * lead - part.shape[-1])]), size
        held, left = held[:, size:], left - size


def _sound(audio, known, slices, change, iterations):
    """The changed sound of one channel of a section, which goes on from known audio."""
    image, peak = slices.image(audio)
    if peak == 0:
        return np.zeros_like(audio)
    if change is not None:
        image = change(image)
    return slices.audio(image, iterations, peak, known)[: audio.size]
