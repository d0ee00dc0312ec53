"""Measures of a converted magnitude image."""

import numpy as np

from data import FRAME_COLUMNS


def border_flux(image, period=FRAME_COLUMNS):
    """Whether windows leave seams: spectral flux at their borders over that elsewhere.

    The flux of a column is the mean absolute difference from the one before it (Masri 1996, here
    in the dB scale and without rectification). Music that does not know of the borders gives about
    1; a hard cut between windows that do not match gives more. Transposed convolutions of stride 2
    give even and odd columns different flux, so borders are compared with their own parity.

    Args:
        image: (BINS, columns) in [0, 1], more than ``period`` columns.
        period: Columns from one border to the next, even.

    Returns:
        ``(ratio, borders)``: mean flux at the multiples of ``period`` over the mean elsewhere, and
        the number of borders.

    Raises:
        ValueError: No border in the image.
    """
    flux = np.abs(np.diff(np.asarray(image, np.float32), axis=-1)).mean(axis=0)
    at_border = np.zeros(flux.size, bool)
    at_border[period - 1 :: period] = True  # difference k lies between columns k and k + 1
    if not at_border.any():
        raise ValueError(f"{image.shape[-1]} columns have no border at a multiple of {period}")
    elsewhere = ~at_border
    elsewhere[0::2] = False  # borders lie at odd differences
    return float(flux[at_border].mean() / flux[elsewhere].mean()), int(at_border.sum())
