"""Generators in ONNX Runtime: quicker than Keras on most processors, and without its start."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.cli import UserError
from common.music.dataset import checksum
from common.training.export import open_exported, read_metadata

RUNTIMES = ("keras", "onnx")


class ExportedGenerator:
    """A generator as ``export.py`` has written it, with what ``Predictor`` uses of a Keras model.

    Args:
        weights: Weights file; the exported network is ``<its name>.onnx`` beside it.

    Attributes:
        input_shape, output_shape: As of a Keras model.

    Raises:
        UserError: There is no exported network, or it was made from other weights.
    """

    def __init__(self, weights: Path) -> None:
        path = Path(weights).with_suffix(".onnx")
        if not path.is_file():
            raise UserError(
                f"{path}: no such file; make it: python export.py --model {path.parent} "
                f"--format onnx --output {path}"
            )
        about = read_metadata(path)
        if about.get("weights") != checksum(weights):
            raise UserError(f"{path}: made from other weights than {weights}; export them again")
        ((name, shape),) = about["inputs"].items()
        self.input_shape, self.output_shape = tuple(shape), tuple(about["outputs"][0])
        self._run = open_exported(path, [name])

    def predict_on_batch(self, batch: np.ndarray) -> np.ndarray:
        """Outputs of a batch of inputs (batch, ...) float32."""
        return self._run([np.ascontiguousarray(batch, np.float32)])[0]
