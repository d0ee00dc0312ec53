"""Rounds of the lottery: train, cut, rewind, and train again.

    >>> rows = lottery(make_model, train, rounds=10, rewind_epoch=1, folder="tickets")

Folders of the rounds are ``round_00``, ``round_01``, ..., and those of the controls in them. Each
holds ``early.h5``, the weights to which the round was rewound, ``network.h5``, the trained network,
and ``result.json``, which is written last: what is finished is not repeated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from common.cli import UserError, say
from common.files.text import write_json
from common.report.tickets import TICKET
from common.training.rebuild import layer_paths, merged, rebuild
from common.training.ticket import load_network, read_result
from common.training.weights import save_h5
from trimming.controls import control, kernels_of
from trimming.cost import count_flops, count_memory, measure_latency
from trimming.flags import CONTROL_AT, LEAST_UNITS, is_reached
from trimming.graph import Graph
from trimming.report import write_report
from trimming.statistics import recalibrate
from trimming.trimmer import NothingToCut, Trimmer

# what rounds depend on that earlier versions did not record
_FORMER = {"rewind": "weights", "distil": 0.0, "teacher": "None"}
# by what is rewound: the file of the round before with whose weights a round begins
_BEGINNINGS = {"weights": "early.h5", "learning_rate": "network.h5"}


class Early(keras.callbacks.Callback):
    """Keeps the weights of a network after an epoch.

    Args:
        network: The network, which another model may contain while it is trained.
        epoch: Number of the epoch, from 1; 0 for the weights before the training.

    Attributes:
        weights: List of arrays; None before the end of the epoch.
    """

    def __init__(self, network: keras.Model, epoch: int) -> None:
        super().__init__()
        self._network, self._epoch = network, epoch
        self.weights = None if epoch else network.get_weights()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Keep the weights of the epoch."""
        if epoch + 1 == self._epoch:
            self.weights = self._network.get_weights()


def lottery(
    make_model: Callable[[], keras.Model],
    train: Callable[[keras.Model, list], float],
    rounds: int = 10,
    rewind_epoch: int = 1,
    *,
    folder: Path | str,
    rewind: str = "weights",
    data: Any = None,
    controls: Iterable[str] = (),
    length: int = 1,
    seconds: float | None = None,
    seed: int = 0,
    test: Callable[[keras.Model], float] | None = None,
    teach: Callable[[keras.Model], Callable[[keras.Model, list], float]] | None = None,
    about: dict[str, Any] | None = None,
    timed: bool = True,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Train a model and its smaller and smaller tickets.

    Args:
        make_model: Function that builds the whole model with the weights that it begins with.
        train: Function ``train(model, callbacks)`` that trains a model with these Keras callbacks,
            leaves it with the weights of its best epoch by validation, and returns the error there.
        rounds: Number of rounds after that of the whole model.
        rewind_epoch: Epoch of the first training to whose weights tickets are set back.
        folder: Folder of the rounds.
        rewind: What is set back before a round is trained: the "weights", to those of
            ``rewind_epoch``, or the "learning_rate" alone, so that the round goes on with the
            weights of the one before (Renda, Frankle and Carbin 2020, arXiv:2003.02389).
        data: Examples for the criterion, see ``trimming.criteria.unit_scores``, and for the moving
            averages that each training begins with; without them these are as they were.
        controls: Names in ``trimming.flags.CONTROLS``, trained when CONTROL_AT of the weights is
            cut: once, as a ticket that was rewound, or if tickets keep their weights, as many times
            as the ticket has been trained in all.
        length: Length for axes of open length, for the costs.
        seconds: Length of the sound that an example stands for, to compare with boards; None if it
            stands for none.
        seed: For weights and for what is drawn.
        test: Function of a trained model: its error on examples that neither trained nor chose it.
        teach: Function of the trained whole model that returns the ``train`` of all smaller ones;
            default the same one.
        about: What else must be the same when rounds go on, of types that JSON has.
        timed: Whether latencies are measured, in a process of its own.
        settings: Arguments of ``trimming.trimmer.Trimmer``.

    Returns:
        Rows of ``rounds.csv``, fewer if nothing is left to cut: dicts of ``kind``, ``round``,
        ``units``, ``weights``, ``left`` (the share of the weights), ``flops``, ``bytes``,
        ``memory`` (see ``trimming.cost.count_memory``), ``latency_ms`` (on one core), ``score``,
        and ``multiplier`` (of the error of the whole model); with ``test`` also ``test`` and
        ``test_multiplier``.

    Raises:
        ValueError: ``rewind`` is unknown.
        UserError: A training diverged or ended before ``rewind_epoch``, or the folder holds rounds
            with other settings.
        NothingToCut: No unit may be cut in the first round.
    """
    if rewind not in _BEGINNINGS:
        raise ValueError(f"rewind {rewind!r}: give one of {', '.join(_BEGINNINGS)}")
    folder = Path(folder)
    about = {"rewind_epoch": rewind_epoch, "rewind": rewind, "seed": seed} | (about or {})
    _require_same(folder, settings | about)
    keras.utils.set_random_seed(seed)
    whole = make_model()
    graph = Graph(whole, settings.get("approximate", False))
    places = [folder / f"round_{number:02d}" for number in range(rounds + 1)]
    found, passed = [], set()
    for number, place in enumerate(places):
        if not (place / "result.json").is_file():
            how = {"weights": graph.count(), "data": data, "seed": seed, "settings": settings}
            try:
                model, sizes = _prepare(whole, number, places, _BEGINNINGS[rewind], **how)
            except NothingToCut as error:
                if number == 1:
                    raise
                say(f"{folder}: ends with round {number - 1}; {error}")
                break
            epoch = rewind_epoch if number == 0 else 0
            how = {"rewind_epoch": epoch, "seed": seed + number, "test": test, "length": length}
            _run(place, model, sizes, train, data, **how)
        if number == 0 and teach:
            train = teach(load_network(whole, {}, place / "network.h5"))
        found.append(read_result(place, whole) | {"kind": TICKET, "round": number, "place": place})
        left = found[-1]["weights"] / graph.count()
        reached = {share for share in CONTROL_AT if is_reached(share, left)}
        for kind in controls if reached - passed else ():
            inner = place / kind
            times = 1 if rewind == "weights" else number + 1
            done = (inner / "result.json").is_file() and read_result(inner, whole)
            if not done or done["trainings"] != times:
                keras.utils.set_random_seed(seed + number)
                model, sizes = control(
                    kind,
                    graph,
                    sizes=found[-1]["sizes"],
                    early=load_network(whole, {}, places[0] / "early.h5").get_weights(),
                    trained=load_network(whole, {}, places[0] / "network.h5").get_weights(),
                    rng=np.random.default_rng([seed, number]),
                    least_units=settings.get("least_units", LEAST_UNITS),
                )
                how = {"rewind_epoch": 0, "seed": seed + number, "test": test, "length": length}
                _run(inner, model, sizes, train, data, times=times, masked=kind == "masked", **how)
            found.append(
                read_result(inner, whole) | {"kind": kind, "round": number, "place": inner}
            )
        passed |= reached
    networks = [one["place"] / "network.h5" for one in found]
    latencies = measure_latency(networks, length) if timed else [math.nan] * len(found)
    rows = []
    for one, latency in zip(found, latencies, strict=True):
        rows.append(
            {
                "kind": one["kind"],
                "round": one["round"],
                "units": one["units"],
                "weights": one["weights"],
                "left": one["weights"] / graph.count(),
                "flops": one["flops"],
                "bytes": (one["place"] / "network.h5").stat().st_size,
                "memory": one["memory"],
                "latency_ms": 1000 * latency,
                "score": one["score"],
                "multiplier": one["score"] / (found[0]["score"] or 1e-9),
            }
        )
        if "test" in one and "test" in found[0]:
            multiplier = one["test"] / (found[0]["test"] or 1e-9)
            rows[-1] |= {"test": one["test"], "test_multiplier": multiplier}
    names = list(graph.widths())
    tickets = [one for one in found if one["kind"] == TICKET]
    widths = [dict(zip(names, one["widths"], strict=True)) for one in tickets]
    write_report(folder, rows, widths, seconds)
    return rows


def _require_same(folder, settings):
    """Write the settings of a new folder; compare those of a folder that holds rounds."""
    path = folder / "lottery.json"
    # a function by its name: as text, it would have an address
    text = json.loads(json.dumps(settings, default=lambda one: getattr(one, "__name__", str(one))))
    if path.is_file():
        try:
            known = _FORMER | json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}: not readable as JSON ({error})") from error
        now = _FORMER | text
        # a run of an earlier version, which knows fewer settings, may go on
        others = sorted(name for name, value in known.items() if now.get(name) != value)
        if others:
            raise UserError(
                f"{folder}: holds rounds with other settings ({', '.join(others)}); choose another "
                "--output"
            )
    write_json(path, text)


def _prepare(whole, number, places, beginning, *, weights, data, seed, settings):
    """The model of a round at the weights that it begins with, and its sizes."""
    if number == 0:
        model = rebuild(whole)
        model.set_weights(whole.get_weights())
        return model, {}
    sizes = read_result(places[number - 1], whole)["sizes"]
    before = [
        load_network(whole, sizes, places[number - 1] / name) for name in ("network.h5", beginning)
    ]
    trimmer = Trimmer(before[0], whole=weights, seed=seed + number, **settings)
    small = trimmer.step(data, recalibrated=False)  # with other weights: as its training begins
    small.set_weights(trimmer.rewound(before[1].get_weights()))
    changed = trimmer.graph.settings(trimmer.keep)
    return small, merged(sizes, changed)


def _run(
    place, model, sizes, train, data, *, rewind_epoch, seed, test, length, times=1, masked=False
):
    """Train a model in its folder, one or several times on end."""
    keras.utils.set_random_seed(seed)
    if data is not None:
        recalibrate(model, data)
    early = Early(model, rewind_epoch)
    for _ in range(times):
        score = train(model, [early])
        if not math.isfinite(score):
            raise UserError(f"{place}: the training diverged; lower the learning rate")
    if early.weights is None:
        raise UserError(
            f"{place}: the training ended before epoch {rewind_epoch}, to be rewound to"
        )
    plain = rebuild(model)
    for name, weights in (("early.h5", early.weights), ("network.h5", model.get_weights())):
        plain.set_weights(weights)
        save_h5(plain, place / name)
    graph, paths = Graph(model), layer_paths(model)
    write_json(
        place / "result.json",
        {
            "score": score,
            "trainings": times,
            # by number: Keras counts unnamed layers on when a model is made once more
            "sizes": {str(paths.index(path)): size for path, size in sizes.items()},
            "weights": _count(graph, masked=masked),
            "units": _living(graph, model.get_weights()),
            "flops": count_flops(model, length),
            "memory": count_memory(model, length),
            "widths": list(graph.widths().values()),
        }
        | ({"test": test(model)} if test else {}),
    )


def _count(graph, *, masked):
    """Number of weights; of a masked network without the zeros of its kernels."""
    if not masked:
        return graph.count()
    arrays, kernels = graph.model.get_weights(), kernels_of(graph.model)
    return sum(
        int(np.count_nonzero(one)) if place in kernels else one.size
        for place, one in enumerate(arrays)
    )


def _living(graph, weights):
    """Number of units that some weight makes and some weight uses."""
    arrays = [np.abs(array) for array in weights]
    living = graph.sums("makes", arrays) > 0
    used = graph.sums("uses", [np.ones_like(array) for array in weights]) > 0
    living &= ~used | (graph.sums("uses", arrays) > 0)
    return graph.count_units(living)
