"""Evaluate trained auto-encoders on notes that they were not trained on.

    python -m vae_generation.evaluate --audio_path data/notes

prints, for the shipped models or those given:

  reconstruction  log-spectral distance of reconstructed held-out notes from the notes, in dB
                  (defined in ``evaluate.py``), and that of two baselines: the mean note of the
                  training set, and the image turned back into sound without any network
  active units    share of the latent numbers whose mean has a variance above 0.01 over the training
                  set (Burda et al. 2016)
  pitch           share of the generated notes whose pitch is within 50 cents of the requested one,
                  as librosa's pyin hears it where they are less than 30 dB below their loudest
                  part; the same for real notes
  instrument      share of them that a small classifier, trained on real notes, recognises as the
                  requested instrument; the same for held-out real notes
  plane           of the 64 sounds that generate.py --grid 8 makes, before they are brought to one
                  loudness, how many are louder than -35 dB (root mean square, 0 dB is full scale),
                  how many are voiced for 60 % of their length, as pyin hears it, and how many are
                  both
  interpolation   between pairs of held-out notes, in nine images: length of the path divided by
                  that of the straight line (1 is the shortest), and the longest step divided by the
                  mean step
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.audio.metrics import log_spectral_distance
from common.cli import Parser, UserError, add_seed_flag, existing_folder, parser, run
from common.files.audio import find_recordings, resample
from common.report.evaluation import held_out
from common.report.note_judges import Classifier, heard_pitch, voiced_share
from common.report.tables import as_text
from common.trained import add_model_flag, open_run
from common.training.devices import start_backend
from data import load_audio
from vae_generation.store import Example, parse_note

if TYPE_CHECKING:
    from vae_generation.spectrogram import Spectrogram
    from vae_generation.trained import TrainedVAE

Note = tuple[Example, np.ndarray]  # its name, instrument, pitch and velocity; its audio
PITCHES = range(36, 97, 3)
VELOCITY = 80
_CENTS = 50
_MARGIN = 3  # semitones by which the pitch search reaches below the lowest requested pitch
_SHIFTS = (-2, -1, 0, 1, 2)  # semitones by which its training notes are transposed
_CELLS = 8  # rows and columns of the grid over the plane
_LOUD_DB, _VOICED, _LOWEST = -35.0, 0.6, 21  # of its sounds; MIDI number that is searched from
_WAY = 9  # number of images in an interpolation


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__)
    built.add_argument(
        "--audio_path",
        required=True,
        type=existing_folder,
        help="folder of notes named as in NSynth",
    )
    add_model_flag(built, "vae_notes")
    add_model_flag(
        built,
        "vae_notes_conditional",
        name="--conditional_model",
        what="of a model trained with --conditional",
    )
    add_model_flag(
        built,
        "vae_notes_plane",
        name="--plane_model",
        what="of a model trained with --latent_dim 2",
    )
    add_seed_flag(built, "latent vectors, classifier and phases")
    return built


def real_notes(folder: Path, spectrogram: Spectrogram) -> list[Note]:
    """Read the notes of a folder: list of (``Example``, audio) at the spectrogram's rate."""
    notes = []
    for name, path in find_recordings(folder).files.items():
        example = parse_note(name)
        if example is not None:
            notes.append((example, load_audio(path, sample_rate=spectrogram.sample_rate)[0]))
    if not notes:
        raise UserError(f"{folder}: no notes named <instrument>_<preset>-<pitch>-<velocity>")
    return notes


def split(notes: list[Note], folder: Path, where: Path) -> tuple[list[Note], list[Note]]:
    """Split notes into those that a model was trained on and others: ``(training, held out)``.

    Args:
        notes: As ``real_notes`` returns them.
        folder: Run folder of the model.
        where: Folder of the notes, for messages.
    """
    config = open_run(folder, "vae_generation")
    names = [example.source for example, _ in notes]
    others = set(held_out(names, [config], _note, where=where))
    training = [note for note in notes if note[0].source not in others]
    if not training:
        raise UserError(f"{where}: the model was trained on none of it; give its training's notes")
    return training, [note for note in notes if note[0].source in others]


def _note(source):
    """Unit of a split: the name of a note without folder and velocity."""
    return source.partition("~")[0].rpartition("/")[2].rpartition("-")[0]


def distances(
    trained: TrainedVAE, training: list[Note], others: list[Note]
) -> list[dict[str, Any]]:
    """Return rows of log-spectral distances of held-out notes from their reconstructions."""
    spectrogram = trained.spectrogram
    mean = np.mean([spectrogram.image(audio)[0] for _, audio in training], axis=0)
    images = np.stack([spectrogram.image(audio)[0] for _, audio in others])
    decoded = trained.reconstruct(images[..., np.newaxis])[..., 0]
    found = {"mean note": [], "no network": [], "model": []}
    for (_, audio), image, made in zip(others, images, decoded, strict=True):
        truth = magnitude(spectrogram, audio)
        for name, shown in (("mean note", mean), ("no network", image), ("model", made)):
            sound = magnitude(spectrogram, spectrogram.audio(shown))
            found[name].append(log_spectral_distance(truth, sound))
    return [
        {"reconstruction": name, "LSD": float(np.mean(values)), "notes": len(values)}
        for name, values in found.items()
    ]


def magnitude(spectrogram: Spectrogram, audio: np.ndarray) -> np.ndarray:
    """STFT magnitude of the part of audio that an image shows: (bins, columns)."""
    return np.abs(spectrogram.images.spectra(audio))


def in_tune(audios: Sequence[np.ndarray], pitches: Sequence[float], sample_rate: int) -> float:
    """Share of sounds whose measured pitch is within 50 cents of the given one."""
    errors = [
        abs(heard_pitch(audio, sample_rate, PITCHES[0] - _MARGIN) - pitch)
        for audio, pitch in zip(audios, pitches, strict=True)
    ]
    return float(np.mean([error <= _CENTS / 100 for error in errors]))


def asked_for(
    trained: TrainedVAE, training: list[Note], others: list[Note], seed: int
) -> list[dict[str, Any]]:
    """Return rows of pitch and instrument, for generated notes and for real ones."""
    spectrogram, conditions = trained.spectrogram, trained.conditions
    rng = np.random.default_rng(seed)
    pitches = [pitch for pitch in PITCHES if conditions.lowest <= pitch <= conditions.highest]
    notes = [(name, pitch, VELOCITY) for name in conditions.instruments for pitch in pitches]
    latents = rng.standard_normal((len(notes), trained.dims))
    images = trained.decode_images(latents, conditions.vectors(notes))[..., 0]
    sounds = [spectrogram.audio(image, seed=seed) for image in images]
    rate, known, names = spectrogram.sample_rate, [], []
    for example, audio in training:
        for shift in _SHIFTS:
            shifted = resample(audio, round(rate * 2 ** (shift / 12)), rate)
            known.append(spectrogram.image(shifted)[0])
            names.append(example.instrument)
    decibels = spectrogram.ceiling_db - spectrogram.floor_db
    classifier = Classifier(np.stack(known), names, decibels)

    def row(label, audios, found):
        stack = np.stack([spectrogram.image(audio)[0] for audio in audios])
        return {
            "notes": label,
            "number": len(audios),
            "pitch": in_tune(audios, [pitch for _, pitch, _ in found], spectrogram.sample_rate),
            "instrument": classifier.accuracy(stack, [name for name, _, _ in found]),
        }

    reach = [
        (audio[: spectrogram.samples], (example.instrument, example.pitch, example.velocity))
        for example, audio in others
        if example.pitch in range(PITCHES[0], PITCHES[-1] + 1)
    ]
    return [
        row("asked for", sounds, notes),
        row("real, held out", *map(list, zip(*reach, strict=True))),
    ]


def smoothness(trained: TrainedVAE, others: list[Note], seed: int) -> dict[str, Any]:
    """Return the row about interpolations between pairs of notes."""
    from common.latent import interpolate

    rng = np.random.default_rng(seed)
    images = np.stack([trained.spectrogram.image(audio)[0] for _, audio in others])
    mean, _ = trained.encode_images(images[..., np.newaxis])
    lengths, steps = [], []
    for _ in range(20):
        first, second = rng.choice(len(mean), 2, replace=False)
        way = trained.decode_images(interpolate(mean[first], mean[second], _WAY))[..., 0]
        moves = np.sqrt(np.mean(np.diff(way, axis=0) ** 2, axis=(1, 2)))
        straight = np.sqrt(np.mean((way[-1] - way[0]) ** 2))
        if straight == 0:  # an untrained decoder may return silence for both
            continue
        lengths.append(moves.sum() / straight)
        steps.append(moves.max() / moves.mean())
    return {
        "interpolation": "held-out pairs",
        "length": float(np.mean(lengths)) if lengths else float("nan"),
        "longest_step": float(np.mean(steps)) if steps else float("nan"),
    }


def plane_cells(trained: TrainedVAE, points: np.ndarray, seed: int) -> dict[str, Any]:
    """The row about the sounds of points (points, 2): how many are loud, pitched, and both."""
    spectrogram = trained.spectrogram
    loud, pitched = [], []
    for image in trained.decode_images(points)[..., 0]:
        audio = spectrogram.audio(image, seed=seed)
        level = 10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-12)
        loud.append(level > _LOUD_DB)
        pitched.append(voiced_share(audio, spectrogram.sample_rate, _LOWEST) >= _VOICED)
    loud, pitched = np.array(loud), np.array(pitched)
    counts = {"loud": loud, "pitched": pitched, "both": loud & pitched}
    return {"plane": "cells", "number": len(points)} | {
        name: int(found.sum()) for name, found in counts.items()
    }


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    args = build_parser().parse_args(argv)
    start_backend(None)
    from common.latent import prior_grid
    from vae_generation.latents import Latents
    from vae_generation.trained import load_trained

    trained = load_trained(args.model)
    notes = real_notes(args.audio_path, trained.spectrogram)
    training, others = split(notes, args.model, args.audio_path)
    print(as_text(distances(trained, training, others)), end="\n\n")
    active = Latents.load(args.model / "latents.h5").active_units()
    print(f"active units: {active.sum()} of {active.size} ({active.mean():.0%})\n")
    print(as_text([smoothness(trained, others, args.seed)]), end="\n\n")
    plane = load_trained(args.plane_model)
    if plane.dims != 2:
        raise UserError(f"--plane_model {args.plane_model}: its space is no plane")
    print(as_text([plane_cells(plane, prior_grid(_CELLS), args.seed)]), end="\n\n")
    conditional = load_trained(args.conditional_model)
    if not conditional.conditions:
        raise UserError(f"--conditional_model {args.conditional_model}: was not trained so")
    notes = real_notes(args.audio_path, conditional.spectrogram)
    notes = split(notes, args.conditional_model, args.audio_path)
    print(as_text(asked_for(conditional, *notes, args.seed)))
    return 0


if __name__ == "__main__":
    run(main)
