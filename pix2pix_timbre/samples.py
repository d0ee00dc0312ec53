"""Listening samples: a held-out piece, converted after each epoch, as picture and sound."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from common.audio.phase import FAST_MOMENTUM, griffin_lim_phase
from common.files.audio import peak, read_header
from common.report.plots import plot_images
from data import (
    FRAME_COLUMNS,
    db_to_amplitude,
    forward_transform,
    image_to_phase,
    inverse_transform,
    load_audio,
    write_audio,
)
from pix2pix_timbre.pairs import audio_files
from pix2pix_timbre.phase_network import JointNetwork
from pix2pix_timbre.windows import convert_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pix2pix_timbre.pairs import Source
    from pix2pix_timbre.trained import Predictor


_COLUMNS = 4 * FRAME_COLUMNS  # length of a sample: 12 s


class Sample:
    """The beginning of a piece and what it should become.

    Args:
        pair: Origin and target, ``pix2pix_timbre.pairs.Source``.
        folder: Output folder for pictures and sounds.
        style: (BINS, FRAME_COLUMNS) float32 in [0, 1] for a generator with a style, or None.
        audios_path: Folder of the audios, for their phase; None to estimate the phase.
        phases: ``Source`` of origin and target, if the generator converts the phase as
            well, or None.

    Raises:
        UserError: The audio of origin or target is missing.
        AudioFileError: It is unreadable.
    """

    def __init__(
        self,
        pair: tuple[Source, Source],
        folder: Path,
        style: np.ndarray | None = None,
        audios_path: Path | None = None,
        phases: Sequence[Source] | None = None,
    ) -> None:
        images = [np.asarray(source.read(0, _COLUMNS), np.float32) for source in pair]
        columns = min(image.shape[1] for image in images)
        self._input, self._target = (image[:, :columns] for image in images)
        self._folder = folder
        self._style = style
        self._written = False
        self._phases = None
        if phases is not None:
            images = [np.asarray(source.read(0, columns), np.float32) for source in phases]
            self._phases = dict(zip(("input", "target"), map(image_to_phase, images), strict=True))
        self._audios = None
        if audios_path is not None:
            (self._audios,) = audio_files(audios_path, [pair])
            for path in self._audios:
                read_header(path)  # report a damaged file now, not after an epoch

    def write(self, predict: Predictor, epoch: int) -> None:
        """Write the sample of an epoch as picture and audio; input and target with the first.

        Args:
            predict: ``pix2pix_timbre.trained.Predictor``.
            epoch: Number of the epoch, part of the file names.
        """
        if self._style is not None:
            predict = functools.partial(predict, style=self._style)
        phases = self._phases
        if phases is None:
            predicted = convert_image(predict, self._input)
        else:
            predicted, phase = JointNetwork(predict)(self._input, phases["input"])
            phases = phases | {"prediction": phase}
        images = {"input": self._input, "prediction": predicted, "target": self._target}
        picture = self._folder / f"epoch_{epoch:03d}.png"
        plot_images(picture, images, error=("prediction", "target"))
        for name, image in images.items():
            stem = f"epoch_{epoch:03d}" if name == "prediction" else name
            path = self._folder / f"{stem}.wav"
            if name == "prediction" or not self._written:
                magnitude = db_to_amplitude(image)
                phase = phases[name] if phases else self._phase(name, magnitude)
                audio = inverse_transform(magnitude, phase)
                write_audio(path, audio / max(1.0, peak(audio)))
        self._written = True

    def _phase(self, name, magnitude):
        if self._audios is None:
            zero = np.zeros_like(magnitude)
            return griffin_lim_phase(magnitude, zero, momentum=FAST_MOMENTUM)
        audio, _ = load_audio(self._audios[name == "target"])
        return forward_transform(audio)[1][:, : magnitude.shape[1]]
