"""Measure whether the learning rates that ``--findlr`` suggests are good.

    python -m benchmarks.findlr --dataset_path features

Searches as ``train.py --findlr`` does, then trains a fresh model for 300 steps at a tenth of each
suggestion, at the suggestion, and at ten times the suggestion. Prints the mean loss over these
steps, over the last 50 of them, and on the held-out pieces afterwards. The loss is the L1 distance
for the generator, alone and together with the discriminator, and the cross-entropy for the
discriminator alone. The latter is trained against the untrained generator, as in the search, and
against one that was trained for as many steps at its own suggestion.
"""

import tempfile
from pathlib import Path

import numpy as np

import train
from common.cli import UserError, add_seed_flag, number, parser, run
from common.report.tables import as_text
from pix2pix_timbre.findlr import FEWEST_STEPS, SWEEPS, sweep
from pix2pix_timbre.session import Session

NETWORKS = ("generator", "discriminator", "joint")
FACTORS = (0.1, 1.0, 10.0)
LAST = 50  # steps over which the loss is averaged


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    built = parser(__doc__)
    built.add_argument(
        "--dataset_path",
        type=Path,
        required=True,
        help="folder of features made by compute_features.py",
    )
    built.add_flag("--origin", "keyboard_acoustic", "instrument to convert from")
    built.add_flag("--target", "guitar_acoustic", "instrument to convert to")
    built.add_flag(
        "--width", 16, "number of filters in the first block of the networks", type=number(int, 1)
    )
    built.add_argument(
        "--networks",
        choices=NETWORKS,
        nargs="+",
        default=NETWORKS,
        help="networks to search learning rates for (default: all)",
    )
    built.add_flag("--steps", 300, "number of training steps at each rate", type=number(int, LAST))
    built.add_argument(
        "--sweep_steps",
        type=number(int, 10),
        default=FEWEST_STEPS,
        help="number of steps of the search (default: %(default)s)",
    )
    built.add_flag(
        "--validation_split",
        0.1,
        "share of the pieces that are held out",
        type=number(float, 0, below=1),
    )
    add_seed_flag(built, "weights and shuffling")
    args = built.parse_args(argv)
    flags = {
        "dataset_path": args.dataset_path,
        "origin": args.origin,
        "target": args.target,
        "width": args.width,
        "offsets": "random",
        "steps_per_epoch": args.sweep_steps,
        "validation_split": args.validation_split,
        "seed": args.seed,
    }
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    session = Session(**vars(train.build_parser().parse_args(words)))
    if session.validation is None:
        raise UserError("--validation_split: no piece is held out; raise it")

    rows = []
    for name in args.networks:
        chosen = SWEEPS[name]
        rates = suggestions(session, name)
        row = {"network": name, "loss": loss_of(chosen)}
        row["suggestion"] = ", ".join(f"{rate:.1e}" for rate in rates.values())
        row |= compared(session, chosen, rates, args.steps)
        rows.append(row)
        if name == "discriminator":
            weights = trained_generator(session, args.steps)
            row = {"network": "discriminator, trained generator"} | {
                key: row[key] for key in ("loss", "suggestion")
            }
            rows.append(row | compared(session, chosen, rates, args.steps, weights))
    print(as_text(rows))
    return 0


def loss_of(chosen):
    """Return the name of the loss by which a sweep is judged."""
    return "gen_mae" if chosen.generator else "disc_loss"


def suggestions(session, name):
    """Run a sweep; return its suggestions: dict from loss to learning rate."""
    with tempfile.TemporaryDirectory() as folder:
        rates = sweep(session, name, Path(folder))
    if None in rates.values():
        raise UserError(f"--dataset_path: the {name} loss never falls during the sweep")
    return rates


def trained_generator(session, steps):
    """Train a generator by L1 at the rate that its sweep suggests; return the weights."""
    (rate,) = suggestions(session, "generator").values()
    model = session.build_with(rate, 0.0, adversarial=False)
    for step in range(steps):
        model.train_on_batch(*session.training[step % len(session.training)])
    return model.generator.get_weights()


def compared(session, chosen, rates, steps, weights=None):
    """Return columns of the table: ``losses_of`` at each of the ``FACTORS``."""
    columns = {}
    for factor in FACTORS:
        scaled = {swept: rate * factor for swept, rate in rates.items()}
        losses = losses_of(session, chosen, scaled, steps, weights)
        columns |= {f"{what} x{factor:g}": value for what, value in losses.items()}
    return columns


def losses_of(session, chosen, rates, steps, weights=None):
    """Train a fresh model, and measure the loss by which the sweep is judged.

    Args:
        session: ``pix2pix_timbre.session.Session``.
        chosen: One of ``pix2pix_timbre.findlr.SWEEPS``.
        rates: Dict from loss to the learning rate of its network.
        steps: Number of training steps.
        weights: Initial weights of the generator; default untrained.

    Returns:
        Dict of losses: ``mean`` over all steps and over the ``last`` ones, and that on the
        ``held out`` pieces afterwards.
    """
    gen_lr = rates.get("gen_mae", rates.get("gen_loss", 0.0))
    disc_lr = rates.get("disc_loss", 0.0)
    model = session.build_with(gen_lr, disc_lr, adversarial=chosen.discriminator)
    if weights is not None:
        model.generator.set_weights(weights)
    loss, losses = loss_of(chosen), []
    for step in range(steps):
        model.reset_metrics()
        results = model.train_on_batch(
            *session.training[step % len(session.training)], return_dict=True
        )
        losses.append(float(results[loss]))
    validated = model.evaluate(session.validation, return_dict=True, verbose=0)
    return {
        "mean": float(np.mean(losses)),
        "last": float(np.mean(losses[-LAST:])),
        "held out": float(validated[loss]),
    }


if __name__ == "__main__":
    run(main)
