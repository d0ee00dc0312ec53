"""Plain methods that networks have to beat; the same scenes in, the same ``Found`` out.

| task | method |
|---|---|
| instruments | the nearest of all training examples by their mean spectrum (cosine) |
| pitch | probabilistic YIN, and YIN, of librosa |
| chords | constant-Q chroma of librosa, the nearest of 24 triads, smoothed |
| drums | onsets of librosa, the nearest mean spectrum of a drum at each |
| onsets | onsets of librosa |
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from light_mir.spectrum import image_of
from light_mir.store import ExampleStore
from light_mir.tasks import CHORDS, Task
from light_mir.trained import NOTHING, Found

Method = Callable[[np.ndarray], list[Found]]
_QUIET = 0.02  # of the loudest: no chord
_UNLIKE = 0.6  # correlation of chroma with a triad below which there is none


def methods(task: Task, store: ExampleStore | None) -> dict[str, Method]:
    """Methods of a task: dict from name to a function of audio (samples,) at the task's rate.

    Args:
        task: ``light_mir.tasks.Task``.
        store: Examples that templates are taken from; needed for instruments and drums, whose
            methods are left out without it.
    """
    if task.name == "pitch":
        return {"pyin": lambda audio: _pitch(task, audio, "pyin"),
                "yin": lambda audio: _pitch(task, audio, "yin")}  # fmt: skip
    if task.name == "chords":
        return {"chroma": lambda audio: _chroma(task, audio)}
    if task.name == "onsets":
        return {"librosa": lambda audio: [_event(second, "onset") for second in _onsets(audio)]}
    if store is None:
        return {}
    if task.name == "drums":
        return {"onsets and templates": _drum_templates(task, store)}
    return {"nearest example": _nearest_example(task, store)}


def _event(second, label):
    return Found(float(second), float(second), label, np.nan, 1.0)


def _onsets(audio):
    import librosa

    return librosa.onset.onset_detect(y=audio, sr=16000, hop_length=256, units="time")


def _pitch(task, audio, method):
    import librosa

    spectrum = task.spectrum
    how = {"fmin": 32.7, "fmax": 2100.0, "sr": spectrum.rate, "hop_length": spectrum.hop}
    if method == "pyin":
        hertz = librosa.pyin(audio, fill_na=None, frame_length=spectrum.size, **how)[0]
    else:
        hertz = librosa.yin(audio, frame_length=spectrum.size, **how)
    step = spectrum.hop / spectrum.rate
    values = librosa.hz_to_midi(np.maximum(hertz, 1e-3))
    return [
        Found(place * step, (place + 1) * step, "pitch", float(value), 1.0)
        for place, value in enumerate(values)
    ]


def _chroma(task, audio):
    import librosa
    from scipy.ndimage import median_filter, uniform_filter1d

    hop = task.spectrum.hop
    chroma = librosa.feature.chroma_cqt(y=audio, sr=task.spectrum.rate, hop_length=hop)
    chroma = uniform_filter1d(chroma, 5, axis=1)
    loudness = librosa.feature.rms(y=audio, frame_length=2 * hop, hop_length=hop)[0]
    triads = np.zeros((24, 12))
    for label in range(24):
        triads[label, [(label + step) % 12 for step in (0, 3 if label >= 12 else 4, 7)]] = 1
    chroma = chroma / np.maximum(np.linalg.norm(chroma, axis=0), 1e-9)
    likeness = triads / np.sqrt(3) @ chroma
    labels = likeness.argmax(axis=0)
    quiet = loudness[: len(labels)] < _QUIET * loudness.max()
    labels[quiet | (likeness.max(axis=0) < _UNLIKE)] = CHORDS.index(NOTHING)
    labels = median_filter(labels, 5)
    step = hop / task.spectrum.rate
    return [
        Found(max(place - 0.5, 0) * step, (place + 0.5) * step, CHORDS[label], np.nan, 1.0)
        for place, label in enumerate(labels)
    ]


def _mean_spectrum(images):
    """Mean spectra (images, bands) without their means, of length 1."""
    mean = images.mean(axis=1)
    mean = mean - mean.mean(axis=1, keepdims=True)
    return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)


def _columns(task, audio):
    return np.concatenate(list(task.spectrum.columns([audio])))


def _nearest_example(task, store):
    rows = store.side("training")
    known = _mean_spectrum(store.images(rows)[..., 0])
    labels = [int(store.rows[row].target) for row in rows]

    def hear(audio):
        columns = _columns(task, audio)
        loud = columns.max(axis=1)
        columns = columns[loud > 0.01 * loud.max()]
        mean = _mean_spectrum(image_of(columns)[np.newaxis])[0]
        label = task.labels[labels[int((known @ mean).argmax())]]
        return [Found(0.0, len(audio) / task.spectrum.rate, label, np.nan, 1.0)]

    return hear


def _drum_templates(task, store):
    rows = store.side("training")
    images, targets = store.images(rows)[..., 0], store.targets(rows)
    alone = targets.sum(axis=2) == 1
    templates = np.stack(
        [
            _mean_spectrum(images[alone & (targets[..., label] == 1)].mean(axis=0)[None, None])[0]
            for label in range(len(task.labels))
        ]
    )

    def hear(audio):
        levels = image_of(_columns(task, audio))
        found = []
        for second in _onsets(audio):
            place = min(round(second * task.spectrum.rate / task.spectrum.hop), len(levels) - 1)
            spectrum = _mean_spectrum(levels[place][None, None])[0]
            found.append(_event(second, task.labels[int((templates @ spectrum).argmax())]))
        return found

    return hear
