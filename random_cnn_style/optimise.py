"""Minimisation of a spectrogram that cannot be negative."""

import numpy as np

_MEMORY = 10  # steps that L-BFGS keeps


def lbfgs(objective, start, iterations, report=None):
    """Minimise by L-BFGS-B (Byrd et al. 1995), with 0 as lower bound.

    Args:
        objective: Function from a spectrogram to ``(loss, slope, losses)``.
        start: Spectrogram, non-negative.
        iterations: At most.
        report: Function that is given the losses after each iteration.

    Returns:
        Spectrogram, float32, non-negative.
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

    found = minimize(
        evaluate,
        np.asarray(start, np.float64).ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(0, np.inf),
        callback=after,
        options={
            "maxiter": iterations,
            "maxfun": 10 * iterations,
            "maxcor": _MEMORY,
            "ftol": 0,
            "gtol": 0,
        },
    )
    return np.maximum(found.x, 0).reshape(start.shape).astype(np.float32)


def adam(objective, start, iterations, report=None, *, rate=0.02):
    """Minimise by Adam (Kingma and Ba 2015), what is negative set to 0 after each step.

    Args and return value: as ``lbfgs``; ``rate`` is the learning rate.
    """
    import keras

    found = keras.Variable(np.asarray(start, np.float32))
    optimizer = keras.optimizers.Adam(rate)
    for _ in range(iterations):
        _, slope, losses = objective(keras.ops.convert_to_numpy(found))
        optimizer.apply([keras.ops.convert_to_tensor(slope.astype(np.float32))], [found])
        found.assign(keras.ops.maximum(found, 0))
        if report:
            report(losses)
    return np.array(keras.ops.convert_to_numpy(found))


OPTIMISERS = {"lbfgs": lbfgs, "adam": adam}
