"""Further targets of ``stress.fuzz``: files of the systems and of run folders."""

import shutil
import tempfile
from pathlib import Path

import numpy as np

from common.cli import UserError
from stress.fuzz_damage import Sample, Target, hdf5_structure

ROOT = Path(__file__).parent.parent


def _hdf5_samples(write):
    """Return the file that a function writes, as samples."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "sample.h5"
        write(path)
        return [Sample(".h5", path.read_bytes(), hdf5_structure(path))]


def _preprocessed(preprocess, path, *flags):
    """Write the store of three of the included notes."""
    folder = path.with_name("audios")
    folder.mkdir()
    for note in sorted((ROOT / "data/notes/audio").glob("keyboard_acoustic*"))[:3]:
        shutil.copy(note, folder)
    words = ["--audio_path", folder, "--features_path", path, "--jobs", 1, *flags]
    preprocess.main([str(word) for word in words])


def _images_samples():
    from vae_generation import preprocess

    return _hdf5_samples(lambda path: _preprocessed(preprocess, path))


def _images_reader():
    from vae_generation.store import ImageStore

    def read(path):
        with ImageStore(path) as store:
            images = store.read(range(len(store.rows)))
            assert len(images) == len(store.rows), images.shape
            assert np.isfinite(images).all(), "not finite"
            store.split(0.2)

    return read


def _stretch_samples():
    from time_stretching import preprocess

    return _hdf5_samples(lambda path: _preprocessed(preprocess, path, "--random_rates", 0))


def _stretch_reader():
    from time_stretching.store import Store

    def read(path):
        with Store(path) as store:
            for row in store.rows[:100]:
                columns = store.columns(row, 0, min(row.columns, 100))
                assert np.isfinite(columns).all(), "not finite"
            store.split(0.2, lambda row: row.name)

    return read


def _latents_samples():
    from vae_generation.latents import Latents
    from vae_generation.store import Example

    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(2, 20, 4)).astype(np.float32)
    examples = [Example(f"piece {number}", number / 2) for number in range(20)]
    return _hdf5_samples(Latents(mean, log_variance, examples).save)


def _latents_reader():
    from vae_generation.latents import Latents

    def read(path):
        latents = Latents.load(path)
        assert latents.mean.shape == latents.log_variance.shape
        assert len(latents.examples) == len(latents.mean)

    return read


def _style_samples():
    from random_cnn_style.spectrogram import TRANSFORMS
    from random_cnn_style.style import Network, Style

    rng = np.random.default_rng(0)
    network = Network(32, 11, 0)
    factor = rng.normal(size=(8, 32)).astype(np.float32)
    loudest = rng.uniform(size=TRANSFORMS[network.transform].bins).astype(np.float32)
    return _hdf5_samples(Style(network, factor, loudest).save)


def _style_reader():
    from random_cnn_style.style import load_style

    def read(path):
        style = load_style(path)
        assert style.gram.shape == (style.network.filters,) * 2

    return read


def _config_samples():
    return [
        Sample(".json", path.read_bytes()) for path in sorted(ROOT.glob("models/*/config.json"))
    ]


def _run_folder(path, name):
    """Make a run folder beside an input, and put the input there under a name."""
    folder = path.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(path, folder / name)
    return folder


def _config_reader():
    from common.trained import SYSTEMS, open_run

    def read(path):
        folder = _run_folder(path, "config.json")
        for system in SYSTEMS:
            try:
                assert isinstance(open_run(folder, system), dict)
                return
            except UserError as error:
                if "holds no model of" not in str(error):
                    raise

    return read


def _history_samples():
    rows = [f"{epoch},{1 / epoch},{2 / epoch},\r\n" for epoch in range(1, 30)]
    return [Sample(".csv", "".join(["epoch,loss,val_loss,lr\r\n", *rows]).encode())]


def _history_reader():
    from common.training.run_folder import RunFolder

    def read(path):
        folder = _run_folder(path, "history.csv")
        (folder / "resume-0029.weights.h5").touch()
        for row in RunFolder(folder).read_history():
            assert isinstance(row["epoch"], int), row

    return read


def _layout_samples():
    from pix2pix_timbre.model import build_generator

    def write(path):
        build_generator(2).save_weights(path.with_suffix(".weights.h5"))
        path.with_suffix(".weights.h5").rename(path)

    return _hdf5_samples(write)


def _layout_reader():
    from pix2pix_timbre.weights import generator_shape

    def read(path):
        shape = generator_shape(path)
        assert all(isinstance(number, int | np.integer) for number in shape), shape

    return read


SYSTEM_TARGETS = {
    "images": Target(_images_samples, _images_reader),
    "stretches": Target(_stretch_samples, _stretch_reader),
    "latents": Target(_latents_samples, _latents_reader),
    "styles": Target(_style_samples, _style_reader),
    "config": Target(_config_samples, _config_reader),
    "history": Target(_history_samples, _history_reader),
    "layout": Target(_layout_samples, _layout_reader),
}
