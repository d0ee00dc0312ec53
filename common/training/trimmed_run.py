"""Run folders of trimmed networks: like that of the whole networks, so that they open like it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from common.cli import UserError
from common.files.atomic import replace_when_done
from common.trained import networks_of
from common.training.rebuild import merged, thaw
from common.training.run_folder import KEPT, RunFolder
from common.training.weights import save_h5, stand_alone


class Trimmed(NamedTuple):
    """A network that takes the place of one of a run.

    Attributes:
        network: Keras model.
        sizes: Settings of the layers that changed, by their paths; see
            ``common.training.rebuild.rebuild``.
        how: What ``config.json`` tells about the trimming; that of an earlier one is kept in it as
            ``before``.
    """

    network: keras.Model
    sizes: dict[str, dict]
    how: dict[str, Any]


def only_network(folder: Path, flag: str) -> tuple[str, keras.Model]:
    """File and network of a run folder; ``UserError`` if it has none or several.

    Args:
        folder: Path.
        flag: Name of the flag, for the message.
    """
    networks = networks_of(folder)
    if len(networks) != 1:
        raise UserError(f"{flag} {folder}: has {len(networks)} networks; choose a model with one")
    return next(iter(networks.items()))


def widening_of(path: Path) -> float | None:
    """Factor by which the network in a file of a run folder has been widened, or None."""
    config = RunFolder(path.parent).read_config()
    return config.get("trimming", {}).get(path.stem, {}).get("widen")


def recorded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON gives them back: a function or an object by its name, a tuple as a list."""

    def name_of(one):
        is_number = isinstance(one, np.generic)
        return one.item() if is_number else getattr(one, "__name__", type(one).__name__)

    return json.loads(json.dumps(dict(settings), default=name_of))


def require_no_run(output: Path) -> None:
    """Raise ``UserError`` if a folder to be written holds a run: that would be lost or mixed up."""
    if any(output.rglob("config.json")):
        raise UserError(f"--output {output}: already holds a run; name another folder")


def write_run(
    model: Path, output: Path, paths: Iterable[str], smaller: Mapping[str, Trimmed]
) -> None:
    """Write a run folder like another one, but with smaller networks.

    Args:
        model: Run folder of the whole networks.
        output: Folder to write.
        paths: Files of all its networks, relative to the folder, as of
            ``common.trained.networks_of``. Those not in ``smaller`` are copied, and so is what else
            belongs to the run.
        smaller: Trimmed networks by their files.

    ``config.json`` is written last.
    """
    paths = list(paths)
    parts = {Path(path).parent for path in paths}
    configs = {part: RunFolder(model / part).read_config() for part in parts}
    for path in paths:
        if path not in smaller:
            _copy(model / path, output / path)
            continue
        trimmed, name, config = smaller[path], Path(path).stem, configs[Path(path).parent]
        save_h5(stand_alone(thaw(trimmed.network)), output / path)
        known = config.get("trimmed", {})
        config["trimmed"] = known | {name: merged(known.get(name, {}), trimmed.sizes)}
        records = config.get("trimming", {})
        earlier = {"before": records[name]} if name in records else {}
        config["trimming"] = records | {name: trimmed.how | earlier}
    _copy_others(model, output, configs)
    for part, config in configs.items():
        RunFolder(output / part).write_config(config)


def _copy(source, target):
    with replace_when_done(target) as temporary:
        shutil.copyfile(source, temporary)


def _copy_others(model, output, folders):
    """Copy what a run has beside its networks, and the runs in it whose networks are not found."""
    for place in sorted(model.rglob("config.json")):
        part = place.parent.relative_to(model)
        names = {*KEPT}
        if part not in folders:
            states = {path.name for path in place.parent.glob("*.weights.h5")}
            names |= {path.name for path in place.parent.glob("*.h5")} - states | {place.name}
        for name in sorted(names):
            if (place.parent / name).is_file():
                _copy(place.parent / name, output / part / name)
