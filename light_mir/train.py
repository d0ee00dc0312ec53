"""Train the network of a task.

    python -m light_mir.train --features_path drums.h5 --output runs/drums

The run folder gets network.h5, which consists of stock layers, config.json, history.csv and the
curves. `trimming.lottery` makes the network lighter, and `light_mir.light` chooses among what it
leaves; with --epoch_offset, that is trained on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from common.cli import Parser, UserError, add_features_flag, add_run_flag, number, run
from common.trained import open_run
from common.training.flags import add_training_flags
from common.training.session import TrainingSession
from light_mir.store import ExampleStore

if TYPE_CHECKING:
    from light_mir.model import Tagger


class Session(TrainingSession):
    """The training of the network of a task.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: Unfit examples or flags.
    """

    system = "light_mir"
    script = "light_mir.train"
    networks = ("network",)

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Flags of the script."""
        add_features_flag(built, "light_mir")
        add_run_flag(built, "runs/light")
        built.add_flag("--width", 8, "filters of the first convolution", type=number(int, 1, 256))
        how = {"split": False, "epochs": 10, "lr_decay": "cosine"}
        add_training_flags(built, what="examples", batch_size=32, lr=3e-3, **how)

    def check(self) -> None:
        """Open the store, and check what a network that is trained on was made for."""
        flags = self.flags
        self.store = ExampleStore(flags.features_path)
        if flags.epoch_offset:
            config = open_run(flags.output, self.system)
            if (config.get("task"), config.get("width")) != (self.store.task.name, flags.width):
                raise UserError(
                    f"{flags.output}: of task {config.get('task')} and --width "
                    f"{config.get('width')}; give these"
                )

    def open_data(self) -> None:
        """Take both sides of the store."""
        from light_mir.batches import Examples

        training, held_out = (self.store.side(name) for name in ("training", "validation"))
        if not training:
            raise UserError(f"{self.store.path}: holds no examples to train on; make more")
        self.split_rows("examples", lambda row: row.source, (training, held_out))
        self.set_batches(partial(Examples, self.store), training, held_out)
        self.say(
            f"{self.store.task.name}: {len(training):,} examples to train on, {len(held_out):,} "
            "for validation"
        )

    def describe(self) -> dict[str, Any]:
        """The task and the width."""
        return {"task": self.store.task.name, "width": self.flags.width}

    def make_model(self) -> Tagger:
        """Make the untrained model."""
        from light_mir.model import Tagger, build_network, loss_name

        task = self.store.task
        (network,) = self.sized(network=build_network(task, self.flags.width))
        return Tagger(network, loss_name(task))


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
