"""Rounds of the lottery: train, cut, rewind, and train again.

    >>> rows = lottery(make_model, train, rounds=10, rewind_epoch=1, folder="tickets")

Folders of the rounds are ``round_00``, ``round_01``, ..., and those of the controls in them. Each
holds ``early.h5``, the weights to which the round was rewound, ``network.h5``, the trained network,
and ``result.json``, which is written last: what is finished is not repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from common.cli import UserError, say
from common.files.text import write_json
from common.report.tickets import FORMER, TICKET, read_settings
from common.training.rebuild import merged, rebuild
from common.training.ticket import load_network, read_result, write_result
from common.training.trimmed_run import recorded
from common.training.weights import save_h5
from trimming.controls import control, kernels_of, require_known
from trimming.cost import count_flops, count_memory, measure_latency
from trimming.criteria import batches, require_examples
from trimming.flags import CONTROL_AT, LEAST_UNITS, TRIMMER_SETTINGS, is_reached
from trimming.graph import Graph
from trimming.report import write_report
from trimming.statistics import recalibrate
from trimming.trimmer import NothingToCut, Trimmer

# settings that round 0 does not depend on
_OF_TICKETS = {*TRIMMER_SETTINGS, "loss", "rewind", "distil", "teacher"}
_EXAMPLES = 256  # largest number for the criterion and for moving averages
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
    reported: bool = True,
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
            averages that each training begins with, at most 256; without them these are as they
            were.
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
        reported: Whether latencies are measured, in a process of its own, and ``rounds.csv`` and
            its pictures are written.
        settings: Arguments of ``trimming.trimmer.Trimmer``.

    Returns:
        Rows of ``rounds.csv``, fewer if nothing is left to cut: dicts of ``kind``, ``round``,
        ``units``, ``weights``, ``left`` (the share of the weights), ``flops``, ``bytes``,
        ``memory`` (see ``trimming.cost.count_memory``), ``latency_ms`` (on one core), ``score``,
        and ``multiplier`` (of the error of the whole model); with ``test`` also ``test`` and
        ``test_multiplier``.

    Raises:
        ValueError: ``rewind`` is unknown.
        UserError: Settings or controls are unknown, the criterion needs examples, the folder holds
            rounds with other settings, or a training diverged or ended before ``rewind_epoch``.
        NothingToCut: No unit may be cut in the first round.
    """
    if rewind not in _BEGINNINGS:
        raise ValueError(f"rewind {rewind!r}: give one of {', '.join(_BEGINNINGS)}")
    controls = tuple(controls)
    for kind in controls:
        require_known(kind)
    folder = Path(folder)
    keras.utils.set_random_seed(seed)
    whole = make_model()
    graph = Trimmer(whole, seed=seed, **settings).graph  # settings are refused before hours pass
    if rounds:
        require_examples(settings.get("criterion", "magnitude"), data)
    about = {"rewind_epoch": rewind_epoch, "rewind": rewind, "seed": seed} | (about or {})
    if data is not None:
        data = list(batches(data, _EXAMPLES))
        about["examples"] = _summary(data)
    _require_same(folder, about, settings)
    shared = _Lottery(whole, graph, folder, rewind, data, seed, test, length, settings)
    found, passed = [], set()
    for number in range(rounds + 1):
        try:
            ticket = shared.ticket(number, train, rewind_epoch)
        except NothingToCut as error:
            if number == 1:
                raise
            say(f"{folder}: ends with round {number - 1}; {error}")
            break
        if number == 0 and teach:
            train = teach(load_network(whole, {}, shared.place(0) / "network.h5"))
        found.append(ticket)
        left = ticket["weights"] / graph.count()
        reached = {share for share in CONTROL_AT if is_reached(share, left)}
        if reached - passed:
            found += [shared.control(kind, ticket, train) for kind in controls]
        passed |= reached
    if controls and not passed:
        say(f"{folder}: no controls, since less than {min(CONTROL_AT):.0%} of the weights are gone")
    if not reported:
        return _rows(found, graph.count(), [math.nan] * len(found))
    networks = [one["place"] / "network.h5" for one in found]
    rows = _rows(found, graph.count(), measure_latency(networks, length))
    names = list(graph.widths())
    tickets = [one for one in found if one["kind"] == TICKET]
    widths = [dict(zip(names, one["widths"], strict=True)) for one in tickets]
    write_report(folder, rows, widths, seconds)
    return rows


def _summary(data):
    """Shapes and mean sizes of examples: the same on all machines, and others with other data."""
    sums = {}
    for batch in data:
        for place, array in enumerate([*batch[0], *batch[1]]):
            shape, size, total = sums.get(place, (array.shape[1:], 0, 0.0))
            sums[place] = shape, size + array.size, total + np.abs(array).sum(dtype=float)
    return [f"{shape} {size} {total / max(size, 1):.3g}" for shape, size, total in sums.values()]


def _require_same(folder, about, settings):
    """Compare settings with those that the finished rounds depend on, and write them."""
    path = folder / "lottery.json"
    now = FORMER | recorded(about | settings)
    finished = {one.relative_to(folder).parts[0] for one in folder.glob("round_*/**/result.json")}
    if finished and path.is_file():
        known = read_settings(folder)
        # a run of an earlier version, which knows fewer settings, may go on
        others = {name for name, value in known.items() if now.get(name) != value}
        if finished == {"round_00"}:
            others -= _OF_TICKETS
        if others:
            raise UserError(
                f"{folder}: holds rounds with other settings ({', '.join(sorted(others))}); choose "
                "another --output"
            )
    write_json(path, now)


class _Lottery(NamedTuple):
    """What all trainings of a lottery share; see ``lottery``."""

    whole: keras.Model
    graph: Graph
    folder: Path
    rewind: str
    data: Any
    seed: int
    test: Callable[[keras.Model], float] | None
    length: int
    settings: dict[str, Any]

    def place(self, number):
        """Folder of a round."""
        return self.folder / f"round_{number:02d}"

    def ticket(self, number, train, rewind_epoch):
        """Result of a round, which is trained unless it is finished."""
        place = self.place(number)
        if not (place / "result.json").is_file():
            epoch = 0 if number else rewind_epoch
            self._run(place, *self._begin(number), train, seed=self.seed + number, epoch=epoch)
        result = read_result(place, self.whole)
        return result | {"kind": TICKET, "round": number, "place": place}

    def control(self, kind, ticket, train):
        """Result of a control beside a ticket, which is trained unless it is finished."""
        number, place = ticket["round"], ticket["place"] / kind
        times = 1 if self.rewind == "weights" else number + 1
        done = (place / "result.json").is_file() and read_result(place, self.whole)
        if not done or done["trainings"] != times:
            keras.utils.set_random_seed(self.seed + number)
            early, trained = (
                load_network(self.whole, {}, self.place(0) / name).get_weights()
                for name in ("early.h5", "network.h5")
            )
            model, sizes = control(
                kind,
                self.graph,
                sizes=ticket["sizes"],
                early=early,
                trained=trained,
                rng=np.random.default_rng([self.seed, number]),
                least_units=self.settings.get("least_units", LEAST_UNITS),
            )
            how = {"times": times, "masked": kind == "masked"}
            self._run(place, model, sizes, train, seed=self.seed + number, **how)
        result = read_result(place, self.whole)
        return result | {"kind": kind, "round": number, "place": place}

    def _begin(self, number):
        """The model of a round at the weights that it begins with, and its sizes."""
        if number == 0:
            model = rebuild(self.whole)
            model.set_weights(self.whole.get_weights())
            return model, {}
        last = self.place(number - 1)
        sizes = read_result(last, self.whole)["sizes"]
        trained, begins = (
            load_network(self.whole, sizes, last / name)
            for name in ("network.h5", _BEGINNINGS[self.rewind])
        )
        how = {"whole": self.graph.count(), "seed": self.seed + number}
        trimmer = Trimmer(trained, **how, **self.settings)
        # not recalibrated: it gets other weights
        small = trimmer.step(self.data, recalibrated=False)
        small.set_weights(trimmer.rewound(begins.get_weights()))
        return small, merged(sizes, trimmer.graph.settings(trimmer.keep))

    def _run(self, place, model, sizes, train, *, seed, epoch=0, times=1, masked=False):
        """Train a model in its folder, once or several times; keep the weights of an epoch."""
        keras.utils.set_random_seed(seed)
        if self.data is not None:
            recalibrate(model, self.data)
        early = Early(model, epoch)
        for _ in range(times):
            try:
                score = train(model, [early])
            except KeyboardInterrupt as stop:
                raise KeyboardInterrupt(
                    "finished trainings are kept; the same command goes on after them"
                ) from stop
            if not math.isfinite(score):
                raise UserError(f"{place}: the training diverged; lower the learning rate")
        if early.weights is None:
            raise UserError(f"{place}: the training ended before epoch {epoch}, to be rewound to")
        plain = rebuild(model)
        for name, weights in (("early.h5", early.weights), ("network.h5", model.get_weights())):
            plain.set_weights(weights)
            save_h5(plain, place / name)
        graph = Graph(model)
        result = {
            "score": score,
            "trainings": times,
            "weights": _count(graph, masked=masked),
            "units": _living(graph, model.get_weights()),
            "flops": count_flops(model, self.length),
            "memory": count_memory(model, self.length),
            "widths": list(graph.widths().values()),
        }
        if self.test:
            result["test"] = self.test(model)
        write_result(place, model, result | {"sizes": sizes})


def _rows(found, weights, latencies):
    """Rows of ``rounds.csv``, given the weights of the whole model."""
    rows = []
    for one, latency in zip(found, latencies, strict=True):
        row = {name: one[name] for name in ("kind", "round", "units", "weights")}
        row["left"] = one["weights"] / weights
        row |= {"flops": one["flops"], "bytes": (one["place"] / "network.h5").stat().st_size}
        row |= {"memory": one["memory"], "latency_ms": 1000 * latency, "score": one["score"]}
        row["multiplier"] = one["score"] / (found[0]["score"] or 1e-9)
        if "test" in one and "test" in found[0]:
            row["test"] = one["test"]
            row["test_multiplier"] = one["test"] / (found[0]["test"] or 1e-9)
        rows.append(row)
    return rows


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
