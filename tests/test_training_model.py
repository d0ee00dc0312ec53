"""The base class of the models in training."""

import keras
import pytest

from common.training.model import TrainingModel
from move.model import Move
from pix2pix_timbre.gan import Pix2Pix
from time_stretching.model import AutoEncoder, Correction
from vae_generation.continuation import Predictor
from vae_generation.model import VAE

# What a training model overrides on purpose.
REPLACED = {"call", "compile", "compute_loss", "metrics"}
REPLACED |= {"make_train_function", "make_test_function"}


@pytest.mark.parametrize(
    "model", [TrainingModel, Pix2Pix, VAE, Predictor, AutoEncoder, Correction, Move]
)
def test_nothing_of_keras_is_replaced_by_accident(model):
    """Keras on JAX calls attributes that Keras on TensorFlow does not, such as ``losses``."""
    ours = {
        name
        for base in model.__mro__
        if issubclass(base, TrainingModel)
        for name in vars(base)
        if not name.startswith("_")
    }
    assert ours & set(dir(keras.Model)) <= REPLACED


def test_a_model_without_losses_cannot_be_made():
    class Idle(TrainingModel):
        pass

    with pytest.raises(TypeError, match="loss_terms"):
        Idle("idle")
