"""Whether the learning rates that ``--findlr`` suggests are good ones.

    python -m benchmarks.findlr --dataset_path features

Sweeps as ``train.py --findlr`` does, then trains a fresh model for 300 steps at a tenth of each
suggestion, at the suggestion, and at ten times it, and prints the mean loss of the last 50 steps
and that on the held-out pieces afterwards: of the generator alone, of the discriminator alone
(against the untrained generator), and of the generator in both.
"""

import tempfile
from pathlib import Path

import numpy as np

import train
from common.cli import UserError, number, parser, run
from evaluate import as_text
from pix2pix_timbre.flags import with_default_rates
from pix2pix_timbre.session import Session

NETWORKS = ("generator", "discriminator", "joint")
FACTORS = (0.1, 1.0, 10.0)
LAST = 50  # steps over which the loss is averaged


def main(argv=None):
    """Run the benchmark; exit status 1 when a suggestion is not the best on held-out pieces."""
    built = parser(__doc__)
    built.add_argument("--dataset_path", type=Path, required=True)
    built.add_argument("--origin", default="keyboard_acoustic")
    built.add_argument("--target", default="guitar_acoustic")
    built.add_argument("--width", type=number(int, 1), default=16)
    built.add_argument("--networks", choices=NETWORKS, nargs="+", default=NETWORKS)
    built.add_argument("--steps", type=number(int, LAST), default=300)
    built.add_argument("--sweep_steps", type=number(int, 10), default=300)
    args = built.parse_args(argv)
    flags = {
        "dataset_path": args.dataset_path,
        "origin": args.origin,
        "target": args.target,
        "width": args.width,
        "offsets": "random",
        "steps_per_epoch": args.sweep_steps,
    }
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    session = Session(with_default_rates(train.build_parser().parse_args(words)), 0.0, 0.0)

    from pix2pix_timbre.findlr import SWEEPS, sweep

    rows, beaten = [], False
    for name in args.networks:
        chosen = SWEEPS[name]
        with tempfile.TemporaryDirectory() as folder:
            rates = sweep(session, name, Path(folder))
        if None in rates.values():
            raise UserError(f"--dataset_path: the {name} loss never falls during the sweep")
        row = {"network": name, "loss": chosen.losses[0]}
        row["suggestion"] = ", ".join(f"{rate:.1e}" for rate in rates.values())
        for factor in FACTORS:
            scaled = {loss: rate * factor for loss, rate in rates.items()}
            last, held_out = losses_of(session, chosen, scaled, args.steps)
            row |= {f"last x{factor:g}": last, f"held out x{factor:g}": held_out}
        rows.append(row)
        beaten |= row["held out x1"] > min(row[f"held out x{factor:g}"] for factor in FACTORS)
    print(as_text(rows))
    return int(beaten)


def losses_of(session, chosen, rates, steps):
    """Loss of a fresh model's training: that of the generator, if it learns.

    Args:
        session: ``pix2pix_timbre.session.Session``.
        chosen: Of ``pix2pix_timbre.findlr.SWEEPS``.
        rates: Dict from loss to the learning rate of its network.
        steps: Length of the training.

    Returns:
        ``(last, held_out)``: mean of the last steps; mean on the held-out pieces afterwards.
    """
    gen_lr = rates.get("gen_mae", rates.get("gen_loss", 0.0))
    disc_lr = rates.get("disc_loss", 0.0)
    model = session.build(gen_lr, disc_lr, adversarial=chosen.discriminator)
    losses = []
    for step in range(steps):
        model.reset_metrics()
        results = model.train_on_batch(
            *session.training[step % len(session.training)], return_dict=True
        )
        losses.append(float(results[chosen.losses[0]]))
    validated = model.evaluate(session.validation, return_dict=True, verbose=0)
    return float(np.mean(losses[-LAST:])), float(validated[chosen.losses[0]])


if __name__ == "__main__":
    run(main)
