"""--ema: validation and saved files use moving averages of the weights."""

import keras
import numpy as np
import pytest
from conftest import arguments, assert_same_run, read_csv

import train_generator
from pix2pix_timbre.features import FeatureStore
from pix2pix_timbre.pairs import PairedFrames, split_pairs
from pix2pix_timbre.trained import Predictor
from pix2pix_timbre.weights import load_generator

MOMENTUM = 0.5
RUN = {
    "epochs": 2,
    "steps_per_epoch": 3,
    "batch_size": 2,
    "width": 2,
    "validation_split": 0.3,
    "lr": 0.01,
    "ema": MOMENTUM,
}


def values(variables):
    """Copy the values of variables, except seeds."""
    arrays = [np.array(keras.ops.convert_to_numpy(one)) for one in variables]
    return [array for array in arrays if array.dtype.kind == "f"]


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.usefixtures("rough_samples")
def test_averages_are_validated_saved_and_resumed(features_folder, tmp_path, monkeypatch):
    ended, steps, states = keras.callbacks.CallbackList.on_train_batch_end, [], []

    def end_and_keep(self, batch, logs=None):
        ended(self, batch, logs)
        steps.append(values(self.model.generator.trainable_variables))
        states.append(values(self.model.generator.non_trainable_variables))

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with monkeypatch.context() as patch:
        patch.setattr(keras.callbacks.CallbackList, "on_train_batch_end", end_and_keep)
        assert train_generator.main(arguments(features_folder, whole, RUN)) == 0
    average = steps[0]
    for weights in steps[1:]:
        average = [
            MOMENTUM * old + (1 - MOMENTUM) * new for old, new in zip(average, weights, strict=True)
        ]
    generator = load_generator(whole / "generator.h5")
    generator.trainable = True  # changes the order of its variables
    for found, wanted in (
        (generator.trainable_variables, average),
        (generator.non_trainable_variables, states[-1]),
    ):
        for one, other in zip(values(found), wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
    assert np.abs(average[0] - steps[-1][0]).max() > 1e-3

    names = ("keyboard_acoustic", "guitar_acoustic")
    stores = [FeatureStore(features_folder / f"{name}.h5") for name in names]
    _, held_out, _ = split_pairs(*stores, 0.3)
    inputs, targets = PairedFrames(held_out, 8)[0]
    predicted = Predictor(generator)((inputs + 1) / 2) * 2 - 1
    validated = float(read_csv(whole / "history.csv")[-1]["val_gen_mae"])
    assert validated == pytest.approx(np.abs(predicted - targets).mean(), rel=1e-4)

    for epochs in (1, 2):
        argv = arguments(features_folder, parts, {**RUN, "epochs": epochs})
        assert train_generator.main(argv) == 0
    assert_same_run(parts, whole)
