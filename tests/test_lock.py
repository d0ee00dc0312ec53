"""Locks: one run at a time writes an output; also with two real processes."""

import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, arguments, assert_refused, needs_player

import evaluate
import predict
import predict_multitarget
import train
from common.cli import UserError, find_inputs
from common.work import lock
from common.work.lock import only_run, require_distinct
from data import write_audio
from random_cnn_style import mix
from stress.tiny_soundfont import write_soundfont
from time_stretching import stretch
from vae_generation import generate

WRITES = "another run is writing it; wait for its end, or write elsewhere"


def test_a_folder_is_for_one_run_and_nothing_remains(tmp_path):
    folder = tmp_path / "deep" / "out"
    with only_run(folder):
        assert [path.name for path in folder.iterdir()] == [".lock"]
        with pytest.raises(UserError, match=f"out: {WRITES}"), only_run(folder):
            pass
        with only_run(tmp_path / "other"):
            pass
    assert not list(tmp_path.iterdir())
    folder.mkdir(parents=True)
    with pytest.raises(KeyError), only_run(folder):
        raise KeyError
    assert not list(folder.iterdir())
    with only_run(folder / "deeper"):
        (folder / "deeper" / "file").write_bytes(b"")
    assert [path.name for path in (folder / "deeper").iterdir()] == ["file"]


def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for name, folder, words in (
        ("file", True, "is a file; name a folder"),
        ("folder", False, "is a folder; name a file"),
    ):
        with pytest.raises(UserError, match=words), only_run(tmp_path / name, folder=folder):
            pass


def test_what_writes_nothing_keeps_nothing():
    with only_run(None), only_run(None, folder=False):
        pass


def test_a_file_is_for_one_run_and_others_beside_it_are_free(tmp_path):
    path = tmp_path / f"{'x' * 250}.h5"
    with only_run(path, folder=False), only_run(tmp_path / "b.h5", folder=False):
        assert len(list(tmp_path.iterdir())) == 2
        assert not find_inputs(tmp_path, lambda path: path.suffix == ".h5").files
        with pytest.raises(UserError, match=WRITES), only_run(path, folder=False):
            pass
    assert not list(tmp_path.iterdir())


def test_who_opened_the_lock_of_a_run_that_ended_takes_a_new_one(tmp_path, monkeypatch):
    """The lock file may be removed between opening and locking, and then locks nothing."""
    opened, real = [], os.open

    def late(path, *flags):
        opened.append(real(path, *flags))
        if len(opened) == 1:
            path.unlink()
        return opened[-1]

    monkeypatch.setattr(lock.os, "open", late)
    with only_run(tmp_path):
        assert len(opened) == 2
        with pytest.raises(UserError, match=WRITES), only_run(tmp_path):
            pass


def test_a_lock_that_another_run_made_meanwhile_is_not_removed(tmp_path):
    with only_run(tmp_path):
        (tmp_path / ".lock").unlink()
        (tmp_path / ".lock").write_bytes(b"of another run")
    assert (tmp_path / ".lock").read_bytes() == b"of another run"


def test_a_killed_run_is_cleared_away(tmp_path, monkeypatch):
    words = [sys.executable, "-c", "import os; print(os.getpid())"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path / "joblib"))
    left = tmp_path / "joblib" / f"joblib_memmapping_folder_{int(done.stdout)}_a_b"
    alive = tmp_path / "joblib" / f"joblib_memmapping_folder_{os.getppid()}_a_b"
    for path in (left, alive):
        path.mkdir(parents=True)
    for content in (done.stdout, str(os.getppid()), "1", "", "no number", "-5"):
        (tmp_path / ".lock").write_text(content.ljust(20))
        with only_run(tmp_path):
            assert int((tmp_path / ".lock").read_text()) == os.getpid()
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(["joblib", alive.name])


def kill_while_writing(output, *names):
    """Kill a process that has locked an output and written half of some files."""
    code = (
        "import os, signal, sys; from contextlib import ExitStack; from pathlib import Path\n"
        "from common.files.atomic import replace_when_done\n"
        "from common.work.lock import only_run\n"
        "output, *names = map(Path, sys.argv[1:])\n"
        "with ExitStack() as stack:\n"
        "    stack.enter_context(only_run(output, folder=not output.suffix))\n"
        "    for name in names:\n"
        "        stack.enter_context(replace_when_done(name)).write_text('half a file')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    words = [sys.executable, "-c", code, *map(str, [output, *names])]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -signal.SIGKILL


def test_what_a_killed_run_left_half_written_is_removed_by_the_next(tmp_path):
    out = tmp_path / "out"
    other = out / "other run"
    kill_while_writing(out, out / "a.wav", out / "deep" / "n\ne.wav", out / ".parts" / "x.npy")
    kill_while_writing(other, other / "b.wav")
    (out / ".part.of.wav").write_bytes(b"by this name none of ours")
    assert len(list(out.rglob(".part.*"))) == 5
    with only_run(out):
        (kept,) = other.glob(".part.*")
        assert set(out.rglob(".part.*")) == {kept, out / ".part.of.wav"}
    with only_run(other):
        assert not kept.exists()


def test_what_a_killed_run_left_of_a_file_is_removed_by_the_next(tmp_path):
    names = "a.h5", f"{'x' * 250}.h5", "b.a.h5"
    for name in names:
        kill_while_writing(tmp_path / name, tmp_path / name)
    for name, others in zip(names, (2, 1, 0), strict=True):
        with only_run(tmp_path / name, folder=False):
            assert len(list(tmp_path.glob(".part.*"))) == others


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_the_run_says_so_and_goes_on(tmp_path, monkeypatch, capsys, number):
    def none(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock.fcntl, "flock", none)
    (tmp_path / "a\nb").mkdir()
    with only_run(tmp_path / "a\nb"):
        pass
    assert not list((tmp_path / "a\nb").iterdir())
    said = r"a\nb: no locks on this file system; start no second run"
    assert capsys.readouterr().err == f"{tmp_path}/{said}\n"


def test_names_that_a_file_system_takes_for_one_are_refused(tmp_path):
    names = ["Etude", "etude", "other"]
    require_distinct(tmp_path, names)
    (tmp_path / ".LOCK").write_bytes(b"")  # as on a file system that ignores case
    with pytest.raises(UserError, match="takes Etude and etude for one; rename one of them"):
        require_distinct(tmp_path, names)
    with pytest.raises(UserError, match="for one"):
        require_distinct(tmp_path, ["\u00e9", "e\u0301"])
    require_distinct(tmp_path, ["a", "b"])


def test_two_trainings_in_one_run_folder(features_folder, tmp_path, capsys, rough_samples):
    argv = arguments(features_folder, tmp_path / "run", {"epochs": 1, "width": 2, "gpu": ""})
    with only_run(tmp_path / "run"):
        assert_refused(train.main, argv, capsys, tmp_path / "run", WRITES)
        assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    with only_run(tmp_path / "run" / "findlr"):
        assert_refused(train.main, [*argv, "--findlr"], capsys, tmp_path / "run/findlr", WRITES)


@pytest.mark.parametrize(
    "case",
    [
        (predict, "--input", "a.wav"),
        (predict, "--input", None),
        (predict_multitarget, "--style x.wav --input", "a.wav"),
        (evaluate, "--model x --dataset_path", None),
        (generate, "--interpolate x.wav", "steps"),
        (generate, "--reconstruct", "a.wav"),
        (mix, "--style x.wav --content", "a.wav"),
        (stretch, "--rate 2 --method vocoder --input", "a.wav"),
    ],
)
def test_what_makes_sounds_has_its_output_to_itself(tmp_path, capsys, monkeypatch, case):
    script, flags, name = case
    folder = tmp_path / "in"
    for file in ("a.wav", "x.wav"):
        write_audio(folder / file, np.zeros(5000), 16000)
    monkeypatch.chdir(folder)
    last = folder if name is None else folder / "a.wav"
    output = tmp_path / "out" / (name or "")
    argv = [*flags.split(), str(last), "--output", str(output)]
    is_file = output.suffix == ".wav"
    with only_run(output, folder=not is_file):
        assert_refused(script.main, argv, capsys, output, WRITES)
    assert not (tmp_path / "out").exists()


# Two processes


@pytest.fixture
def commands(tmp_path_factory, notes_folder, midi_folder, audios_folder):
    """Dict from name to a command line without its last word, the output."""
    font = write_soundfont(tmp_path_factory.mktemp("font") / "tone.sf2")
    paths = ["--nsynth_path", notes_folder, "--midi_path", midi_folder, "--transpose", "0", "1"]
    both = ["--instruments", "keyboard_acoustic", "guitar_acoustic", "--jobs", "1"]
    pitches = ["--instruments", "keyboard_acoustic=0:0", "--pitches", "40:69", "--jobs", "1"]
    features = ["compute_features.py", "--audios_path", audios_folder, "--jobs", "1"]
    images = ["--audio_path", audios_folder, "--spectrogram", "log", "--jobs", "1"]
    return {
        "notes": ["synthesize_notes.py", "--soundfont", font, *pitches, "--out"],
        "audios": ["synthesize_audios.py", *paths, *both, "--audios_path"],
        "features": [*features, "--features_path"],
        "images": ["-m", "vae_generation.preprocess", *images, "--features_path"],
    }


def start(words, output):
    return subprocess.Popen(
        [sys.executable, *map(str, words), str(output)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def contents(output):
    if output.is_file():
        return {beside.name: beside.read_bytes() for beside in output.parent.iterdir()}
    return {
        path.relative_to(output): path.read_bytes() for path in output.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(
    "name", [pytest.param("notes", marks=needs_player), "audios", "features", "images"]
)
def test_two_processes_together_make_what_one_makes(commands, name, tmp_path):
    outputs = [tmp_path / number / "out.h5" for number in ("one", "two")]
    alone = start(commands[name], outputs[0])
    _, err = alone.communicate(timeout=120)
    assert (alone.returncode, err) == (0, "")
    both = [start(commands[name], outputs[1]) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    outcomes = [(process.returncode, err) for process, (_, err) in zip(both, said, strict=True)]
    assert (0, "") in outcomes
    line = f": error: {outputs[1]}: {WRITES}\n"
    for status, err in outcomes:
        assert (status, err) == (0, "") or (status == 2 and err.endswith(line)), err
        assert err.count("\n") == (status == 2)
    assert contents(outputs[1]) == contents(outputs[0])
