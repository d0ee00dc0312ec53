"""Take out of a trained encoder what is linear in the loudness.

    python -m latent_exploration.continuous.erase --model runs/c --features_path spectra.h5 \\
        --output runs/erased

What the adversaries of a training work against is always one step behind, and leaves a little. The
rest is found in closed form (Belrose et al. 2023, "LEACE"): behind the erasure, the latent vectors
of each collection of recordings have no covariance with the loudness, and are otherwise changed as
little as possible. The last layer of the encoder is linear, so that the erasure becomes a part of
it. It is computed from the recordings that the model was trained on.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.cli import Parser, UserError, add_features_flag, parser, run, say
from common.trained import open_run
from common.training.devices import start_backend
from common.training.run_folder import RunFolder
from common.training.weights import save_h5
from common.work.lock import only_run
from latent_exploration.continuous.frames import SOUNDING
from latent_exploration.continuous.store import SpectraStore


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, converts=("model",))
    built.add_argument("--model", type=Path, required=True, help="run folder of the training")
    add_features_flag(built, "latent_exploration.continuous")
    built.add_argument("--output", type=Path, required=True, help="run folder to write")
    return built


def erasure(
    vectors: Sequence[np.ndarray], values: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Map that takes away what is linear in a value.

    Args:
        vectors: (number, dims) of each collection.
        values: (number,) of each.

    Returns:
        ``(matrix, mean)``: behind ``(vector - mean) @ matrix.T + mean``, the vectors of none of the
        collections have a covariance with the values.
    """
    linked = np.stack(
        [
            (one - one.mean(axis=0)).T @ (value - value.mean()) / len(value)
            for one, value in zip(vectors, values, strict=True)
        ],
        axis=1,
    )
    spread = np.mean([np.cov(one.T, bias=True) for one in vectors], axis=0)
    weights = np.linalg.pinv(spread, hermitian=True) @ linked  # a number may be constant
    matrix = np.eye(len(spread)) - linked @ np.linalg.pinv(linked.T @ weights) @ weights.T
    return matrix, np.mean([one.mean(axis=0) for one in vectors], axis=0)


def erase(model: Path, store: SpectraStore, output: Path) -> float:
    """Write a run folder whose encoder tells nothing of the loudness that is linear in its means.

    Args:
        model: Run folder.
        store: Open store with the recordings that it was trained on.
        output: Folder to write.

    Returns:
        Share of the variance of the latent vectors that is gone.

    Raises:
        UserError: No continuous model; one that is not told the loudness, or erased already; other
            recordings, or too few that sound.
    """
    config = open_run(model, "latent_exploration")
    from common.trained import open_model
    from latent_exploration.continuous.batches import Collections

    trained = open_model(model)
    if not trained.controls:
        raise UserError(f"{model}: was trained with --adversary 0; its loudness is to be told")
    if config.get("erased"):
        raise UserError(f"{model}: its loudness is erased already; name the run of the training")
    names = set(config.get("split", {}).get("training", ()))
    rows = [row for row in store.rows if row.source in names]
    if len({row.source for row in rows}) < len(names) or not rows:
        raise UserError(f"{store.path}: lacks recordings that {model} was trained on")
    collections = Collections([row.source for row in store.rows])
    vectors: list[list[np.ndarray]] = [[] for _ in range(len(collections))]
    values: list[list[np.ndarray]] = [[] for _ in range(len(collections))]
    for row in rows:
        frames = store.frames(row)
        sounds = frames.loudness > SOUNDING
        place = int(np.argmax(collections.shares(row.source)))
        vectors[place].append(trained.encode_frames(frames)[sounds])
        values[place].append(frames.loudness[sounds])
    layer = trained.encoder.get_layer("encoder_out")
    dims = layer.filters // 2
    # of fewer vectors than numbers, everything is linear in the loudness
    many = [place for place, value in enumerate(values) if sum(map(len, value)) > dims]
    if not many:
        raise UserError(f"{store.path}: its recordings hardly sound; all are below -60 dB")
    found = [np.concatenate(vectors[place]) for place in many]
    matrix, mean = erasure(found, [np.concatenate(values[place]) for place in many])
    kernel, bias = layer.get_weights()
    kernel[..., :dims] = kernel[..., :dims] @ matrix.T
    bias[:dims] = (bias[:dims] - mean) @ matrix.T + mean
    layer.set_weights([kernel, bias])
    save_h5(trained.encoder, output / "encoder.h5")
    for name in ("decoder.h5", "history.csv", "history.png"):
        if (model / name).is_file():
            shutil.copyfile(model / name, output / name)
    RunFolder(output).write_config({**config, "erased": "loudness"})
    everything = np.concatenate(found)
    left = (everything - mean) @ matrix.T
    return float(1 - left.var(axis=0).sum() / everything.var(axis=0).sum())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    open_run(args.model, "latent_exploration")
    with SpectraStore(args.features_path) as store, only_run(args.output):
        start_backend("")
        share = erase(args.model, store, args.output)
    say(f"{args.output}: {share:.1%} of the variance of the latent vectors is gone")
    return 0


if __name__ == "__main__":
    run(main)
