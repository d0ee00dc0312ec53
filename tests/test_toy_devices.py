"""The toy on two devices and on two workers learns what it learns on one device."""

import keras
import numpy as np
import pytest
import toy
from conftest import ROOT, read_csv
from test_devices import cluster, started, succeed

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute; test_jax.py has that of JAX"
)

PATHS = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n"

# In float64, so that rounding hides no error; batches of 5, 5 and 2, where 5 is shared unevenly.
DOUBLE = """
import keras
import numpy as np
import toy
from common.training.devices import find_devices

class First(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        training.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if not hasattr(self, "weights"):
            self.weights = self.model.get_weights()

path, count = sys.argv[1:]
devices = find_devices()
assert devices.count == int(count), devices.count
keras.utils.set_random_seed(0)
keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
examples = toy.make_examples()
training, held_out = examples(toy.PIECES[1:], 5, seed=0), examples(toy.PIECES[:1], 5)
with devices.scope():
    model = toy.make_model(dropout=0)
    text = model.network.to_json().replace("float32", "float64")  # the output layer is float32
    model = type(model)(keras.models.model_from_json(text))
    devices.prepare(model)
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
first = First()
with devices.guard():
    feed = devices.feed(training, held_out, 0)
    fit = model.fit(**feed, epochs=3, shuffle=False, verbose=0, callbacks=[first])
    devices.agree(0)
if devices.is_chief:
    weights = {str(place): one for place, one in enumerate(model.get_weights())}
    early = {f"first_{place}": one for place, one in enumerate(first.weights)}
    np.savez(path, **weights, **early, **fit.history)
"""


@pytest.fixture(scope="module")
def in_double(tmp_path_factory):
    """Folder with the results of one device, two devices and two workers, as npz."""
    folder = tmp_path_factory.mktemp("in_double")
    with started() as start:
        succeed(
            start(PATHS + DOUBLE, folder / "alone.npz", 1),
            start(PATHS + DOUBLE, folder / "devices.npz", 2, two=True),
            *(
                start(PATHS + DOUBLE, folder / "workers.npz", 2, TF_CONFIG=text)
                for text in cluster(2)
            ),
        )
    return folder


@pytest.mark.parametrize("several", ["devices", "workers"])
def test_losses_and_weights_are_those_of_one_device(in_double, several):
    alone, other = (dict(np.load(in_double / f"{name}.npz")) for name in ("alone", several))
    assert {"loss", "error", "val_loss", "val_error", "0", "first_0"} < set(alone)
    assert np.size(alone["loss"]) == 3
    assert other.keys() == alone.keys()
    for name, values in alone.items():
        # sums are taken in another order on several devices, which each step carries on
        tolerance = 1e-11 if name.startswith("first") else 1e-9
        np.testing.assert_allclose(other[name], values, tolerance, tolerance, err_msg=name)


@pytest.mark.slow
@pytest.mark.stress
def test_a_run_in_mixed_precision_begins_on_two_devices_and_ends_on_one(tmp_path):
    folder = tmp_path / "run"
    program = PATHS + "import toy\nfrom common.cli import run\nrun(toy.main, sys.argv[1:])"
    flags = {"mixed_precision": "float16", "lr": 0.05}
    with started() as start:
        for epochs, two in ((1, True), (2, False)):
            succeed(start(program, *toy.arguments(folder, epochs=epochs, **flags), two=two))
    rows = read_csv(folder / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for name in ("loss", "error", "val_loss", "val_error"):
        assert np.isfinite([float(row[name]) for row in rows]).all()
    text = keras.models.load_model(folder / "network.h5", compile=False).to_json()
    assert '"synchronized": true' not in text
    assert "float16" not in text
