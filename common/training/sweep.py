"""Search for a learning rate by a sweep (Smith 2017, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

    from common.training.batches import Batches


SWEEP = (1e-9, 1.0)  # first and last learning rate, as published
SWEEP_STOP = 100  # the sweep ends at this multiple of the best loss
SLOPE_DECADES = 0.5  # range of learning rates over which the slope of a loss is measured


def sweep_learning_rate(
    model: keras.Model, dataset: Batches, steps: int, losses: Sequence[str]
) -> list[dict[str, float]]:
    """Train one batch each at exponentially growing learning rates (Smith 2017, section 3.3).

    Args:
        model: Compiled with ``sweep_schedule(steps)`` as learning rate of every optimiser.
        dataset: Indexable batches; repeated if necessary.
        steps: Length of the sweep.
        losses: Names of the metrics to record.

    Returns:
        List of dicts: ``learning_rate`` and the losses of that batch. Ends early when a loss is not
        finite or reaches SWEEP_STOP times its best value.
    """
    schedule, rows, best = sweep_schedule(steps), [], {}
    for step in range(steps):
        model.reset_metrics()
        x, y = dataset[step % len(dataset)]
        results = model.train_on_batch(x, y, return_dict=True)
        values = {name: float(results[name]) for name in losses}
        if not all(np.isfinite(value) for value in values.values()):
            break
        rows.append({"learning_rate": float(schedule(step)), **values})
        best = {name: min(value, best.get(name, value)) for name, value in values.items()}
        if any(value >= SWEEP_STOP * best[name] for name, value in values.items()):
            break
    return rows


def sweep_schedule(steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Learning rates from SWEEP[0] to SWEEP[1] in ``steps`` equal factors."""
    import keras

    start, stop = SWEEP
    return keras.optimizers.schedules.ExponentialDecay(start, max(steps - 1, 1), stop / start)


def smooth(values: Sequence[float] | np.ndarray, share: float = 0.05) -> np.ndarray:
    """Running mean over a share of the values, mirrored at the ends: same length."""
    reach = max(round(len(values) * share / 2), 1)
    padded = np.pad(
        np.asarray(values, float), reach, mode="reflect" if len(values) > reach else "edge"
    )
    return np.convolve(padded, np.full(2 * reach + 1, 1 / (2 * reach + 1)), mode="valid")


def steepest_descent(
    rates: Sequence[float] | np.ndarray, losses: Sequence[float] | np.ndarray
) -> float | None:
    """Learning rate at which the loss falls by the greatest share per decade; None if never.

    The slope is that of the logarithm of the loss, so that its absolute level does not matter, by
    least squares over half a decade. Only rates before the lowest loss count, because beyond it the
    loss is unstable and sometimes falls as well.

    Args:
        rates: Learning rates, ascending by equal factors.
        losses: Loss at each rate.
    """
    if len(losses) < 3:
        return None
    logarithms = np.log(np.maximum(losses, np.finfo(np.float32).tiny))
    falling = logarithms[: int(np.argmin(smooth(logarithms))) + 1]
    reach = max(round(SLOPE_DECADES / 2 / np.log10(rates[1] / rates[0])), 1)
    if len(falling) < 2 * reach + 1:
        return None
    slopes = np.correlate(falling, np.arange(-reach, reach + 1), mode="valid")
    index = int(np.argmin(slopes))
    return float(rates[reach + index]) if slopes[index] < 0 else None
