"""The feature store and the script compute_features.py: names, pairs, restarts, damage."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import soundfile
from conftest import PIECES, ROOT, snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

import compute_features
import data
from common.cli import UserError
from common.features import (
    CODEC,
    FORMAT_VERSION,
    FeatureStore,
    find_pairs,
    is_held_out,
    magnitude_image,
    pair_key,
    piece_of,
    preset_of,
    to_half,
    write_store,
)
from data import BINS, SAMPLE_RATE, load_audio, write_audio


def image(columns, seed=0):
    return np.random.default_rng(seed).random((columns, BINS)).astype(np.float16)


def store(path, *names, columns=3):
    write_store(path, [(name, image(columns)) for name in names], path.stem)
    return FeatureStore(path)


def tone(seconds=0.2, frequency=440, seed=0):
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(seed).normal(0, 0.01, time.size)
    return np.float32(0.5 * np.sin(2 * np.pi * frequency * time) + noise)


# Images


def test_halves_are_those_of_numpy():
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = (halves[1:] + halves[:-1]) / 2  # ties, to the even one
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
        with pytest.raises(UserError, match=r"x\.h5: not a readable feature store .*; delete it"):
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
        with pytest.raises(UserError, match=r"x\.h5: not a readable feature store"):
            FeatureStore(path)
    with h5py.File(path, "w") as file:
        file.create_group("pieces")
    with pytest.raises(UserError, match="not of feature format 1"):
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
    with pytest.raises(UserError, match="not of feature format 1"):
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


# The script


@pytest.fixture
def compute(tmp_path):
    """A function that runs the script in this process on ``audios``; the exit status."""

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
        data.resample(audio, SAMPLE_RATE, 48000),
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
        compute_features, "load_audio", lambda path: loaded.append(path.name) or load_audio(path)
    )
    put(tmp_path, "x/c.wav")
    assert compute() == 0
    assert loaded == ["c.wav"]
    after = read_all(tmp_path / "features/x.h5")
    assert list(after) == ["a", "b", "c"]
    for name, stored in before.items():
        np.testing.assert_array_equal(after[name], stored)

    loaded.clear()
    put(tmp_path, "x/a.wav", seconds=0.5)  # made again, so newer
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


def test_pieces_whose_audio_is_gone_stay(compute, tmp_path, capsys):
    put(tmp_path, "x/a.wav", "x/b.wav")
    compute()
    (tmp_path / "audios/x/a.wav").unlink()
    put(tmp_path, "x/c.wav")
    assert compute() == 0
    assert list(read_all(tmp_path / "features/x.h5")) == ["a", "b", "c"]
    assert "x.h5: 1 computed, 2 kept" in capsys.readouterr().out


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
    for _ in range(2):  # said again by each run
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
        ("audios", "file", "file: File exists"),
        ("audios", "file/out", "Not a directory"),
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
    with pytest.raises(UserError, match="delete it and make it again with compute_features"):
        compute()
    assert path.read_bytes() == good[:-100]
    path.unlink()
    assert compute() == 0
    assert path.read_bytes() == good


@pytest.mark.parametrize("seconds", [0.1, 2])  # the store, or already a part of it, does not fit
def test_a_full_disk_is_one_line_and_leaves_no_half_store(
    run_script, small_disk, tmp_path_factory, seconds
):
    audios = tmp_path_factory.mktemp("audios")
    for number in range(15):
        noise = np.random.default_rng(number).uniform(-0.1, 0.1, int(8000 * seconds))
        write_audio(audios / "x" / f"{number:02}.wav", noise, 8000)
    out = small_disk / "features"
    flags = ["--audios_path", audios, "--features_path", out, "--jobs", 1]
    status, stdout, err = run_script("compute_features.py", *flags)
    assert (status, stdout) == (2, "")
    assert err.count("\n") == 1
    assert "cannot be written; is the disk full?" in err
    assert not list(out.glob("*.h5"))
    assert not list(out.rglob(".part.*"))


# Killed runs


@pytest.mark.parametrize("left", [0, 5, 100, 5000, -1])
def test_features_that_were_cut_off_are_computed_again(audios_folder, tmp_path, left):
    """As a machine that failed leaves them, which a killed process never does."""
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
    """The bytes of the stores of a run that nobody killed."""
    out = tmp_path_factory.mktemp("undisturbed")
    flags = ["--audios_path", str(many_audios), "--features_path", str(out), "--jobs", "1"]
    assert compute_features.main(flags) == 0
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize(
    "moment",  # pattern and number of the files seen then; processes
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
        FeatureStore(path).close()  # what is there is whole
    status, _, err = run_script("compute_features.py", *flags)
    assert (status, err) == (0, "")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == undisturbed
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its workers, orphans that would wait for minutes
