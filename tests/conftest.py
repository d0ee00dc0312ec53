"""Helpers, and small material that several test files share; it is made once, and read only."""

import csv
import os
import resource
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import h5py
import mido
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, settings

import compute_features
import synthesize_audios
from common.cli import run
from common.music import soundfont
from common.work.machine import cores, memory

# A slow machine is no fault of what is tested.
settings.register_profile("kit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kit")

# Processes that a shell starts in the background ignore Ctrl-C, but some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

INSTALLED = "not installed"  # end of the reason for a skip that an installation would avoid
LONG = [  # test files that take longest, without "test_"
    *("gan", "vae_scripts", "toy_devices", "training", "evaluate", "stretch_scripts", "predict"),
    *("random_cnn_scripts", "trainings", "weights", "findlr", "vae_models", "devices"),
    *("move", "granular", "trimming", "wae_fader", "latent_page", "export", "latent_continuous"),
    *("timbre_space", "vq_timbre", "docs_examples", "shares", "multitarget"),
    *("transfer_benchmark", "silence"),
]
ROOT = Path(__file__).parent.parent
# If several processes compile librosa's functions at once, numba's cache is spoilt for good, and
# every later run crashes.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = str(
        ROOT / ".pytest_cache" / f"numba_{os.environ['PYTEST_XDIST_WORKER']}"
    )
NOTE_RATE = 16000  # Hz, as in NSynth
PITCHES = (48, 54, 60, 66, 72)
VELOCITIES = (50, 100)
VOICES = {  # (instrument, preset) -> levels of the partials
    ("keyboard_acoustic", 0): (1.0, 0.4, 0.2, 0.1),
    ("keyboard_acoustic", 4): (1.0, 0.1, 0.3),
    ("guitar_acoustic", 0): (0.6, 1.0, 0.7, 0.5, 0.3),
}
PIECES = {  # name -> pitches of eighth notes; a held-out share of 0.3 holds out "arpeggio" alone
    "arpeggio": (48, 52, 55, 60, 64, 67, 72, 67, 64, 60, 55, 52),
    "march": (60, 60, 67, 67, 65, 64, 62, 60),
    "scale": (60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62, 60, 59),
    "waltz": (50, 62, 66, 50, 62, 66),
}


def pytest_addoption(parser):
    parser.addoption(
        "--missing-fails",
        action="store_true",
        help="fail where a test is skipped because something is not installed",
    )


@pytest.hookimpl(optionalhook=True)  # make test-jax has no pytest-xdist
def pytest_xdist_auto_num_workers():
    """Number of processes: that of the cores, or fewer if TensorFlow would need too much memory."""
    return max(1, min(cores(), memory() // (3 * 2**30), 8))


@pytest.fixture(scope="session", autouse="PYTEST_XDIST_WORKER" in os.environ)
def plain_graphs():
    """Leave TensorFlow graphs as they are traced: few steps are run, and to optimise takes longer.

    Processes that a test starts optimise them.
    """
    if find_spec("tensorflow"):
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def pytest_collection_modifyitems(items):
    """Run the files that take long first, so that none of them runs alone at the end."""
    items.sort(key=lambda item: item.path.stem.removeprefix("test_") not in LONG)


def pytest_terminal_summary(terminalreporter):
    if terminalreporter.config.getoption("missing_fails"):
        for reason in _missing(terminalreporter):
            terminalreporter.write_line(f"FAILED as something is missing: {reason}")


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("missing_fails") and reporter and _missing(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _missing(reporter):
    """List the reasons for skips that an installation would avoid."""
    reasons = {str(report.longrepr[-1]) for report in reporter.stats.get("skipped", [])}
    return sorted(
        reason.removeprefix("Skipped: ") for reason in reasons if reason.endswith(INSTALLED)
    )


def _has_player():
    try:
        soundfont._fluidsynth()
    except ImportError:
        return find_spec("tinysoundfont") is not None
    return True


needs_player = pytest.mark.skipif(
    not _has_player(), reason="FluidSynth and TinySoundFont are not installed"
)


def frequency_of(pitch):
    """Fundamental frequency of a MIDI number in Hz."""
    return 440 * 2 ** ((pitch - 69) / 12)


def make_note(pitch, partials=(1.0,), seconds=2.0, level=0.5, rate=NOTE_RATE):
    """Make a decaying harmonic tone without fade-in: float32 (samples,)."""
    time = np.arange(int(seconds * rate)) / rate
    tone = sum(
        part * np.sin(2 * np.pi * frequency_of(pitch) * number * time)
        for number, part in enumerate(partials, 1)
    )
    return np.float32(level * np.exp(-time) * tone / sum(partials))


def write_notes(folder, voices, pitches=PITCHES, velocities=VELOCITIES, suffix=".wav"):
    """Write notes in NSynth's layout; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for (instrument, preset), partials in voices.items():
        for pitch in pitches:
            for velocity in velocities:
                note = make_note(pitch, partials, level=0.7 * velocity / 127)
                name = f"{instrument}_{preset:03d}-{pitch:03d}-{velocity:03d}{suffix}"
                soundfile.write(folder / name, note, NOTE_RATE)
    return folder


def write_midi(path, pitches, ticks=240, velocity=90):
    """Write a MIDI file of notes one after the other, ``ticks`` long each, 960 per second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = mido.MidiFile(ticks_per_beat=480)
    track = file.add_track()
    for pitch in pitches:
        track.append(mido.Message("note_on", note=pitch, velocity=velocity, time=0))
        track.append(mido.Message("note_off", note=pitch, velocity=0, time=ticks))
    file.save(path)
    return path


def snapshot(folder):
    """List path, size and modification time of everything below a folder."""
    return {
        (path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def _guarded(folder):
    """Yield a folder, and fail at the end of the run if a test has changed it."""
    before = snapshot(folder)
    yield folder
    assert snapshot(folder) == before, f"a test changed the shared {folder}"


def arguments(features, output, flags=None, *more):
    """Command line of a training script; a list stands for several words."""
    pair = {"origin": "keyboard_acoustic", "target": "guitar_acoustic"}
    given = {"dataset_path": features, "output": output, **pair, **(flags or {})}
    words = []
    for name, value in given.items():
        words += [f"--{name}", *(value if isinstance(value, list) else [value])]
    return [str(word) for word in [*words, *more]]


def outcome(main, argv, capsys):
    """Run a script in this process; return exit status, lines of stdout and lines of stderr."""
    with pytest.raises(SystemExit) as caught:
        run(main, argv)
    said = capsys.readouterr()
    return caught.value.code, said.out.splitlines(), said.err.splitlines()


def assert_refused(main, argv, capsys, *words):
    """Check that a script ends with status 2 and a single line that contains the words."""
    status, _, err = outcome(main, argv, capsys)
    assert (status, len(err)) == (2, 1), err
    for word in words:
        assert str(word) in err[0]


def assert_trained_on(train, run, output, argv, **settings):
    """Check that a script of a training goes on from a run folder whose networks were trimmed.

    Args:
        train: Module of the script.
        run: Run folder.
        output: Folder of the trimmed run, to be written.
        argv: Flags of the script, without those of the run.
        settings: Arguments of ``trimming.trimmer.Trimmer``.
    """
    from trimming.trim import trim

    rows = trim(run, output, share=0.3, **settings)
    left = {row["network"]: row["weights_left"] for row in rows}
    flags = [*argv, "--output", str(output), "--epoch_offset", "9"]
    session = train.Session(**vars(train.build_parser().parse_args(flags)))
    model = session.build()
    session._load(model, 0)
    for name in session.networks:
        assert getattr(model, name).count_params() == left[name]
    session._begin()  # writes config.json
    again = train.Session(**vars(train.build_parser().parse_args(flags))).build()
    assert [one.shape for one in again.weights] == [one.shape for one in model.weights]


def read_csv(path):
    """Read the rows of a CSV file as dicts of strings."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_weights(path):
    """Read all arrays of an .h5 file: dict from their names in the file."""
    arrays = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(visit)
    return arrays


def assert_same_run(folder, other):
    """Check that two runs have equal files, weights, states and histories, except for times."""
    names = [
        {path.relative_to(run) for path in run.rglob("*") if "tensorboard" not in path.parts}
        for run in (folder, other)
    ]
    assert names[0] == names[1]
    for path in other.glob("*.h5"):
        one, two = (read_weights(run / path.name) for run in (folder, other))
        assert one.keys() == two.keys()
        for name, array in one.items():
            np.testing.assert_array_equal(array, two[name], err_msg=name)
    rows = [read_csv(run / "history.csv") for run in (folder, other)]
    assert rows[0]
    for row in rows[0] + rows[1]:
        row.pop("seconds")
    assert rows[0] == rows[1]


@pytest.fixture(scope="session")
def notes_folder(tmp_path_factory):
    """Notes in NSynth's layout: the ``VOICES`` in ``PITCHES`` and ``VELOCITIES``, 16 kHz."""
    yield from _guarded(write_notes(tmp_path_factory.mktemp("notes"), VOICES))


@pytest.fixture(scope="session")
def midi_folder(tmp_path_factory):
    """One MIDI file for each of the ``PIECES``, 1.5 to 4 s long."""
    folder = tmp_path_factory.mktemp("midi")
    for name, pitches in PIECES.items():
        write_midi(folder / f"{name}.mid", pitches)
    yield from _guarded(folder)


@pytest.fixture(scope="session")
def audios_folder(notes_folder, midi_folder, tmp_path_factory):
    """The pieces, played by keyboard_acoustic and guitar_acoustic (``synthesize_audios.py``)."""
    folder = tmp_path_factory.mktemp("audios")
    flags = {"nsynth_path": notes_folder, "midi_path": midi_folder, "audios_path": folder}
    argv = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    instruments = ["--instruments", "keyboard_acoustic", "guitar_acoustic"]
    assert synthesize_audios.main([*argv, *instruments, "--jobs", "1"]) == 0
    yield from _guarded(folder)


@pytest.fixture(scope="session")
def features_folder(audios_folder, tmp_path_factory):
    """keyboard_acoustic.h5 and guitar_acoustic.h5, by ``compute_features.py``."""
    folder = tmp_path_factory.mktemp("features")
    argv = ["--audios_path", str(audios_folder), "--features_path", str(folder), "--jobs", "1"]
    assert compute_features.main(argv) == 0
    yield from _guarded(folder)


@pytest.fixture(scope="session")
def run_script():
    """Function that runs a script in its own process: ``(exit status, stdout, stderr)``.

    ``run_script("predict.py", "--input", path, cwd=folder, env={"KERAS_BACKEND": "jax"})``
    """

    def run(script, *args, cwd=ROOT, env=None, timeout=120):
        done = subprocess.run(
            [sys.executable, str(ROOT / script), *map(str, args)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            timeout=timeout,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def rough_samples(monkeypatch):
    """Trainings write their listening samples without the slow search for a phase."""
    monkeypatch.setattr(
        "pix2pix_timbre.samples.griffin_lim_phase", lambda magnitude, *_, **__: 0 * magnitude
    )


@pytest.fixture
def captured(monkeypatch):
    """Training scripts do not train, but add their sessions to this list."""
    from common.training.session import TrainingSession

    sessions = []
    monkeypatch.setattr(TrainingSession, "train", lambda session: sessions.append(session) or 0)
    return sessions


@pytest.fixture(params=["full disk", "limit on the size of files"])
def small_disk(request, tmp_path):
    """Folder in which no file can grow beyond 64 KiB."""
    if request.param == "full disk":
        folder = tmp_path / "disk"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("mounting is not allowed here")
        yield folder
        subprocess.run(["umount", folder], check=True)
    else:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, hard))
        yield tmp_path
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def read_only(tmp_path):
    """Folder that cannot be written, with the folder ``there`` in it."""
    folder = tmp_path / "read_only"
    (folder / "there").mkdir(parents=True)
    if os.geteuid():
        (folder / "there").chmod(0o500)
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)
    else:  # no file mode stops root
        bind = ["mount", "--bind", folder, folder]
        if subprocess.run(bind, capture_output=True, check=False).returncode:
            pytest.skip("mounting is not allowed here")
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)
