"""Parts of networks and losses that several systems share, against closed forms."""

import keras
import numpy as np
import pytest
from conftest import ROOT
from keras import ops
from layer_cases import check_part, network_of
from test_devices import started, succeed

from common.cli import UserError
from common.networks.adversary import (
    adversarial_loss,
    build_classifier,
    reverse_gradient,
    translation_losses,
)
from common.networks.conditions import NoteConditions
from common.networks.film import adaptive_instance_normalization, film
from common.networks.mmd import mmd_to_prior, squared_distances, squared_mmd
from common.training.batches import Batches
from common.training.callbacks import Ramp
from common.training.devices import find_devices
from common.training.model import TrainingModel


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(7,), (5, 4, 7)])
@pytest.mark.parametrize("part", [film, adaptive_instance_normalization])
def test_a_modulation_is_a_part_of_stock_layers(part, shape, tmp_path):
    if part is film or len(shape) > 1:
        check_part(lambda *inputs: part(*inputs, "x"), [shape, (3,)], tmp_path, shape)


def test_film_scales_and_shifts_each_feature_by_the_condition():
    model = network_of(lambda *inputs: film(*inputs, "x"), [(5, 4, 7), (3,)])
    hidden, condition = normal(2, 5, 4, 7), normal(2, 3, seed=1)
    np.testing.assert_array_equal(model([hidden, condition]), hidden)  # initially the identity
    kernels = {name: normal(3, 7, seed=number) for number, name in enumerate(("scale", "shift"))}
    for name, kernel in kernels.items():
        model.get_layer(f"x_{name}").set_weights([kernel, normal(7, seed=9)])
    scale, shift = (condition @ kernels[name] + normal(7, seed=9) for name in kernels)
    expected = hidden * scale[:, None, None] + shift[:, None, None]
    np.testing.assert_allclose(model([hidden, condition]), expected, rtol=1e-4, atol=1e-5)


def test_adaptive_instance_normalization_sets_mean_and_deviation():
    model = network_of(
        lambda *inputs: adaptive_instance_normalization(*inputs, "x"), [(50, 4, 7), (3,)]
    )
    found = np.asarray(model([5 + 3 * normal(2, 50, 4, 7), normal(2, 3)]))
    np.testing.assert_allclose(found.mean(axis=(1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(found.std(axis=(1, 2)), 1, atol=2e-3)
    model.get_layer("x_scale").set_weights([np.zeros((3, 7)), np.full(7, 2.0)])
    model.get_layer("x_shift").set_weights([np.zeros((3, 7)), np.full(7, -1.0)])
    again = np.asarray(model([5 + 3 * normal(2, 50, 4, 7), normal(2, 3)]))
    np.testing.assert_allclose(again, 2 * found - 1, atol=1e-4)


def test_the_discrepancy_of_two_points_has_a_closed_form():
    one, other = np.float32([[0.0, 0.0]]), np.float32([[3.0, 4.0]])
    found = float(squared_mmd(one, other, width=10.0, scales=(1.0, 2.0)))
    expected = 2 * (1 - np.exp(-25 / 10)) + 2 * (1 - np.exp(-25 / 20))
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_discrepancy_of_small_sets_is_that_of_the_sums():
    first, second = normal(4, 3), 1 + normal(6, 3, seed=1)

    def mean(a, b):
        distances = np.square(a[:, None] - b[None]).sum(axis=-1)
        return sum(np.exp(-distances / (scale * 2.5)).mean() for scale in (0.5, 3.0))

    expected = mean(first, first) + mean(second, second) - 2 * mean(first, second)
    found = float(squared_mmd(first, second, width=2.5, scales=(0.5, 3.0)))
    assert found == pytest.approx(expected, rel=1e-4)
    # the default width is the median of all squared distances
    joined = np.concatenate([first, second])
    distances = np.square(joined[:, None] - joined[None]).sum(axis=-1)
    np.testing.assert_allclose(squared_distances(joined), distances, atol=1e-4)
    by_median = float(squared_mmd(first, second, width=float(np.median(distances))))
    assert float(squared_mmd(first, second)) == pytest.approx(by_median, rel=1e-4)


def test_the_discrepancy_is_zero_for_equal_samples_and_grows_with_the_shift():
    sample = normal(200, 2)
    assert float(squared_mmd(sample, sample)) == pytest.approx(0, abs=1e-5)
    shifted = [float(squared_mmd(sample, normal(200, 2, seed=1) + by)) for by in (0, 0.5, 1, 2)]
    assert shifted == sorted(shifted)
    assert shifted[-1] > 20 * shifted[0]
    np.testing.assert_allclose(float(squared_mmd(np.zeros((3, 2)), np.zeros((2, 2)))), 0, atol=1e-6)


def test_groups_are_compared_with_themselves_alone():
    first, second = normal(5, 3), 1 + normal(6, 3, seed=1)
    groups = np.eye(4)[[0, 0, 1, 1, 2]], np.eye(4)[[0, 1, 1, 1, 3, 0]]
    groups[1][3] = 0  # in no group
    expected = np.mean(
        [
            float(squared_mmd(first[[0, 1]], second[[0, 5]], width=2.0)),
            float(squared_mmd(first[[2, 3]], second[[1, 2]], width=2.0)),
        ]
    )
    assert float(squared_mmd(first, second, groups=groups, width=2.0)) == pytest.approx(expected)
    alone = np.eye(2)[[0] * 5], np.eye(2)[[1] * 6]
    assert float(squared_mmd(first, second, groups=alone)) == 0


def test_the_distance_from_the_prior_is_smallest_for_the_prior():
    seed = keras.random.SeedGenerator(1)
    near, wide, far = (
        float(mmd_to_prior(ops.convert_to_tensor(latents), seed))
        for latents in (normal(300, 3), 3 * normal(300, 3), 2 + normal(300, 3))
    )
    assert near < 0.1 * min(wide, far)


def fit_shift():
    """Train a shift by the discrepancy: number of devices, losses and weights."""

    class Shift(TrainingModel):
        def __init__(self):
            super().__init__("shift")
            self.by = self.add_weight(shape=(2,), initializer="zeros", name="by")

        def call(self, inputs, training=None):
            return self.share_out(inputs) + self.by

        def loss_terms(self, x, y, y_pred, training):
            loss = squared_mmd(self.gather(y_pred), self.gather(y))
            return loss, {"loss": loss}, ops.shape(x)[0]

    class Rows(Batches):
        def cut(self, positions, epoch):
            rows = normal(7, 2), 1 + normal(7, 2, seed=1)
            return tuple(part[list(positions)] for part in rows)

    devices = find_devices()
    with devices.scope():
        model = Shift()
        devices.prepare(model)
        model.compile(keras.optimizers.SGD(0.5), jit_compile=False)
    with devices.guard():
        feed = devices.feed(Rows(7, 7), None, 0)
        fit = model.fit(**feed, epochs=3, shuffle=False, verbose=0)
    return [devices.count, *fit.history["loss"], *model.get_weights()[0]]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute")
def test_the_discrepancy_is_the_same_over_two_replicas_of_unequal_shares():
    program = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n"
    program += "import test_networks\nprint(*test_networks.fit_shift())"
    alone = fit_shift()
    with started() as start:
        (said,) = succeed(start(program, two=True))
    shared = np.array(said.split()[-6:], float)
    assert (alone[0], shared[0]) == (1, 2)
    np.testing.assert_allclose(shared[1:], alone[1:], rtol=1e-5)
    assert alone[3] < alone[1]


def test_a_reversed_gradient_has_the_values_and_minus_the_gradient():
    values = ops.convert_to_tensor(normal(4))
    np.testing.assert_allclose(reverse_gradient(values, 2.5), values, rtol=1e-6)
    variable = keras.Variable(normal(4))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = ops.sum(ops.square(reverse_gradient(variable.value, 2.5)))
        gradient = tape.gradient(loss, variable.value)
    else:
        import jax

        gradient = jax.grad(lambda x: ops.sum(ops.square(reverse_gradient(x, 2.5))))(variable.value)
    np.testing.assert_allclose(gradient, -2.5 * 2 * normal(4), rtol=1e-5)


def test_a_critic_and_a_translation_learn_from_their_own_losses():
    inputs = keras.Input((2,))
    critic = keras.Model(inputs, keras.layers.Dense(2, use_bias=False)(inputs))
    critic.set_weights([np.eye(2, dtype=np.float32)])
    true = np.array([[2.0, 0], [0, 1]], np.float32)
    made = np.array([[0.5, 0], [0, 3]], np.float32)
    own, weights = np.eye(2, dtype=np.float32), np.array([[1.0], [0]], np.float32)
    judging, making = translation_losses(critic, true, made, (own, own), weights=weights)
    expected = np.log1p(np.exp(-2)) + np.log1p(np.exp(0.5))
    assert float(judging) == pytest.approx(expected / 2)  # the second example does not count
    assert float(making) == 0
    decoder = keras.Model(inputs, keras.layers.Dense(2, use_bias=False)(inputs))
    decoder.set_weights([np.eye(2, dtype=np.float32)])
    for part, network, other in ((0, critic, decoder), (1, decoder, critic)):
        model = Minimised(decoder, critic, part, (true, made, own, weights))
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        kept = np.array(network.get_weights()[0]), np.array(other.get_weights()[0])
        model.fit(np.zeros((1, 2), np.float32), verbose=0)
        assert not np.array_equal(network.get_weights()[0], kept[0])
        np.testing.assert_allclose(other.get_weights()[0], kept[1], atol=1e-7)


class Minimised(keras.Model):
    """One of the losses of ``translation_losses``, minimised by all weights."""

    def __init__(self, decoder, critic, part, given):
        super().__init__()
        self.decoder, self.critic, self.part, self.given = decoder, critic, part, given

    def call(self, inputs):
        return inputs

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        true, given, own, weights = self.given
        made = self.decoder(given)
        losses = translation_losses(self.critic, true, made, (own, own), weights=weights)
        return losses[self.part] + 0 * losses[1 - self.part]  # all weights have a gradient


def test_a_classifier_of_latent_vectors(tmp_path):
    check_part(build_classifier(5, 3), [(5,)], tmp_path, (3,))
    classifier = build_classifier(2, 3, units=())
    classifier.set_weights([np.zeros((2, 3)), np.log([0.5, 0.25, 0.25])])
    labels = np.eye(3, dtype=np.float32)[[0, 0, 1]]
    found = float(adversarial_loss(classifier, normal(3, 2), labels, 4.0))
    assert found == pytest.approx(-np.log([0.5, 0.5, 0.25]).mean(), rel=1e-5)


def test_a_weight_is_raised_epoch_by_epoch():
    for arguments, expected in (
        ((1.0, 0, 4), [0.25, 0.5, 0.75, 1, 1, 1]),
        ((4.0, 2, 4), [0, 0, 2, 4, 4, 4]),
        ((1.0, 0, 0), [1, 1, 1, 1, 1, 1]),
    ):
        variable, seen = keras.Variable(0.0), []
        ramp = Ramp(variable, *arguments)
        for epoch in range(6):
            ramp.on_epoch_begin(epoch)
            seen.append(float(variable.value))
        assert seen == expected


CONDITIONS = NoteConditions(("cello_acoustic", "violin_acoustic"), ("bowed", "plucked"))


def test_a_note_is_four_ones():
    vectors = CONDITIONS.vectors(["violin_acoustic", "cello_acoustic"], [60, 47], "plucked")
    assert vectors.shape == (2, CONDITIONS.length) == (2, 12 + 9 + 2 + 2)
    assert np.flatnonzero(vectors[0]).tolist() == [0, 12 + 4, 21 + 1, 23 + 1]
    assert np.flatnonzero(vectors[1]).tolist() == [11, 12 + 2, 21 + 0, 23 + 1]
    assert CONDITIONS.parts["instrument"] == slice(21, 23)
    without = NoteConditions(("cello_acoustic",)).vectors("cello_acoustic", range(12, 120))
    assert without.sum(axis=1).tolist() == [3] * 108
    assert len(np.unique(without, axis=0)) == 108


@pytest.mark.parametrize(
    ("instruments", "pitches", "technique", "word"),
    [
        ("tuba", [60], "bowed", "tuba"),
        ("cello_acoustic", [11], "bowed", "pitch 11"),
        ("cello_acoustic", [120], "bowed", "pitch 120"),
        ("cello_acoustic", [60], "hummed", "hummed"),
    ],
)
def test_notes_that_have_no_condition_are_refused(instruments, pitches, technique, word):
    with pytest.raises(UserError, match=word):
        CONDITIONS.vectors(instruments, pitches, technique)
    assert [CONDITIONS.reaches(pitch) for pitch in (11, 12, 119, 120)] == [False, True, True, False]


def test_an_instrument_is_found_by_its_everyday_name():
    assert CONDITIONS.instrument("Violin") == "violin_acoustic"
    with pytest.raises(UserError, match="cello_acoustic, violin_acoustic"):
        CONDITIONS.instrument("tuba")
