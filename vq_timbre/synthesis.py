"""The sound of filters, levels and an excitation, in operations that have gradients."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from common.networks.filtered_noise import (
    cut_frames,
    filter_frames,
    hann,
    overlap_add,
    smooth_filters,
)
from vq_timbre.frames import BINS, SIZE


def magnitudes(shares: Any) -> Any:
    """Magnitudes of filters with a mean power of 1.

    Args:
        shares: (..., BINS), logarithms of the shares of the power.
    """
    return ops.exp((shares + math.log(BINS)) / 2)


def speak(shares: Any, gains: Any, excitation: Any) -> Any:
    """Filter an excitation frame by frame, give each frame its level, and add the frames.

    The level is that of the frame itself: no filter and no excitation makes it louder or softer.

    Args:
        shares: (batch, frames, BINS), logarithms of the shares of the power.
        gains: (batch, frames), root mean square of each frame.
        excitation: (batch, samples), three hops more than frames.

    Returns:
        (batch, samples): all hops under four frames, so three hops fewer than frames.
    """
    grains = filter_frames(cut_frames(excitation, SIZE), smooth_filters(magnitudes(shares)))
    heard = ops.mean(ops.square(grains * hann(SIZE)), axis=-1)
    level = ops.sqrt(heard / 0.375 + 1e-12)  # the mean square of the window
    grains = grains * (gains / level)[..., None]
    side = SIZE - SIZE // 4
    return overlap_add(grains, first=False, last=False)[:, side:-side]
