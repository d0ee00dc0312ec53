"""Recordings to one store: counts, skipped files, no files, a full disk."""

import functools
from typing import NamedTuple

import numpy as np
import pytest
from conftest import assert_refused

from common.cli import UserError
from common.files.audio import AudioFileError
from common.files.store import Store
from common.work.fill import fill_store, find_recordings
from data import write_audio
from vae_generation import preprocess


class Window(NamedTuple):
    name: str
    number: int


def cut(found, task):
    path, name = task
    if "bad" in name:
        raise AudioFileError(f"{path}: not readable")
    items = [(Window(name, number), np.full((4, 3), number / 8)) for number in range(found)]
    return items, {"silent": 2, "level": 0.5}


def fill(folder, names, found=3, **flags):
    return fill_store(
        folder / "x.h5",
        Window,
        functools.partial(cut, found),
        [(folder / f"{name}.wav", name) for name in names],
        settings={"hop": 512},
        shape=(4, 3),
        folders=[folder],
        **flags,
    )


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_store_holds_all_images_in_order_and_what_was_left_out_is_counted(tmp_path, jobs):
    rows, counts, skipped = fill(tmp_path, ["a", "bad", "b"], jobs=jobs)
    assert rows == [Window(name, number) for name in "ab" for number in range(3)]
    assert counts == {"silent": 4, "level": 1.0}
    assert [(path.name, str(error)) for path, error in skipped] == [
        ("bad.wav", f"{tmp_path}/bad.wav: not readable")
    ]
    with Store(tmp_path / "x.h5", Window, kind="store", remake="this") as store:
        assert store.rows == rows
        assert store.read([4]).tolist() == np.full((1, 4, 3), 1 / 8).tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]


def test_where_nothing_sounds_nothing_is_written(tmp_path, capsys):
    (tmp_path / "x.h5").write_bytes(b"of before")
    with pytest.raises(UserError, match=f"{tmp_path}: no sounding audio in it; nothing is written"):
        fill(tmp_path, ["a", "bad"], found=0)
    assert "bad.wav: not readable" in capsys.readouterr().err
    assert (tmp_path / "x.h5").read_bytes() == b"of before"


def test_recordings_have_names_of_their_own(tmp_path):
    for name in ("one/a.wav", "one/deep/b.flac", "two/c.wav"):
        write_audio(tmp_path / name, np.zeros(9), 16000)
    folders = [tmp_path / "one", tmp_path / "two"]
    assert [found.name for found in find_recordings(folders)[0]] == ["a", "deep/b", "c"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: no audio file in it or below it"):
        find_recordings([*folders, tmp_path / "empty"])
    write_audio(tmp_path / "two" / "a.wav", np.zeros(9), 16000)
    with pytest.raises(UserError, match=r"two/a\.wav: named like .*one/a\.wav; rename one of them"):
        find_recordings(folders)


def test_a_full_disk_is_one_line(tmp_path_factory, small_disk, capsys):
    audios = tmp_path_factory.mktemp("audios")
    for number in range(10):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, 8000 * 3)
        write_audio(audios / f"{number}.wav", noise, 8000)
    argv = ["--audio_path", str(audios), "--features_path", str(small_disk / "x.h5"), "--jobs", "1"]
    assert_refused(preprocess.main, argv, capsys, "x.h5: cannot be written; is the disk full?")
    assert not list(small_disk.glob("*.h5"))
    assert not list(small_disk.glob(".*"))
