"""Measure the continuous model: is the loudness out of its latent vectors, and is it obeyed?

    python -m latent_exploration.continuous.evaluate --without runs/without_adversary

Fresh regressors of four kinds, which see five steps, learn the loudness from the latent vectors of
four fifths of the recordings, and are tried on the rest, where it sounds; so for each fifth. Then
the loudness of vectors is replaced by curves, and the loudness of what is decoded is compared with
them. Finally, the model plays a stream in blocks of 2048 samples.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import Parser, UserError, add_gpu_flag, number, parser, report_skipped, run, say
from common.files.audio import fit_length
from common.trained import open_run, shipped
from latent_exploration.continuous.frames import SOUNDING
from latent_exploration.scripts import find_sounds, read_sound

if TYPE_CHECKING:
    from latent_exploration.continuous.trained import TrainedContinuous

_SEEN = 5  # steps that the regressor sees
_STEPS = 5_000  # about so many are learnt from and tried
_FOLDS = 5
_SWEPT = 0.45, 0.85  # loudness that is asked for: -44 to -12 dB
_BLOCKS = 60  # blocks of a stream that is measured


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument(
        "--input",
        type=Path,
        nargs="+",
        default=[Path(__file__).parent.parent.parent / "data" / "orchestra" / "audio"],
        help="recordings, or folders of them (default: data/orchestra)",
    )
    built.add_argument(
        "--model",
        type=Path,
        default=shipped("continuous_orchestra"),
        help="run folder (default: models/continuous_orchestra)",
    )
    built.add_argument(
        "--without", type=Path, help="run folder of a training with --adversary 0, to compare"
    )
    built.add_flag(
        "--seconds", 3.0, "length of each recording that is used", type=number(float, 0.5)
    )
    add_gpu_flag(built)
    return built


def fresh_r2(
    paths: Sequence[np.ndarray], loudness: Sequence[np.ndarray], seed: int = 0
) -> dict[str, float]:
    """How well the loudness can be read from latent vectors.

    Args:
        paths: Paths (steps, dims), without the loudness; every fifth one is held out, in turn.
        loudness: That of each path, (steps,).
        seed: Integer, of the regressor.

    Returns:
        Coefficient of determination of what is told of the paths held out, all turns together, by
        the kind of the regressor; 0 for a guess of the mean, less for worse guesses.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge
    from sklearn.metrics import r2_score
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    every = -(-sum(map(len, paths)) // _STEPS)
    inputs, levels, turns = [], [], []
    for place, (path, level) in enumerate(zip(paths, loudness, strict=True)):
        around = np.pad(path, ((_SEEN // 2, _SEEN // 2), (0, 0)), mode="edge")
        seen = np.lib.stride_tricks.sliding_window_view(around, _SEEN, axis=0)
        sounds = np.flatnonzero(level > SOUNDING)[::every]
        inputs.append(seen.reshape(len(path), -1)[sounds])
        levels.append(level[sounds])
        turns.append(np.full(len(sounds), place % _FOLDS))
    inputs, levels, turns = map(np.concatenate, (inputs, levels, turns))
    # steps of one recording are alike: without strong penalties, recordings are learnt by heart
    regressors = {
        "ridge regression": Ridge(100.0),
        "support vectors": SVR(C=0.3, epsilon=0.02, cache_size=500),
        "boosted trees": HistGradientBoostingRegressor(
            max_iter=60, early_stopping=False, random_state=seed
        ),
        "a perceptron": MLPRegressor(
            hidden_layer_sizes=(64, 64), alpha=1.0, max_iter=20, random_state=seed
        ),
    }
    found = {}
    for name, regressor in regressors.items():
        scaled, told = make_pipeline(StandardScaler(), regressor), np.zeros(len(levels))
        for turn in range(_FOLDS):
            known = turns != turn
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a limit of iterations, which is late enough
                scaled.fit(inputs[known], levels[known])
            told[~known] = scaled.predict(inputs[~known])
        found[name] = float(r2_score(levels, told))
    return found


def loudness_correlation(
    decode: Callable[[np.ndarray], np.ndarray], paths: Sequence[np.ndarray]
) -> float:
    """Spearman's correlation between the loudness that is asked for and that of the sound.

    The loudness of each path is replaced by a slow wave; the mean over the paths.

    Args:
        decode: As of ``TrainedContinuous``.
        paths: Paths (steps, dims).
    """
    from scipy.stats import spearmanr

    from latent_exploration.continuous.frames import loudness, padded

    found, (low, high) = [], _SWEPT
    for place, path in enumerate(paths):
        waves = np.sin(np.linspace(0, 4 * np.pi, len(path)) + place)
        asked = low + (high - low) * (1 + waves) / 2
        audio = decode(np.column_stack([path[:, :-1], asked]))
        made = loudness(padded(audio))[: len(asked)]
        settled = slice(3, None)
        found.append(spearmanr(asked[settled], made[settled])[0])
    return float(np.mean(found))


def stream(trained: TrainedContinuous, audio: np.ndarray) -> dict[str, float]:
    """Play audio (samples,) in blocks, and compare with playing it as a whole.

    Returns:
        Dict: largest differences of the ``path`` and of the ``spectra``; ``share`` of the time of a
        block that the median one takes on the processor. (The sound is not compared: rounding
        errors decide between phases that fit equally well.)
    """
    from latent_exploration.continuous.stream import BLOCK, StreamDecoder, StreamEncoder

    audio = fit_length(audio, len(audio) // BLOCK * BLOCK)
    ears, voice, second = StreamEncoder(trained), StreamDecoder(trained), StreamDecoder(trained)
    paths, spectra, times = [], [], []
    for start in range(0, len(audio), BLOCK):
        begin = time.process_time()
        paths.append(ears.push(audio[start : start + BLOCK]))
        voice.push(paths[-1])
        times.append(time.process_time() - begin)
        spectra.append(second.spectra(paths[-1]))
    path = trained.encode(audio)
    return {
        "path": float(np.abs(np.concatenate(paths) - path).max()),
        "spectra": float(np.abs(np.concatenate(spectra) - trained.decode_spectra(path)).max()),
        "share": float(np.median(times) * trained.sample_rate / BLOCK),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    files, _ = find_sounds(args.input)
    if len(files) < 10:
        raise UserError(f"--input {args.input[0]}: {len(files)} recordings; give at least 10")
    folders = {"with an adversary": args.model, "without": args.without}
    folders = {name: folder for name, folder in folders.items() if folder is not None}
    for folder in folders.values():
        open_run(folder, "latent_exploration")
    from common.trained import open_model
    from common.training.devices import start_backend
    from latent_exploration.continuous.frames import RATE, analyse, padded
    from latent_exploration.continuous.stream import delay

    start_backend(args.gpu)
    audios, skipped = [], []
    for file in files:
        try:
            audios.append(read_sound(file, RATE)[: round(args.seconds * RATE)])
        except (UserError, OSError) as error:
            skipped.append((file, error))
    for name, folder in folders.items():
        trained = open_model(folder)
        heard = [analyse(padded(audio)) for audio in audios]
        paths = [trained.encode_frames(one) for one in heard]
        r2 = fresh_r2(paths, [one.loudness for one in heard])
        said = ", ".join(f"{value:.2f} by {kind}" for kind, value in r2.items())
        say(f"loudness read from the latent vectors, {name}: R2 {said}")
        if folder == args.model and trained.controls:
            some = [trained.encode(audio) for audio in audios[:: -(-len(audios) // 20)]]
            alone = loudness_correlation(partial(trained.decode, exact=False), some)
            obeyed = loudness_correlation(trained.decode, some)
            say(
                "loudness that is asked for and that is heard: Spearman "
                f"{obeyed:.3f}; left to the decoder alone {alone:.3f}"
            )
            together = np.concatenate(audios[: -(-_BLOCKS * 2048 // round(args.seconds * RATE))])
            found = stream(trained, together)
            say(
                f"stream and whole: largest difference {found['path']:.1e} of the path, "
                f"{found['spectra']:.1e} of the spectra; "
                f"{found['share']:.0%} of the time of a block, {delay() / RATE * 1000:.0f} ms later"
            )
    return report_skipped(skipped)


if __name__ == "__main__":
    run(main)
