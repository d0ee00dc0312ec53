"""Stock layers in faster form: same variables, same configuration, same files."""


def all_layers(model):
    """Every layer of a model, those of nested models in place of these."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from all_layers(layer)
        else:
            yield layer


def fuse_batch_normalization(model):
    """Let a model that learns normalise batches by TensorFlow's fused kernel.

    Keras composes the normalisation of elementary operations, each of which passes over the whole
    batch. Only the way of computing changes, so that the model is saved as what it is.

    Args:
        model: Built for the TensorFlow backend, normalised over the last of four axes.
    """
    import keras

    for layer in all_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.call = _fused_call(layer)


def _fused_call(layer):
    import tensorflow as tf

    composed = layer.call

    def call(inputs, training=None, mask=None):
        learns = training and layer.trainable
        if not learns or layer.compute_dtype == "float64":  # which the kernel lacks
            return composed(inputs, training=training, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=tf.cast(inputs, layer.compute_dtype),
            scale=layer.gamma.value,
            offset=layer.beta.value,
            mean=[],
            variance=[],
            epsilon=layer.epsilon,
        )
        # The kernel returns the unbiased variance, Keras keeps the biased one.
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], variance.dtype)
        variance *= tf.maximum(count - 1, 1) / count
        for moving, new in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(moving * layer.momentum + new * (1 - layer.momentum))
        return outputs

    return call
