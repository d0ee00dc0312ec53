"""Styles: frames that show the generator which instrument to imitate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import UserError
from common.files.audio import resample
from common.music.names import piece_of, preset_of
from data import (
    FRAME_COLUMNS,
    HOP,
    SAMPLE_RATE,
    amplitude_to_db,
    forward_transform,
    frames_to_network,
    network_to_frames,
)
from pix2pix_timbre.features import read_image
from pix2pix_timbre.pairs import PairedFrames, Source

if TYPE_CHECKING:
    from pix2pix_timbre.trained import Predictor


_DRAWN = 2  # number of frames drawn, of which the fullest becomes the style


class StyledFrames(PairedFrames):
    """Batches ``(input, target)`` for a generator whose target is set by a style frame.

    The input's channels are the origin and the style: another piece, played by the same preset of
    the target instrument. Styles are drawn anew each epoch, by ``seed`` and ``epoch``. (If
    there is only one piece, its other frames are the styles.)

    Args: those of ``pix2pix_timbre.pairs.PairedFrames``.
    """

    def __init__(
        self, pairs: Sequence[tuple[Source, Source]], batch_size: int, **settings: Any
    ) -> None:
        super().__init__(pairs, batch_size, **settings)
        self._voices = defaultdict(list)
        for target in dict.fromkeys(target for _, target in pairs):
            self._voices[voice_of(target)].append(target)

    def cut(self, positions: Sequence[int], epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the frames at some positions of an epoch.

        Returns:
            ``(input, target)``, (places, BINS, FRAME_COLUMNS, 2) and (..., 1) in [-1, 1].
        """
        origin, target = super().cut(positions, epoch)
        windows = self.windows(epoch)
        styles = [self.style(windows[position].target, position, epoch) for position in positions]
        return np.concatenate([origin, np.stack(styles)], axis=-1), target

    def style(
        self,
        target: Source,
        position: int = 0,
        epoch: int = 0,
        voice: tuple[str, str] | None = None,
    ) -> np.ndarray:
        """Return the style at a position of an epoch: (BINS, FRAME_COLUMNS, 1) in [-1, 1].

        Args:
            target: ``Source`` of the target frame, whose piece the style avoids.
            position, epoch: Determine the choice, together with the seed.
            voice: Voice that plays the style; by default that of the target.
        """
        rng = np.random.default_rng([self.seed, epoch, position, 1])
        sources = self._voices[voice_of(target) if voice is None else voice]
        piece = piece_of(target.rendering)
        others = [source for source in sources if piece_of(source.rendering) != piece] or sources
        cuts = []
        for source in (others[choice] for choice in rng.integers(len(others), size=_DRAWN)):
            last = max(source.columns - FRAME_COLUMNS, 0)
            cuts.append((source, int(rng.integers(last, endpoint=True)), source.columns))
        return max(self.frames(cuts), key=np.mean)

    @property
    def voices(self) -> list[tuple[str, str]]:
        """The voices of all targets."""
        return list(self._voices)


def voice_of(source: Source) -> tuple[str, str]:
    """Voice of a ``pix2pix_timbre.pairs.Source``: instrument and preset."""
    return source.store.instrument, preset_of(source.rendering)


def fullest_frame(image: np.ndarray) -> int:
    """Column at which the frame with the largest mean magnitude begins.

    Args:
        image: (BINS, columns) in [0, 1].

    Returns:
        Multiple of a quarter of FRAME_COLUMNS; 0 for an image no longer than a frame.
    """
    hop = FRAME_COLUMNS // 4
    level = np.concatenate([[0.0], np.cumsum(image.mean(axis=0, dtype=float))])
    starts = np.arange(0, max(image.shape[1] - FRAME_COLUMNS, 0) + 1, hop)
    stops = np.minimum(starts + FRAME_COLUMNS, image.shape[1])
    return int(starts[np.argmax(level[stops] - level[starts])])


def read_style(path: Path, offset: float | None = None) -> tuple[np.ndarray, float]:
    """Read the style frame of a recording.

    Args:
        path: Audio file, of any length.
        offset: Second at which the frame begins; None for ``fullest_frame``.

    Returns:
        ``(style, offset)``: (BINS, FRAME_COLUMNS) float32 in [0, 1], silent where the recording is
        too short; its offset in seconds, to the next column.

    Raises:
        AudioFileError: Not readable.
        UserError: The frame is silent, or begins after the end.
    """
    return _style_frame(read_image(path).T, offset, path)


def style_of(
    audio: np.ndarray, sample_rate: int, offset: float | None = None
) -> tuple[np.ndarray, float]:
    """Like ``read_style``, for audio (samples,) or (channels, samples) at a rate in Hz."""
    mono = np.atleast_2d(np.asarray(audio, np.float32)).mean(axis=0)
    magnitude, _ = forward_transform(resample(mono, sample_rate, SAMPLE_RATE), with_phase=False)
    return _style_frame(amplitude_to_db(magnitude), offset, "the style")


def _style_frame(image, offset, name):
    start = fullest_frame(image) if offset is None else round(offset * SAMPLE_RATE / HOP)
    if start >= image.shape[1]:
        length = image.shape[1] * HOP / SAMPLE_RATE
        raise UserError(f"--style_offset {offset:g}: {name} lasts {length:.1f} s only")
    frame = image[:, start : start + FRAME_COLUMNS].astype(np.float32)
    if not frame.any():
        raise UserError(f"{name}: silent; --style needs the sound of an instrument")
    padding = FRAME_COLUMNS - frame.shape[1]
    return np.pad(frame, [(0, 0), (0, padding)]), start * HOP / SAMPLE_RATE


def distances_by_style(predict: Predictor, frames: StyledFrames) -> list[dict[str, str | float]]:
    """Mean L1 distance of each style's prediction from each true target, in the [-1, 1] scale.

    If the generator follows its style, the matching one is the best for every target.

    Args:
        predict: ``pix2pix_timbre.trained.Predictor`` of a generator with a style.
        frames: ``StyledFrames``, whose every frame is converted in every style.

    Returns:
        List of dicts, one per style: ``style`` and the distance for each target, by voice.
    """
    sums = defaultdict(float)
    counts = defaultdict(int)
    for index in range(len(frames)):
        positions = frames.positions(index)
        inputs, targets = frames.cut(positions, frames.epoch)
        sources = [frames.windows(frames.epoch)[position].target for position in positions]
        for voice in frames.voices:
            styles = [
                frames.style(source, position, voice=voice)
                for source, position in zip(sources, positions, strict=True)
            ]
            style = network_to_frames(np.stack(styles)[..., 0])
            predicted = predict(network_to_frames(inputs[..., :1]), style)
            predicted = frames_to_network(predicted)
            for source, distance in zip(
                sources, np.abs(predicted - targets).mean(axis=(1, 2, 3)), strict=True
            ):
                sums[voice, voice_of(source)] += float(distance)
                counts[voice, voice_of(source)] += 1
    return [
        {"style": _name(style)}
        | {_name(voice): sums[style, voice] / counts[style, voice] for voice in frames.voices}
        for style in frames.voices
    ]


def _name(voice):
    return "@".join(part for part in voice if part)
