"""The feature store: names, pairs, damage."""

import os
import signal
import time

import h5py
import numpy as np
import pytest
from conftest import PIECES, snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

import data
from common.cli import UserError
from common.files import hdf5
from common.files.split import is_held_out
from common.music.names import pair_key, piece_of, preset_of
from data import BINS
from pix2pix_timbre.features import (
    CODEC,
    FORMAT_VERSION,
    FeatureStore,
    find_pairs,
    magnitude_image,
    to_half,
    write_store,
)


def image(columns, seed=0):
    return np.random.default_rng(seed).random((columns, BINS)).astype(np.float16)


def store(path, *names, columns=3):
    write_store(path, [(name, image(columns)) for name in names], path.stem)
    return FeatureStore(path)


# Images


def test_halves_are_those_of_numpy():
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = (halves[1:] + halves[:-1]) / 2  # ties are rounded to even
    near = [np.nextafter(between, np.float32(side)) for side in (0, 1e9)]
    near = [values[between > 2**-14] for values in near]
    values = np.concatenate([halves, between, *near])
    assert np.array_equal(to_half(values), values.astype(np.float16))
    assert to_half(values.reshape(1, -1)[:, ::2]).shape == (1, -(-len(values) // 2))


def test_the_image_of_a_tone_is_bright_in_its_bin_and_within_0_and_1():
    audio = np.float32(np.sin(2 * np.pi * 100 * np.arange(44100) / data.FFT_SIZE))
    picture = magnitude_image(audio)
    assert picture.shape == (data.column_count(44100), BINS)
    assert picture.dtype == np.float16
    assert (picture[1:-2].argmax(axis=1) == 100).all()
    np.testing.assert_allclose(picture[1:-2, 100], 1, atol=1e-3)
    assert picture.min() >= 0
    assert not magnitude_image(np.zeros(1000, np.float32)).any()


# Names


@pytest.mark.parametrize(
    ("rendering", "key", "piece", "preset"),
    [
        ("a", "a", "a", ""),
        ("a@004", "a", "a", "004"),
        ("a~transpose+3@004", "a~transpose+3", "a", "004"),
        ("a~transpose+3", "a~transpose+3", "a", ""),
        ("deep/a@12", "deep/a@12", "deep/a@12", ""),
        ("a@004@000", "a@004", "a@004", "000"),
        ("@@011", "@", "@", "011"),
    ],
)
def test_variation_and_preset_are_told_from_the_piece(rendering, key, piece, preset):
    assert pair_key(rendering) == key
    assert piece_of(rendering) == piece
    assert preset_of(rendering) == preset


def test_the_split_is_the_same_for_ever():
    # sha256("march") begins with fa..., sha256("study") with 0c...
    assert not is_held_out("march", 0.97)
    assert is_held_out("march", 0.98)
    assert not is_held_out("study", 0.04)
    assert is_held_out("study", 0.05)
    assert not is_held_out("ütude/é", 0.0)
    assert is_held_out("ütude/é", 1.0)


def test_the_split_holds_out_the_share_that_was_asked_for():
    pieces = [f"piece {number}" for number in range(5000)]
    for share in (0.1, 0.5):
        held_out = [piece for piece in pieces if is_held_out(piece, share)]
        assert len(held_out) == pytest.approx(share * 5000, abs=150)
    assert {p for p in pieces if is_held_out(p, 0.1)} < {p for p in pieces if is_held_out(p, 0.5)}


def test_one_of_the_shared_pieces_is_held_out():
    assert [piece for piece in PIECES if is_held_out(piece, 0.3)] == ["arpeggio"]


# The store


def test_what_is_stored_is_read_again(tmp_path):
    images = {"a": image(1), "b": image(256, 1), "c": image(700, 2)}
    write_store(tmp_path / "x.h5", images.items(), "guitar_acoustic")
    with FeatureStore(tmp_path / "x.h5") as opened:
        assert opened.renderings == ["a", "b", "c"]
        assert opened.instrument == "x"
        assert opened.columns == {"a": 1, "b": 256, "c": 700}
        for name, expected in images.items():
            assert opened.read(name).dtype == np.float16
            np.testing.assert_array_equal(opened.read(name), expected)
        np.testing.assert_array_equal(opened.read("c", 100, 613), images["c"][100:613])
        assert opened.read("c", 600, 900).shape == (100, BINS)


def test_the_file_holds_every_constant_and_count(tmp_path):
    write_store(tmp_path / "x.h5", [("a", image(300)), ("b", image(5))], "guitar_acoustic")
    with h5py.File(tmp_path / "x.h5") as file:
        attributes = dict(file.attrs)
        assert file["pieces/a"].chunks == (256, 256)
        assert file["pieces/a"].dtype == np.float16
    assert attributes == {
        "format_version": FORMAT_VERSION,
        "instrument": "guitar_acoustic",
        "piece_count": 2,
        "column_count": 305,
        "sample_rate": 44100,
        "fft_size": 1024,
        "hop": 512,
        "window": "symmetric Hann",
        "bins": 256,
        "frame_columns": 256,
        "amin": 2.0**-16,
    }
    assert set(CODEC) < set(attributes)


def test_the_same_images_give_the_same_bytes(tmp_path):
    for name in ("x", "y"):
        time.sleep(1.1 * (name == "y"))  # HDF5 keeps times in seconds, if asked to
        write_store(tmp_path / name / "a.h5", [("a", image(300)), ("b", image(5))], "a")
    assert (tmp_path / "x/a.h5").read_bytes() == (tmp_path / "y/a.h5").read_bytes()


def test_a_piece_may_be_named_like_a_folder_and_in_any_language(tmp_path):
    names = ["a", "a/b", "a/b/c", "a%2Fb", "Für Elise", "月光", "e\u0301", "\u00e9", "#1 [x]", ".."]
    images = {name: image(2, seed) for seed, name in enumerate(names)}
    write_store(tmp_path / "x.h5", images.items(), "x")
    with FeatureStore(tmp_path / "x.h5") as opened:
        assert opened.renderings == sorted(names)
        for name in names:
            np.testing.assert_array_equal(opened.read(name), images[name])


# every name that a file can have on Linux, folders included
file_names = (
    st.one_of(st.binary(min_size=1, max_size=20).map(os.fsdecode), st.text(min_size=1, max_size=20))
    .filter(lambda name: "\0" not in name)
    .filter(lambda name: name != ".")
    .filter(lambda name: not any("\ud800" <= character <= "\udfff" for character in name))
)


@settings(max_examples=40)
@given(st.lists(file_names, min_size=1, max_size=5, unique=True))
def test_every_name_of_a_file_is_kept(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("names") / "x.h5"
    with store(path, *names) as opened:
        assert opened.renderings == sorted(names)
        for name in names:
            assert opened.read(name).shape == (3, BINS)


def test_a_name_that_is_not_unicode_is_kept(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    with store(tmp_path / "x.h5", name) as opened:
        assert opened.renderings == [name]
    assert is_held_out(name, 1)


def test_a_missing_store_is_named(tmp_path):
    with pytest.raises(UserError, match=r"x\.h5: no such feature store; make it with compute_feat"):
        FeatureStore(tmp_path / "x.h5")


def test_a_truncated_store_is_one_line_wherever_it_was_cut(tmp_path):
    path = tmp_path / "x.h5"
    store(path, "a", "b", columns=300).close()
    content = path.read_bytes()
    for size in [0, 1, 8, 100, 1000, *range(2000, len(content), len(content) // 20)]:
        path.write_bytes(content[:size])
        with pytest.raises(UserError, match=r"x\.h5: not a readable feature store .*; move it"):
            FeatureStore(path)


@pytest.mark.parametrize("content", [b"no HDF5", b"\x89HDF\r\n\x1a\n" + b"\xff" * 5000])
def test_a_corrupt_store_is_one_line(tmp_path, content):
    (tmp_path / "x.h5").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.h5: not a readable feature store"):
        FeatureStore(tmp_path / "x.h5")


def test_a_foreign_file_is_one_line(tmp_path):
    path = tmp_path / "x.h5"
    for contents in ({}, {"pieces": 3}, {"pieces/a/b": [1]}, {"pieces/a": 3}, {"layers/a": [1]}):
        with h5py.File(path, "w") as file:
            for name, value in contents.items():
                file[name] = value
        with pytest.raises(UserError, match=r"x\.h5: (is no|not a readable) feature store"):
            FeatureStore(path)
    with h5py.File(path, "w") as file:
        file.create_group("pieces")
    with pytest.raises(UserError, match="is no feature store; name another file"):
        FeatureStore(path)


@pytest.mark.parametrize(("name", "value"), [("hop", 256), ("window", "Hann"), ("amin", 1e-5)])
def test_another_constant_is_named_with_both_values(tmp_path, name, value):
    path = tmp_path / "x.h5"
    store(path, "a").close()
    with h5py.File(path, "a") as file:
        file.attrs[name] = value
    with pytest.raises(UserError, match=rf"x\.h5: {name} is {value}, not {CODEC[name]}; delete it"):
        FeatureStore(path)


def test_a_store_of_a_later_format_is_refused(tmp_path):
    path = tmp_path / "x.h5"
    store(path, "a").close()
    with h5py.File(path, "a") as file:
        file.attrs["format_version"] = 2
    with pytest.raises(UserError, match="feature store not of format 1"):
        FeatureStore(path)


@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_while_writing_leaves_the_folder_as_it_was(tmp_path, existing):
    path = tmp_path / "x.h5"
    if existing:
        store(path, "a").close()
    before = snapshot(tmp_path)

    def images():
        yield "b", image(300)
        raise KeyError

    with pytest.raises(KeyError):
        write_store(path, images(), "x")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("columns", [100, 150, 1000])  # at the end, on the way, at once
def test_a_full_disk_is_an_error_and_leaves_nothing(small_disk, columns):
    path = small_disk / "x.h5"
    with pytest.raises(OSError, match=r"x\.h5: cannot be written; is the disk full\?"):
        write_store(path, [(name, image(columns)) for name in "abc"], "x")
    assert not list(small_disk.glob("*.h5"))
    store(path, "a").close()


# Pairs


def test_every_preset_is_paired_with_every_preset_of_the_same_piece(tmp_path):
    with (
        store(tmp_path / "a.h5", "p", "p@004", "q~transpose+3", "r", "s@002") as origin,
        store(tmp_path / "b.h5", "p", "p@009", "q", "q~transpose+3@001", "s") as target,
    ):
        pairs, unpaired = find_pairs(origin, target)
    assert pairs == [
        ("p", "p"),
        ("p", "p@009"),
        ("p@004", "p"),
        ("p@004", "p@009"),
        ("q~transpose+3", "q~transpose+3@001"),
        ("s@002", "s"),
    ]
    assert unpaired == ["q", "r"]


def test_stores_without_a_common_piece_are_named(tmp_path):
    with (
        store(tmp_path / "a.h5", "p", "q~speed2") as origin,
        store(tmp_path / "b.h5", "q", "r") as target,
        pytest.raises(UserError, match=r"a\.h5 and .*b\.h5 share no piece; render both"),
    ):
        find_pairs(origin, target)


@pytest.mark.parametrize("share", [0, 0.5, 1])  # of the writes of HDF5
def test_ctrl_c_in_the_midst_of_a_write_leaves_nothing(tmp_path, monkeypatch, share):
    """HDF5 would crash."""
    pieces = [(name, image(300)) for name in "abc"]
    writes = []
    write = hdf5._Output.write

    def counted(self, content):
        writes.append(len(content))
        return write(self, content)

    monkeypatch.setattr(hdf5._Output, "write", counted)
    write_store(tmp_path / "x.h5", pieces, "x")
    (tmp_path / "x.h5").unlink()
    moment = len(writes) + 1 + round(share * (len(writes) - 1))

    def interrupted(self, content):
        if len(writes) + 1 == moment:
            signal.raise_signal(signal.SIGINT)
        return counted(self, content)

    monkeypatch.setattr(hdf5._Output, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path / "x.h5", pieces, "x")
    assert len(writes) >= moment
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
