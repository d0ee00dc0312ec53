"""Training pairs: what the frames hold, how pieces are split, and the order of an epoch."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from common.cli import UserError
from common.files.split import is_held_out
from common.music.names import pair_key, piece_of
from data import BINS, FRAME_COLUMNS
from pix2pix_timbre import pairs
from pix2pix_timbre.augment import KINDS, ORIGIN_KINDS, Augmentation
from pix2pix_timbre.features import FeatureStore, write_store
from pix2pix_timbre.pairs import PairedFrames, Source, split_pairs

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
    return PairedFrames(training, batch_size, **settings)


def names(pairs_of_sources):
    """Names of the renderings of pairs."""
    return [tuple(side.rendering for side in pair) for pair in pairs_of_sources]


def expected(source, offset, length):
    """Cut a frame from a store as documented, in [-1, 1]."""
    image = np.zeros((FRAME_COLUMNS, BINS), np.float32)
    part = source.store.read(source.rendering)[offset : min(offset + FRAME_COLUMNS, length)]
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
        assert (window.origin.store, window.target.store) == stores
        place = window.offset, lengths[window.origin.rendering]
        np.testing.assert_array_equal(origin[index], expected(window.origin, *place))
        np.testing.assert_array_equal(target[index], expected(window.target, *place))
    short = [window.origin.rendering for window in windows].index("short")
    assert (origin[short, :, 40:] == -1).all()
    assert (target[short, :, 40:] == -1).all()
    assert origin[short, :, :40].max() > 0.9  # where there is no padding, there is sound


def test_regular_windows_lie_at_multiples_of_256_up_to_the_common_end(stores):
    frames = dataset(stores)
    offsets = {}
    for window in frames.windows(0):
        offsets.setdefault(window.origin.rendering, []).append(window.offset)
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
    assert names(training) == [
        ("exact", "exact"),
        ("long", "long"),
        ("mid", "mid"),
        ("mid@004", "mid"),
        ("short", "short"),
    ]
    assert {tuple(side.store for side in pair) for pair in training} == {stores}
    assert held_out == []
    assert report == {"unpaired_renderings": 0, "unpaired_columns": 100 + 43}


def test_renderings_without_partner_are_left_out_and_counted(tmp_path):
    with (
        make_store(tmp_path / "a.h5", {"one": 10, "two": 10, "two~+3": 10}, 0) as origin,
        make_store(tmp_path / "b.h5", {"two": 10, "three": 10}, 0) as target,
    ):
        training, _, report = split_pairs(origin, target, 0)
        assert names(training) == [("two", "two")]
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
    sides = [{piece_of(name) for name, _ in names(side)} for side in (training, held_out)]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == set(pieces)
    assert sides[1] == {piece for piece in pieces if is_held_out(piece, 0.25)}
    assert 4 <= len(sides[1]) <= 16  # about a quarter of 40
    assert len(training) + len(held_out) == 40 * 3 * 4  # 2 x 2 presets of each variation
    both = names(training + held_out)
    assert all(pair_key(first) == pair_key(second) for first, second in both)


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
    second.windows(7)  # drawing another epoch first changes nothing
    assert first.windows(1) == second.windows(1)
    assert first.windows(1) != first.windows(0)
    assert first.windows(1) != dataset(stores, seed=4, **settings).windows(1)


def test_the_attribute_epoch_chooses_what_is_cut(stores):
    frames = dataset(stores, shuffle=True, seed=3)
    before = frames[0][0]
    frames.epoch = 1
    assert not np.array_equal(frames[0][0], before)
    np.testing.assert_array_equal(frames[0][0], frames.cut(range(4), 1)[0])
    np.testing.assert_array_equal(frames.cut(range(4), 0)[0], before)
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
        found.setdefault(window.origin.rendering, []).append(window.offset)
    last = {"exact": 256, "long": 344, "mid": 1, "mid@004": 1, "short": 0}
    assert {name: max(offsets) for name, offsets in found.items()} == last
    assert {name: min(offsets) for name, offsets in found.items()} == dict.fromkeys(last, 0)
    assert len(set(found["long"])) > 250  # of 345
    counts = Counter(window.origin.rendering for window in frames.windows(0))
    assert counts == {"exact": 400, "long": 600, "mid": 400, "mid@004": 400, "short": 200}


def test_origin_and_target_are_cut_at_the_same_offset(tmp_path):
    with make_store(tmp_path / "a.h5", {"one": 900}, 0) as store:
        one = Source(store, "one")
        frames = PairedFrames([(one, one)], 8, random_offsets=True, steps=2)
        for origin, target in all_batches(frames):
            np.testing.assert_array_equal(origin, target)


def test_the_beginning_of_a_rendering_is_a_source_of_its_own(tmp_path):
    with make_store(tmp_path / "a.h5", {"one": 900}, 0) as store:
        whole, beginning = Source(store, "one"), Source(store, "one", most=300)
        assert (whole.columns, beginning.columns) == (900, 300)
        assert Source(store, "one", most=1000).columns == 900
        np.testing.assert_array_equal(beginning.read(), whole.read(0, 300))
        np.testing.assert_array_equal(beginning.read(250, 400), whole.read(250, 300))
        assert PairedFrames([(beginning, beginning)], 8).frame_count == 2


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
    counts = Counter(window.origin.rendering for window in frames.windows(0))
    if steps > 1:  # pieces occur in proportion to their frames
        rounds = steps * batch_size / 10
        assert int(rounds) * 3 <= counts["long"] <= int(rounds + 1) * 3


@pytest.mark.parametrize("kinds", [None, KINDS])
def test_an_epoch_may_be_cut_anyhow(stores, kinds):
    augment = Augmentation(kinds) if kinds else None
    frames = dataset(stores, shuffle=True, random_offsets=True, steps=3, augment=augment)
    assert [list(frames.positions(index)) for index in range(3)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
    ]
    for side, whole in enumerate(frames.cut(range(12), 0)):
        batches = np.concatenate([batch[side] for batch in all_batches(frames)])
        np.testing.assert_array_equal(batches, whole)
        np.testing.assert_array_equal(frames.cut(range(3, 5), 0)[side], whole[3:5])
        np.testing.assert_array_equal(frames.cut([7], 0)[side], whole[7:8])
        assert frames.cut(range(2, 2), 0)[side].shape == (0, BINS, FRAME_COLUMNS, 1)


def test_frames_are_cut_from_any_source_and_end_where_they_are_told(stores):
    origin, target = (Source(store, "long") for store in stores)
    cuts = [(target, 300, 600), (origin, 700, 700), (origin, 699, 700), (origin, 3, 250)]
    frames = dataset(stores).frames(cuts)
    assert (frames.shape, frames.dtype) == ((4, BINS, FRAME_COLUMNS, 1), np.float32)
    for frame, (source, offset, end) in zip(frames, cuts, strict=True):
        np.testing.assert_array_equal(frame, expected(source, offset, end))
    assert [(frame > -1).any(axis=0).sum() for frame in frames] == [256, 0, 1, 247]


def test_pairs_of_several_instruments_are_one_dataset(stores, tmp_path):
    with make_store(tmp_path / "another.h5", {"long": 300, "short": 60}, 3) as another:
        pairs_of_all = [
            pair for target in (stores[1], another) for pair in split_pairs(stores[0], target, 0)[0]
        ]
        frames = PairedFrames(pairs_of_all, 4)
        windows = frames.windows(0)
        counts = Counter(window.target.store.instrument for window in windows)
        assert counts == {"target": 10, "another": 2 + 1}
        for index in (10, 11, 12):  # the same origin as before, with another target
            end = {"long": 300, "short": 40}[windows[index].target.rendering]
            _, target = frames.cut([index], 0)
            window = windows[index]
            np.testing.assert_array_equal(target[0], expected(window.target, window.offset, end))


# Augmentation


def test_origin_and_target_get_the_same_draw_that_follows_from_seed_epoch_and_place(stores):
    augment = Augmentation(KINDS)
    settings = {"shuffle": True, "random_offsets": True, "seed": 3}
    frames, plain = dataset(stores, augment=augment, **settings), dataset(stores, **settings)
    found, before = frames.cut(range(10), 2), plain.cut(range(10), 2)
    for position in range(10):
        pair = np.stack([side[position, ..., 0] for side in before])
        rng = np.random.default_rng([3, 2, position])
        augmented = augment((pair + 1) / 2, rng) * 2 - 1
        for side in (0, 1):
            np.testing.assert_allclose(found[side][position, ..., 0], augmented[side], atol=1e-6)
    for side in found:
        assert (side.shape, side.dtype) == ((10, BINS, FRAME_COLUMNS, 1), np.float32)
        assert -1 <= side.min() < side.max() <= 1


def test_effects_on_the_origin_leave_the_target_as_it_is(stores):
    augment = Augmentation(ORIGIN_KINDS)
    settings = {"shuffle": True, "random_offsets": True, "seed": 3}
    frames = dataset(stores, augment_origin=augment, **settings)
    found, before = frames.cut(range(10), 2), dataset(stores, **settings).cut(range(10), 2)
    np.testing.assert_allclose(found[1], before[1], atol=1e-6)
    for position in range(10):
        rng = np.random.default_rng([3, 2, position, 2])
        expected = augment((before[0][position, ..., 0][np.newaxis] + 1) / 2, rng)[0] * 2 - 1
        np.testing.assert_allclose(found[0][position, ..., 0], expected, atol=1e-6)
    np.testing.assert_array_equal(frames.cut(range(3, 5), 2)[0], found[0][3:5])


def test_equal_sides_stay_equal_and_each_frame_is_drawn_anew(tmp_path):
    with make_store(tmp_path / "a.h5", {"one": 256}, 0) as store:
        one = Source(store, "one")
        settings = {"steps": 6, "augment": Augmentation(["gain", "eq"])}
        frames, again, other = (
            PairedFrames([(one, one)], 1, seed=seed, **settings) for seed in (0, 0, 1)
        )
        origin, target = (np.concatenate(side) for side in zip(*all_batches(frames), strict=True))
        np.testing.assert_array_equal(origin, target)
        drawn = [*origin, *other.cut(range(6), 0)[0], *frames.cut(range(6), 1)[0]]
        assert len({frame.tobytes() for frame in drawn}) == 18
        np.testing.assert_array_equal(again.cut(range(6), 0)[0], origin)
        # the images in memory are not the ones that are changed
        plain = PairedFrames([(one, one)], 1).cut([0], 0)[0]
        np.testing.assert_array_equal(frames.cut([0], 0)[0], origin[:1])
        assert not any(np.array_equal(frame, plain[0]) for frame in drawn)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".WAV"])
def test_the_audio_of_a_rendering_is_found_in_any_format(tmp_path, suffix):
    pair = []
    for instrument in ("piano", "guitar"):
        path = tmp_path / instrument / "deep" / f"song.v2~live@003{suffix}"
        path.parent.mkdir(parents=True)
        soundfile.write(path, np.zeros(9), 44100, format=suffix[1:])
        store = SimpleNamespace(instrument=instrument)
        pair.append(pairs.Source(store, "deep/song.v2~live@003"))
    ((origin, target),) = pairs.audio_files(tmp_path, [tuple(pair)])
    assert origin.name == target.name == f"song.v2~live@003{suffix}"
    assert (origin.parts[-3], target.parts[-3]) == ("piano", "guitar")
    origin.unlink()
    with pytest.raises(UserError, match=r"song.v2~live@003\.wav: no such file; --audios_path"):
        pairs.audio_files(tmp_path, [tuple(pair)])
