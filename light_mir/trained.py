"""Trained networks at work: recordings of any length in, labels, pitches or events out."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from common.audio.streaming import make_resampler, read_resampled
from common.cli import UserError, require_whole
from common.files.audio import checked_audio, read_header, resample, to_mono
from common.trained import Examples, load_networks, open_run
from light_mir.spectrum import image_of
from light_mir.tasks import Task, find_task, peaks, pitch_of

if TYPE_CHECKING:
    import keras

NOTHING = "N"  # label of silence, and of no chord
_BATCH = 64  # images
_SMOOTHED = {"chords": 7, "instruments": 3}  # distributions that are averaged
_SILENT = 1e-4  # magnitude, relative to a full sine, of the loudest band of an image


class Found(NamedTuple):
    """What a network hears.

    Attributes:
        start, end: Seconds; equal for events.
        label: Name of an instrument, chord or drum, or "onset"; "pitch" for a pitch.
        value: MIDI number of a pitch, not rounded; else NaN.
        probability: In [0, 1], as the network has it.
    """

    start: float
    end: float
    label: str
    value: float
    probability: float


class TrainedTagger:
    """A trained network.

    Args:
        network: Keras model as ``light_mir.model.build_network`` builds it, or a trimmed one.
        task: ``light_mir.tasks.Task``.
    """

    def __init__(self, network: keras.Model, task: Task) -> None:
        from common.training.devices import compiled

        self.network, self.task = network, task
        self.sample_rate = task.spectrum.rate
        self._call = compiled(lambda images: network(images, training=False))

    def outputs(self, blocks: Iterable[np.ndarray]) -> Iterator[tuple[float, np.ndarray]]:
        """Outputs of the network over a sound of any length.

        Args:
            blocks: Iterable of (samples,) float32 at ``sample_rate``, one after the other.

        Yields:
            ``(second, outputs)``: the time of the first row, and (rows, labels), one for each
            column of a task of events, else one every ``task.step`` columns.
        """
        task = self.task
        hop = task.spectrum.hop / task.spectrum.rate
        margin = (task.frames - task.step) // 2 if task.events else 0
        row = 0
        for images, used in self._images(blocks, margin):
            told = self._predict(images)
            if task.events:
                told = told[:, margin : margin + task.step].reshape(-1, told.shape[-1])[:used]
                yield row * hop, told
            else:
                # the middle of the image; at the beginning, what was put before the sound
                yield row * hop * task.step, told
            row += len(told)

    def _images(self, blocks, margin):
        """Batches (images, frames, bands) and the number of columns that are new in them."""
        task = self.task
        before = margin if task.events else task.frames // 2
        held = np.zeros((before, task.spectrum.bands), np.float32)
        waiting = 0  # columns of the sound that no image has covered
        for columns in task.spectrum.columns(blocks):
            held, waiting = np.concatenate([held, columns]), waiting + len(columns)
            count = max((len(held) - task.frames) // task.step + 1, 0)
            for images in _cut(held, task, count):
                waiting -= len(images) * task.step
                yield images, len(images) * task.step
            held = held[count * task.step :]
        if waiting > 0:
            count = -(-waiting // task.step)
            short = (count - 1) * task.step + task.frames - len(held)
            held = np.pad(held, [(0, max(short, 0)), (0, 0)])
            for images in _cut(held, task, count):
                yield images, min(waiting, len(images) * task.step)
                waiting -= len(images) * task.step

    def _predict(self, images):
        short = _BATCH - len(images)  # always the same shape: compiled once
        given = np.pad(image_of(images), [(0, short), (0, 0), (0, 0)])[..., np.newaxis]
        outputs = np.array(self._call(given))[: len(images)]
        outputs[images.max(axis=(1, 2)) < _SILENT] = 0
        return outputs

    def find(self, blocks: Iterable[np.ndarray]) -> Iterator[Found]:
        """What is heard in a sound of any length, in order; arguments as of ``outputs``."""
        if self.task.events:
            return self._events(blocks)
        return self._pitches(blocks) if self.task.name == "pitch" else self._segments(blocks)

    def _events(self, blocks):
        hop = self.task.spectrum.hop / self.task.spectrum.rate
        held, start = np.zeros((0, len(self.task.labels)), np.float32), 0
        first = 0  # row of ``held`` up to which everything is told
        for _, outputs in self.outputs(blocks):
            held = np.concatenate([held, outputs])
            # a peak in the last row can only be told with what follows
            yield from self._peaks(held, start, hop, first, len(held) - 1)
            cut = max(len(held) - 2, 0)
            held, start, first = held[cut:], start + cut, len(held) - 1 - cut
        yield from self._peaks(held, start, hop, first, len(held))

    def _peaks(self, held, start, hop, first, end):
        found = [
            (int(place), number)
            for number in range(held.shape[1])
            for place in peaks(held[:, number])
            if first <= place < end
        ]
        for place, number in sorted(found):
            second = (start + place) * hop
            yield Found(second, second, self.task.labels[number], np.nan, held[place, number])

    def _pitches(self, blocks):
        hop = self.task.spectrum.hop / self.task.spectrum.rate
        for second, outputs in self.outputs(blocks):
            best = outputs.max(axis=1)
            for place, (pitch, told) in enumerate(zip(pitch_of(outputs), best, strict=True)):
                if told > 0:
                    begin = second + place * hop
                    yield Found(begin, begin + hop, "pitch", pitch, told)

    def _segments(self, blocks):
        """Runs of the same label, from smoothed distributions."""
        task, rows = self.task, deque(maxlen=_SMOOTHED[self.task.name])
        step = task.step * task.spectrum.hop / task.spectrum.rate
        behind = rows.maxlen // 2
        run, number, sums, number_of = None, 0, 0.0, 0

        def labelled():
            nonlocal number
            for _, outputs in self.outputs(blocks):
                for output in outputs:
                    rows.append(output)
                    number += 1
                    if number > behind:
                        yield np.mean(rows, axis=0)
            for place in range(max(number - behind, 0), number):
                while number - len(rows) < place - behind:
                    rows.popleft()
                yield np.mean(rows, axis=0)

        for place, mean in enumerate(labelled()):
            told = float(mean.max())
            label = task.labels[int(mean.argmax())] if told > 0 else NOTHING
            start, end = max((place - 0.5) * step, 0.0), (place + 0.5) * step
            if run is not None and run.label == label:
                sums, number_of = sums + told, number_of + 1
                run = run._replace(end=end, probability=sums / number_of)
            else:
                if run is not None:
                    yield run
                run, sums, number_of = Found(start, end, label, np.nan, told), told, 1
        if run is not None:
            yield run

    def try_out(self, audio: np.ndarray) -> None:
        """Let the network work on audio (samples,) float32 at ``sample_rate``."""
        deque(self.find([audio]), maxlen=0)

    def find_in_file(self, path: Path) -> Iterator[Found]:
        """As ``find``, in a recording; errors as of ``common.audio.streaming.read_resampled``."""
        resampler = make_resampler(read_header(path).samplerate, self.sample_rate, 1)
        return self.find(block[0] for block, _ in read_resampled(path, resampler, mono=True))


def _cut(held, task, count):
    """The first ``count`` images of columns, in batches."""
    for start in range(0, count, _BATCH):
        begins = np.arange(start, min(start + _BATCH, count)) * task.step
        yield held[begins[:, np.newaxis] + np.arange(task.frames)]


def load_trained(folder: Path) -> TrainedTagger:
    """The ``TrainedTagger`` of a run folder of ``light_mir.train``.

    Raises:
        UserError: No such folder, another system's, or damaged files.
    """
    return open_trained(folder, open_run(folder, "light_mir"))


def open_trained(folder: Path, config: dict[str, Any]) -> TrainedTagger:
    """As ``load_trained``, given the content of ``config.json``."""
    from light_mir.model import build_network

    try:
        task, width = find_task(config.get("task")), config.get("width")
        require_whole(width, "width", 1, 1024)
    except UserError as error:
        raise UserError(f"{folder}/config.json: {error}") from error
    network = load_networks(folder, {"network": build_network(task, width)})["network"]
    return TrainedTagger(network, task)


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
    """Examples of a run's task; see ``common.trained.open_examples``.

    The sides are those of the store, whatever ``validation_split`` says.
    """
    from light_mir import batches
    from light_mir.model import loss_name
    from light_mir.store import ExampleStore

    task = find_task(config.get("task"))
    store = ExampleStore(path, task.name)
    make = partial(batches.Examples, store, batch_size=batch_size)
    held_out = store.side("validation")
    return Examples(
        make(store.side("training"), shuffle=True, steps=steps, seed=seed),
        make(held_out) if held_out else None,
        loss_name(task),
        task.seconds,
        task.error,
    )


@functools.lru_cache(maxsize=8)
def _opened(folder):
    return load_trained(folder)


def hear(audio: np.ndarray, rate: int, model: Path | str) -> list[Found]:
    """What a network hears in an audio.

    Args:
        audio: (samples,) or (channels, samples), floating-point.
        rate: Hz.
        model: Run folder; it is opened once.

    Returns:
        List of ``Found``, in order.
    """
    trained = _opened(Path(model))
    audio = to_mono(np.atleast_2d(checked_audio(audio, rate)))
    return list(trained.find([resample(audio, rate, trained.sample_rate)]))
