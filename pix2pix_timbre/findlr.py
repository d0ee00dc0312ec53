"""The published search for learning rates: generator alone, discriminator alone, both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from common.cli import UserError, say
from common.files.text import write_rows
from common.report.plots import plot_sweep
from common.training.sweep import smooth, steepest_descent, sweep_learning_rate, sweep_schedule
from common.work.lock import only_run

if TYPE_CHECKING:
    from pix2pix_timbre.session import Session


FEWEST_STEPS = 50  # smallest number of steps for a curve over nine decades


class Sweep(NamedTuple):
    """The learning rates that a sweep changes, and the losses that it records."""

    generator: bool
    discriminator: bool
    losses: tuple


SWEEPS = {
    "generator": Sweep(True, False, ("gen_mae",)),
    "discriminator": Sweep(False, True, ("disc_loss",)),
    "joint": Sweep(True, True, ("gen_loss", "disc_loss")),
}


def find_learning_rates(session: Session) -> int:
    """Sweep the learning rate of each network alone and of both; write curves, print suggestions.

    Args:
        session: ``pix2pix_timbre.session.Session``.

    Returns:
        Exit status 0.
    """
    names = list(SWEEPS) if session.adversarial else ["generator"]
    folder = session.run.path / "findlr"
    with only_run(folder):
        for name in names:
            for loss, rate in sweep(session, name, folder).items():
                said = "never falls" if rate is None else f"falls fastest at {rate:.1e}"
                print(f"{name}: {loss} {said}")
    say(f"curves in {folder}")
    return 0


def sweep(session: Session, name: str, folder: Path) -> dict[str, float | None]:
    """Run one of the ``SWEEPS`` on a fresh model and write its curves.

    Returns:
        Dict from loss to the learning rate at which it falls fastest, or None.
    """
    chosen = SWEEPS[name]
    # an epoch, as published; a few frames are repeated several times
    steps = session.flags.steps_per_epoch or max(len(session.training), FEWEST_STEPS)
    schedule = sweep_schedule(steps)
    # a network that is not swept has the rate 0 and does not change
    gen_lr, disc_lr = (schedule if swept else 0.0 for swept in chosen[:2])
    model = session.build_with(gen_lr, disc_lr, adversarial=chosen.discriminator)
    rows = sweep_learning_rate(model, session.training, steps, chosen.losses)
    if len(rows) < 3:
        raise UserError(f"--findlr: {len(rows)} steps make no curve; raise --steps_per_epoch")
    rates = [row["learning_rate"] for row in rows]
    raw = {loss: [row[loss] for row in rows] for loss in chosen.losses}
    smoothed = {loss: smooth(values) for loss, values in raw.items()}
    suggestions = {loss: steepest_descent(rates, raw[loss]) for loss in chosen.losses}
    write_rows(
        folder / f"{name}.csv",
        [
            row | {f"{loss}_smoothed": float(smoothed[loss][step]) for loss in chosen.losses}
            for step, row in enumerate(rows)
        ],
    )
    curves = {loss: (raw[loss], smoothed[loss]) for loss in chosen.losses}
    plot_sweep(folder / f"{name}.png", rates, curves, suggestions)
    return suggestions
