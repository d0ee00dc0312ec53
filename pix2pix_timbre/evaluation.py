"""Score a piece: unchanged, converted by each model, and with the true magnitude."""

import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.audio.metrics import (
    border_flux,
    flux_ratio,
    log_spectral_distance,
    loudness_error,
    multi_resolution_spectral_distance,
    timbre_distance,
)
from common.audio.phase import estimate_phase
from common.cli import UserError
from common.files.audio import peak
from common.music.midi import Note
from data import (
    FRAME_COLUMNS,
    HOP,
    amplitude_to_db,
    forward_transform,
    frames_to_network,
    inverse_transform,
    load_audio,
    network_to_frames,
    write_audio,
)
from pix2pix_timbre.pairs import PairedFrames, Source
from pix2pix_timbre.recordings import convert_file
from pix2pix_timbre.windows import convert_image

IDENTITY, CEILING, TARGET = "identity", "ceiling", "target"
# Scores are compared between pieces and instruments by their ratio to that of another system.
RELATIVE_TO = {"L1": IDENTITY, "LSD": IDENTITY, "F1": TARGET}
# Which values of a score are good.
BETTER = dict.fromkeys(("L1", "LSD", "multi_resolution", "timbre", "loudness"), "lower")
BETTER |= dict.fromkeys(("precision", "recall", "F1"), "higher")
BETTER |= dict.fromkeys(("flux_ratio", "border_flux"), "near 1")
_LINE = {"L1": "L1 {:.3f}", "LSD": "LSD {:.1f} dB", "F1": "F1 of the notes {:.2f}"}


class Measured(NamedTuple):
    """A scored piece: numbers of regular frames and borders; scores and audio file per system."""

    frames: int
    borders: int
    scores: dict[str, dict[str, float]]
    audios: dict[str, Path]


def frame_distances(
    predictors: dict[str, Callable[[np.ndarray], np.ndarray]], pair: tuple[Source, Source]
) -> tuple[int, dict[str, float]]:
    """Mean L1 distances of one pair in the [-1, 1] scale, over its regular frames.

    Args:
        predictors: Dict from name to function from frames to frames in [0, 1].
        pair: Pair of ``pix2pix_timbre.pairs.Source``.

    Returns:
        ``(frames, distances)``: the number of frames; dict from "identity" and each predictor's
        name to the distance.
    """
    data = PairedFrames([pair], batch_size=8, workers=1)
    sums = dict.fromkeys([IDENTITY, *predictors], 0.0)
    for index in range(len(data)):
        inputs, targets = data[index]
        predictions = {
            name: frames_to_network(predict(network_to_frames(inputs)))
            for name, predict in predictors.items()
        }
        for name, frames in {IDENTITY: inputs, **predictions}.items():
            sums[name] += float(np.abs(frames - targets).mean(axis=(1, 2, 3)).sum())
    count = data.frame_count
    return count, {name: total / count for name, total in sums.items()}


def seams(
    predictors: dict[str, Callable[[np.ndarray], np.ndarray]], pair: tuple[Source, Source]
) -> dict[str, tuple[float, int]]:
    """Border flux of whole images: of the target, and of each prediction.

    Returns:
        Dict from "target" and each predictor's name to (ratio, borders), as
        ``common.audio.metrics.border_flux``; empty for an image without borders.
    """
    image, truth = (np.asarray(source.read(), np.float32) for source in pair)
    if min(image.shape[1], truth.shape[1]) <= FRAME_COLUMNS:
        return {}
    images = {TARGET: truth}
    images |= {name: convert_image(predict, image) for name, predict in predictors.items()}
    return {name: border_flux(whole) for name, whole in images.items()}


def render(
    predictors: dict[str, Callable[[np.ndarray], np.ndarray]],
    source: Path,
    truth: Path,
    folder: Path,
    phase: str,
) -> dict[str, Path]:
    """Write the sound of a piece, converted by each model and at its ceiling.

    The ceiling is the true magnitude of the target with an estimated phase: no model can sound
    better with that phase.

    Args:
        predictors: Dict from name to function from frames to frames in [0, 1].
        source, truth: Audio files of origin and target.
        folder: Output folder for the audio files, which are named after their system.
        phase: Of ``common.audio.phase.ESTIMATORS``.

    Returns:
        Dict from system to its audio file.
    """
    audios = {IDENTITY: source}
    for name, predict in predictors.items():
        audios[name] = folder / f"{name}.wav"
        convert_file(source, audios[name], predict=predict, phase=phase)
    origin, target = (load_audio(path)[0] for path in (source, truth))
    length = min(origin.size, target.size)
    magnitude, _ = forward_transform(target[:length])
    estimated = estimate_phase(phase, magnitude, forward_transform(origin[:length])[1])
    ceiling = inverse_transform(magnitude, estimated, length)
    audios[CEILING] = folder / f"{CEILING}.wav"
    write_audio(audios[CEILING], ceiling / max(1.0, peak(ceiling)))
    return audios | {TARGET: truth}


def distances_of_sound(reference: np.ndarray, estimate: np.ndarray) -> dict[str, float]:
    """All distances of one audio to another, (samples,) each; dict from name to value."""
    length = min(reference.size, estimate.size)
    reference, estimate = reference[:length], estimate[:length]
    magnitudes = [forward_transform(audio, with_phase=False)[0] for audio in (reference, estimate)]
    return {
        "LSD": log_spectral_distance(*magnitudes),
        "multi_resolution": multi_resolution_spectral_distance(reference, estimate),
        "timbre": timbre_distance(reference, estimate),
        "loudness": loudness_error(reference, estimate),
        "flux_ratio": flux_ratio(*map(amplitude_to_db, magnitudes)),
    }


def audio_l1(reference: np.ndarray, estimate: np.ndarray) -> float:
    """L1 distance of the images of two audios, in the [-1, 1] scale of the network."""
    length = min(reference.size, estimate.size) // HOP * HOP
    images = [
        amplitude_to_db(forward_transform(audio[:length], with_phase=False)[0])
        for audio in (reference, estimate)
    ]
    return float(2 * np.abs(np.subtract(*images)).mean())


def score_sound(
    audios: dict[str, Path], notes: Sequence[Note] | None
) -> dict[str, dict[str, float]]:
    """Scores of the audio of each system.

    Args:
        audios: Dict from system to audio file, among them the target.
        notes: Notes of the piece (``Note`` objects), or None to skip the transcription.

    Returns:
        Dict from system to its scores.

    Raises:
        UserError: The target is silent.
    """
    from common.music.transcription import note_scores, transcribe

    truth, _ = load_audio(audios[TARGET])
    if not truth.any():
        raise UserError(f"{audios[TARGET]}: silent; take it out of the data set")
    scores = defaultdict(dict)
    for name, path in audios.items():
        if name != TARGET:
            audio, _ = load_audio(path)
            scores[name] |= distances_of_sound(truth, audio)
            if name == CEILING:
                scores[name] = {"L1": audio_l1(truth, audio)} | scores[name]
        if notes is not None:
            scores[name] |= note_scores(notes, transcribe(path))
    return dict(scores)


def measure(
    predictors: dict[str, Callable[[np.ndarray], np.ndarray]],
    pair: tuple[Source, Source],
    audios: dict[str, Path] | None = None,
    notes: Sequence[Note] | None = None,
) -> Measured:
    """Scores of one piece.

    Args:
        predictors: Dict from name to function from frames to frames in [0, 1].
        pair: Pair of ``pix2pix_timbre.pairs.Source``.
        audios: Dict from system to audio file, as returned by ``render``; None to score only the
            frames.
        notes: As in ``score_sound``.

    Returns:
        ``Measured``.
    """
    frames, distances = frame_distances(predictors, pair)
    scores = {name: {"L1": distance} for name, distance in distances.items()}
    if audios is not None:
        for name, found in score_sound(audios, notes).items():
            scores[name] = scores.get(name, {}) | found
    flux = seams(predictors, pair)
    for name, (ratio, _) in flux.items():
        scores[name] = scores.get(name, {}) | {"border_flux": ratio}
    borders = flux[TARGET][1] if flux else 0
    order = [IDENTITY, *predictors, CEILING, TARGET]
    scores = {name: scores[name] for name in order if name in scores}
    return Measured(frames, borders, scores, audios or {})


def overall(pieces: Sequence[Measured]) -> Measured:
    """Means over pieces, weighted by borders for the border flux and by frames for the rest.

    Args:
        pieces: List of ``Measured``.

    Returns:
        ``Measured`` without audio.
    """
    values = defaultdict(functools.partial(defaultdict, list))
    for piece in pieces:
        for name, scores in piece.scores.items():
            for key, value in scores.items():
                weight = piece.borders if key == "border_flux" else piece.frames
                values[name][key].append((value, weight))
    means = {
        name: {
            key: sum(value * weight for value, weight in weighted)
            / sum(weight for _, weight in weighted)
            for key, weighted in scores.items()
        }
        for name, scores in values.items()
    }
    frames, borders = (sum(piece[index] for piece in pieces) for index in (0, 1))
    return Measured(frames, borders, means, {})


def with_ratios(scores: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """A piece's scores, with their ratios to those of ``RELATIVE_TO``: dict from system to dict."""
    result = {}
    for name, values in scores.items():
        result[name] = {}
        for key, value in values.items():
            result[name][key] = value
            base = scores.get(RELATIVE_TO.get(key), {}).get(key)
            if base:
                result[name][f"{key}/{RELATIVE_TO[key]}"] = value / base
    return result


def score_line(scores: dict[str, float]) -> str:
    """The scores of a system that say most, as a line: "L1 0.053 · LSD 5.4 dB"."""
    return " · ".join(form.format(scores[name]) for name, form in _LINE.items() if name in scores)
