"""Files appear whole or not at all, even if several processes write them."""

import pytest

from common.files.atomic import replace_when_done


def test_two_that_write_one_file_at_once_do_not_harm_what_the_first_finished(tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(KeyError), replace_when_done(path) as slow:
        slow.write_bytes(b"half of the slow")
        with replace_when_done(path) as fast:
            fast.write_bytes(b"whole")
        with slow.open("ab") as file:
            file.write(b" one")
        assert path.read_bytes() == b"whole"
        raise KeyError
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("a.wav", b"whole")]


def test_a_block_that_makes_no_file_is_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(FileNotFoundError), replace_when_done(tmp_path / "a.txt"):
        pass
    assert (tmp_path / "a.txt").read_text() == "before"
