"""Measure networks, and a plain method beside them, on sounds with exact truth.

    python -m light_mir.evaluate --model models/light_mir_drums --drums_path data/drums --held_out
    python -m light_mir.evaluate --model runs/pitch models/light_mir_pitch --notes_path recorded

Measures are those of mir_eval, between 0 and 1, and higher is better: the share of sounds whose
instrument is right; the raw pitch accuracy within 50 cents; the weighted share of the time with the
right major or minor chord, or none; F1 of events within 50 ms. The sounds are made from the notes
and hits of the folders, which should be others than those of the training, and differ from seed to
seed. With --rough they have another balance, reverberation and noise, as the training had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import Parser, UserError, add_gpu_flag, add_seed_flag, number, parser, run, say
from common.music.events import event_f1
from common.report.tables import as_text
from common.trained import open_run
from common.training.devices import start_backend
from light_mir.preprocess import add_source_flags, sources_of
from light_mir.scenes import Scene, Sounds, make_scene, roughened
from light_mir.tasks import TASKS, WITHIN, Task

if TYPE_CHECKING:
    from light_mir.trained import Found


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, writes=())
    built.add_argument(
        "--model", type=Path, nargs="+", required=True, help="run folders of the same task"
    )
    add_source_flags(built)
    built.add_argument(
        "--features_path",
        type=Path,
        help="store whose training examples are the templates of the plain method, for instruments "
        "and drums",
    )
    built.add_flag("--sounds", 100, "number of sounds", type=number(int, 1))
    built.add_argument("--rough", action="store_true", help="roughen the sounds")
    add_seed_flag(built, "the sounds")
    add_gpu_flag(built)
    return built


def measure(task: Task, scenes: Sequence[Scene], heard: Sequence[Sequence[Found]]) -> float:
    """The measure of a task over scenes.

    Args:
        task: ``light_mir.tasks.Task``.
        scenes: Sounds and their truth.
        heard: What a method hears in each.
    """
    if task.events:
        return event_f1(
            (
                np.array([start for start, _, value in scene.truth if value == number_of]),
                np.array([one.start for one in found if one.label == label]),
            )
            for scene, found in zip(scenes, heard, strict=True)
            for number_of, label in enumerate(task.labels)
        )
    each = {"instruments": _right_name, "pitch": _pitch_accuracy, "chords": _chord_overlap}
    pairs = [each[task.name](task, *pair) for pair in zip(scenes, heard, strict=True)]
    values, weights = np.transpose(pairs)
    return float(np.average(values, weights=weights))


def _right_name(task, scene, found):
    seconds = {}
    for one in found:
        weight = (one.end - one.start) * one.probability
        seconds[one.label] = seconds.get(one.label, 0) + weight
    best = max(seconds, key=seconds.get) if seconds else None
    return float(best == task.labels[int(scene.truth[0][2])]), 1.0


def _pitch_accuracy(task, scene, found):
    from mir_eval.melody import raw_pitch_accuracy

    step = task.spectrum.hop / task.spectrum.rate
    places = np.arange(int(scene.truth[0][1] / step))
    pitches = {round(one.start / step): one.value for one in found}
    estimated = 100 * np.array([pitches.get(int(place), -1e4) for place in places])
    truth = np.full(len(places), 100 * scene.truth[0][2])
    voiced = np.ones(len(places))
    share = raw_pitch_accuracy(voiced, truth, voiced, estimated, cent_tolerance=100 * WITHIN)
    return share, len(places)


def _chord_overlap(task, scene, found):
    from mir_eval import chord, util

    intervals = np.array([(start, end) for start, end, _ in scene.truth])
    labels = [task.labels[int(value)] for *_, value in scene.truth]
    end = intervals.max()
    told = [one for one in found if one.start < end]
    if not told:
        return 0.0, end
    told_intervals, told_labels = util.adjust_intervals(
        np.array([(one.start, one.end) for one in told]),
        [one.label for one in told],
        intervals.min(),
        end,
        "N",
        "N",
    )
    joined, labels, told_labels = util.merge_labeled_intervals(
        intervals, labels, told_intervals, told_labels
    )
    durations = util.intervals_to_durations(joined)
    return chord.weighted_accuracy(chord.majmin(labels, told_labels), durations), end


def scenes_of(
    task: Task, sounds: Sounds, count: int, seed: int, *, rough: bool = False
) -> list[Scene]:
    """Scenes of a task, each of a random stream of its own; arguments as of the flags."""
    found = []
    for place in range(count):
        rng = np.random.default_rng([seed, place])
        scene = make_scene(task, sounds, rng)
        found.append(scene._replace(audio=roughened(scene.audio, rng)) if rough else scene)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    tasks = {open_run(folder, "light_mir").get("task") for folder in args.model}
    if len(tasks) > 1 or not tasks <= TASKS.keys():
        raise UserError("--model: name run folders of one task")
    if find_spec("mir_eval") is None:
        raise UserError("mir_eval: not installed; run `make notes`")
    task, sources = TASKS[tasks.pop()], sources_of(args)
    start_backend(args.gpu)
    from light_mir.baselines import methods
    from light_mir.store import ExampleStore
    from light_mir.trained import hear

    scenes = scenes_of(task, Sounds(sources, "test"), args.sounds, args.seed, rough=args.rough)
    store = args.features_path and ExampleStore(args.features_path, task.name)
    hearing: dict[str, Callable] = {
        folder.name: partial(hear, rate=task.spectrum.rate, model=folder) for folder in args.model
    }
    hearing |= methods(task, store)
    rows = []
    for name, listen in hearing.items():
        heard = [listen(scene.audio) for scene in scenes]
        rows.append({"method": name, task.name: measure(task, scenes, heard)})
    seconds = sum(len(scene.audio) for scene in scenes) / task.spectrum.rate
    say(f"{len(scenes)} sounds, {seconds:.0f} s, of {len({one.source for one in scenes})} sources")
    print(as_text(rows))
    return 0


if __name__ == "__main__":
    run(main)
