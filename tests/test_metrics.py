"""common/metrics.py against images with known answers."""

import numpy as np
import pytest

from common.metrics import border_flux


def test_border_flux_of_steps_only_at_borders_is_infinite_and_counted():
    image = np.repeat(np.arange(4, dtype=np.float32) / 4, 256)[np.newaxis].repeat(256, axis=0)
    with np.errstate(divide="ignore"):
        ratio, borders = border_flux(image)
    assert borders == 3
    assert ratio == np.inf


def test_border_flux_of_a_ramp_is_one():
    image = np.linspace(0, 1, 1024, dtype=np.float64)[np.newaxis].repeat(256, axis=0)
    ratio, _ = border_flux(image)
    assert ratio == pytest.approx(1, rel=1e-3)


def test_border_flux_sees_a_doubled_step():
    flux = np.ones(600)
    flux[255] = flux[511] = 2
    image = np.concatenate([[0], np.cumsum(flux)])[np.newaxis].repeat(3, axis=0) / 1000
    assert border_flux(image)[0] == pytest.approx(2, rel=1e-3)


def test_an_image_without_borders_is_refused():
    with pytest.raises(ValueError, match="no border"):
        border_flux(np.zeros((256, 256)))


def test_border_flux_passes_over_what_alternates_from_column_to_column():
    flux = np.where(np.arange(1023) % 2, 0.5, 2.0)
    image = np.concatenate([[0], np.cumsum(flux)])[np.newaxis].repeat(3, axis=0) / 2000
    assert border_flux(image)[0] == pytest.approx(1, rel=1e-3)
