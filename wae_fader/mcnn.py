"""Sound of images of notes by a network: a small MCNN (Arik et al. 2019).

Some heads of transposed convolutions make a waveform each, and the sound is their sum. It learns
from true notes by the spectra of what it makes, whose phases are its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers, ops

from common.cli import UserError
from common.files.audio import find_recordings, fit_length, load_audio
from common.trained import load_networks, open_run, reading_config
from common.training.batches import RowBatches
from common.training.model import TrainingModel
from common.training.spectral_losses import multi_scale_distance
from wae_fader.images import RANGE_DB, NoteImages

if TYPE_CHECKING:
    from wae_fader.store import NoteStore

MCNN = "mcnn"  # folder in that of the auto-encoder, and name of the network
SYSTEM = f"wae_fader.{MCNN}"
_KERNEL = 2  # strides
_COMPRESSED = 0.5  # exponent of the magnitudes that the network is given


def strides_of(hop: int) -> tuple[int, int, int]:
    """Three strides with the product ``hop``, as equal as powers of 2 can be, the largest first.

    Raises:
        UserError: ``hop`` is no power of 2.
    """
    power = hop.bit_length() - 1
    if hop != 2**power:
        raise UserError(f"a hop of {hop} samples: the network needs a power of 2")
    return tuple(2 ** ((power + place) // 3) for place in (2, 1, 0))


def build_mcnn(images: NoteImages, heads: int, width: int) -> keras.Model:
    """Network from images to sounds.

    Args:
        images: ``wae_fader.images.NoteImages``.
        heads: Number of heads.
        width: Features of the first layer of a head; the second one has half of them.

    Returns:
        Keras model: (batch, bins, frames, 1) in [0, 1] -> (batch, samples) in float32, for a level
        of 0 dB.
    """
    image = layers.Input((images.bins, images.frames, 1), name="image")
    hidden = layers.Reshape((images.bins, images.frames), name="mcnn_flat")(image)
    hidden = layers.Permute((2, 1), name="mcnn_columns")(hidden)
    factor = _COMPRESSED * RANGE_DB / 20 * math.log(10)
    hidden = layers.Rescaling(factor, -factor, name="mcnn_nepers")(hidden)
    magnitude = layers.Activation("exponential", name="mcnn_magnitude")(hidden)
    made = []
    for head in range(1, heads + 1):
        hidden = magnitude
        strides, filters = strides_of(images.hop), (width, width // 2, 1)
        for number, (stride, features) in enumerate(zip(strides, filters, strict=True), start=1):
            name, is_last = f"mcnn_{head}_{number}", number == len(strides)
            dtype = "float32" if is_last else None
            hidden = layers.Conv1DTranspose(
                features, _KERNEL * stride, stride, padding="same", dtype=dtype, name=name
            )(hidden)
            if not is_last:
                hidden = layers.ELU(name=f"{name}_elu")(hidden)
        made.append(hidden)
    sound = layers.Add(dtype="float32", name="mcnn_sum")(made) if heads > 1 else made[0]
    # the middle of a column's window lies half a window after its beginning
    before = (images.fft_size - images.hop) // 2
    after = images.samples - images.frames * images.hop - before
    sound = layers.ZeroPadding1D((before, after), dtype="float32", name="mcnn_ends")(sound)
    sound = layers.Reshape((images.samples,), dtype="float32", name="sound")(sound)
    return keras.Model(image, sound, name=MCNN)


class Mcnn(TrainingModel):
    """The network, trained by ``fit`` on batches of ``Sounds``.

    Args:
        network: As built by ``build_mcnn``.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__("mcnn_training")
        self.mcnn = network

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Sounds (batch, samples)."""
        return self.mcnn(self.share_out(inputs), training=training)

    def loss_terms(
        self, x: Any, y: Any, y_pred: Any, training: bool
    ) -> tuple[Any, dict[str, Any], Any]:
        """Multi-scale distance of the spectra."""
        loss = ops.mean(multi_scale_distance(ops.cast(y, "float32"), y_pred))
        return loss, {"loss": loss}, ops.shape(y_pred)[0]


def read_sounds(store: NoteStore, indices: Sequence[int], folder: Path) -> np.ndarray:
    """True sounds (notes, samples) float32 of notes of a store, each at a level of 0 dB.

    Args:
        store: ``wae_fader.store.NoteStore``.
        indices: Of the notes.
        folder: Folder that the store was made of.

    Raises:
        UserError: It has no such file.
    """
    files, images, sounds = find_recordings(folder).files, store.images, []
    for index in indices:
        row = store.rows[index]
        if row.source not in files:
            raise UserError(f"{folder}: has no note {row.source}, which is in the store")
        audio, _ = load_audio(files[row.source], sample_rate=images.sample_rate)
        factor = np.float32(10 ** (-row.level / 20))
        sounds.append(factor * fit_length(audio, images.samples))
    return np.stack(sounds)


class Sounds(RowBatches):
    """Batches ``(images, sounds)``.

    Args:
        images: (notes, bins, frames).
        sounds: (notes, samples).
        batch_size: Notes of a batch.
        order: ``shuffle``, ``steps`` and ``seed`` of ``RowBatches``.
    """

    def __init__(
        self, images: np.ndarray, sounds: np.ndarray, batch_size: int, **order: Any
    ) -> None:
        super().__init__(range(len(images)), batch_size, **order)
        self._images, self._sounds = images, sounds

    def cut(self, positions: range, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the notes at some positions of an epoch as a batch."""
        chosen = self.drawn(epoch)[list(positions)]
        return self._images[chosen][..., np.newaxis], self._sounds[chosen]


class Renderer:
    """A trained network that makes sounds of images, in the folder of its auto-encoder.

    Args:
        folder: Run folder of ``wae_fader.train``.
        images: ``wae_fader.images.NoteImages`` of the auto-encoder.

    Raises:
        UserError: There is none, or it is damaged.
    """

    def __init__(self, folder: Path, images: NoteImages) -> None:
        if not (folder / MCNN).is_dir():
            raise UserError(f"{folder}: has no {MCNN}; train it by python -m wae_fader.train_mcnn")
        config = open_run(folder / MCNN, SYSTEM)
        with reading_config(folder / MCNN):
            flags = config["flags"]
            if flags["heads"] < 1:
                raise ValueError("no heads")
            network = build_mcnn(images, flags["heads"], flags["width"])
        self._images = images
        self._network = load_networks(folder / MCNN, {MCNN: network})[MCNN]
        self._network.compile(jit_compile=False)

    def audio(self, image: np.ndarray, level: float = 0.0) -> np.ndarray:
        """As ``NoteImages.audio``, without iterations."""
        made = self._network.predict_on_batch(image[np.newaxis, ..., np.newaxis])[0]
        return self._images.faded(np.float32(10 ** (level / 20)) * made)
