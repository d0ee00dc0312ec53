"""Phase for a magnitude image that comes without one."""

import numpy as np

from data import forward_transform, inverse_transform

ITERATIONS = 32
MOMENTUM = 0.99


def griffin_lim(magnitude, iterations=ITERATIONS, momentum=MOMENTUM, initial=None):
    """Phase whose audio has nearly the given magnitude: fast Griffin-Lim.

    Griffin and Lim 1984, with the momentum of Perraudin, Balazs and Sondergaard 2013 (their alpha;
    0 is the original algorithm). Nothing is drawn at random: the same input gives the same phase.

    Args:
        magnitude: (..., BINS, columns), as ``data.forward_transform`` returns it.
        iterations: Number of projections.
        momentum: In [0, 1].
        initial: Phase to start from, same shape, radians; default zero.

    Returns:
        Phase in radians, float32, same shape.
    """
    phase = np.zeros(magnitude.shape, np.float32) if initial is None else np.asarray(initial)
    previous = 0.0
    for _ in range(iterations):
        projected, angle = forward_transform(inverse_transform(magnitude, phase))
        consistent = projected * np.exp(1j * angle)
        # leap beyond the projection by the difference to the last one
        phase = np.angle(consistent + momentum * (consistent - previous))
        previous = consistent
    return phase.astype(np.float32)
