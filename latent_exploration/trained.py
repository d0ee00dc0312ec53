"""The door of the continuous model for ``common.trained``."""

from latent_exploration.continuous.trained import TrainedContinuous, open_trained

__all__ = ["TrainedContinuous", "open_trained"]
