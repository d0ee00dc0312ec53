"""The training model and its Adam against the usual two-tape step, and the late adversary."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pix2pix_timbre.features import FeatureStore
from pix2pix_timbre.gan import AdversaryStart, Pix2Pix
from pix2pix_timbre.losses import LAMBDA, column_difference_error
from pix2pix_timbre.model import build_discriminator, build_generator
from pix2pix_timbre.optimizer import TwoRateAdam
from pix2pix_timbre.pairs import PairedFrames, split_pairs

WIDTH = 2
GEN_LR, DISC_LR = 1e-3, 5e-4


def make_model(dropout=0.0, seed=0):
    keras.utils.set_random_seed(seed)
    return Pix2Pix(build_generator(WIDTH, dropout=dropout), build_discriminator(WIDTH))


def make_batches(count, frames=2):
    rng = np.random.default_rng(5)
    return rng.uniform(-1, 1, (count, 2, frames, 256, 256, 1)).astype(np.float32)


def two_tape_step(generator, discriminator, optimizers, x, y):
    """The step of the Pix2Pix tutorials: two tapes, two optimisers, Keras's own losses."""
    import tensorflow as tf

    x, y = tf.constant(x), tf.constant(y)
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
        generated = generator(x, training=True)
        real_logits = discriminator([x, y], training=True)
        generated_logits = discriminator([x, generated], training=True)
        gen_mae = tf.reduce_mean(tf.abs(y - generated))
        gen_loss = entropy(tf.ones_like(generated_logits), generated_logits) + 100 * gen_mae
        disc_loss = entropy(tf.ones_like(real_logits), real_logits) + entropy(
            tf.zeros_like(generated_logits), generated_logits
        )
    gen_gradients = gen_tape.gradient(gen_loss, generator.trainable_variables)
    disc_gradients = disc_tape.gradient(disc_loss, discriminator.trainable_variables)
    optimizers[0].apply(gen_gradients, generator.trainable_variables)
    optimizers[1].apply(disc_gradients, discriminator.trainable_variables)
    return {
        "gen_mae": float(gen_mae),
        "gen_loss": float(gen_loss),
        "disc_loss": float(disc_loss),
    }


@pytest.mark.parametrize("networks", [1, 2])
def test_changes_between_columns_count_where_they_have_a_weight(networks):
    generator, discriminator = build_generator(WIDTH, dropout=0.0), build_discriminator(WIDTH)
    x, y = make_batches(1)[0]
    losses = []
    for weight in (0.0, 2.0):
        model = Pix2Pix(*(generator, discriminator)[:networks], difference_weight=weight)
        prediction = model(x, training=False)
        losses.append(float(model.loss_terms(x, y, prediction, training=False)[0]))
    apart = float(column_difference_error(y, prediction))
    assert losses[1] - losses[0] == pytest.approx(2 * apart * (1, LAMBDA)[networks - 1], rel=1e-4)


def test_two_steps_equal_those_of_two_tapes_and_two_optimisers():
    model, reference = make_model(), make_model()
    model.compile(TwoRateAdam(GEN_LR, DISC_LR), jit_compile=False)
    optimizers = [keras.optimizers.Adam(rate, beta_1=0.5) for rate in (GEN_LR, DISC_LR)]
    start = [weights.copy() for weights in model.get_weights()]
    for x, y in make_batches(2):
        expected = two_tape_step(reference.generator, reference.discriminator, optimizers, x, y)
        model.reset_metrics()
        found = model.train_on_batch(x, y, return_dict=True)
        assert set(found) == {"gen_mae", "gen_loss", "disc_loss"}
        for name, value in expected.items():
            assert float(found[name]) == pytest.approx(value, rel=1e-5)
    moved = [
        np.abs(now - before).max() for now, before in zip(model.get_weights(), start, strict=True)
    ]
    assert min(moved) > 1e-6  # every weight and every moving average took part
    for name in ("generator", "discriminator"):
        ours, theirs = getattr(model, name), getattr(reference, name)
        for one, other in zip(ours.weights, theirs.weights, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), atol=5e-6, err_msg=one.path)


@pytest.fixture(scope="module")
def held_out(features_folder):
    """The held-out frames of the shared features, in batches of which the last is smaller."""
    with (
        FeatureStore(features_folder / "keyboard_acoustic.h5") as origin,
        FeatureStore(features_folder / "guitar_acoustic.h5") as target,
    ):
        training, held_out, _ = split_pairs(origin, target, 0.3)
        count = PairedFrames(training, 1).frame_count
        frames = PairedFrames(training, count - 1)
        assert [len(frames[index][0]) for index in range(2)] == [count - 1, 1]
        yield frames, PairedFrames(held_out, 8)


def test_validation_is_evaluated_and_weighs_every_frame_alike(held_out):
    frames, validation = held_out
    model = make_model(dropout=0.5)
    model.compile(TwoRateAdam(GEN_LR, DISC_LR), jit_compile=False)
    history = model.fit(
        frames,
        validation_data=validation,
        epochs=2,
        verbose=0,
        callbacks=[AdversaryStart(0)],
    ).history
    names = {"gen_mae", "gen_loss", "disc_loss"}
    assert set(history) == names | {f"val_{name}" for name in names}
    x, y = validation[0]
    expected = np.abs(model.generator.predict(x, verbose=0).astype(float) - y).mean()
    assert history["val_gen_mae"][-1] == pytest.approx(expected, rel=1e-5)
    assert history["val_gen_mae"][0] != history["val_gen_mae"][1]

    found = model.evaluate(frames, verbose=0, return_dict=True)
    x, y = (
        np.concatenate(side)
        for side in zip(*(frames[index] for index in range(len(frames))), strict=True)
    )
    predicted = model.generator.predict(x, verbose=0)
    expected = np.abs(predicted.astype(float) - y).mean()
    assert found["gen_mae"] == pytest.approx(expected, rel=1e-5)
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    real = model.discriminator.predict([x, y], verbose=0)
    generated = model.discriminator.predict([x, predicted], verbose=0)
    ones, zeros = np.ones_like(real), np.zeros_like(real)
    assert found["disc_loss"] == pytest.approx(
        float(entropy(ones, real) + entropy(zeros, generated)), rel=1e-5
    )
    assert found["gen_loss"] == pytest.approx(
        float(entropy(ones, generated)) + 100 * expected, rel=1e-5
    )


class Recorder(keras.callbacks.Callback):
    """Records the weights of both networks, initially and after each step."""

    def on_train_begin(self, logs=None):
        self.seen = [self.weights()]

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(self.weights())

    def weights(self):
        return {
            name: [variable.numpy().copy() for variable in getattr(self.model, name).weights]
            for name in ("generator", "discriminator")
        }


class Batches(keras.utils.PyDataset):
    """The same batches in each epoch."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return tuple(self.batches[index])


def largest_change(before, after):
    return max(np.abs(a - b).max() for a, b in zip(before, after, strict=True))


def test_the_adversary_starts_at_its_step_with_an_adam_that_has_counted_nothing():
    model, reference = make_model(), make_model()
    model.compile(TwoRateAdam(GEN_LR, DISC_LR), jit_compile=False)
    recorder, batches = Recorder(), make_batches(3)
    history = model.fit(
        Batches(batches),
        validation_data=Batches(batches[:1]),
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[AdversaryStart(4), recorder],
    ).history
    changes = [
        {name: largest_change(before[name], after[name]) for name in before}
        for before, after in zip(recorder.seen[:-1], recorder.seen[1:], strict=True)
    ]
    assert all(change["generator"] > 1e-4 for change in changes)
    assert [change["discriminator"] for change in changes[:4]] == [0] * 4
    assert all(change["discriminator"] > 1e-4 for change in changes[4:])
    assert int(model.optimizer.iterations.numpy()) == 6
    assert int(model.optimizer.disc_begin.numpy()) == 4
    # the first step of an Adam that starts is the learning rate; after four idle ones: 1.05 of it
    kernels = (recorder.seen[step]["discriminator"][0] for step in (4, 5))
    assert largest_change(*([kernel] for kernel in kernels)) == pytest.approx(DISC_LR, rel=1e-3)

    # until then the generator learns from L1 alone, and there is no loss of the discriminator
    assert {name: len(values) for name, values in history.items()} == {
        "gen_mae": 2,
        "gen_loss": 2,
        "disc_loss": 1,
        "val_gen_mae": 2,
        "val_gen_loss": 2,
        "val_disc_loss": 1,
    }
    assert history["gen_loss"][0] == pytest.approx(LAMBDA * history["gen_mae"][0], rel=1e-6)
    l1_step(reference.generator, *batches[0])
    for one, other in zip(recorder.seen[1]["generator"], reference.generator.weights, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=5e-6, err_msg=other.path)


def l1_step(generator, x, y, factor=100):
    """Do a step of Adam on a multiple of L1; return that loss."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = factor * tf.reduce_mean(tf.abs(y - generator(x, training=True)))
    optimizer = keras.optimizers.Adam(GEN_LR, beta_1=0.5)
    gradients = tape.gradient(loss, generator.trainable_variables)
    optimizer.apply(gradients, generator.trainable_variables)
    return float(loss)


def test_the_discriminator_sees_the_origin_and_not_the_style():
    keras.utils.set_random_seed(0)
    model = Pix2Pix(build_generator(WIDTH, channels=2), build_discriminator(WIDTH))
    for variable in model.weights:  # far from the faint first weights, so that inputs matter
        if variable.path.endswith("kernel"):
            variable.assign(variable.value * 8)
    model.compile(TwoRateAdam(GEN_LR, DISC_LR), jit_compile=False)
    rng = np.random.default_rng(0)
    x, other, y = (
        keras.ops.convert_to_tensor(rng.uniform(-1, 1, (2, 256, 256, channels)), "float32")
        for channels in (2, 2, 1)
    )
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    restyled = keras.ops.concatenate([x[..., :1], other[..., 1:]], axis=-1)
    found = []
    for batch in (x, restyled):
        predicted = model(batch, training=False)
        logits = [
            model.discriminator([batch[..., :1], frames], training=False)
            for frames in (y, predicted)
        ]
        disc_loss = entropy(np.ones((2, 16, 16, 1)), logits[0]) + entropy(
            np.zeros((2, 16, 16, 1)), logits[1]
        )
        gen_mae = np.abs(np.asarray(predicted) - np.asarray(y)).mean()
        gen_loss = entropy(np.ones((2, 16, 16, 1)), logits[1]) + 100 * gen_mae
        model.reset_metrics()
        total = model.compute_loss(batch, y, predicted, training=False)
        assert float(total) == pytest.approx(float(gen_loss + disc_loss), rel=1e-5)
        assert float(model.get_metrics_result()["disc_loss"]) == pytest.approx(float(disc_loss))
        found.append(np.asarray(predicted))
    assert np.abs(found[0] - found[1]).max() > 1e-3  # the generator depends on it


def test_a_generator_alone_learns_from_l1_and_measures_nothing_else():
    keras.utils.set_random_seed(0)
    model, reference = (Pix2Pix(build_generator(WIDTH, dropout=0)) for _ in range(2))
    reference.set_weights(model.get_weights())
    model.compile(TwoRateAdam(GEN_LR), run_eagerly=True)
    ((x, y),) = make_batches(1)
    assert model.discriminator is None
    found = model.train_on_batch(x, y, return_dict=True)
    assert set(found) == {"gen_mae"}
    expected = l1_step(reference.generator, x, y, factor=1)
    assert float(found["gen_mae"]) == pytest.approx(expected, rel=1e-5)
    for one, other in zip(model.generator.weights, reference.generator.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=5e-6, err_msg=one.path)


# The optimiser


def variables(seed=0):
    """Make a variable of the generator and one of the discriminator, recognised by their names."""
    rng = np.random.default_rng(seed)
    return [
        keras.Variable(rng.normal(size=3).astype(np.float32), name=name)
        for name in ("generator_kernel", "discriminator_kernel")
    ]


def adam_alone(rate, gradients, start):
    """Values of a variable with its own Adam (Kingma and Ba 2015), in float64."""
    value, mean, square = (np.array(start, float) * factor for factor in (1, 0, 0))
    for step, gradient in enumerate(np.asarray(gradients, float)):
        mean = 0.5 * mean + 0.5 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        now = rate(step) if callable(rate) else rate
        corrected = now * np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.5 ** (step + 1))
        value = value - corrected * mean / (np.sqrt(square) + 1e-7)
    return value


@pytest.mark.parametrize("wrapped", [False, True])
@settings(max_examples=8)
@given(idle=st.integers(0, 7), steps=st.integers(1, 9), seed=st.integers(0, 1000))
def test_each_network_has_an_adam_of_its_own_that_may_begin_later(wrapped, idle, steps, seed):
    def schedule(step):  # any function of the step will do
        return 0.01 / (1 + step)

    class Schedule(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.01 / (1 + keras.ops.cast(step, "float32"))

    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(2, idle + steps, 3)).astype(np.float32)
    gradients[1, :idle] = 0
    both = variables(seed)
    starts = [variable.numpy() for variable in both]
    inner = optimizer = TwoRateAdam(0.003, Schedule())
    if wrapped:
        optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=1.0)
    optimizer.build(both)
    for step in range(idle + steps):
        if step == idle:
            inner.disc_begin.assign(inner.iterations)
        if wrapped:  # steps that overflow do not count
            overflow = np.float32([np.inf, 0, 0])
            optimizer.apply([keras.ops.convert_to_tensor(overflow)] * 2, both)
        scale = optimizer.dynamic_scale.numpy() if wrapped else 1
        optimizer.apply(
            [keras.ops.convert_to_tensor(gradient[step] * scale) for gradient in gradients], both
        )
    assert int(inner.iterations.numpy()) == idle + steps
    expected = [
        adam_alone(0.003, gradients[0], starts[0]),
        adam_alone(schedule, gradients[1, idle:], starts[1]),
    ]
    for variable, value in zip(both, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_the_adversary_begins_by_the_steps_that_counted(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = make_model()
        model.compile(TwoRateAdam(GEN_LR, DISC_LR), jit_compile=False)
    finally:
        keras.config.set_dtype_policy(before)
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    adam = model.optimizer.inner_optimizer if scaled else model.optimizer
    start = AdversaryStart(6, done=3)  # a run that is continued
    start.set_model(model)
    assert model.adversarial
    start.on_train_begin()
    adam.iterations.assign(2)  # one of three steps overflowed
    for batch in range(3):
        start.on_train_batch_begin(batch)
        adam.iterations.assign_add(1)
        assert not model.adversarial
        assert int(adam.disc_begin.numpy()) == 0
    start.on_train_batch_begin(3)
    assert model.adversarial
    assert int(adam.disc_begin.numpy()) == 5
    adam.iterations.assign_add(1)
    start.on_train_batch_begin(4)
    assert int(adam.disc_begin.numpy()) == 5
    # a run that is continued after that step starts with the adversary
    model.adversarial = False
    later = AdversaryStart(6, done=9)
    later.set_model(model)
    later.on_train_begin()
    assert model.adversarial
    assert int(adam.disc_begin.numpy()) == 5
