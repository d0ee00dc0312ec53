"""Convert recordings with a trained generator."""

from __future__ import annotations

import functools
import itertools
import numbers
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.audio.resynthesis import DEFAULT_PHASE, METHODS
from common.audio.voices import ALONE, Voices, checked_voices, voices_of
from common.cli import UserError
from common.files.audio import checked_audio
from common.trained import Examples, open_run, shipped
from common.training.devices import list_gpus
from common.training.fast import multiply_convolutions
from common.training.run_folder import RunFolder
from data import FRAME_COLUMNS, HOP, SAMPLE_RATE, frames_to_network, network_to_frames
from pix2pix_timbre.features import CODEC
from pix2pix_timbre.recordings import convert_audio
from pix2pix_timbre.runtime import ExportedGenerator
from pix2pix_timbre.weights import WAYS, generator_shape, load_generator, require_channels
from pix2pix_timbre.windows import BATCH, OVERLAP

if TYPE_CHECKING:
    import keras


# shipped models that convert where none is named: without a style and with one
GUITAR, ANY = "keyboard_acoustic_2_guitar_acoustic_textured", "keyboard_acoustic_2_any"
NETWORK = "network"  # value of --phase for a phase predicted by a network


class Predictor:
    """A generator as a compiled function of frames in [0, 1] that returns frames in [0, 1].

    Args:
        generator: Keras model (batch, BINS, FRAME_COLUMNS, channels) -> (..., outputs), in [-1, 1];
            the second channel, if there is one, is the style, or the phase. Or the same exported.
    """

    def __init__(self, generator: keras.Model | ExportedGenerator) -> None:
        self._generator = generator
        if isinstance(generator, ExportedGenerator):
            return
        import keras

        # XLA makes this network slower on CPUs; other backends are left to Keras
        if keras.backend.backend() == "tensorflow":
            generator.compile(jit_compile=False)
            if not list_gpus():
                multiply_convolutions(generator)

    def __call__(self, frames: np.ndarray, style: np.ndarray | None = None) -> np.ndarray:
        """Predict any number of frames, in batches.

        Args:
            frames: (frames, BINS, FRAME_COLUMNS, channels) float32.
            style: (BINS, FRAME_COLUMNS) float32 in [0, 1], for all frames or for each, for a
                generator that takes one.

        Returns:
            Like ``frames``, but with the generator's outputs as channels.
        """
        results = np.empty((*frames.shape[:-1], self._generator.output_shape[-1]), np.float32)
        channels = [frames]
        if style is not None:
            channels.append(np.broadcast_to(style[..., np.newaxis], frames.shape))
        for start in range(0, len(frames), BATCH):
            batch = [channel[start : start + BATCH] for channel in channels]
            batch = frames_to_network(np.concatenate(batch, axis=-1))
            # a single shape, so that the function is compiled once
            padding = [(0, BATCH - len(batch)), (0, 0), (0, 0), (0, 0)]
            predicted = self._generator.predict_on_batch(np.pad(batch, padding))
            found = np.asarray(predicted)[: len(batch)]
            results[start : start + BATCH] = network_to_frames(found)
        return results


class TimbreModel:
    """A generator that converts recordings.

    Args:
        generator: Keras model of ``pix2pix_timbre.model.build_generator``, or an
            ``ExportedGenerator``.
        codec: Constants of the codec that it was trained with, those of ``data.py``.
        phase: Of ``common.audio.resynthesis.METHODS``: the method that suits its magnitudes.
        voices: Those of its target instrument, which its magnitudes lack.

    Attributes:
        generator, codec, phase, voices: As given.
        predict: ``Predictor``.
        styled: Whether its target is set by a style.
        with_phase: Whether it also converts the phase.
    """

    def __init__(
        self,
        generator: keras.Model | ExportedGenerator,
        codec: dict[str, Any] = CODEC,
        phase: str = DEFAULT_PHASE,
        voices: Voices = ALONE,
    ) -> None:
        self.generator = generator
        self.phase = phase
        self.voices = voices
        self.predict = Predictor(generator)
        self.codec = codec
        channels, outputs = generator.input_shape[-1], generator.output_shape[-1]
        self.with_phase = outputs == 2
        self.styled = channels == 2 and not self.with_phase

    def convert(
        self,
        audio: np.ndarray,
        sample_rate: int = SAMPLE_RATE,
        *,
        style: np.ndarray | None = None,
        **settings: Any,
    ) -> np.ndarray:
        """Convert audio.

        Args:
            audio: (samples,) or (channels, samples) float32 in [-1, 1], or integers.
            sample_rate: Hz.
            style: Audio of the target instrument at the same rate, for a ``styled`` model; its
                fullest 2.97 s count.
            settings: ``phase``, ``voices``, ``overlap`` and ``phase_model``; see ``settings``.

        Returns:
            float32, same shape, turned down where it would leave [-1, 1].

        Raises:
            UserError: As ``common.files.audio.checked_audio``, and ``settings``.
        """
        audio = checked_audio(audio, sample_rate)
        if style is not None:
            from pix2pix_timbre.style import style_of  # imports Keras, like the next import

            style, _ = style_of(checked_audio(style, sample_rate, "style"), sample_rate)
        return convert_audio(audio, sample_rate, **self.settings(style=style, **settings))

    def settings(
        self,
        phase: str | None = None,
        *,
        voices: Voices | None = None,
        style: np.ndarray | None = None,
        overlap: float = OVERLAP,
        phase_model: TimbreModel | None = None,
    ) -> dict[str, Any]:
        """Keyword arguments of ``pix2pix_timbre.recordings.convert_file``.

        Args:
            phase: Name in ``common.audio.resynthesis.METHODS``, or NETWORK; None for that of the
                model.
            voices: ``common.audio.voices.Voices``; None for those of the model.
            style: (BINS, FRAME_COLUMNS) float32 in [0, 1], for a ``styled`` model.
            overlap: Share of a frame that the next one covers, in [0, 1).
            phase_model: ``TimbreModel`` that converts phases, for the phase NETWORK.

        Raises:
            UserError: The model needs a style, does not take one, or NETWORK has no network; an
                unknown phase, impossible voices, or an overlap outside [0, 1).
        """
        phase = self.phase if phase is None else phase
        known = (*METHODS, NETWORK)
        if phase not in known:
            raise UserError(f"phase {phase!r}: give one of {', '.join(known)}")
        if not (isinstance(overlap, numbers.Real) and 0 <= overlap < 1):
            raise UserError(f"overlap {overlap!r}: give a number of at least 0 and below 1")
        if self.styled != (style is not None):
            needs = "is told its target by a style: give one" if self.styled else "takes no style"
            raise UserError(f"the model {needs}")
        found = {"phase": "input" if phase == NETWORK else phase}
        found["voices"] = checked_voices(self.voices if voices is None else voices)
        if self.with_phase:
            from pix2pix_timbre.phase_network import JointNetwork

            joint = JointNetwork(self.predict)

            def magnitude_alone(image, given):
                return joint(image, given)[0], given

            network = joint if phase == NETWORK else magnitude_alone
            return found | {"network": network, "overlap": 0.0, "predict": lambda frames: frames}
        if phase == NETWORK:
            if phase_model is None:
                raise UserError(
                    f"phase {NETWORK}: give its network as phase_model, or take a model that was "
                    "trained with phase"
                )
            from pix2pix_timbre.phase_network import PhaseNetwork

            found["network"] = PhaseNetwork(phase_model.predict)
        predict = self.predict
        if style is not None:
            predict = functools.partial(predict, style=style)
        return found | {"overlap": overlap, "predict": predict}


def open_trained(folder: Path, config: dict[str, Any]) -> TimbreModel:
    """Open the ``TimbreModel`` of a run folder.

    Args:
        folder: Path.
        config: Content of its ``config.json``.

    Raises:
        UserError: Missing or damaged weights, or another codec than that of ``data.py``.
    """
    check_codec(folder, config)
    return load_model(Path(folder) / "generator.h5")


def open_examples(
    folder: Path,
    config: dict[str, Any],
    path: Path,
    *,
    validation_split: float = 0.1,
    batch_size: int = 8,
    seed: int = 0,
    steps: int | None = None,
) -> Examples:
    """Open frames of the instruments of a run folder: ``common.trained.Examples``.

    Args:
        folder: Run folder of a generator that converts magnitudes.
        config: Content of its ``config.json``.
        path: Folder of features.
        validation_split, batch_size, seed, steps: As in a training; its frames are cut anywhere.

    Raises:
        UserError: No such features, or a generator that converts phases.
    """
    from pix2pix_timbre.features import FeatureStore
    from pix2pix_timbre.pairs import PairedFrames, split_pairs
    from pix2pix_timbre.style import StyledFrames

    check_codec(folder, config)
    shape = generator_shape(Path(folder) / "generator.h5")
    if shape.outputs == 2:
        raise UserError(f"{folder}: converts phases; only examples of magnitudes can be opened")
    frames = StyledFrames if shape.channels == 2 else PairedFrames
    origins, targets = (
        [names] if isinstance(names, str) else names
        for names in (config["flags"]["origin"], config["flags"]["target"])
    )
    stores = {}
    for name in {*origins, *targets}:
        if not (path / f"{name}.h5").is_file():
            raise UserError(f"{path / name}.h5: no features of {name!r}; run compute_features.py")
        stores[name] = FeatureStore(path / f"{name}.h5")
    training, held_out = [], []
    for origin, target in itertools.product(origins, targets):
        if origin != target:
            *sides, _ = split_pairs(stores[origin], stores[target], validation_split)
            training += sides[0]
            held_out += sides[1]
    if not training:
        raise UserError(f"{path}: no piece to train on; lower the share that is held out")
    drawn = {"random_offsets": True, "shuffle": True, "seed": seed, "steps": steps}
    validation = frames(held_out, batch_size) if held_out else None
    seconds = FRAME_COLUMNS * HOP / SAMPLE_RATE
    return Examples(
        frames(training, batch_size, **drawn), validation, "mean_absolute_error", seconds
    )


def load_model(weights: Path, *, styled: bool | None = None, runtime: str = "keras") -> TimbreModel:
    """Open the ``TimbreModel`` of a weights file.

    Args:
        weights: HDF5 file, of a training or of the published code.
        styled: Whether a style will be given; None accepts every model.
        runtime: Of ``pix2pix_timbre.runtime.RUNTIMES``. Without "keras", Keras is not imported.

    Raises:
        UserError: Missing or damaged, or a model that does not go with that; no exported network.
    """
    shape = generator_shape(weights)
    kind = shape.channels, shape.outputs
    if styled:
        kind = 2, 1
    elif kind not in WAYS or (styled is False and shape.outputs != 2):
        kind = 1, 1
    if runtime == "onnx":
        require_channels(weights, *kind)
        return TimbreModel(ExportedGenerator(weights), **own_sound(weights))
    return TimbreModel(load_generator(weights, *kind), **own_sound(weights))


def own_sound(weights: Path) -> dict[str, Any]:
    """What the ``config.json`` beside a weights file says about the sound of its magnitudes.

    Returns:
        Dict with "phase", of METHODS, and "voices", a ``Voices``: where nothing is said,
        DEFAULT_PHASE and one voice.

    Raises:
        UserError: A damaged file, an unknown phase, or impossible voices.
    """
    folder = Path(weights).parent
    if not (folder / "config.json").is_file():
        return {"phase": DEFAULT_PHASE, "voices": ALONE}
    config = RunFolder(folder).read_config()
    phase = config.get("phase", DEFAULT_PHASE)
    if phase not in METHODS:
        raise UserError(f"{folder / 'config.json'}: names the phase {phase!r}; correct it")
    try:
        voices = voices_of(config.get("voices", {}))
    except UserError as error:
        raise UserError(f"{folder / 'config.json'}: {error}") from error
    return {"phase": phase, "voices": voices}


@functools.lru_cache(maxsize=4)
def open_once(model: Path | str) -> TimbreModel:
    """Open a run folder, weights file or shipped model once; later calls return the same."""
    path = Path(model)
    if not path.exists() and path.name == str(model):
        path = shipped(path.name)
    return load_model(weights_file(path))


def weights_file(path: Path) -> Path:
    """Weights file for ``--model``: the path itself, or ``generator.h5`` in a run folder.

    Raises:
        UserError: Missing, of another system, or trained with other codec constants.
    """
    path = Path(path)
    if path.is_dir():
        open_config(path)
        path = path / "generator.h5"
    if not path.is_file():
        raise UserError(f"{path}: no such file; --model is a run folder or an .h5 of weights")
    return path


def open_config(folder: Path) -> dict[str, Any]:
    """Read ``config.json`` of a run of this system, and check its codec."""
    config = open_run(folder, "pix2pix_timbre")
    check_codec(folder, config)
    return config


def check_codec(folder: Path, config: dict[str, Any]) -> None:
    """Raise ``UserError`` if a run has another codec than ``data.py``."""
    if config.get("codec") != CODEC:
        raise UserError(f"{folder}: trained with codec {config.get('codec')}, but this is {CODEC}")
