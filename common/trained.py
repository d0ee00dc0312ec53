"""Open trained models of any system, given their folder, and compute their networks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from common.cli import Parser, UserError
from common.training.run_folder import RunFolder
from common.training.weights import load_into

if TYPE_CHECKING:
    import keras


MODELS = Path(__file__).parent.parent / "models"
# Decoded levels less than this above the floor become silence; they would be heard as hiss.
SQUELCH_DB = 4.0
# Systems that produce models. A file cannot make the kit import any other module.
SYSTEMS = {
    "pix2pix_timbre": "predict.py",
    "vae_generation": "python -m vae_generation.generate",
    "time_stretching": "python -m time_stretching.stretch",
    "move": "python -m move.transfer",
    "granular": "python -m granular.sample",
    "vq_timbre": "python -m vq_timbre.transfer",
    "wae_fader": "python -m wae_fader.generate",
    "light_mir": "python -m light_mir.predict",
    "timbre_space": "python -m timbre_space.path",
    "latent_exploration": "python -m latent_exploration.render",
}


def shipped(name: str) -> Path:
    """Return the folder of a model that comes with the kit."""
    return MODELS / name


def add_model_flag(
    built: Parser, default: str, *, several: bool = False, name: str = "--model", what: str = ""
) -> None:
    """Add the flag of a run folder.

    Args:
        built: ``common.cli.parser``.
        default: Name of the shipped model that is the default.
        several: Take several run folders, as a list.
        name: Name of the flag.
        what: What follows the words "run folder" in the help text.
    """
    folder = shipped(default)
    noun, given = (
        ("run folders", {"nargs": "+", "default": [folder]})
        if several
        else ("run folder", {"default": folder})
    )
    text = " ".join(filter(None, [noun, what, f"(default: models/{default})"]))
    built.add_argument(name, type=Path, help=text, **given)


def open_model(folder: Path | str) -> Any:
    """Open the model in a folder by its system's ``open_trained``.

    Args:
        folder: Run folder of a training, or a folder of ``models/``.

    Returns:
        ``pix2pix_timbre.trained.TimbreModel``, ``vae_generation.trained.TrainedVAE``,
        ``vae_generation.continuation.Continuation``, ``time_stretching.trained.Stretcher``,
        ``move.trained.TrainedMove``, ``wae_fader.trained.TrainedFader``,
        ``vq_timbre.trained.TrainedTimbre``, ``light_mir.trained.TrainedTagger``,
        ``timbre_space.trained.TrainedSpace`` or ``latent_exploration.trained.TrainedContinuous``.

    Raises:
        UserError: The folder is not a run folder, its system is unknown, or a file is damaged.
    """
    folder = Path(folder)
    config = RunFolder(folder).read_config()
    name = _system(folder, config)
    module = import_module(f"{name.partition('.')[0]}.trained")
    return module.open_trained(folder, config | {"system": name})


def open_run(folder: Path | str, system: str) -> dict[str, Any]:
    """Read ``config.json`` of a run folder.

    Args:
        folder: Path.
        system: Name of the system that must have trained it.

    Raises:
        UserError: The folder is not a run folder, or one of another system.
    """
    config = RunFolder(folder).read_config()
    found = _system(Path(folder), config)
    if found != system:
        raise UserError(
            f"{folder}: holds no model of {system} but one of {found}; use it with "
            f"{SYSTEMS[found.partition('.')[0]]}"
        )
    return config


def predict_in_parts(
    network: keras.Model, inputs: np.ndarray | Sequence[np.ndarray], size: int
) -> Any:
    """Outputs of a network, computed for at most ``size`` examples at a time.

    ``network.predict`` does the same, but each call takes many milliseconds to set up.

    Args:
        network: Keras model.
        inputs: Array (examples, ...), or a sequence of several, as the network takes.
        size: How many examples are computed at a time.

    Returns:
        Array (examples, ...), or a list of these, as the network returns.
    """
    several = not isinstance(inputs, np.ndarray)
    arrays = list(inputs) if several else [inputs]
    found = []
    for start in range(0, max(len(arrays[0]), 1), size):
        parts = [array[start : start + size] for array in arrays]
        found.append(network.predict_on_batch(parts if several else parts[0]))
    if isinstance(found[0], list | tuple):
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]
    return np.concatenate(found)


@contextlib.contextmanager
def reading_config(folder: Path | str) -> Iterator[None]:
    """Context manager for reading settings of ``config.json``; missing and unfit ones are damage.

    Args:
        folder: Run folder.

    Raises:
        UserError: An entry is missing, or of another kind.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder}/config.json: damaged ({error!r})") from error


def _system(folder, config):
    # early runs belong to one system and do not name it
    name = config.get("system", "pix2pix_timbre" if "codec" in config else None)
    if not isinstance(name, str) or name.partition(".")[0] not in SYSTEMS:
        named = "no system" if name is None else f"the system {name!r}"
        raise UserError(f"{folder / 'config.json'}: names {named}; known are {', '.join(SYSTEMS)}")
    return name


class Examples(NamedTuple):
    """Examples of a model's network.

    Attributes:
        training, validation: ``common.training.batches.Batches`` of (inputs, targets); the latter
            may be None.
        loss: Name of the Keras loss that the network is trained by.
        seconds: Length of the sound that an example stands for.
        error: Function of targets and outputs, arrays of all validation examples, by which
            networks are compared; None to compare them by the loss.
    """

    training: object
    validation: object
    loss: str
    seconds: float
    error: Callable[[np.ndarray, np.ndarray], float] | None = None


def open_examples(folder: Path | str, path: Path | str, **settings: Any) -> Examples:
    """Open examples of the network of a run folder, in data of its system.

    Args:
        folder: Run folder.
        path: Path of the data, as for a training of the system.
        settings: ``validation_split``, ``batch_size``, ``seed`` and ``steps``, the number of
            batches of an epoch, as of a training.

    Returns:
        ``Examples``.

    Raises:
        UserError: The system has no such function, or the data do not fit.
    """
    folder = Path(folder)
    config = RunFolder(folder).read_config()
    name = _system(folder, config)
    open_them = getattr(import_module(f"{name.partition('.')[0]}.trained"), "open_examples", None)
    if open_them is None:
        raise UserError(
            f"--dataset_path: examples for models of {name} cannot be opened; leave it out if no "
            "examples are needed, or give a model of the timbre transfer or of light_mir"
        )
    return open_them(folder, config, Path(path), **settings)


def load_networks(folder: Path | str, networks: dict[str, keras.Model]) -> dict[str, keras.Model]:
    """Load the weights of built networks, with the sizes that trimming has left them.

    Args:
        folder: Run folder.
        networks: Dict from a name to the Keras model that ``<name>.h5`` belongs to.

    Returns:
        The same, trimmed as ``config.json`` says.

    Raises:
        UserError: A file is missing, damaged or of another architecture.
    """
    config, loaded = RunFolder(folder).read_config(), {}
    sizes = config.get("trimmed", {})
    for name, network in networks.items():
        path = Path(folder) / f"{name}.h5"
        if not path.is_file():
            raise UserError(
                f"{path}: no such file; train for at least one epoch, or copy the model again"
            )
        loaded[name] = network
        if isinstance(sizes, dict) and name in sizes:
            from common.training.rebuild import trimmed

            loaded[name] = trimmed(network, sizes[name], Path(folder) / "config.json")
        load_into(loaded[name], path)
    return loaded


def networks_of(folder: Path | str) -> dict[str, keras.Model]:
    """Open a run folder of any system, and find its networks.

    Args:
        folder: Run folder, or a folder of ``models/``.

    Returns:
        Dict from the path of a file of weights below the folder, such as "encoder.h5" or
        "corrector/corrector.h5", to the Keras model.

    Raises:
        UserError: As ``open_model``.
    """
    folder = Path(folder)
    model, found, stems = open_model(folder), {}, set()
    for path in sorted(folder.rglob("*.h5"), key=lambda path: (len(path.parts), path)):
        # Other files hold states and data, and folders of samples have no config.json; networks of
        # the same names in deeper folders belong to other runs.
        network = getattr(model, path.stem, None)
        if network is None or path.stem in stems or not (path.parent / "config.json").is_file():
            continue
        stems.add(path.stem)
        found[path.relative_to(folder).as_posix()] = network
    return found
