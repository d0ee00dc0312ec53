"""Networks of the rounds of `trimming.lottery`, and run folders of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from common.cli import UserError
from common.files.text import write_json
from common.report.tickets import read_settings
from common.training.rebuild import layer_paths, trimmed
from common.training.trimmed_run import (
    Trimmed,
    only_network,
    require_no_run,
    widening_of,
    write_run,
)
from common.training.weights import load_into


def read_result(place: Path, whole: keras.Model) -> dict[str, Any]:
    """Content of ``result.json`` of a round.

    Args:
        place: Folder of the round.
        whole: The whole network.

    Returns:
        Dict; its ``sizes`` are by the paths of the layers, see ``common.training.rebuild.rebuild``.

    Raises:
        UserError: The file is missing, damaged, or of another network.
    """
    path = place / "result.json"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        paths = layer_paths(whole)
        sizes = {paths[int(number)]: size for number, size in result["sizes"].items()}
    except OSError as error:
        raise UserError(f"{path}: not readable ({error.strerror})") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({error!r}); remove it") from error
    # rounds of an earlier version have no memory, and were trained once
    return {"memory": math.nan, "trainings": 1} | result | {"sizes": sizes}


def write_result(place: Path, model: keras.Model, result: Mapping[str, Any]) -> None:
    """Write ``result.json`` of a round.

    Args:
        place: Folder of the round.
        model: Its network.
        result: As ``read_result`` gives it.
    """
    paths = layer_paths(model)
    # by number: Keras counts unnamed layers on when a model is made once more
    sizes = {str(paths.index(path)): size for path, size in result["sizes"].items()}
    write_json(place / "result.json", {**result, "sizes": sizes})


def load_network(whole: keras.Model, sizes: dict[str, dict], path: Path) -> keras.Model:
    """Load a network with weights of a round.

    Args:
        whole: The whole network.
        sizes: Of the round, as in ``read_result``.
        path: File of weights in the folder of the round.

    Raises:
        UserError: The file is missing, damaged, or of another network.
    """
    model = trimmed(whole, sizes, path.parent / "result.json")
    load_into(model, path)
    return model


def write_ticket(
    model: Path | str, tickets: Path | str, number: int, output: Path | str
) -> dict[str, Any]:
    """Write the run folder of a ticket.

    Args:
        model: Run folder of the whole network.
        tickets: Folder of the rounds of a lottery of this network.
        number: Round, from 0.
        output: Folder to write.

    Returns:
        Result of the round, as of ``read_result``.

    Raises:
        UserError: The lottery had another model, the round is missing or damaged, or the output
            already holds a run. Nothing is written then.
    """
    model, tickets, output = Path(model), Path(tickets), Path(output)
    path, whole = only_network(model, "--model")
    require_no_run(output)
    settings = read_settings(tickets)
    name = model.resolve().name
    if settings.get("model", name) != name:  # an earlier version did not record it
        raise UserError(
            f"--model {model}: {tickets} holds rounds of {settings['model']}; give that one"
        )
    place = tickets / f"round_{number:02d}"
    if not (place / "result.json").is_file():
        raise UserError(f"--round {number}: {tickets} has no such round that is finished")
    result = read_result(place, whole)
    network = load_network(whole, result["sizes"], place / "network.h5")
    how = settings | {"round": number, "widen": widening_of(model / path)}
    write_run(model, output, [path], {path: Trimmed(network, result["sizes"], how)})
    return result
