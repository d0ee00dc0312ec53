"""Examples: windows of scenes, as images with targets."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from light_mir.scenes import Scene, Sounds, Sources, make_scene, roughened
from light_mir.spectrum import image_of
from light_mir.store import Example
from light_mir.tasks import TASKS, Task

WINDOWS = {"instruments": 2, "pitch": 5, "chords": 10, "drums": 3, "onsets": 3}  # of a scene


class Job(NamedTuple):
    """Some scenes of a side, from a folder and others."""

    folder: Path
    task: str
    sources: Sources
    side: str
    seed: int
    scenes: int


@functools.lru_cache
def sounds_of(sources: Sources, side: str) -> Sounds:
    """The sounds of a side, read once in a process."""
    return Sounds(sources, side)


def cut(job: Job) -> tuple[list[tuple[Example, np.ndarray]], dict[str, int]]:
    """Examples of the scenes of a job, for ``fill_store``: ``(items, counts)``."""
    task, rng, items = TASKS[job.task], np.random.default_rng([job.seed, *job.side.encode()]), []
    for scene_number in range(job.scenes):
        scene = make_scene(task, sounds_of(job.sources, job.side), rng)
        scene = scene._replace(audio=roughened(scene.audio, rng))
        source = scene.source or f"piece {job.side} {job.seed}-{scene_number}"
        for image, target in windows(task, scene, rng):
            items.append((Example(source, job.side, target), image))
    return items, {"scenes": job.scenes}


def windows(task: Task, scene: Scene, rng: np.random.Generator) -> list[tuple[np.ndarray, str]]:
    """Images of a scene, (bands, frames), with their targets as the store has them."""
    spectrum, found = task.spectrum, []
    columns = np.concatenate(list(spectrum.columns([scene.audio])))
    places = np.arange(max(len(columns) - task.frames + 1, 0))
    places = rng.permutation(places)[: 4 * WINDOWS[task.name]]
    for place in places:
        part = slice(place, place + task.frames)
        if task.events:
            target = _roll(task, scene.truth, int(place))
        else:
            second = (place + (task.frames - 1) / 2) * spectrum.hop / spectrum.rate
            value = next((v for start, end, v in scene.truth if start <= second < end), None)
            if value is None:
                continue
            target = f"{value:g}"
        found.append((image_of(columns[part]).T, target))
    return found[: WINDOWS[task.name]]


def _roll(task, truth, place):
    """Digits of the events in the columns from ``place`` on."""
    roll = np.zeros((len(task.labels), task.frames), int)
    for second, _, label in truth:
        column = round(second * task.spectrum.rate / task.spectrum.hop) - place
        if 0 <= column < task.frames:
            roll[int(label), column] = 1
    return "".join(map(str, roll.ravel()))
