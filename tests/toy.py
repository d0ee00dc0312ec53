"""A tiny system for tests of what the trainings of all systems share.

A dense layer behind batch normalization and dropout learns to add up four numbers, in a fraction of
a second. Its session is an ordinary ``TrainingSession`` with the flags of all systems; ``--pieces``
stands for the data, and a share of the pieces is held out by name.

    import toy

    argv = toy.arguments(tmp_path / "run", epochs=3, ema=0.5)  # a command line
    assert toy.main(argv) == 0  # in this process
    session = toy.Session(**vars(toy.build_parser().parse_args(argv)))  # to look at its parts
    subprocess.run([sys.executable, toy.__file__, *argv])  # killed, on several devices, locked, ...

Each piece has ROWS examples. An epoch writes history.csv, history.png, network.h5, a resume state,
and sums.txt (in ``after_epoch``).
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # a script outside the root does not find the project by itself
    sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from common.cli import number, run
from common.files.store import Store
from common.training.flags import add_training_flags
from common.training.session import TrainingSession

PIECES = ("arpeggio", "fugue", "march", "scale", "waltz")  # a share of 0.3 holds out arpeggio
ROWS = 3  # examples per piece
NUMBERS = 4  # numbers per example


class Pieces:
    """A store without images, whose rows are names."""

    split = Store.split

    def __init__(self, rows):
        self.rows = rows


class Session(TrainingSession):
    """The training of the toy.

    Args:
        flags: Values of the script's flags.
    """

    system = "toy"
    script = "toy.py"
    networks = ("network",)
    may_change = (*TrainingSession.may_change, "pieces")

    @staticmethod
    def add_flags(built):
        """Add the flags of the script."""
        built.add_argument("--output", type=Path, required=True, help="run folder")
        built.add_argument("--pieces", nargs="+", default=list(PIECES), help="data to train on")
        built.add_argument(
            "--dropout", type=number(float, 0, below=1), default=0.5, help="rate of the dropout"
        )
        add_training_flags(built, what="examples", batch_size=4, lr=0.01)

    def open_data(self):
        """Split the pieces."""
        flags = self.flags
        self.store = Pieces(flags.pieces)
        sides = self.split_rows("pieces", str)
        training, held_out = ([flags.pieces[index] for index in side] for side in sides)
        examples = make_examples()
        self.training = examples(training, flags.batch_size, flags.steps_per_epoch, flags.seed)
        self.validation = examples(held_out, flags.batch_size) if held_out else None

    def make_model(self):
        """Return the untrained model."""
        return make_model(self.flags.dropout)

    def after_epoch(self, epoch, networks):
        """Write the network's output for an input of ones."""
        found = float(networks["network"](np.ones((1, NUMBERS), np.float32))[0, 0])
        (self.run.path / "sums.txt").write_text(f"{epoch} {found:.6f}\n")


def make_model(dropout=0.5):
    """Make the toy's training model."""
    import keras
    from keras import ops

    from common.training.model import TrainingModel

    class Toy(TrainingModel):
        """Mean squared error of the sums, and their mean absolute error."""

        loss_names = ("loss", "error")

        def __init__(self, network):
            super().__init__("toy")
            self.network = network

        def call(self, inputs, training=None):
            return self.network(self.share_out(inputs), training=training)

        def loss_terms(self, x, y, y_pred, training):
            difference = y_pred - ops.cast(y, y_pred.dtype)
            loss = ops.mean(ops.square(difference))
            values = {"loss": loss, "error": ops.mean(ops.abs(difference))}
            return loss, values, ops.shape(y_pred)[0]

    inputs = keras.Input((NUMBERS,), name="numbers")
    hidden = keras.layers.BatchNormalization(name="normalization")(inputs)
    hidden = keras.layers.Dropout(dropout, name="dropout")(hidden)
    outputs = keras.layers.Dense(1, dtype="float32", name="sum")(hidden)
    return Toy(keras.Model(inputs, outputs, name="network"))


def make_examples():
    """Return the class of the batches (numbers, sums): (batch, NUMBERS), (batch, 1) float32."""
    from common.training.batches import Batches

    class Examples(Batches):
        """Numbers drawn by the names of the pieces, in an order drawn by seed and epoch."""

        def __init__(self, pieces, batch_size, steps=None, seed=None):
            draws = [np.random.default_rng(list(piece.encode())) for piece in pieces]
            self._numbers = np.concatenate([draw.normal(size=(ROWS, NUMBERS)) for draw in draws])
            super().__init__(steps * batch_size if steps else len(self._numbers), batch_size)
            self._seed = seed

        def cut(self, positions, epoch):
            order = np.arange(len(self._numbers))
            if self._seed is not None:
                order = np.random.default_rng([self._seed, epoch]).permutation(order)
            numbers = self._numbers[order[np.asarray(positions) % len(order)]].astype(np.float32)
            return numbers, numbers.sum(axis=1, keepdims=True)

    return Examples


def arguments(output, **flags):
    """Command line of the toy; a list stands for several words, and True for a switch."""
    words = []
    for name, value in {"output": output, "validation_split": 0.3, **flags}.items():
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            words += [f"--{name}", *(value if isinstance(value, list) else [value])]
    return list(map(str, words))


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
