"""Settings of the user, the shell and the machine that could break scripts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

ROOT = Path(__file__).parent.parent


def started(main, **environment):
    """Start a script with a given body of ``main`` in an environment; return the process."""
    script = (
        "from common import cli\nfrom common.training.devices import start_backend\n"
        f"def main(argv):\n    {main}\ncli.run(main, [])"
    )
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("KERAS_BACKEND", "KERAS_HOME", "PYTHONIOENCODING", "LC_ALL")
    }
    return subprocess.run(
        [sys.executable, "-c", script],
        env=kept | {name: str(value) for name, value in environment.items()},
        cwd=ROOT,
        capture_output=True,
        check=False,
    )


def assert_one_line(done, words):
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert said.count("\n") == 1, said
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    "content",
    [
        {"backend": "theano", "image_dim_ordering": "th"},
        {"backend": "cntk"},
        {"backend": "torch"},
        ["tensorflow"],
        "{not json",
    ],
)
def test_a_backend_of_keras_json_that_is_no_more(tmp_path, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "keras.json").write_text(text)
    done = started("start_backend('')", KERAS_HOME=tmp_path)
    assert_one_line(done, [str(tmp_path / "keras.json"), "KERAS_BACKEND=tensorflow"])


@pytest.mark.parametrize("name", ["theano", "torch", "nonsense"])
def test_a_backend_of_the_environment_that_is_not_known(name):
    done = started("start_backend('')", KERAS_BACKEND=name)
    assert_one_line(done, ["KERAS_BACKEND", name, "unset it"])


def test_what_else_keras_json_and_the_environment_say_does_not_count(tmp_path):
    settings = {
        "backend": "tensorflow",
        "image_data_format": "channels_first",
        "floatx": "float16",
        "epsilon": 1e-3,
        "nnx_enabled": True,
    }
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    done = started(
        "start_backend(''); import keras; c = keras.config; print(c.image_data_format(), "
        "c.floatx(), c.epsilon(), keras.layers.Conv2D(1, 1).data_format)",
        KERAS_HOME=tmp_path,
        HOME=tmp_path / "missing",
        TMPDIR=tmp_path / "missing",
        OMP_NUM_THREADS=1,
        KERAS_NNX_ENABLED=1,
        PYTHONWARNINGS="error",
        LC_ALL="C",
    )
    assert done.stderr == b""
    assert done.stdout.decode().split() == ["channels_last", "float32", "1e-07", "channels_last"]
    assert done.returncode == 0


def test_what_tensorflow_says_about_wrong_flags_is_seen():
    done = started("start_backend('')", TF_XLA_FLAGS="--nonsense", KERAS_BACKEND="tensorflow")
    assert done.returncode != 0
    assert b"Unknown flag in TF_XLA_FLAGS: --nonsense" in done.stderr


def test_hdf5_files_are_opened_where_python_does_not_search_the_current_folder(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = [1]
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from common.files.hdf5 import open_hdf5\nprint(*open_hdf5('a.h5'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONSAFEPATH": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "x\n", done.stderr


@pytest.mark.parametrize(
    "setting",
    [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1:strict"}, {"PYTHONUTF8": "0"}],
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_letters_that_the_terminal_lacks_are_escaped(setting, stream):
    main = f"import sys; print('Dvo\\u0159\\xe1k', file=sys.{stream})"
    done = started(main, LC_ALL="C", **setting)
    assert done.returncode == 0, done.stderr
    assert getattr(done, stream).startswith(b"Dvo")


def test_a_name_that_the_terminal_lacks_letters_for_ends_in_one_line():
    done = started("raise OSError(2, 'gone', 'Dvo\\u0159\\xe1k')", PYTHONIOENCODING="ascii")
    assert_one_line(done, ["Dvo\\u0159\\xe1k: gone"])


@pytest.mark.parametrize("setting", ["error", "default", "always"])
def test_warnings_of_libraries_end_nothing(setting):
    main = "import warnings; warnings.warn('of a library', DeprecationWarning); print('done')"
    done = started(main, PYTHONWARNINGS=setting)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"done\n", b"")


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "TkAgg", "none"])
def test_pictures_are_drawn_whatever_the_backend_of_a_notebook(backend):
    done = started("import matplotlib.pyplot; print(matplotlib.get_backend())", MPLBACKEND=backend)
    assert (done.returncode, done.stdout.lower(), done.stderr) == (0, b"agg\n", b"")


def test_keras_starts_without_scikit_learn_which_can_still_be_imported():
    words = (
        "start_backend(''); print('sklearn' in __import__('sys').modules); import sklearn.cluster"
    )
    done = started(words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [b"False"]
