"""Evaluate trained models on sounds that they were not trained on.

    python -m granular.evaluate --audio_path data/drums --judge_path other_kits

prints, for each model:

  lsd, rmse       of reconstructions of held-out sounds: log-spectral distance in dB, the root mean
                  square over the bins (values limited to 80 dB below the loudest one), averaged
                  over the columns in which the sound is heard, within 60 dB of the loudest one
                  (windows of 1024 samples); root mean square of the difference of the magnitudes in
                  these columns, relative to that of the magnitudes
  second          milliseconds in which a second of audio is made of latent vectors, on one core,
                  in a compiled function, without the first call
  judge           share of sounds that a classifier takes for their class: of true held-out sounds,
                  of their reconstructions, which show what is lost in the grains, and of drawn
                  sounds; it is trained on --judge_path, which should be of other kits

The row corpus is classic granular resynthesis, of grains of the sounds that are not held out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.audio.metrics import log_spectral_distance, spectral_convergence
from common.cli import Parser, UserError, add_seed_flag, existing_folder, number, parser, run, say
from common.files.audio import find_recordings
from common.report.evaluation import held_out
from common.report.tables import as_text
from common.trained import add_model_flag, open_run
from common.training.devices import start_backend
from data import load_audio
from granular.corpus import Corpus
from granular.preprocess import marked_paths
from granular.sounds import Sound

if TYPE_CHECKING:
    from granular.trained import TrainedGrains

_HEARD_DB = 60
_MELS, _COLUMNS = 32, 8  # of what the judge hears


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--audio_path", required=True, type=existing_folder, help="folder of sounds of classes"
    )
    add_model_flag(built, "granular_drums", several=True)
    built.add_argument(
        "--judge_path", type=existing_folder, help="folder of sounds to train the classifier on"
    )
    built.add_flag("--sounds", 60, "largest number of held-out sounds", type=number(int, 2))
    built.add_flag("--drawn", 10, "sounds drawn of each class", type=number(int, 1))
    add_seed_flag(built, "choice of sounds, points and noise")
    return built


def load_sounds(folder: Path, trained: TrainedGrains) -> dict[Sound, np.ndarray]:
    """Prepared sounds of a folder and of classes of a model: dict from ``Sound`` to (samples,)."""
    found = {}
    for name, path in find_recordings(folder).files.items():
        row = Sound.of(name)
        if row is not None and row.label in trained.labels.classes:
            audio, _ = load_audio(path, sample_rate=trained.sample_rate)
            sound = trained.grains.prepare(audio)
            if sound is not None:
                found[row] = sound
    if not found:
        raise UserError(f"{folder}: no sounds of {', '.join(trained.labels.classes)}")
    return found


def held_out_rows(sounds: Iterable[Sound], config: dict[str, Any], folder: Path) -> list[Sound]:
    """The sounds that a run was not trained on; of a folder that marks some, these alone."""
    marked = {path.relative_to(folder).with_suffix("") for path in marked_paths([folder])}
    rows = {row.source: row for row in sounds if not marked or Path(row.source) in marked}
    names = held_out(rows, [config], lambda name: rows[name].unit, recorded=str, where=folder)
    return [rows[name] for name in names]


def magnitudes(sound: np.ndarray, made: np.ndarray) -> list[np.ndarray]:
    """Magnitudes (bins, columns) of both, of the columns in which the first one is heard.

    Windows of 1024 samples, 75 % overlap.
    """
    import librosa

    found = [
        np.abs(librosa.stft(np.asarray(one, np.float32), n_fft=1024, hop_length=256))
        for one in (sound, made)
    ]
    levels = np.square(found[0]).sum(axis=0)
    return [one[:, levels > 10 ** (-_HEARD_DB / 10) * levels.max()] for one in found]


def distances(sounds: Sequence[np.ndarray], made: Sequence[np.ndarray]) -> dict[str, float]:
    """Mean ``lsd`` in dB and ``rmse`` (relative) of sounds and their reconstructions."""
    pairs = [magnitudes(one, other) for one, other in zip(sounds, made, strict=True)]
    return {
        "lsd": float(np.mean([log_spectral_distance(*pair) for pair in pairs])),
        "rmse": float(np.mean([spectral_convergence(*pair) for pair in pairs])),
    }


def second_milliseconds(trained: TrainedGrains, seed: int) -> float:
    """Milliseconds in which a second of audio is made of latent vectors; median of twenty."""
    rng = np.random.default_rng(seed)
    steps = round(trained.rate)
    latents = rng.standard_normal((steps, trained.dims)).astype(np.float32)
    noise = rng.uniform(-1, 1, (steps + 3) * trained.grains.hop).astype(np.float32)
    taken = []
    for _ in range(23):
        start = time.perf_counter()
        trained.synthesize(latents, noise)
        taken.append(time.perf_counter() - start)
    return 1000 * float(np.median(taken[3:]))


def heard(sounds: Sequence[np.ndarray], sample_rate: int) -> np.ndarray:
    """What the judge hears of sounds: levels in dB of 32 Mel bands in eight parts of the sound.

    The parts are longer and longer. Levels are limited to 50 dB below the loudest one.

    Returns:
        (sounds, features).
    """
    import librosa

    found = []
    for sound in sounds:
        power = librosa.feature.melspectrogram(
            y=np.asarray(sound, np.float32), sr=sample_rate, n_fft=512, hop_length=128, n_mels=_MELS
        )
        edges = np.unique(np.geomspace(1, power.shape[1] + 1, _COLUMNS + 1).astype(int)) - 1
        parts = np.add.reduceat(power, edges[:-1], axis=1) / np.diff(edges)
        levels = 10 * np.log10(np.maximum(parts / max(parts.max(), 1e-12), 1e-5))
        found.append(levels.ravel())
    return np.array(found)


class Judge:
    """Classifier of sounds: linear discriminant analysis with shrinkage (Ledoit and Wolf 2004).

    Args:
        sounds: Dict from ``Sound`` to (samples,).
        sample_rate: Hz.
    """

    def __init__(self, sounds: dict[Sound, np.ndarray], sample_rate: int) -> None:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        names = [row.label for row in sounds]
        priors = np.full(len(set(names)), 1 / len(set(names)))
        self._rate = sample_rate
        self._analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors)
        self._analysis.fit(heard(sounds.values(), sample_rate), names)

    def accuracy(self, sounds: Sequence[np.ndarray], names: Sequence[str]) -> float:
        """Share of sounds that are taken for their class, as mean over the classes."""
        right = self._analysis.predict(heard(sounds, self._rate)) == np.asarray(names)
        classes = np.asarray(names)
        return float(np.mean([right[classes == name].mean() for name in np.unique(classes)]))


def evaluate(
    trained: TrainedGrains,
    sounds: dict[Sound, np.ndarray],
    others: dict[Sound, np.ndarray],
    *,
    judge: Judge | None,
    drawn: int,
    seed: int,
) -> dict[str, Any]:
    """Figures of a model.

    Args:
        trained: ``granular.trained.TrainedGrains``.
        sounds: Held-out sounds that are reconstructed.
        others: All held-out sounds, for the judge.
        judge: ``Judge``, or None.
        drawn: Sounds drawn of each class.
        seed: Of points and noise.
    """
    given = list(sounds.values())
    paths = trained.encode_sounds(np.stack(given))
    made = [trained.decode(path, seed=seed + place) for place, path in enumerate(paths)]
    row = {"decoder": trained.architecture.decoder, **distances(given, made)}
    row["weights"] = trained.decoder.count_params()
    row["second_ms"] = second_milliseconds(trained, seed)
    if judge is not None:
        labels = [one.label for one in others]
        row["judge_true"] = judge.accuracy(list(others.values()), labels)
        row["judge_made"] = judge.accuracy(made, [one.label for one in sounds])
        if trained.sequences is not None:
            pitches = {one.label: one.pitch for one in others}
            names = [name for name in pitches for _ in range(drawn)]
            hits = [
                hit
                for name, pitch in pitches.items()
                for hit in trained.sample(name, pitch, drawn, seed=seed)
            ]
            row["judge_drawn"] = judge.accuracy(hits, names)
    return row


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    configs = [open_run(folder, "granular") for folder in args.model]
    start_backend("")
    from granular.trained import load_trained

    rows, corpora = [], {}
    for folder, config in zip(args.model, configs, strict=True):
        trained = load_trained(folder)
        grains = trained.grains
        every = load_sounds(args.audio_path, trained)
        others = {row: every[row] for row in held_out_rows(every, config, args.audio_path)}
        chosen = np.random.default_rng(args.seed).permutation(len(others))[: args.sounds]
        rows_of = list(others)
        sounds = {rows_of[place]: others[rows_of[place]] for place in sorted(chosen)}
        judge = None
        if args.judge_path:
            judge = Judge(load_sounds(args.judge_path, trained), grains.sample_rate)
        if grains not in corpora:
            known = [sound for row, sound in every.items() if row not in others]
            corpora[grains] = known and Corpus.of(known, grains.sample_rate, grains.size)
            if known:
                given = list(sounds.values())
                made = [corpora[grains].resynthesize(sound) for sound in given]
                rows.append({"model": "corpus", "decoder": "", **distances(given, made)})
        settings = {"judge": judge, "drawn": args.drawn, "seed": args.seed}
        rows.append({"model": folder.name, **evaluate(trained, sounds, others, **settings)})
    say(f"{len(sounds):,} of {len(others):,} held-out sounds of {args.audio_path}")
    print(as_text(rows))
    return 0


if __name__ == "__main__":
    run(main)
