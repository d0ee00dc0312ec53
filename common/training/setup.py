"""What a training begins with: seeds, arithmetic, learning rates, versions of packages."""

import platform


def set_up_keras(seed, mixed_precision="off"):
    """Seed every random generator and choose the dtype policy.

    Args:
        seed: Integer.
        mixed_precision: "float16", "bfloat16" or "off".
    """
    import keras

    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(
        "float32" if mixed_precision == "off" else f"mixed_{mixed_precision}"
    )


def versions():
    """Versions of Python and of the packages that a training depends on."""
    from importlib.metadata import PackageNotFoundError, version

    import keras

    found = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for package in ("keras", "tensorflow", "jax", "numpy", "h5py"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def learning_rate(initial, decay, steps):
    """A learning rate, or the schedule that it follows.

    Args:
        initial: First learning rate.
        decay: "none"; "linear" or "cosine" to 0.
        steps: Training steps of the whole run.
    """
    import keras

    schedules = keras.optimizers.schedules
    if decay == "linear":
        return schedules.PolynomialDecay(initial, max(steps, 1), end_learning_rate=0.0)
    if decay == "cosine":
        return schedules.CosineDecay(initial, max(steps, 1))
    return initial
