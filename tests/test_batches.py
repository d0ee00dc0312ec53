"""Order of the rows, and places of the pieces, that data sets of several systems draw."""

import numpy as np
import pytest

from common.training.batches import PieceBatches, RowBatches


class Rows(RowBatches):
    def cut(self, positions, epoch):
        return self.drawn(epoch)[list(positions)]


class Pieces(PieceBatches):
    def cut(self, positions, epoch):
        return self.places(positions, epoch)


def of_an_epoch(batches, epoch=0):
    batches.epoch = epoch
    return [one for index in range(len(batches)) for one in batches[index]]


def test_every_row_is_used_once_before_any_is_used_again():
    rows = [5, 3, 8, 11, 2]
    assert of_an_epoch(Rows(rows, 2)) == rows
    drawn = of_an_epoch(Rows(rows, 2, shuffle=True, steps=6, seed=1))
    assert len(drawn) == 12
    assert sorted(drawn[:5]) == sorted(drawn[5:10]) == sorted(rows)


@pytest.mark.parametrize(
    "made",
    [
        lambda **order: Rows(range(9), 2, **order),
        lambda **order: Pieces([9, 30, 2], 4, 3, **order),
    ],
)
def test_what_is_drawn_depends_on_seed_and_epoch_alone(made):
    first = of_an_epoch(made(shuffle=True, seed=1), 3)
    assert of_an_epoch(made(shuffle=True, seed=1), 3) == first
    assert of_an_epoch(made(shuffle=True, seed=1), 4) != first
    assert of_an_epoch(made(shuffle=True, seed=2), 3) != first
    assert of_an_epoch(made(seed=1), 3) == of_an_epoch(made(seed=2), 4)


def test_pieces_lie_within_their_recordings_and_short_ones_are_whole():
    lengths = [9, 30, 2]
    assert of_an_epoch(Pieces(lengths, 10, 2)) == [(0, 0), (1, 1), (1, 11), (1, 20)]
    drawn = of_an_epoch(Pieces(lengths, 10, 4, shuffle=True, steps=500))
    counts = np.bincount([number for number, _ in drawn])
    # as often as they are long: four standard deviations of a binomial distribution
    shares = np.array(lengths) / sum(lengths)
    spread = 4 * np.sqrt(shares * (1 - shares) / len(drawn))
    assert (np.abs(counts / len(drawn) - shares) < spread).all()
    for number, start in drawn:
        assert 0 <= start <= max(lengths[number] - 10, 0)
    assert {start for number, start in drawn if number == 1} == set(range(21))
