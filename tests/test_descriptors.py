"""Descriptors of timbre against closed forms."""

import numpy as np
import pytest

from common.audio.descriptors import NAMES, describe, partials

RATE = 22050
TIME = np.arange(RATE) / RATE


def tone(fundamental, amplitudes, stretch=0.0):
    """A sum of partials; each is sharp by ``stretch`` times its number, in Hz."""
    return np.float32(
        sum(
            amplitude * np.sin(2 * np.pi * (number * fundamental + stretch * number) * TIME)
            for number, amplitude in enumerate(amplitudes, start=1)
        )
    )


def test_a_sine_has_all_in_one_place():
    found = describe(tone(1000, [0.5]), RATE, 1000)
    assert tuple(found) == NAMES
    assert found["centroid"] == pytest.approx(1000, abs=1)
    assert found["bandwidth"] < 20
    assert found["rolloff"] == pytest.approx(1000, abs=RATE / 4096)
    assert found["loudness"] == pytest.approx(-6.02, abs=0.4)  # less at the ends
    assert found["flatness"] < 1e-4
    assert found["tristimulus"] > 0.99


def test_two_partials_have_closed_forms():
    found = describe(tone(1000, [0.3, 0.1]), RATE, 1000)
    share = 0.1**2 / (0.1**2 + 0.3**2)
    assert found["centroid"] == pytest.approx(1000 + 1000 * share, rel=0.01)
    assert found["bandwidth"] == pytest.approx(1000 * np.sqrt(share * (1 - share)), rel=0.02)
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert describe(noise, RATE, 1000)["flatness"] > 0.5
    three = describe(tone(500, [0.2, 0.2, 0.1]), RATE, 500)
    assert sum(partials_of([0.2, 0.2, 0.1])[:3]) == pytest.approx(0.5, rel=0.06)
    assert three["tristimulus"] == pytest.approx(0.4, rel=0.05)


def partials_of(amplitudes):
    from common.audio.descriptors import mean_power

    return partials(*mean_power(tone(500, amplitudes), RATE), 500)[0]


def test_partials_that_are_sharp_are_inharmonic():
    pure = describe(tone(400, [0.2, 0.2, 0.2]), RATE, 400)["inharmonicity"]
    sharp = describe(tone(400, [0.2, 0.2, 0.2], stretch=10), RATE, 400)["inharmonicity"]
    assert pure < 0.01
    assert sharp == pytest.approx(2 * 20 / 400, rel=0.05)  # 10, 20 and 30 Hz, 20 in the mean


def test_high_tones_are_sharper():
    values = [describe(tone(f, [0.3]), RATE, f)["sharpness"] for f in (250, 1000, 4000)]
    assert values == sorted(values)
