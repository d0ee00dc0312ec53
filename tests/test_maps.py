"""Maps of a latent space against closed forms."""

import numpy as np

from common.report.maps import SHOWN, descriptor_maps, draw_maps

HERTZ = np.array([100.0, 200.0, 300.0, 400.0])


def power_of(latents):
    """The first number chooses the band."""
    return np.eye(4)[np.where(latents[:, 0] > 1, 3, 1)] * (latents[:, [1]] > -1)


def test_maps_show_descriptors_over_two_axes():
    maps = descriptor_maps(power_of, HERTZ, 3, (0, 1), 3)
    assert tuple(maps) == SHOWN
    np.testing.assert_allclose(maps["centroid"][1:], [[200, 200, 400]] * 2)
    assert np.isnan(maps["centroid"][0]).all()  # silent


def test_planes_are_drawn():
    for dims, count in ((2, 5), (3, 15)):
        axes = draw_maps(power_of, HERTZ, dims, 3).axes
        assert sum(bool(axis.get_title()) for axis in axes) == count
