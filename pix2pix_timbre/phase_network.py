"""Phase predicted by networks, in the two ways proposed with the published system.

Either a second Pix2Pix turns the phase of the origin into that of the target, or one Pix2Pix turns
magnitude and phase into both, as two channels. Frames do not overlap, because a cross-fade of
angles makes no sense.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from data import image_to_phase, join_magnitude_slices, phase_to_image, slice_magnitude
from pix2pix_timbre.features import FeatureStore, phase_instrument
from pix2pix_timbre.pairs import PairedFrames, Source


class FramesWithPhase(PairedFrames):
    """Batches of frames with two channels, magnitude and phase, each in [-1, 1].

    Args:
        stores: Dict from name to open feature store of the phases of all instruments of the pairs,
            named by ``pix2pix_timbre.features.phase_instrument``.
        The others are those of ``PairedFrames``, but for ``augment``: effects on magnitudes
        leave phases that do not belong to them.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Source, Source]],
        batch_size: int,
        *,
        stores: dict[str, FeatureStore],
        **settings: Any,
    ) -> None:
        self._stores = stores
        super().__init__(pairs, batch_size, **settings)

    def cut(self, positions: Sequence[int], epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return frames at positions of an epoch: ``(origin, target)``, (n, ..., 2) each."""
        magnitudes = super().cut(positions, epoch)
        windows = [self.windows(epoch)[position] for position in positions]
        phases = []
        for side in (0, 1):
            places = [(self._phase(one[side]), one.offset, self._end(one)) for one in windows]
            phases.append(self.frames(places))
        return tuple(
            np.concatenate(channels, axis=-1) for channels in zip(magnitudes, phases, strict=True)
        )

    def _phase(self, source):
        return phases_of([source], self._stores)[0]


def phases_of(sources: Iterable[Source], stores: dict[str, FeatureStore]) -> list[Source]:
    """Return the phases of sources as a list of ``pix2pix_timbre.pairs.Source``.

    Args:
        sources: Sources of magnitudes.
        stores: As in ``FramesWithPhase``.
    """
    return [
        source._replace(store=stores[phase_instrument(source.store.instrument)])
        for source in sources
    ]


class PhaseNetwork:
    """A second Pix2Pix that predicts the phase of the target from that of the origin.

    Args:
        predict: Function from frames to frames in [0, 1], such as a ``Predictor``.
    """

    def __init__(self, predict: Callable[[np.ndarray], np.ndarray]) -> None:
        self._predict = predict

    def __call__(self, image: np.ndarray, phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predict the phase and leave the image unchanged; called like ``JointNetwork``."""
        (phase_image,) = _in_frames(self._predict, [phase_to_image(phase)])
        return image, image_to_phase(phase_image)


class JointNetwork:
    """One Pix2Pix that predicts magnitude and phase from magnitude and phase.

    Args:
        predict: Function from frames of two channels to frames of two channels in [0, 1].
    """

    def __init__(self, predict: Callable[[np.ndarray], np.ndarray]) -> None:
        self._predict = predict

    def __call__(self, image: np.ndarray, phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predict image and phase.

        Args:
            image: (..., BINS, columns) in [0, 1].
            phase: Same shape, radians.

        Returns:
            ``(image, phase)``, same shapes.
        """
        image, phase_image = _in_frames(self._predict, [image, phase_to_image(phase)])
        return image, image_to_phase(phase_image)


def _in_frames(predict, images):
    """Convert images, as channels, frame by frame: list of images (..., BINS, columns)."""
    shape = images[0].shape
    columns = shape[-1]
    stacks = [image.reshape(-1, *shape[-2:]) for image in images]
    converted = []
    for channels in zip(*stacks, strict=True):  # of the audio
        frames = np.concatenate([slice_magnitude(image) for image in channels], axis=-1)
        predicted = predict(frames.astype(np.float32))
        converted.append(
            [
                join_magnitude_slices(predicted[..., [output]], columns)
                for output in range(predicted.shape[-1])
            ]
        )
    return [np.stack(images).reshape(shape) for images in zip(*converted, strict=True)]
