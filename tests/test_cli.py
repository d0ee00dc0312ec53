"""Command lines: argument types, one line for a mistake, names of files."""

import argparse
import errno
import functools
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tasks import fail_at_once, halve

from common import cli
from common.cli import (
    UserError,
    about,
    find_inputs,
    number,
    on_off,
    one_line,
    parser,
    report_skipped,
)
from common.files.audio import AudioFileError
from common.work import jobs


def exit_of(main, argv=()):
    with pytest.raises(SystemExit) as caught:
        cli.run(main, list(argv))
    return caught.value.code


@pytest.mark.parametrize("status", [0, 1, None])
def test_the_status_of_main_is_that_of_the_process(status, capsys):
    assert exit_of(lambda argv: status) == status
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("a.mid: empty"), "a.mid: empty"),
        (UserError("two\nlines,  mended"), "two lines, mended"),
        (AudioFileError("a.wav: cut off"), "a.wav: cut off"),
        (OSError(errno.ENOSPC, "No space left on device", "a.h5"), "a.h5: No space left on device"),
        (OSError(errno.ENOSPC, "No space\nleft"), "output: No space left"),
        (
            NotADirectoryError(errno.ENOTDIR, "Not a directory", "a.md/b"),
            "a.md/b: part of this path is a file, not a folder; choose another path",
        ),
        (OSError("a.wav: cannot be written"), "a.wav: cannot be written"),
    ],
)
def test_a_mistake_ends_in_one_line_and_status_2(error, line, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["folder/script.py"])

    def main(argv):
        raise error

    assert exit_of(main) == 2
    assert capsys.readouterr() == ("", f"script.py: error: {line}\n")
    with pytest.raises(type(error)) as caught:
        cli.run(main, ["--debug"])
    assert caught.value is error


def test_a_fault_of_ours_shows_its_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(lambda argv: 1 / 0, [])


def test_an_interrupt_is_one_line(capsys):
    def main(argv):
        raise KeyboardInterrupt

    assert str(exit_of(main)).endswith(": interrupted")

    def resumable(argv):
        raise KeyboardInterrupt("the same command goes on")

    assert str(exit_of(resumable)).endswith(": interrupted; the same command goes on")


@pytest.mark.parametrize("script", ["synthesize_audios.py", "compute_features.py"])
def test_help_shows_the_flags_and_the_runnable_command(run_script, script):
    status, out, err = run_script(script, "--help")
    assert (status, err) == (0, "")
    assert f"\n    python {script} --" in out
    assert "--debug" in out


@pytest.mark.parametrize("script", ["synthesize_audios.py", "compute_features.py"])
def test_a_wrong_flag_is_one_line(run_script, script):
    for argv in ([], ["--nonsense"], ["--jobs", "0"], ["--audios_path"]):
        status, out, err = run_script(script, *argv)
        assert (status, out) == (2, "")
        assert err.startswith(f"{script}: error: ")
        assert err.count("\n") == 1


def test_flags_cannot_be_abbreviated(capsys):
    with pytest.raises(SystemExit):
        cli.parser("Test.").parse_args(["--deb"])
    assert "unrecognized arguments: --deb" in capsys.readouterr().err


# Argument types


def test_a_folder_must_exist(tmp_path):
    assert cli.existing_folder(str(tmp_path)) == tmp_path
    (tmp_path / "file").write_bytes(b"")
    for name in ("missing", "file"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"{name}: no such folder"):
            cli.existing_folder(str(tmp_path / name))


def test_on_and_off_have_synonyms():
    assert all(map(on_off, ["on", "ON", "true", "yes", "1"]))
    assert not any(map(on_off, ["off", "Off", "false", "no", "0"]))
    for text in ("", "2", "onn"):
        with pytest.raises(argparse.ArgumentTypeError, match="neither on nor off"):
            on_off(text)


def names_of(*words):
    built = cli.parser("Test.")
    built.add_argument("--names", action=cli.Names, nargs="+", required=True)
    return built.parse_args(["--names", *words]).names


@pytest.mark.parametrize(
    "words",
    [
        ["a_b", "c-1", "d.e"],
        ["a_b,c-1,d.e"],
        ["a_b,", "c-1,d.e,"],
        ["a_b , c-1", ",d.e"],
        ["['a_b', 'c-1', 'd.e']"],
        ['["a_b","c-1","d.e"]'],
        ["[a_b,", "c-1,", "d.e]"],  # a list whose quotes the shell has removed
        ["('a_b', 'c-1', 'd.e')"],
        ["a_b", "c-1", "a_b", "d.e", "c-1"],
    ],
)
def test_names_are_words_or_a_list(words):
    assert names_of(*words) == ["a_b", "c-1", "d.e"]


@pytest.mark.parametrize(
    "words",
    [
        ["my guitar", "flute"],
        ["my guitar,flute"],
        ["my guitar, flute,"],
        ["['my guitar', 'flute']"],
        ['"my guitar"', "flute"],
        ["my guitar", "flute", "my guitar"],
    ],
)
def test_names_may_hold_spaces(words):
    assert names_of(*words) == ["my guitar", "flute"]


def test_names_in_quotes_may_hold_commas():
    assert names_of("'piano, soft'", "flute") == ["piano, soft", "flute"]


@given(
    names=st.lists(st.from_regex(r"[a-z0-9_.]{1,9}", fullmatch=True), min_size=1, max_size=4),
    form=st.sampled_from(["words", "commas", "comma and space", "literal"]),
)
def test_names_keep_their_order_each_once(names, form):
    words = {
        "words": names,
        "commas": [",".join(names)],
        "comma and space": [", ".join(names)],
        "literal": [repr(names)],
    }[form]
    assert names_of(*words) == sorted(set(names), key=names.index)


@pytest.mark.parametrize("words", [["[]"], [""], [" "], [","], ["''"], ["[", "]"]])
def test_no_name_is_one_line(words, capsys):
    with pytest.raises(SystemExit) as caught:
        names_of(*words)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "--names" in err
    assert "holds no name" in err


@pytest.mark.parametrize(
    ("kind", "bounds", "text", "rule"),
    [
        (int, {}, "1.5", "is not a whole number"),
        (int, {}, "", "is not a whole number"),
        (float, {}, "x", "is not a number"),
        (float, {}, "nan", "finite"),
        (float, {}, "inf", "finite"),
        (int, {"low": 1}, "0", "at least 1"),
        (int, {"high": 3}, "4", "at most 3"),
        (float, {"above": 0}, "0", "above 0"),
        (float, {"below": 1}, "1", "below 1"),
        (int, {"high": 3}, "1" + "0" * 400, "at most 3"),
    ],
)
def test_a_number_out_of_bounds_is_refused(kind, bounds, text, rule):
    with pytest.raises(argparse.ArgumentTypeError, match=rule):
        number(kind, **bounds)(text)


@given(st.integers(-100, 100), st.integers(-100, 100), st.integers(-100, 100))
def test_a_number_within_inclusive_bounds_is_taken(value, low, high):
    convert = number(int, low, high)
    if low <= value <= high:
        assert convert(str(value)) == value
    else:
        with pytest.raises(argparse.ArgumentTypeError):
            convert(str(value))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_finite_number_is_taken_as_it_is(value):
    assert number(float)(repr(value)) == value
    assert math.isfinite(value)


# Files


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def names(folder):
    found = find_inputs(folder, lambda path: path.suffix.lower() in {".mid", ".midi"}).files
    assert len(set(found.values())) == len(found)
    return {name: path.relative_to(folder).as_posix() for name, path in found.items()}


def test_files_are_named_by_their_path_without_suffix(tmp_path):
    touch(tmp_path, "b.MID", "a.midi", "a.b.mid", "deep/er/a.mid", "a/x.mid", "c.wav", "d")
    (tmp_path / "folder.mid").mkdir()
    assert names(tmp_path) == {
        "a": "a.midi",
        "a.b": "a.b.mid",
        "a/x": "a/x.mid",
        "b": "b.MID",
        "deep/er/a": "deep/er/a.mid",
    }
    assert list(names(tmp_path)) == sorted(names(tmp_path))


def test_files_that_differ_in_their_suffix_alone_keep_it(tmp_path):
    touch(tmp_path, "a.mid", "a.midi", "b.mid", "x/a.mid", "c.mid", "c.mid.mid", "a.midi.mid")
    assert names(tmp_path) == {
        name: name for name in ("a.mid", "a.midi", "a.midi.mid", "c.mid.mid")
    } | {"b": "b.mid", "x/a": "x/a.mid", "c": "c.mid"}


def test_hidden_files_are_left_out(tmp_path):
    touch(tmp_path, ".part.a.mid", "._a.mid", ".trash/b.mid", "x/.y/c.mid", "d.mid")
    assert names(tmp_path) == {"d": "d.mid"}


def test_a_hidden_folder_may_hold_the_files_that_are_asked_for(tmp_path):
    touch(tmp_path, ".cache/a.mid")
    assert names(tmp_path / ".cache") == {"a": "a.mid"}


def test_what_was_skipped_is_listed_once_each(capsys):
    assert report_skipped([]) == 0
    assert capsys.readouterr() == ("", "")
    skipped = [("a.mid", UserError("a.mid: empty")), ("b", "no\naudio")]
    assert report_skipped(skipped) == 1
    assert capsys.readouterr().err == "a.mid: empty\nb: no audio\n2 skipped, as listed above\n"


# Jobs


@pytest.mark.parametrize("processes", [1, 2])
def test_a_mistake_in_one_task_does_not_stop_the_others(processes):
    done = list(jobs.run_jobs(halve, [2, 3, 4, 5], processes, "halving"))
    assert [(task, result) for task, result, _ in done] == [(2, 1), (3, None), (4, 2), (5, None)]
    assert [error and one_line(error) for *_, error in done] == [None, "3: odd", None, "5: odd"]
    assert [type(error) for *_, error in done if error] == [UserError, AudioFileError]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_stops_the_run_and_leaves_nothing_half_written(tmp_path, processes):
    task = functools.partial(fail_at_once, tmp_path)
    with pytest.raises(OSError, match="No space") as caught:
        list(jobs.run_jobs(task, range(40), processes, "failing"))
    assert one_line(caught.value) == "out.wav: No space left on device"
    done = {path.name for path in tmp_path.iterdir()}
    assert not [name for name in done if name.startswith(".part")]
    assert len(done) < 8 * (processes - 1) + 1  # only tasks that had begun


@pytest.mark.parametrize("default, shown", [(5, "5"), (20.0, "20"), (0.125, "0.125"), ("a", "a")])
def test_the_help_of_a_flag_ends_with_its_default(default, shown):
    built = parser("Do something.")
    built.add_flag("--steps", default, "number of steps", type=type(default))
    assert built.get_default("steps") == default
    assert f"number of steps (default: {shown})\n" in built.format_help()


def test_no_docstring_is_a_help_without_description():
    assert "--debug" in cli.parser(None).format_help()


@pytest.mark.parametrize(
    ("body", "where", "said"),
    [
        ("print(1); return 0", ">&-", "standard output: is closed; send it to a file or to "),
        ("print(1); return 0", ">/dev/full", "standard output: No space left on device"),
        ("print(1, flush=True)", ">/dev/full", "standard output: No space left on device"),
        ("cli.parser('').parse_args(['-h'])", ">/dev/full", "standard output: No space left on"),
    ],
)
def test_an_output_that_takes_nothing_is_one_line(body, where, said):
    script = f"from common import cli\ndef main(argv):\n    {body}\ncli.run(main, [])"
    command = ["sh", "-c", f'exec "$0" -c "$1" {where}', sys.executable, script]
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}
    done = subprocess.run(command, env=buffered, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_results_are_printed_on_one_line(capsys):
    cli.say("a\nb\t.wav: 1.0 s")
    assert capsys.readouterr().out == "a\\nb\\t.wav: 1.0 s\n"


def test_counted_nouns():
    assert [cli.counted(number, "file") for number in (0, 1, 1200)] == [
        "0 files",
        "1 file",
        "1,200 files",
    ]
    assert cli.counted(2, "pitch", "pitches") == "2 pitches"


def test_a_folder_is_told_from_nothing(tmp_path):
    assert cli.missing(tmp_path) == "is a folder; name a file"
    assert cli.missing(tmp_path / "a", "style") == "no such style"


def test_a_training_names_its_features_and_its_run_folder():
    built = cli.parser("Train.")
    cli.add_features_flag(built, "toy")
    cli.add_run_flag(built, "runs/toy")
    args = built.parse_args(["--features_path", "toy.h5"])
    assert (args.features_path, args.output) == (Path("toy.h5"), Path("runs/toy"))
    assert "made by toy.preprocess" in " ".join(built.format_help().split())
    with pytest.raises(SystemExit):
        built.parse_args([])


def test_an_error_begins_with_what_it_is_about():
    with pytest.raises(UserError, match=r"^--to: not known$"), about("--to"):
        raise UserError("not known")
    with pytest.raises(KeyError), about("--to"):
        raise KeyError("a defect")
