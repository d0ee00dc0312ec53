"""Untrusted HDF5 files: false sizes, links and code in them are refused."""

import ast
import gzip
import json
import os
import subprocess
import sys
import time

import h5py
import keras
import numpy as np
import pytest
from conftest import ROOT

from common.cli import UserError
from common.files import hdf5
from common.files.hdf5 import open_hdf5
from common.files.store import write_store as write_rows
from common.training.run_folder import RunFolder
from common.training.weights import halve_precision, load_into, save_h5
from data import BINS
from pix2pix_timbre.features import FeatureStore, write_store
from pix2pix_timbre.weights import generator_shape
from random_cnn_style.style import load_style
from time_stretching.store import SETTINGS, SHAPE, Recording, Store
from vae_generation.latents import Latents
from vae_generation.relative import _read as read_keras_2
from vae_generation.spectrogram import Spectrogram
from vae_generation.store import Example, ImageStore

HUGE = 10**12  # elements
SECRET = b"a secret of another file"


def never_written(file):
    file.create_dataset("a", (HUGE,), np.float16)


def never_written_chunks(file):
    file.create_dataset("a", (HUGE // BINS, BINS), np.float16, chunks=(256, BINS))


def bomb(file):
    file.create_dataset("a", data=np.zeros((10**5, BINS), np.float16), compression=9)


def external_storage(file):
    place = [(file.filename + ".secret", 0, len(SECRET))]
    file.create_dataset("a", (len(SECRET),), np.uint8, external=place)


def external_link(file):
    file["a"] = h5py.ExternalLink(file.filename + ".other", "/secret")


def external_group(file):
    file["model_weights"] = h5py.ExternalLink(file.filename + ".other", "/")


def soft_link(file):
    file["b"] = np.zeros(3)
    file["a"] = h5py.SoftLink("/b")


def virtual(file):
    layout = h5py.VirtualLayout((3,), np.float64)
    layout[:] = h5py.VirtualSource(file.filename + ".other", "secret", (3,))
    file.create_virtual_dataset("a", layout)


def records(file):
    file["a"] = np.zeros(3, [("x", np.float32), ("y", np.int8)])


def references(file):
    file.create_dataset("a", data=file.ref, dtype=h5py.ref_dtype)


def lambda_layer(file):
    config = {"class_name": "Functional", "config": {"layers": [{"class_name": "Lambda"}]}}
    file.attrs["model_config"] = json.dumps(config)


def foreign_code(file):
    layers = [{"class_name": "system", "module": "os", "config": {}}]
    file.create_group("model_weights").attrs["model_config"] = json.dumps({"layers": layers})


HOSTILE = {
    never_written: "a claims 2,000,000,000,000 bytes, of which 0 are stored",
    never_written_chunks: "a claims 2,000,000,000,000 bytes, of which 0 are stored",
    bomb: "a is compressed; store it plainly",
    external_storage: "a lies in another file",
    external_link: "a is a link to elsewhere",
    external_group: "model_weights is a link to elsewhere",
    soft_link: "a is a link to elsewhere",
    virtual: "a lies in another file",
    records: "a holds neither numbers nor text",
    references: "a holds neither numbers nor text",
    lambda_layer: "holds a model with code of its own, a Lambda layer",
    foreign_code: "holds a model with code of its own, of os",
}


def small_model():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs))


def resume(path):
    folder = RunFolder(path.parent)
    path.rename(folder._resume_file(1))
    folder.load_resume(small_model(), 1)


OPENERS = {
    "features": FeatureStore,
    "generator": generator_shape,
    "weights": lambda path: load_into(small_model(), path),
    "resume": resume,
    "notes": ImageStore,
    "latents": Latents.load,
    "keras 2": read_keras_2,
    "style": load_style,
    "recordings": Store,
}


@pytest.fixture
def make(tmp_path):
    """Function that writes a file by another function, and returns the path."""

    def write(fill):
        path = tmp_path / "x.h5"
        path.with_name("x.h5.secret").write_bytes(SECRET)
        with h5py.File(path.with_name("x.h5.other"), "w") as file:
            file["secret"] = np.arange(3.0)
        with h5py.File(path, "w") as file:
            fill(file)
        return path

    return write


@pytest.mark.parametrize("fill", HOSTILE, ids=lambda fill: fill.__name__)
def test_what_is_not_to_be_trusted_is_refused_at_once(make, fill):
    path = make(fill)
    start = time.perf_counter()
    with pytest.raises(ValueError, match=HOSTILE[fill]):
        open_hdf5(path)
    assert time.perf_counter() - start < 5  # includes the start of the helper


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize(
    "fill", [never_written, bomb, external_storage, external_link, lambda_layer]
)
def test_every_reader_refuses_it_in_one_line(make, opener, fill):
    with pytest.raises(UserError) as caught:
        OPENERS[opener](make(fill))
    text = str(caught.value)
    assert "\n" not in text
    assert HOSTILE[fill].partition(";")[0] in text or opener in ("weights", "style"), text
    assert str(SECRET) not in text


def test_weights_are_halved_of_trusted_files_only(make, tmp_path):
    with pytest.raises(ValueError, match="is a link to elsewhere"):
        halve_precision(make(external_link), tmp_path / "half.h5")
    assert not (tmp_path / "half.h5").exists()


def test_all_files_are_opened_in_the_one_place_and_no_model_is_made_from_one():
    """Elsewhere ``h5py.File`` only writes, and no model is built from a file's configuration."""
    for path in ROOT.rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if name == "common/files/hdf5.py":
            continue
        if name.startswith(("tests/", "stress/", ".")) or "/." in name:  # they read their own
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if name != "trimming/latency.py":  # a helper process that opens what its parent wrote
                assert not called.endswith("models.load_model"), name  # of Keras
            if called.endswith("h5py.File"):
                assert ast.unparse(node.args[1]) == "'w'", f"{name}: {ast.unparse(node)}"


def test_code_in_a_model_file_does_not_run(tmp_path):
    marker, path = tmp_path / "marker", tmp_path / "model.h5"
    code = f"lambda x: (open({str(marker)!r}, 'w').close(), x)[1]"
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(2)(keras.layers.Lambda(eval(code))(inputs))
    keras.Model(inputs, outputs).save(path)
    marker.unlink(missing_ok=True)
    keras.models.load_model(path, safe_mode=False, compile=False)
    assert marker.exists()  # the code in the file does work
    marker.unlink()
    for name, opener in OPENERS.items():
        if name != "resume":
            with pytest.raises(UserError, match=r"^\S+: [^\n]+$"):
                opener(path)
    with pytest.raises(UserError, match="Lambda layer"):
        resume(path)
    assert not marker.exists()


def test_models_of_ordinary_layers_are_trusted(tmp_path):
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.ReLU()]
    )
    model.compile("adam", "mse")
    save_h5(model, tmp_path / "a.h5")
    model.save(tmp_path / "b.h5")
    model.save_weights(tmp_path / "c.weights.h5")
    for path in tmp_path.glob("*.h5"):
        open_hdf5(path).close()
        load_into(model, path)


@pytest.mark.parametrize("name", ["weights.keras", "weights", "weights.bin"])
def test_weights_are_told_by_their_content_and_gone_through_under_any_name(tmp_path, name):
    model, other = small_model(), small_model()
    save_h5(model, tmp_path / "a.h5")
    (tmp_path / "a.h5").rename(tmp_path / name)
    load_into(other, tmp_path / name)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    with h5py.File(tmp_path / name, "a") as file:
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/")
    with pytest.raises(UserError, match="is a link to elsewhere"):
        load_into(other, tmp_path / name)


def test_groups_that_hold_each_other_come_to_an_end(make):
    def circle(file):
        file["a/b"] = np.zeros(3)
        file["a/c"] = file["/"]
        file["again"] = file["a/b"]

    open_hdf5(make(circle)).close()


def test_texts_are_trusted_as_far_as_they_are_stored(make):
    def texts(file):
        file.create_dataset("a", data=["one", "two" * 1000], dtype=h5py.string_dtype())
        file["b"] = "three"
        file["c"] = np.array([b"four"])
        file["d"] = np.zeros((0, 3))
        file["e"] = np.array([True, False])

    with open_hdf5(make(texts)) as file:
        assert file["a"].asstr()[1] == "two" * 1000


def test_a_file_that_libhdf5_never_gets_through_is_refused_and_the_next_one_read(tmp_path):
    path = tmp_path / "x.h5"
    path.write_bytes(gzip.decompress((ROOT / "tests/regressions/store-endless.h5.gz").read_bytes()))
    start = time.perf_counter()
    with pytest.raises(
        UserError, match=r"x\.h5: not .* \(damaged: libhdf5 comes to no end with it"
    ):
        FeatureStore(path)
    assert time.perf_counter() - start < 10
    write_store(path, [("a", np.zeros((3, BINS), np.float16))], "x")
    with FeatureStore(path) as store:
        assert store.renderings == ["a"]


def test_a_file_that_kills_the_helper_is_refused_and_the_next_one_read(make, monkeypatch):
    path = make(soft_link)
    with pytest.raises(ValueError, match="is a link"):
        open_hdf5(path)  # the helper is running now
    hdf5._helper._process.kill()
    hdf5._helper._process.wait()
    monkeypatch.setattr(hdf5._helper._process, "poll", lambda: None)  # as if it had died
    with pytest.raises(ValueError, match="damaged: libhdf5 crashes at it, signal 9"):
        open_hdf5(path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="is a link"):
        open_hdf5(path)


def test_the_helper_ends_with_its_process(make):
    path = make(lambda file: file.create_group("a"))
    code = (
        "import sys; from common.files.hdf5 import open_hdf5, _helper\n"
        f"open_hdf5({str(path)!r}).close(); print(_helper._process.pid)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, check=True
    )
    assert not done.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_a_store_of_wrong_images_is_one_line(tmp_path):
    path = tmp_path / "x.h5"
    for image, message in (
        (np.zeros((3, BINS), np.float32), "a is no image but float32"),
        (np.zeros((3, 9), np.float16), r"a is no image but float16 \(3, 9\)"),
    ):
        write_store(path, [("b", np.zeros((3, BINS), np.float16))], "x")
        with h5py.File(path, "a") as file:
            file["pieces/a"] = image
        with pytest.raises(UserError, match=message):
            FeatureStore(path)


def test_attributes_of_another_shape_are_one_line(tmp_path):
    path = tmp_path / "x.h5"
    for name in ("hop", "format_version"):
        write_store(path, [("a", np.zeros((3, BINS), np.float16))], "x")
        with h5py.File(path, "a") as file:
            file.attrs[name] = [512, 512]
        with pytest.raises(UserError, match=r"x\.h5: (hop is \[512, 512\]|.* not of format)"):
            FeatureStore(path)


def test_tables_that_do_not_fit_their_arrays_are_one_line(tmp_path):
    path = tmp_path / "x.h5"
    spectrogram = Spectrogram(bins=4, frames=3)
    for name, fault in (
        ("images", np.zeros((2, 4, 9), np.float16)),
        ("images", np.zeros((1, 4, 3), np.float16)),
        ("pitch", [1]),
    ):
        examples = [(Example("a"), np.zeros((4, 3))), (Example("b"), np.zeros((4, 3)))]
        settings = spectrogram._asdict()
        assert len(write_rows(path, Example, examples, settings=settings, shape=(4, 3))) == 2
        replace(path, name, fault)
        with pytest.raises(UserError, match=r"x\.h5: not a readable store of images"):
            ImageStore(path)
    for name, fault in (
        ("images", np.zeros((5, 9), np.float16)),
        ("columns", [4]),
        ("start", [-1]),
        ("start", [0, 0]),
    ):
        items = [(Recording("a", 1.0), np.zeros((SHAPE[0], 5)))]
        write_rows(path, Recording, items, settings=SETTINGS, shape=SHAPE)
        replace(path, name, fault)
        with pytest.raises(UserError, match=r"x\.h5: (damaged|not a readable store)"):
            Store(path)
    for name, fault in (("mean", np.zeros((3, 2))), ("mean", np.full((1, 2), np.nan))):
        Latents(np.zeros((1, 2)), np.zeros((1, 2)), [Example("a")]).save(path)
        replace(path, name, fault)
        with pytest.raises(UserError, match=r"x\.h5: not a readable .*\(damaged, "):
            Latents.load(path)


def replace(path, name, values):
    """Replace a dataset by other values."""
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = values


def test_columns_that_are_no_numbers_are_refused_when_they_are_read(tmp_path):
    image = np.zeros((300, BINS), np.float16)
    image[200, 7] = np.nan
    write_store(tmp_path / "x.h5", [("a", image)], "x")
    with FeatureStore(tmp_path / "x.h5") as store:
        assert store.read("a", 0, 200).shape == (200, BINS)
        with pytest.raises(UserError, match=r"x\.h5: a is damaged, holds what is no number"):
            store.read("a")
