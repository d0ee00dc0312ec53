"""Minimisation of a spectrogram within bounds."""

from collections.abc import Callable

import numpy as np

_MEMORY = 10  # number of steps that L-BFGS remembers


def lbfgs(
    objective: Callable,
    start: np.ndarray,
    iterations: int,
    report: Callable | None = None,
    *,
    upper: float | np.ndarray = np.inf,
) -> np.ndarray:
    """Minimise by L-BFGS-B (Byrd et al. 1995) between 0 and an upper bound.

    Args:
        objective: Function from a spectrogram to ``(loss, gradient, losses)``.
        start: Spectrogram; values outside the bounds are clipped.
        iterations: Largest number of iterations.
        report: Function that is called with the losses after each iteration.
        upper: Bound, a number or an array that broadcasts to the spectrogram.

    Returns:
        Spectrogram, float32, within the bounds.
    """
    from scipy.optimize import Bounds, minimize

    last = []

    def evaluate(flat):
        loss, slope, losses = objective(flat.reshape(start.shape))
        last[:] = [(loss, losses)]
        return loss, slope.ravel()

    def after(flat):
        if report:
            report(last[0][1])

    upper = np.broadcast_to(np.asarray(upper, np.float64), start.shape)
    found = minimize(
        evaluate,
        np.clip(np.asarray(start, np.float64), 0, upper).ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(0, upper.ravel()),
        callback=after,
        options={
            "maxiter": iterations,
            "maxfun": 10 * iterations,
            "maxcor": _MEMORY,
            "ftol": 0,
            "gtol": 0,
        },
    )
    return np.clip(found.x.reshape(start.shape), 0, upper).astype(np.float32)


def adam(
    objective: Callable,
    start: np.ndarray,
    iterations: int,
    report: Callable | None = None,
    *,
    upper: float | np.ndarray = np.inf,
    rate: float = 0.02,
) -> np.ndarray:
    """Minimise by Adam (Kingma and Ba 2015), moved to the bounds after each step.

    Args and return value: as ``lbfgs``; ``rate`` is the learning rate.
    """
    import keras

    upper = np.asarray(upper, np.float32)
    found = keras.Variable(np.clip(np.asarray(start, np.float32), 0, upper))
    optimizer = keras.optimizers.Adam(rate)
    for _ in range(iterations):
        _, slope, losses = objective(keras.ops.convert_to_numpy(found))
        optimizer.apply([keras.ops.convert_to_tensor(slope.astype(np.float32))], [found])
        found.assign(keras.ops.clip(found, 0, upper))
        if report:
            report(losses)
    return np.array(keras.ops.convert_to_numpy(found))


OPTIMISERS = {"lbfgs": lbfgs, "adam": adam}
