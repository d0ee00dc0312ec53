"""Replicas are weighted by the items that their losses average, on two logical devices."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="replicas of tf.distribute"
)

# Four windows; those of the second device are mostly silence, which does not count.
PROGRAM = """
import sys
import keras
import numpy as np
import tensorflow as tf

count, published, path = int(sys.argv[1]), sys.argv[2] == "published", sys.argv[3]
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)

from common.training.batches import Batches
from common.training.devices import find_devices
from time_stretching.model import Architecture, Correction, build_corrector, build_decoder
from time_stretching.spectrogram import BINS, WIDE

class Windows(Batches):
    def cut(self, positions, epoch):
        rng = np.random.default_rng(0)
        codes, targets = rng.normal(0, 0.3, (2, 4, 16, 5)).astype(np.float32)
        images = rng.random((4, 16, BINS)).astype(np.float32)
        lengths = np.array([16, 16, 3, 0])[:, None]
        valid = (np.arange(16) < lengths).astype(np.float32)
        told = np.ones((4, 16, 2), np.float32)
        part = np.array(positions)
        inputs = (codes[part],) if published else (codes[part], told[part])
        return inputs, (targets[part], images[part], valid[part])

architecture = Architecture((8,), 5, 1 if published else 3, (6,))
devices = find_devices()
assert devices.count == count
keras.utils.set_random_seed(0)
with devices.scope():
    decoder = None if published else build_decoder(architecture)
    model = Correction(build_corrector(architecture), decoder, WIDE)
    model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
feed = devices.feed(Windows(4, 4), Windows(4, 4), 0)
history = model.fit(**feed, epochs=2, verbose=0).history
np.savez(path, *model.corrector.get_weights(), **history)
"""


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.parametrize("kind", ["ours", "published"])
def test_a_corrector_learns_on_two_devices_what_it_learns_on_one(tmp_path, kind):
    results = []
    for count in (1, 2):
        path = tmp_path / f"{count}.npz"
        argv = [sys.executable, "-c", PROGRAM, str(count), kind, str(path)]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        results.append(np.load(path))
    alone, shared = results
    assert set(alone) == set(shared) >= {"loss", "codes", "val_loss"}
    for name in alone:
        np.testing.assert_allclose(shared[name], alone[name], rtol=1e-4, atol=1e-6, err_msg=name)
