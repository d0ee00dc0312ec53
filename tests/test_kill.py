"""stress/kill.py: our training passes, and the faults that it looks for are found."""

import csv
import re
import shutil
import sys

import h5py
import pytest
from conftest import outcome, read_csv

from stress import kill

pytestmark = [pytest.mark.stress, pytest.mark.slow]

EPOCHS = 3


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folder with a run that was killed twice and an undisturbed one; not to be modified."""
    folder = tmp_path_factory.mktemp("kill") / "runs"
    argv = ["--kills", "2", "--epochs", str(EPOCHS), "--seed", "9", "--folder", str(folder)]
    with pytest.MonkeyPatch.context() as patch:
        lines = []
        patch.setattr("builtins.print", lambda text, **_: lines.append(text))
        assert kill.main(argv) == 0, lines
    return folder, lines


@pytest.fixture
def inspector(runs, tmp_path):
    """``Inspector`` of a copy of the killed run, ``killed``, after a first check."""
    shutil.copytree(runs[0] / "killed", tmp_path / "killed")
    inspector = kill.Inspector(tmp_path / "killed", runs[0] / "undisturbed")
    inspector.check()
    return inspector


def test_a_run_that_was_killed_ends_like_an_undisturbed_one(runs):
    folder, lines = runs
    assert re.fullmatch(rf"undisturbed: {EPOCHS} epochs, .* for another one", lines[0])
    assert [line.split(" after ")[0] for line in lines[1:3]] == ["kill   1", "kill   2"]
    assert lines[3].startswith("2 kills in ")
    assert sum(int(line.split()[0]) for line in lines[4:-2]) == 2
    assert lines[-1] == "the run ended like the undisturbed one"
    rows = read_csv(folder / "killed" / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [bool(row["disc_loss"]) for row in rows] == [False, False, True]
    assert not list(folder.rglob(".part.*"))


@pytest.mark.parametrize(
    "name",
    [
        "generator.h5",
        f"resume-{EPOCHS:04d}.weights.h5",
        "config.json",
        "history.csv",
        "history.png",
        "samples/epoch_001.png",
        "samples/epoch_001.wav",
    ],
)
def test_a_file_that_is_not_whole_is_found(inspector, tmp_path, capsys, name):
    path = tmp_path / "killed" / name
    whole = path.read_bytes()
    for size in (0, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:size])
        with pytest.raises(kill.Fault, match=re.escape(str(path))):
            inspector.check()
    path.write_bytes(whole)
    inspector.check_end()


def test_epochs_that_are_doubled_missing_or_others_are_found(inspector, tmp_path):
    path = tmp_path / "killed" / "history.csv"
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    others = [[*rows[2][:-1], "9"]]
    for wrong in ([*rows, rows[2]], rows[1:], rows[::-1], rows[:2], rows[:2] + others):
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *wrong])
        with pytest.raises(kill.Fault, match=r"history\.csv"):
            inspector.check()


def test_a_state_that_was_lost_is_found(inspector, tmp_path):
    next((tmp_path / "killed").glob("resume-*")).unlink()
    with pytest.raises(kill.Fault, match="epoch 3 was finished, now 0 is"):
        inspector.check()


def test_an_end_that_differs_is_found(inspector, tmp_path):
    folder = tmp_path / "killed"
    left = folder / "samples" / ".part.input.wav"
    left.write_bytes(b"half")
    with pytest.raises(kill.Fault, match=r"\.part\.input\.wav"):
        inspector.check_end()
    left.unlink()
    sound = folder / "samples" / "epoch_002.wav"
    kept = sound.read_bytes()
    sound.write_bytes(kept[:-2] + b"\x01\x00")
    with pytest.raises(kill.Fault, match=r"epoch_002\.wav: differs"):
        inspector.check_end()
    sound.write_bytes(kept)
    with h5py.File(folder / f"resume-{EPOCHS:04d}.weights.h5", "r+") as file:
        arrays = []
        file.visititems(
            lambda _, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None
        )
        array = next(one for one in arrays if one.dtype.kind == "f" and one.size > 1)
        values = array[()]
        values.flat[-1] += 1e-6 + abs(values.flat[-1]) * 1e-6
        array[...] = values
    with pytest.raises(kill.Fault, match=r"resume-0003\.weights\.h5: differs"):
        inspector.check_end()


def test_a_training_that_fails_is_one_line(tmp_path, capsys, monkeypatch):
    words = [sys.executable, "-c", "print('all is lost'); raise SystemExit(3)"]
    monkeypatch.setattr(kill, "command", lambda *_: words)
    status, _, err = outcome(kill.main, ["--folder", str(tmp_path / "a")], capsys)
    assert status == 1
    assert err == [f"kill.py: train.py ended with status 3: all is lost; see {tmp_path / 'a'}"]
    assert (tmp_path / "a" / "log.txt").read_text() == "all is lost\n"


def test_every_plan_fits_into_the_run(tmp_path):
    """However much is trained between kills, the run is not over before the last one."""
    timing = {"start": 5.0, "first": 5.0, "epoch": 1.0}
    for seed in range(20):
        args = kill.build_parser().parse_args(["--seed", str(seed), "--epochs", "8"])
        finished, folder, drawn = 0, tmp_path / str(seed), []
        folder.mkdir()
        for plan in kill.make_plans(args, folder, timing):
            finished += plan.epochs
            (folder / f"resume-{finished:04d}.weights.h5").touch()
            drawn.append(plan)
        assert finished < 8
        assert len(drawn) == 50
        assert {plan.what for plan in drawn} == {"start", "change", *kill.WRITTEN}
