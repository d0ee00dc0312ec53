"""The script compute_features.py: its results, restarts, damaged files, killed runs."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from conftest import PIECES, ROOT, snapshot

import compute_features
import data
from common.cli import UserError
from common.files.audio import resample
from data import SAMPLE_RATE, load_audio, write_audio
from pix2pix_timbre.features import FeatureStore, magnitude_image, read_image


def tone(seconds=0.2, frequency=440, seed=0):
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(seed).normal(0, 0.01, time.size)
    return np.float32(0.5 * np.sin(2 * np.pi * frequency * time) + noise)


@pytest.fixture
def compute(tmp_path):
    """Function that runs the script in this process on ``audios``, and returns the exit status."""

    def run(*flags):
        paths = ["--audios_path", tmp_path / "audios", "--features_path", tmp_path / "features"]
        argv = [str(word) for word in [*paths, "--jobs", 1, *flags]]
        return compute_features.main(argv)

    return run


def put(tmp_path, *names, **flags):
    for number, name in enumerate(names):
        write_audio(tmp_path / "audios" / name, tone(seed=number, **flags))


def read_all(path):
    with FeatureStore(path) as opened:
        return {name: opened.read(name) for name in opened.renderings}


def test_features_are_the_images_of_the_audios(features_folder, audios_folder):
    assert sorted(path.name for path in features_folder.iterdir()) == [
        "guitar_acoustic.h5",
        "keyboard_acoustic.h5",
    ]
    for path in features_folder.iterdir():
        images = read_all(path)
        assert set(images) == set(PIECES)
        for piece, stored in images.items():
            audio, _ = load_audio(audios_folder / path.stem / f"{piece}.wav")
            np.testing.assert_array_equal(stored, magnitude_image(audio))
            assert stored.max() > 0.5


def test_any_rate_format_and_channels_are_taken(compute, tmp_path):
    audio = tone(1.0)
    write_audio(tmp_path / "audios/a/mono.wav", audio)
    write_audio(tmp_path / "audios/a/stereo.flac", np.stack([audio, audio]))
    write_audio(
        tmp_path / "audios/a/deep/slow.WAV",
        resample(audio, SAMPLE_RATE, 48000),
        48000,
        subtype="FLOAT",
    )
    assert compute() == 0
    images = read_all(tmp_path / "features/a.h5")
    assert list(images) == ["deep/slow", "mono", "stereo"]
    strong = images["mono"] > 0.3
    for name in ("stereo", "deep/slow"):
        np.testing.assert_allclose(images[name][strong], images["mono"][strong], atol=0.05)


def test_a_restart_computes_only_what_is_new(compute, tmp_path, monkeypatch, capsys):
    put(tmp_path, "x/a.wav", "x/b.wav", "y/a.wav")
    assert compute() == 0
    before = read_all(tmp_path / "features/x.h5")
    first = snapshot(tmp_path / "features")
    assert compute() == 0
    assert snapshot(tmp_path / "features") == first
    assert "x.h5: 0 computed, 2 kept" in capsys.readouterr().out

    loaded = []
    monkeypatch.setattr(
        compute_features,
        "read_image",
        lambda path, image: loaded.append(path.name) or read_image(path, image),
    )
    put(tmp_path, "x/c.wav")
    assert compute() == 0
    assert loaded == ["c.wav"]
    after = read_all(tmp_path / "features/x.h5")
    assert list(after) == ["a", "b", "c"]
    for name, stored in before.items():
        np.testing.assert_array_equal(after[name], stored)

    loaded.clear()
    put(tmp_path, "x/a.wav", seconds=0.5)  # written again, so newer
    assert compute() == 0
    assert loaded == ["a.wav"]
    assert len(read_all(tmp_path / "features/x.h5")["a"]) == data.column_count(SAMPLE_RATE // 2)


def test_a_store_that_grew_has_the_bytes_of_one_made_at_once(compute, tmp_path):
    put(tmp_path, "x/b.wav")
    compute()
    put(tmp_path, "x/a.wav", "x/b.wav", "x/c.wav")
    compute()
    grown = (tmp_path / "features/x.h5").read_bytes()
    (tmp_path / "features/x.h5").unlink()
    compute()
    assert (tmp_path / "features/x.h5").read_bytes() == grown


def test_two_processes_write_the_same_bytes_as_one(
    run_script, features_folder, audios_folder, tmp_path
):
    flags = ["--audios_path", audios_folder, "--features_path", tmp_path, "--jobs", 2]
    assert run_script("compute_features.py", *flags)[0] == 0
    for path in features_folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_piece_whose_new_audio_is_bad_keeps_its_features(compute, tmp_path, capsys):
    put(tmp_path, "x/a.wav", "x/b.wav", "x/c.wav")
    assert compute() == 0
    before = read_all(tmp_path / "features/x.h5")
    put(tmp_path, "x/aa.wav", "x/c.wav", seconds=0.3)
    (tmp_path / "audios/x/b.wav").write_bytes(b"no audio")
    assert compute() == 1
    assert "x.h5: 2 computed, 2 kept" in capsys.readouterr().out
    after = read_all(tmp_path / "features/x.h5")
    assert list(after) == ["a", "aa", "b", "c"]
    for name in ("a", "b"):
        np.testing.assert_array_equal(after[name], before[name])
    assert len(after["aa"]) == len(after["c"]) > len(before["c"])


def test_pieces_whose_audio_is_gone_stay(compute, tmp_path, capsys):
    put(tmp_path, "x/a.wav", "x/b.wav")
    compute()
    (tmp_path / "audios/x/a.wav").unlink()
    put(tmp_path, "x/c.wav")
    assert compute() == 0
    assert list(read_all(tmp_path / "features/x.h5")) == ["a", "b", "c"]
    said = capsys.readouterr().out
    assert "x.h5: 1 computed, 2 kept, 1 of them without an audio any more" in said


def test_pieces_named_like_folders_do_not_collide(compute, tmp_path):
    names = ["a.wav", "a/b.wav", "a/b.flac", "a.npy.wav", "c/a.wav", "Für Elise.wav"]
    put(tmp_path, *(f"x/{name}" for name in names))
    assert compute() == 0
    images = read_all(tmp_path / "features/x.h5")
    assert list(images) == sorted(["a", "a/b.flac", "a/b.wav", "a.npy", "c/a", "Für Elise"])
    assert len({stored.tobytes() for stored in images.values()}) == len(names)


def test_what_killed_runs_left_among_the_audios_is_no_piece(compute, tmp_path):
    put(tmp_path, "x/a.wav", "x/.part.b.wav", ".trash/a.wav")
    assert compute() == 0
    assert list(read_all(tmp_path / "features/x.h5")) == ["a"]
    assert [path.name for path in (tmp_path / "features").iterdir()] == ["x.h5"]


def test_a_bad_audio_among_good_ones_is_reported_and_skipped(compute, tmp_path, capsys):
    put(tmp_path, "x/a.wav", "x/cut.wav", "y/a.wav")
    bad = tone()
    bad[100] = np.nan
    soundfile.write(tmp_path / "audios/x/nan.wav", bad, SAMPLE_RATE, subtype="FLOAT")
    cut = tmp_path / "audios/x/cut.wav"
    cut.write_bytes(cut.read_bytes()[:1000])
    (tmp_path / "audios/x/empty.flac").write_bytes(b"")
    (tmp_path / "audios/z").mkdir()
    for _ in range(2):  # each run says it
        assert compute() == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 5
        assert "x/cut.wav: cut off" in lines[0]
        assert "x/empty.flac: not a readable audio file" in lines[1]
        assert "x/nan.wav: holds NaN or infinite samples" in lines[2]
        assert lines[3].endswith("audios/z: holds no audio file")
        assert lines[4] == "4 skipped, as listed above"
        assert list(read_all(tmp_path / "features/x.h5")) == ["a"]
        assert {path.name for path in (tmp_path / "features").iterdir()} == {"x.h5", "y.h5"}


def test_bad_audios_alone_end_with_status_2(run_script, tmp_path):
    (tmp_path / "audios/x").mkdir(parents=True)
    (tmp_path / "audios/x/a.wav").write_bytes(b"no audio")
    flags = ["--audios_path", tmp_path / "audios", "--features_path", tmp_path / "features"]
    status, _, err = run_script("compute_features.py", *flags, "--jobs", 1)
    assert status == 2
    assert "Traceback" not in err
    assert err.splitlines()[-1].endswith("audios: no features could be computed")
    assert not (tmp_path / "features").exists()


def test_mistakes_in_the_flags_are_one_line(run_script, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"")
    put(tmp_path, "x/a.wav")
    for audios, out, message in [
        ("missing", "out", "no such folder"),
        ("empty", "out", "holds no folder; put the audios of each instrument into one"),
        ("audios/x", "out", "holds no folder"),
        ("audios", "file", "file: is a file; name a folder"),
        ("audios", "file/out", "part of this path is a file"),
    ]:
        flags = ["--audios_path", tmp_path / audios, "--features_path", tmp_path / out]
        status, stdout, err = run_script("compute_features.py", *flags)
        assert (status, stdout) == (2, "")
        assert err.count("\n") == 1
        assert message in err
        assert not (tmp_path / "out").exists()


def test_a_damaged_store_is_left_alone_and_the_remedy_works(compute, tmp_path):
    put(tmp_path, "x/a.wav")
    compute()
    path = tmp_path / "features/x.h5"
    good = path.read_bytes()
    path.write_bytes(good[:-100])
    with pytest.raises(UserError, match="move it elsewhere and make it again with compute_f"):
        compute()
    assert path.read_bytes() == good[:-100]
    path.unlink()
    assert compute() == 0
    assert path.read_bytes() == good


def test_a_damaged_store_is_told_before_anything_is_computed(compute, tmp_path):
    put(tmp_path, "x/a.wav", "y/a.wav")
    (tmp_path / "features").mkdir()
    (tmp_path / "features/y.h5").write_bytes(b"no store")
    with pytest.raises(UserError, match=r"y\.h5: not a readable feature store"):
        compute()
    assert [path.name for path in (tmp_path / "features").iterdir()] == ["y.h5"]


# seconds: the store, or already a part of it, does not fit; audios; processes
@pytest.mark.parametrize("case", [(0.1, 15, 1), (2, 15, 1), (0.1, 90, 2)])
def test_a_full_disk_is_one_line_and_leaves_no_half_store(
    run_script, small_disk, tmp_path_factory, case
):
    seconds, count, jobs = case
    audios = tmp_path_factory.mktemp("audios")
    for number in range(count):
        noise = np.random.default_rng(number).uniform(-0.1, 0.1, int(8000 * seconds))
        write_audio(audios / "x" / f"{number:02}.wav", noise, 8000)
    out = small_disk / "features"
    flags = ["--audios_path", audios, "--features_path", out, "--jobs", jobs]
    status, stdout, err = run_script("compute_features.py", *flags)
    assert (status, stdout) == (2, "")
    assert err.count("\n") == 1
    assert "cannot be written; is the disk full?" in err
    assert not list(out.glob("*.h5"))
    assert not list(out.rglob(".part.*"))


# Killed runs


@pytest.mark.parametrize("left", [0, 5, 100, 5000, -1])
def test_features_that_were_cut_off_are_computed_again(audios_folder, tmp_path, left):
    """A crash of the machine can leave such files; a killed process never does."""
    flags = ["--audios_path", str(audios_folder), "--features_path", str(tmp_path), "--jobs", "1"]
    assert compute_features.main(flags) == 0
    store = tmp_path / "guitar_acoustic.h5"
    content = store.read_bytes()
    store.unlink()
    parts = tmp_path / ".parts" / "guitar_acoustic"
    parts.mkdir(parents=True)
    for audio in (audios_folder / "guitar_acoustic").iterdir():
        part = compute_features.part_path(parts, audio.stem)
        image = magnitude_image(load_audio(audio)[0])
        np.save(part, image)
        part.write_bytes(part.read_bytes()[:left])
        assert not compute_features.is_newer(audio, part)
    assert compute_features.main(flags) == 0
    assert store.read_bytes() == content


@pytest.fixture(scope="module")
def many_audios(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    for instrument in ("x", "y"):
        for number in range(12):
            path = folder / instrument / f"{number:02}.wav"
            write_audio(path, tone(6, seed=number))
    return folder


@pytest.fixture(scope="module")
def undisturbed(many_audios, tmp_path_factory):
    """The bytes of the stores of an undisturbed run."""
    out = tmp_path_factory.mktemp("undisturbed")
    flags = ["--audios_path", str(many_audios), "--features_path", str(out), "--jobs", "1"]
    assert compute_features.main(flags) == 0
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize(
    "moment",  # pattern and number of the files that exist then; processes
    [
        (".parts/x/*.npy", 1, 1),
        (".parts/x/*.npy", 7, 1),
        ("*x.h5", 1, 1),  # the store, or its temporary file
        (".parts/y/*", 1, 1),
        (".parts/x/*.npy", 3, 2),
    ],
)
def test_a_killed_run_is_completed_by_the_next(
    run_script, many_audios, undisturbed, tmp_path, moment
):
    pattern, count, processes = moment
    flags = ["--audios_path", many_audios, "--features_path", tmp_path, "--jobs", str(processes)]
    command = [sys.executable, ROOT / "compute_features.py", *flags]
    process = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and len(list(tmp_path.glob(pattern))) < count:
        time.sleep(0.0005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    for path in tmp_path.glob("[xy].h5"):
        FeatureStore(path).close()  # a store that exists is whole
    status, _, err = run_script("compute_features.py", *flags)
    assert (status, err) == (0, "")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == undisturbed
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # also its workers


@pytest.mark.parametrize("seconds", [1, 2])
@pytest.mark.parametrize("age", [0, 86400])
def test_an_audio_that_is_replaced_by_an_older_one_is_computed_again(tmp_path, seconds, age):
    for number in range(2):
        write_audio(tmp_path / "audios/x" / f"{number}.wav", tone(1, seed=number))
    flags = ["--audios_path", tmp_path / "audios", "--features_path", tmp_path / "features"]
    flags = [str(flag) for flag in [*flags, "--jobs", 1]]
    assert compute_features.main(flags) == 0
    replaced = tmp_path / "audios/x/0.wav"
    dates = replaced.stat().st_mtime_ns - age * 10**9
    write_audio(replaced, tone(seconds, seed=7))
    os.utime(replaced, ns=(dates, dates))
    assert compute_features.main(flags) == 0
    wanted = read_image(replaced)
    with FeatureStore(tmp_path / "features/x.h5") as store:
        np.testing.assert_array_equal(store.read("0"), wanted)
        marks = store.marks
    before = (tmp_path / "features/x.h5").read_bytes()
    assert len({*marks.values(), 0}) == 3
    assert compute_features.main(flags) == 0
    assert (tmp_path / "features/x.h5").read_bytes() == before


def test_what_is_no_recording_is_named(tmp_path, capsys):
    write_audio(tmp_path / "audios/x/a.wav", tone(1))
    (tmp_path / "audios/x/a.wav").rename(tmp_path / "audios/x/a.wave")
    (tmp_path / "audios/x/b.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(500))
    (tmp_path / "audios/x/cover.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(500))
    write_audio(tmp_path / "audios/beside.wav", tone(1))
    flags = ["--audios_path", tmp_path / "audios", "--features_path", tmp_path / "features"]
    assert compute_features.main([str(flag) for flag in [*flags, "--jobs", 1, "--with_phase"]]) == 1
    out, err = capsys.readouterr()
    assert "x.h5: 1 computed, 0 kept" in out
    assert "2 files ignored, not audio in the folder of an instrument: cover.jpg, beside.wav" in err
    assert err.count("b.m4a: MPEG-4") == 1
