"""Training pairs: what the frames hold, how pieces are split, and the order of an epoch."""

from collections import Counter

import numpy as np
import pytest

from common import pairs
from common.cli import UserError
from common.features import FeatureStore, is_held_out, pair_key, piece_of, write_store
from common.pairs import PairedFrames, split_pairs
from data import BINS, FRAME_COLUMNS

COLUMNS = {"long": 700, "exact": 512, "short": 40, "mid@004": 300, "mid": 257}


def make_store(path, columns, seed):
    rng = np.random.default_rng(seed)
    images = [
        (name, rng.random((count, BINS), np.float32).astype(np.float16))
        for name, count in columns.items()
    ]
    write_store(path, images, path.stem)
    return FeatureStore(path)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    target = {name: count for name, count in COLUMNS.items() if name != "mid@004"}
    target["long"] = 600
    with (
        make_store(folder / "origin.h5", COLUMNS, 1) as origin,
        make_store(folder / "target.h5", target, 2) as target_store,
    ):
        yield origin, target_store


def dataset(stores, batch_size=4, **settings):
    training, _, _ = split_pairs(*stores, 0)
    return PairedFrames(*stores, training, batch_size, **settings)


def expected(store, name, offset, length):
    """The window of a store by the definition, in [-1, 1]."""
    image = np.zeros((FRAME_COLUMNS, BINS), np.float32)
    part = store.read(name)[offset : min(offset + FRAME_COLUMNS, length)]
    image[: len(part)] = part
    return image.T[..., np.newaxis] * 2 - 1


def all_batches(frames):
    return [frames[index] for index in range(len(frames))]


def test_frames_are_the_windows_of_the_stores_scaled_and_padded_with_minus_one(stores):
    frames = dataset(stores)
    origin, target = (np.concatenate(side) for side in zip(*all_batches(frames), strict=True))
    windows = frames.windows(0)
    lengths = {"long": 600, "exact": 512, "short": 40, "mid@004": 257, "mid": 257}
    assert origin.shape == target.shape == (len(windows), BINS, FRAME_COLUMNS, 1)
    assert origin.dtype == target.dtype == np.float32
    for index, window in enumerate(windows):
        place = window.offset, lengths[window.origin]
        np.testing.assert_array_equal(origin[index], expected(stores[0], window.origin, *place))
        np.testing.assert_array_equal(target[index], expected(stores[1], window.target, *place))
    short = [window.origin for window in windows].index("short")
    assert (origin[short, :, 40:] == -1).all()
    assert (target[short, :, 40:] == -1).all()
    assert origin[short, :, :40].max() > 0.9  # and what is not padding is sound


def test_regular_windows_lie_at_multiples_of_256_up_to_the_common_end(stores):
    frames = dataset(stores)
    offsets = {}
    for window in frames.windows(0):
        offsets.setdefault(window.origin, []).append(window.offset)
    assert offsets == {
        "exact": [0, 256],
        "long": [0, 256, 512],
        "mid": [0, 256],
        "mid@004": [0, 256],
        "short": [0],
    }
    assert frames.frame_count == 10
    assert [len(x) for x, _ in all_batches(frames)] == [4, 4, 2]


def test_every_origin_preset_is_paired_with_the_target_of_its_piece(stores):
    training, held_out, report = split_pairs(*stores, 0)
    assert training == [
        ("exact", "exact"),
        ("long", "long"),
        ("mid", "mid"),
        ("mid@004", "mid"),
        ("short", "short"),
    ]
    assert held_out == []
    assert report == {"unpaired_renderings": 0, "unpaired_columns": 100 + 43}


def test_renderings_without_partner_are_left_out_and_counted(tmp_path):
    with (
        make_store(tmp_path / "a.h5", {"one": 10, "two": 10, "two~+3": 10}, 0) as origin,
        make_store(tmp_path / "b.h5", {"two": 10, "three": 10}, 0) as target,
    ):
        training, _, report = split_pairs(origin, target, 0)
        assert training == [("two", "two")]
        assert report["unpaired_renderings"] == 3


def test_stores_without_a_common_piece_are_an_error_naming_both(tmp_path):
    with (
        make_store(tmp_path / "a.h5", {"one": 10}, 0) as origin,
        make_store(tmp_path / "b.h5", {"two": 10}, 0) as target,
        pytest.raises(UserError, match=r"a\.h5 and .*b\.h5 share no piece"),
    ):
        split_pairs(origin, target, 0)


def test_the_split_is_by_piece_and_variations_and_presets_go_along(tmp_path):
    pieces = [f"folder/piece {index}" for index in range(40)]
    columns = {
        f"{piece}{variation}{preset}": 3
        for piece in pieces
        for variation in ("", "~+2", "~-3,x1.1")
        for preset in ("", "@004")
    }
    with (
        make_store(tmp_path / "a.h5", columns, 0) as origin,
        make_store(tmp_path / "b.h5", columns, 0) as target,
    ):
        training, held_out, _ = split_pairs(origin, target, 0.25)
    sides = [{piece_of(name) for name, _ in side} for side in (training, held_out)]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == set(pieces)
    assert sides[1] == {piece for piece in pieces if is_held_out(piece, 0.25)}
    assert 4 <= len(sides[1]) <= 16  # a quarter of 40, give or take
    assert len(training) + len(held_out) == 40 * 3 * 4  # 2 x 2 presets of each variation
    assert all(pair_key(first) == pair_key(second) for first, second in training + held_out)


def test_the_shared_features_hold_out_exactly_one_piece(features_folder):
    with (
        FeatureStore(features_folder / "keyboard_acoustic.h5") as origin,
        FeatureStore(features_folder / "guitar_acoustic.h5") as target,
    ):
        training, held_out, _ = split_pairs(origin, target, 0.3)
    assert len(training) == 3
    assert len(held_out) == 1


@pytest.mark.parametrize("offsets", [False, True])
def test_the_order_follows_from_seed_and_epoch_alone(stores, offsets):
    settings = {"shuffle": True, "random_offsets": offsets}
    first, second = (dataset(stores, seed=3, **settings) for _ in range(2))
    second.windows(7)  # an epoch drawn before changes nothing
    assert first.windows(1) == second.windows(1)
    assert first.windows(1) != first.windows(0)
    assert first.windows(1) != dataset(stores, seed=4, **settings).windows(1)


def test_the_attribute_epoch_chooses_what_is_cut(stores):
    frames = dataset(stores, shuffle=True, seed=3)
    before = frames[0][0]
    frames.epoch = 1
    assert not np.array_equal(frames[0][0], before)
    frames.epoch = 0
    np.testing.assert_array_equal(frames[0][0], before)


def test_a_shuffled_epoch_goes_once_through_all_regular_frames(stores):
    frames = dataset(stores, shuffle=True)
    regular = dataset(stores).windows(0)
    assert frames.windows(0) != regular
    assert sorted(frames.windows(0)) == sorted(regular)
    assert [len(x) for x, _ in all_batches(frames)] == [4, 4, 2]


def test_random_offsets_stay_within_the_piece_and_reach_both_ends(stores):
    frames = dataset(stores, random_offsets=True, steps=500)
    found = {}
    for window in frames.windows(0):
        found.setdefault(window.origin, []).append(window.offset)
    last = {"exact": 256, "long": 344, "mid": 1, "mid@004": 1, "short": 0}
    assert {name: max(offsets) for name, offsets in found.items()} == last
    assert {name: min(offsets) for name, offsets in found.items()} == dict.fromkeys(last, 0)
    assert len(set(found["long"])) > 250  # of 345
    counts = Counter(window.origin for window in frames.windows(0))
    assert counts == {"exact": 400, "long": 600, "mid": 400, "mid@004": 400, "short": 200}


def test_origin_and_target_are_cut_at_the_same_offset(tmp_path):
    with make_store(tmp_path / "a.h5", {"one": 900}, 0) as store:
        frames = PairedFrames(store, store, [("one", "one")], 8, random_offsets=True, steps=2)
        for origin, target in all_batches(frames):
            np.testing.assert_array_equal(origin, target)


@pytest.mark.parametrize("offsets", [False, True])
def test_reading_window_by_window_equals_reading_from_memory(stores, monkeypatch, offsets):
    settings = {"shuffle": True, "random_offsets": offsets}
    in_memory = all_batches(dataset(stores, **settings))
    reads = []
    read = FeatureStore.read
    monkeypatch.setattr(
        FeatureStore, "read", lambda *args: reads.append(args[1:]) or read(*args), raising=True
    )
    all_batches(dataset(stores, **settings))
    assert len(reads) == 5 + 4  # each image once
    monkeypatch.setattr(pairs, "memory_limit", lambda: 1000)
    from_file = all_batches(dataset(stores, **settings))
    assert len(reads) == 9 + 2 * 10  # each window
    for one, other in zip(in_memory, from_file, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize(("batch_size", "steps"), [(4, 9), (4, 1), (16, 3)])
@pytest.mark.parametrize("offsets", [False, True])
def test_any_number_of_steps_is_filled_with_whole_batches(stores, batch_size, steps, offsets):
    settings = {"shuffle": True, "random_offsets": offsets, "steps": steps}
    frames = dataset(stores, batch_size, **settings)
    assert len(frames) == steps
    assert [len(x) for x, _ in all_batches(frames)] == [batch_size] * steps
    counts = Counter(window.origin for window in frames.windows(0))
    if steps > 1:  # each piece in proportion to its frames, up to one round
        rounds = steps * batch_size / 10
        assert int(rounds) * 3 <= counts["long"] <= int(rounds + 1) * 3
