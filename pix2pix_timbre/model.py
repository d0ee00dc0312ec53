"""Generator and discriminator of Pix2Pix (Isola et al. 2017) for 256x256 magnitude frames.

Built from stock layers in the block structure of the published weights: every down and up step is
one ``Sequential``, and the skip connections share one ``Concatenate``. HDF5 weights are matched by
that structure, so files can be exchanged in both directions with the published code.
"""

import keras
from keras import layers

from data import BINS, FRAME_COLUMNS
from pix2pix_timbre.weights import GENERATOR_DEPTH, generator_widths, widths_of

WIDTH = 64  # filters of the first block, as published
DROPOUT = 0.5
LEAKY_SLOPE = 0.3
KERNEL = 4


def _initializer():
    # unseeded: keras.utils.set_random_seed decides
    return keras.initializers.RandomNormal(0.0, 0.02)


def _down(filters, name, *, batch_norm=True):
    conv = layers.Conv2D(
        filters,
        KERNEL,
        strides=2,
        padding="same",
        use_bias=False,
        kernel_initializer=_initializer(),
        name=f"{name}_conv",
    )
    norm = [layers.BatchNormalization(name=f"{name}_bn")] if batch_norm else []
    activation = layers.LeakyReLU(negative_slope=LEAKY_SLOPE, name=f"{name}_activation")
    return keras.Sequential([conv, *norm, activation], name=name)


def _up(filters, name, *, dropout=None):
    steps = [
        layers.Conv2DTranspose(
            filters,
            KERNEL,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=_initializer(),
            name=f"{name}_conv",
        ),
        layers.BatchNormalization(name=f"{name}_bn"),
    ]
    if dropout is not None:
        steps.append(layers.Dropout(dropout, name=f"{name}_dropout"))
    steps.append(layers.ReLU(name=f"{name}_activation"))
    return keras.Sequential(steps, name=name)


def build_generator(
    width: int | tuple[int, ...] = WIDTH,
    channels: int = 1,
    dropout: float = DROPOUT,
    outputs: int = 1,
) -> keras.Model:
    """U-Net from origin frames to target frames.

    Args:
        width: Filters of the first block; 64 as published: 54,419,713 weights with one channel.
            Or those of all blocks, 8 down and 7 up, as of a generator that was trimmed.
        channels: Input channels: 1, or 2 with a style frame or the phase.
        dropout: Rate in the first three up blocks; holds no weights.
        outputs: Output channels: 1, or 2 with the phase.

    Returns:
        Keras model (batch, BINS, FRAME_COLUMNS, channels) -> (batch, BINS, FRAME_COLUMNS, outputs),
        in [-1, 1], its output in float32 whatever the dtype policy.
    """
    widths = generator_widths(width)
    inputs = layers.Input((BINS, FRAME_COLUMNS, channels), name="generator_input")
    skips = []
    hidden = inputs
    for step, filters in enumerate(widths[:GENERATOR_DEPTH], start=1):
        hidden = _down(filters, f"generator_down_{step}", batch_norm=step > 1)(hidden)
        skips.append(hidden)
    concatenate = layers.Concatenate(name="generator_skip")
    for step, (filters, skip) in enumerate(
        zip(widths[GENERATOR_DEPTH:], skips[-2::-1], strict=True), start=1
    ):
        rate = dropout if step <= 3 else None
        hidden = _up(filters, f"generator_up_{step}", dropout=rate)(hidden)
        hidden = concatenate([hidden, skip])
    predicted = layers.Conv2DTranspose(
        outputs,
        KERNEL,
        strides=2,
        padding="same",
        activation="tanh",
        kernel_initializer=_initializer(),
        dtype="float32",
        name="generator_output",
    )(hidden)
    return keras.Model(inputs, predicted, name="generator")


def build_discriminator(width: int = WIDTH) -> keras.Model:
    """PatchGAN: judges patches of a target frame, given the origin frame.

    Args:
        width: Filters of the first block; 64 as published.

    Returns:
        Keras model of two inputs (batch, BINS, FRAME_COLUMNS, 1), origin and target, -> logits
        (batch, BINS / 16, FRAME_COLUMNS / 16, 1), in float32; positive means real.
    """
    shape = (BINS, FRAME_COLUMNS, 1)
    origin = layers.Input(shape, name="discriminator_origin")
    target = layers.Input(shape, name="discriminator_target")
    hidden = layers.Concatenate(name="discriminator_pair")([origin, target])
    for step, filters in enumerate(widths_of(width, 4), start=1):
        hidden = _down(filters, f"discriminator_down_{step}", batch_norm=step > 1)(hidden)
    logits = layers.Conv2D(
        1,
        KERNEL,
        padding="same",
        kernel_initializer=_initializer(),
        dtype="float32",
        name="discriminator_output",
    )(hidden)
    return keras.Model([origin, target], logits, name="discriminator")
