"""Open trained models of any system, given their folder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.cli import UserError
from common.training.run_folder import RunFolder
from common.training.weights import load_into

if TYPE_CHECKING:
    import keras


MODELS = Path(__file__).parent.parent / "models"
# Systems that produce models. A file cannot make the kit import any other module.
SYSTEMS = {
    "pix2pix_timbre": "predict.py",
    "vae_generation": "python -m vae_generation.generate",
    "time_stretching": "python -m time_stretching.stretch",
}


def shipped(name: str) -> Path:
    """Return the folder of a model that comes with the kit."""
    return MODELS / name


def open_model(folder: Path | str) -> Any:
    """Open the model in a folder by its system's ``open_trained``.

    Args:
        folder: Run folder of a training, or a folder of ``models/``.

    Returns:
        ``pix2pix_timbre.trained.TimbreModel``, ``vae_generation.trained.TrainedVAE``,
        ``vae_generation.continuation.Continuation`` or ``time_stretching.trained.Stretcher``.

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


def _system(folder, config):
    # early runs belong to one system and do not name it
    name = config.get("system", "pix2pix_timbre" if "codec" in config else None)
    if not isinstance(name, str) or name.partition(".")[0] not in SYSTEMS:
        raise UserError(
            f"{folder / 'config.json'}: names the system {name!r}; known are {', '.join(SYSTEMS)}"
        )
    return name


def load_networks(folder: Path | str, networks: dict[str, keras.Model]) -> None:
    """Load the weights of built networks.

    Args:
        folder: Run folder.
        networks: Dict from a name to the Keras model that ``<name>.h5`` belongs to.

    Raises:
        UserError: A file is missing, damaged or of another architecture.
    """
    for name, network in networks.items():
        path = Path(folder) / f"{name}.h5"
        if not path.is_file():
            raise UserError(f"{path}: no such file of weights; has the training ended an epoch?")
        load_into(network, path)
