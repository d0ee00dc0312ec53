"""Score a piece: unchanged, converted by each model, and with the true magnitude."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.audio.metrics import (
    border_flux,
    fine_spectral_distance,
    flux_ratio,
    log_spectral_distance,
    loudness_error,
    multi_resolution_spectral_distance,
    onset_ratio,
    timbre_distance,
    tonal_balance_error,
    valley_excess,
)
from common.audio.resynthesis import METHODS, resynthesize
from common.audio.voices import ALONE, Voices
from common.cli import UserError
from common.files.audio import peak
from common.music.midi import Note
from common.report.judges import mel_levels, patches
from data import (
    FRAME_COLUMNS,
    SAMPLE_RATE,
    amplitude_to_db,
    forward_transform,
    frames_to_network,
    load_audio,
    network_to_frames,
    write_audio,
)
from pix2pix_timbre.hearing import Panel, frechet_distances
from pix2pix_timbre.noise_control import flux, noise_level, with_noise
from pix2pix_timbre.pairs import PairedFrames, Source, audio_files
from pix2pix_timbre.recordings import convert_file
from pix2pix_timbre.scores import CEILING, DECIDING_JUDGE, IDENTITY, TARGET, Scores, control_of
from pix2pix_timbre.windows import convert_image

Predictors = dict[str, Callable[[np.ndarray], np.ndarray]]  # model -> function of frames
Pair = tuple[Source, Source]  # origin and target


class Measured(NamedTuple):
    """A scored piece.

    Attributes:
        target: Name of the target instrument; "" for several pieces together.
        frames, borders: Numbers of regular frames and of borders between them.
        scores: Dict from system to its scores.
        audios: Dict from system to its audio file; empty if only frames are scored.
        patches: Dict from system to its ``common.report.judges.patches``.
        heard: Dict from system to the share of its excerpts that the texture judge hears as each
            instrument.
    """

    target: str
    frames: int
    borders: int
    scores: Scores
    audios: dict[str, Path]
    patches: dict[str, np.ndarray]
    heard: dict[str, dict[str, float]]


def frame_distances(predictors: Predictors, pair: Pair) -> tuple[int, dict[str, float]]:
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


def image_scores(images: dict[str, np.ndarray], truth: np.ndarray) -> tuple[Scores, int]:
    """Scores of whole images.

    Args:
        images: Dict from system to image, (BINS, columns) in [0, 1].
        truth: The true image.

    Returns:
        ``(scores, borders)``: dict from each system and "target" to its scores, without those
        that an image of this length cannot have; the number of borders between frames.
    """
    scores = {name: {} for name in (*images, TARGET)}
    borders = 0
    for name, image in {**images, TARGET: truth}.items():
        columns = min(image.shape[1], truth.shape[1])
        if flux(truth[:, :columns]):
            scores[name]["image_flux"] = flux_ratio(truth[:, :columns], image[:, :columns])
        if columns > FRAME_COLUMNS and flux(image):
            scores[name]["border_flux"], borders = border_flux(image)
    return scores, borders


def render(
    predictors: dict[str, Callable[[np.ndarray], np.ndarray]],
    source: Path,
    truth: Path,
    folder: Path,
    sounds: dict[str, dict[str, Any]],
) -> dict[str, Path]:
    """Write the sound of a piece, converted by each model and at its ceiling.

    The ceiling is the true magnitude of the target with an estimated phase: no model can sound
    better with that phase.

    Args:
        predictors: Dict from name to function from frames to frames in [0, 1].
        source, truth: Audio files of origin and target.
        folder: Output folder for the audio files, which are named after their system.
        sounds: Dict from each model and CEILING to "phase", a name in
            ``common.audio.resynthesis.METHODS``, and each model to its "voices", too.

    Returns:
        Dict from system to its audio file.
    """
    audios = {IDENTITY: source}
    for name, predict in predictors.items():
        audios[name] = folder / f"{name}.wav"
        convert_file(source, audios[name], predict=predict, **sounds[name])
    origin, target = (load_audio(path)[0] for path in (source, truth))
    length = min(origin.size, target.size)
    ceiling = resynthesize(target[:length], origin[:length], METHODS[sounds[CEILING]["phase"]]())
    audios[CEILING] = folder / f"{CEILING}.wav"
    write_audio(audios[CEILING], ceiling / max(1.0, peak(ceiling)))
    return audios | {TARGET: truth}


def sound_scores(reference: np.ndarray, estimate: np.ndarray) -> dict[str, float]:
    """Compare one audio with another, (samples,) each: dict from score to value."""
    length = min(reference.size, estimate.size)
    reference, estimate = reference[:length], estimate[:length]
    magnitudes = [forward_transform(audio, with_phase=False)[0] for audio in (reference, estimate)]
    images = list(map(amplitude_to_db, magnitudes))
    found = {
        "L1_sound": float(2 * np.abs(np.subtract(*images)).mean()),  # in the scale from -1 to 1
        "LSD": log_spectral_distance(*magnitudes),
        "LSD_4096": fine_spectral_distance(reference, estimate),
        "multi_resolution": multi_resolution_spectral_distance(reference, estimate),
        "timbre": timbre_distance(reference, estimate),
        "tonal_balance": tonal_balance_error(reference, estimate),
        "loudness": loudness_error(reference, estimate),
        "valleys": valley_excess(reference, estimate),
        "sound_flux": flux_ratio(*images),
        "onsets": onset_ratio(reference, estimate),
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def score_sounds(
    audios: dict[str, Path],
    pair: Pair,
    notes: Sequence[Note] | None = None,
    panel: Panel | None = None,
) -> tuple[Scores, dict[str, np.ndarray], dict[str, dict[str, float]]]:
    """Score the sounds of a piece.

    Args:
        audios: Dict from system to audio file, as returned by ``render``.
        pair: Pair of ``pix2pix_timbre.pairs.Source``.
        notes: Notes of the piece (``Note`` objects), or None to skip the transcription.
        panel: ``pix2pix_timbre.hearing.Panel``, or None to skip what judges hear.

    Returns:
        ``(scores, patches, heard)``: dicts from system as in ``Measured``.

    Raises:
        UserError: The target is silent.
    """
    from common.music.transcription import note_scores, transcribe

    origin, target = pair
    truth = load_audio(audios[TARGET])[0]
    if not truth.any():
        raise UserError(f"{audios[TARGET]}: silent; take it out of the data set")
    scores, patches_of, heard = {}, {}, {}
    for name, path in audios.items():
        audio = load_audio(path)[0]
        scores[name] = {} if name == TARGET else sound_scores(truth, audio)
        levels = mel_levels(audio)
        patches_of[name] = patches(levels)
        shares = panel.heard_as(origin.rendering, levels) if panel else {}
        for judge, found in shares.items():
            scores[name][judge] = found.get(target.store.instrument, 0.0)
        if shares:
            heard[name] = shares[DECIDING_JUDGE]
        if notes is not None:
            scores[name] |= note_scores(notes, transcribe(path))
    return scores, patches_of, heard


def measure(
    predictors: Predictors,
    pair: Pair,
    audios: dict[str, Path] | None = None,
    notes: Sequence[Note] | None = None,
    panel: Panel | None = None,
    *,
    voices: dict[str, Voices] | None = None,
) -> Measured:
    """Scores of one piece.

    Args:
        predictors: Dict from name to function from frames to frames in [0, 1].
        pair: Pair of ``pix2pix_timbre.pairs.Source``.
        audios: Dict from system to audio file, as returned by ``render``; None to score only the
            frames.
        notes, panel: As in ``score_sounds``.
        voices: Dict from name to the voices that are added to what a predictor makes.

    Returns:
        ``Measured``.
    """
    frames, distances = frame_distances(predictors, pair)
    image, truth = (np.asarray(source.read(), np.float32) for source in pair)
    images = {IDENTITY: image}
    images |= {
        name: convert_image(predict, image, voices=(voices or {}).get(name, ALONE))
        for name, predict in predictors.items()
    }
    of_images, borders = image_scores(images, truth)
    of_sounds, patches_of, heard = score_sounds(audios, pair, notes, panel) if audios else ({},) * 3
    scores = defaultdict(dict)
    for name in (*images, CEILING, TARGET):
        if name in distances:
            scores[name]["L1"] = distances[name]
        if name in of_images or name in of_sounds:
            scores[name] |= of_sounds.get(name, {}) | of_images.get(name, {})
    instrument = pair[1].store.instrument
    return Measured(instrument, frames, borders, dict(scores), audios or {}, patches_of, heard)


def beginnings(sources: Sequence[Path], folder: Path, seconds: float) -> list[Path]:
    """Write the beginnings of the true sounds of a piece, and return their files.

    Args:
        sources: Audio files of origin and target.
        folder: Output folder.
        seconds: Length of the beginnings.
    """
    files = [folder / f"{name}.wav" for name in (IDENTITY, TARGET)]
    folder.mkdir(parents=True, exist_ok=True)
    for source, file in zip(sources, files, strict=True):
        write_audio(file, load_audio(source)[0][: round(seconds * SAMPLE_RATE)])
    return files


def noise_controls(
    predictors: Predictors, control: str, image: np.ndarray, voices: dict[str, Voices]
) -> Predictors:
    """Noise controls of all models but one, for one piece: dict from name to function of frames.

    Args:
        predictors: Dict from name to function from frames to frames in [0, 1].
        control: Name of the model whose image gets noise until its flux is that of each of the
            others.
        image: Image of the piece, (BINS, columns) in [0, 1].
        voices: Dict from name to the voices of a model. Controls have none.
    """
    base = predictors[control]
    return {
        control_of(name): with_noise(
            base, noise_level(base, image, flux(convert_image(predict, image, voices=voices[name])))
        )
        for name, predict in predictors.items()
        if name != control
    }


def measure_pieces(
    pairs: dict[str, Pair],
    predictors_of: Callable[[Pair], Predictors],
    folder: Path,
    *,
    sounds: dict[str, dict[str, Any]],
    audios_path: Path | None = None,
    midi_path: Path | None = None,
    control: str | None = None,
    seconds: float | None = None,
) -> tuple[dict[str, Measured], dict[str, float]]:
    """Measure all pieces.

    Args:
        pairs: Dict from the name of a piece to a pair of ``pix2pix_timbre.pairs.Source``.
        predictors_of: Function from a pair to a dict from model to function of frames.
        folder: Output folder of the converted audios.
        sounds: As in ``render``; controls have the phases of their models.
        audios_path: Folder of the audios, or None to measure frames alone.
        midi_path: Folder of the MIDI files, or None to count no notes.
        control: Name of the model whose image, with noise, is the control of the others; or None.
        seconds: Length of the beginning of each sound that is measured, or None for all of it.

    Returns:
        ``(pieces, accuracy)``: dict from piece to ``Measured``; dict from each judge to the share
        of true excerpts that it hears rightly, empty if nothing is judged.
    """
    from common.music.synthesis import notes_of
    from common.music.transcription import require_transcriber

    sources, notes, panel, accuracy = {}, {}, None, {}
    if midi_path:
        require_transcriber()
        for name, pair in pairs.items():
            played = notes_of(pair[0].rendering, midi_path)
            notes[name] = [note for note in played if not seconds or note.start < seconds]
    if audios_path:
        sources = dict(zip(pairs, audio_files(audios_path, pairs.values()), strict=True))
        panel = Panel(audios_path)
        accuracy = panel.accuracy(pair[0].rendering for pair in pairs.values())
    sounds = sounds | {control_of(name): one | {"voices": ALONE} for name, one in sounds.items()}
    voices = {name: one.get("voices", ALONE) for name, one in sounds.items()}
    measured = {}
    for name, pair in pairs.items():
        predictors, audios = predictors_of(pair), None
        if control:
            image = np.asarray(pair[0].read(), np.float32)
            predictors = predictors | noise_controls(predictors, control, image, voices)
        if audios_path:
            files = sources[name]
            if seconds:
                files = beginnings(files, folder / name, seconds)
            audios = render(predictors, *files, folder / name, sounds)
        measured[name] = measure(predictors, pair, audios, notes.get(name), panel, voices=voices)
    return measured, accuracy


def overall(pieces: Sequence[Measured]) -> Measured:
    """Scores of all pieces together: means, and the Frechet distances, which need all of them.

    The means are weighted by borders for the border flux and by frames for the rest.

    Args:
        pieces: List of ``Measured``.

    Returns:
        ``Measured`` without audio and patches.
    """
    frames = [piece.frames for piece in pieces]
    borders = [piece.borders for piece in pieces]
    scores = _means([piece.scores for piece in pieces], frames, border_flux=borders)
    for name, distance in frechet_distances(pieces).items():
        scores[name]["frechet"] = distance
    heard = _means([piece.heard for piece in pieces], frames)
    return Measured("", sum(frames), sum(borders), scores, {}, {}, heard)


def _means(dicts, weights, **exceptions):
    """Weighted means of dicts of dicts of numbers: each number over those that hold it.

    Args:
        dicts: List of dicts.
        weights: Weight of each.
        exceptions: Other weights for some of the inner keys.
    """
    found = defaultdict(functools.partial(defaultdict, list))
    for number, systems in enumerate(dicts):
        for name, scores in systems.items():
            for key, value in scores.items():
                found[name][key].append((value, exceptions.get(key, weights)[number]))
    return {
        name: {
            key: sum(value * weight for value, weight in weighted)
            / sum(weight for _, weight in weighted)
            for key, weighted in scores.items()
        }
        for name, scores in found.items()
    }
