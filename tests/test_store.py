"""Stores of images, and small files of arrays: reading what was written, and damage."""

import os
import signal
from typing import NamedTuple

import h5py
import numpy as np
import pytest

from common.cli import UserError
from common.files import hdf5
from common.files.hdf5 import create_hdf5
from common.files.store import Store, read_arrays, write_arrays, write_store


class Take(NamedTuple):
    name: str
    pitch: int = 60
    level: float = 0.5


class Recording(NamedTuple):
    name: str
    start: int = -1
    columns: int = -1


WORDS = {"kind": "store of takes", "remake": "takes.preprocess"}
SETTINGS = {"hop": 512, "window": "Hann"}


def images(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.random(shape).astype(np.float16) for shape in shapes]


def write_takes(path, count=3, shape=(8, 5)):
    items = zip(map(Take, map(str, range(count))), images(*[shape] * count), strict=True)
    return write_store(path, Take, items, settings=SETTINGS, shape=shape)


def test_images_of_one_shape_are_read_again_with_their_table(tmp_path):
    path = tmp_path / "x.h5"
    given = images(*[(8, 5)] * 20)
    takes = [Take(f"é {number}", number, number / 7) for number in range(20)]
    items = zip(takes, given, strict=True)
    assert write_store(path, Take, items, settings=SETTINGS, shape=(8, 5)) == takes
    with Store(path, Take, **WORDS, expected={"hop": 512}) as store:
        assert (store.rows, len(store), store.settings) == (takes, 20, SETTINGS)
        found = store.read([3, 0, 19, 3])
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.stack([given[n] for n in (3, 0, 19, 3)]))
        training, held_out = store.split(0.3, key=lambda take: take.name[-1])
        assert sorted(training + held_out) == list(range(20))
        assert held_out
        assert not {n % 10 for n in training} & {n % 10 for n in held_out}


def test_images_of_any_length_lie_one_after_the_other(tmp_path):
    path = tmp_path / "x.h5"
    given = images((8, 30), (8, 1), (8, 200))
    items = zip(map(Recording, "abc"), given, strict=True)
    rows = write_store(path, Recording, items, settings=SETTINGS, shape=(8, None))
    assert [(row.start, row.columns) for row in rows] == [(0, 30), (30, 1), (31, 200)]
    with h5py.File(path) as file:
        assert file["images"].shape == (231, 8)
    with Store(path, Recording, **WORDS) as store:
        assert store.rows == rows
        for row, image in zip(rows, given, strict=True):
            np.testing.assert_array_equal(store.columns(row), image)
        np.testing.assert_array_equal(store.columns(rows[2], 5, 20), given[2][:, 5:20])
        np.testing.assert_array_equal(store.columns(rows[0], 25, 90), given[0][:, 25:])
        assert store.columns(rows[1], 5).shape == (8, 0)


def damage(path, name, values):
    with h5py.File(path, "a") as file:
        if name in file:
            del file[name]
            file[name] = values
        else:
            file.attrs[name] = values


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("pitch", [1.0, 2.0, 3.0], "pitch holds other than finite numbers of type int"),
        ("level", [1.0, np.nan, 3.0], "level holds other than finite numbers of type float"),
        ("pitch", [1, 2], "not a readable store of takes"),
        ("name", [1, 2, 3], "not a readable store of takes"),
        ("images", np.zeros((2, 8, 5), np.float16), "its table does not fit its images"),
        ("images", np.zeros((3, 8, 5), np.float32), "its images are float32"),
        ("format_version", 2, "store of takes not of format 1"),
        ("hop", 256, "hop is 256, not 512"),
    ],
)
def test_a_damaged_store_is_one_line(tmp_path, name, values, message):
    write_takes(tmp_path / "x.h5")
    damage(tmp_path / "x.h5", name, values)
    with pytest.raises(UserError, match=rf"x\.h5: .*{message}.*; .*again with takes.preprocess"):
        Store(tmp_path / "x.h5", Take, **WORDS, expected={"hop": 512})


def test_a_missing_store_is_named(tmp_path):
    with pytest.raises(UserError, match=r"x\.h5: no such store of takes; make it with takes.prepr"):
        Store(tmp_path / "x.h5", Take, **WORDS)


def test_images_that_are_no_numbers_are_refused_when_they_are_read(tmp_path):
    path = tmp_path / "x.h5"
    write_takes(path)
    with h5py.File(path, "a") as file:
        file["images"][1, 7, 0] = np.inf
    with Store(path, Take, **WORDS) as store:
        assert np.isfinite(store.read([0, 2])).all()
        with pytest.raises(UserError, match=r"x\.h5: an image is damaged"):
            store.read([0, 1])
        store._file.close()
        with pytest.raises(UserError, match=r"x\.h5: an image cannot be read"):
            store.read([0])


# A full disk, Ctrl-C


@pytest.mark.parametrize("count", [100, 5000])
def test_a_full_disk_is_an_error_that_ends_the_work_and_leaves_nothing(small_disk, count):
    path, drawn = small_disk / "x.h5", []

    def items():
        for number in range(count):
            drawn.append(number)
            yield Take(str(number)), image

    (image,) = images((256, 64))
    with pytest.raises(OSError, match=r"x\.h5: cannot be written; is the disk full\?"):
        write_store(path, Take, items(), settings={}, shape=image.shape)
    assert len(drawn) < 100
    with pytest.raises(OSError, match=r"x\.h5: cannot be written; is the disk full\?"):
        write_arrays(path, {"a": np.zeros(10**5)}, rows=[Take("a")])
    assert not list(small_disk.glob("*.h5"))
    assert not list(small_disk.glob(".*"))
    write_takes(path)
    Store(path, Take, **WORDS).close()


def test_what_did_not_reach_a_full_disk_is_read_as_it_was_written(small_disk):
    content = np.random.default_rng(0).bytes(10**5)
    with hdf5._Output(small_disk / "x") as output:
        for place in (0, 150_000, 50_000):  # the last write overlaps both
            output.seek(place)
            assert output.write(content) == len(content)
        assert output.error
        expected = content[:50_000] + content + content
        for place in (0, 60_000, 140_000):
            found = bytearray(b"?" * 10**5)
            output.seek(place)
            assert output.readinto(found) == len(found)
            assert found == (expected + bytes(10**5))[place : place + len(found)]


def test_ctrl_c_waits_for_the_end_of_a_write_and_ends_the_work_before_the_next(tmp_path):
    done = []
    new = create_hdf5(tmp_path / "x.h5")
    with pytest.raises(KeyboardInterrupt), new as file:
        for number in new.each(range(5)):
            signal.raise_signal(signal.SIGINT)
            file[str(number)] = np.zeros(10)
            done.append(number)
    assert done == [0]
    with pytest.raises(KeyboardInterrupt), create_hdf5(tmp_path / "x.h5") as file:
        signal.raise_signal(signal.SIGINT)
        file["a"] = np.zeros(10)
        done.append("a")
    assert done == [0, "a"]
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_comes_through_while_an_image_is_made(tmp_path):
    def items():
        yield Take("a"), np.zeros((8, 5))
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("Ctrl-C did not come")

    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path / "x.h5", Take, items(), settings={}, shape=(8, 5))
    assert not list(tmp_path.iterdir())


# Small files


def test_arrays_are_read_again_with_settings_and_rows(tmp_path):
    path, rows = tmp_path / "x.h5", [Take("a"), Take("b", 3, 0.25)]
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    write_arrays(path, {"a": array, "b": [1.5]}, settings=SETTINGS, rows=rows)
    arrays, settings, found = read_arrays(path, ["a", "b"], Take, **WORDS)
    np.testing.assert_array_equal(arrays["a"], array)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    assert (arrays["b"].tolist(), settings, found) == ([1.5], SETTINGS, rows)
    assert read_arrays(path, ["a"], **WORDS)[2] == []
    with pytest.raises(UserError, match=r"x\.h5: is no store of takes; name another"):
        read_arrays(path, ["c"], **WORDS)
    write_arrays(path, {"a": [np.nan]})
    with pytest.raises(UserError, match=r"x\.h5: not a readable .* holds NaN or infinite numbers"):
        read_arrays(path, ["a"], **WORDS)
    with pytest.raises(UserError, match=r"y\.h5: no such store of takes; make it with takes"):
        read_arrays(tmp_path / "y.h5", ["a"], **WORDS)


def test_only_a_damaged_store_of_ours_is_to_be_deleted(tmp_path):
    path = tmp_path / "x.h5"
    write_arrays(path, {"kernel": [1.0]})
    with pytest.raises(
        UserError, match="is no store of takes; name another file, or make one"
    ) as no:
        read_arrays(path, ["a"], **WORDS)
    assert "delete" not in str(no.value)
    write_arrays(path, {"a": [np.nan]}, settings={"format_version": 1})
    with pytest.raises(
        UserError, match=r"not a readable .*; delete it and make it again with takes"
    ):
        read_arrays(path, ["a"], **WORDS)
    path.write_bytes(b"a letter")
    with pytest.raises(UserError, match=r"not a readable .*; move it elsewhere and make it again"):
        read_arrays(path, ["a"], **WORDS)
