"""Train a network that makes single notes of a point in a small space, a pitch and a style.

    python -m wae_fader.train --features_path notes.h5 --output runs/fader

The run folder gets encoder.h5 and decoder.h5, which consist of stock layers, config.json,
history.csv, pictures of the curves and of decoded notes, and, after the last epoch, latents.h5: the
latent vectors of the training notes. A quarter of the notes, pairs of instrument and pitch, is held
out.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cli import Parser, add_features_flag, add_run_flag, number, run
from common.music.split import note_of, split_notes
from common.networks.conditions import OCTAVES, PITCH_CLASSES, NoteConditions
from common.training.flags import add_training_flags
from common.training.session import TrainingSession
from wae_fader.store import NoteStore

if TYPE_CHECKING:
    import keras

    from common.training.model import TrainingModel
    from wae_fader.model import Architecture, Fader

CONDITIONS = ("none", "note", "style")
PITCH = PITCH_CLASSES + OCTAVES  # numbers of a condition that tell the note
_CHECKED = 4  # batches of held-out notes after an epoch
_SHOWN = 6  # number of notes in a picture
_SHARE = 0.25  # of the notes that is held out


class Session(TrainingSession):
    """The training of a generator of notes.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: Unfit features or flags, nothing left to train on.
    """

    system = "wae_fader"
    script = "wae_fader.train"
    networks = ("encoder", "decoder")

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Flags of the script."""
        add_features_flag(built, "wae_fader")
        add_run_flag(built, "runs/fader")
        built.add_flag("--size", "small", "widths of the layers", choices=("small", "published"))
        built.add_flag(
            "--conditions",
            "style",
            "what the decoder is told: note and style, the note, or nothing",
            choices=CONDITIONS,
        )
        built.add_flag(
            "--adversary",
            "on",
            "whether the encoder works against the classifier that reads the style from latent "
            "vectors",
            choices=("on", "off"),
        )
        built.add_flag(
            "--alpha",
            4.0,
            "strength of the encoder against the classifier, reached at half of the training",
            type=number(float, 0),
        )
        built.add_flag(
            "--classifier_epochs",
            0.1,
            "share of the epochs in which the classifier learns alone, before that strength rises",
            type=number(float, 0, 0.5),
        )
        built.add_flag(
            "--classifier_pace",
            5.0,
            "how many times as fast as the other networks the classifier learns",
            type=number(float, above=0),
        )
        built.add_flag(
            "--latent_dim", 3, "number of dimensions of the latent space", type=number(int, 1, 512)
        )
        built.add_flag(
            "--kernel",
            "several",
            "kernel of the discrepancy from the normal distribution: several widths, or the one "
            "that is published",
            choices=("several", "published"),
        )
        built.add_flag("--prior_weight", 8.0, "weight of that discrepancy", type=number(float, 0))
        built.add_flag(
            "--reconstruction_weight",
            300.0,
            "weight of the mean squared error of the reconstruction",
            type=number(float, above=0),
        )
        add_training_flags(built, what="notes", batch_size=32, lr=2e-3, validation_split=_SHARE)

    def check(self) -> None:
        """Open the store."""
        self.store = NoteStore(self.flags.features_path)
        styles = tuple(sorted({row.style for row in self.store.rows}))
        self.conditions = NoteConditions(styles)

    def open_data(self) -> None:
        """Split the notes."""
        from wae_fader.batches import Notes

        flags, rows = self.flags, self.store.rows
        sides = split_notes(rows, flags.validation_split)
        training, held_out = self.split_rows("notes", note_of, sides)
        styles, pitches = [row.style for row in rows], [row.pitch for row in rows]
        vectors = self.conditions.vectors(styles, pitches)
        make = partial(Notes, self.store, conditions=vectors)
        self.set_batches(make, training, held_out)
        if held_out:
            # in the order of the store, a batch would be of one style
            mixed = np.random.default_rng(0).permutation(held_out)[: _CHECKED * flags.batch_size]
            self.validation = make(mixed, batch_size=flags.batch_size)
        self._trained = None
        self.say(
            f"{len(self.conditions.instruments)} styles; {len(training):,} notes to train on, "
            f"{len(held_out):,} held out"
        )

    def describe(self) -> dict[str, Any]:
        """Settings of the networks, and their images and conditions."""
        return {
            "architecture": self.architecture._asdict(),
            "images": self.store.images._asdict(),
            "styles": list(self.conditions.instruments),
        }

    @property
    def architecture(self) -> Architecture:
        """``wae_fader.model.Architecture`` of the flags."""
        from wae_fader.model import Architecture

        flags, images = self.flags, self.store.images
        lengths = 0, PITCH, self.conditions.length
        condition = lengths[CONDITIONS.index(flags.conditions)]
        return Architecture(
            images.bins, images.frames, condition, flags.size, flags.latent_dim
        ).check()

    def make_model(self) -> Fader:
        """Make the untrained model."""
        from common.networks.adversary import build_classifier
        from wae_fader.model import Fader, build_decoder, build_encoder

        flags = self.flags
        networks = self.sized(
            encoder=build_encoder(self.architecture), decoder=build_decoder(self.architecture)
        )
        return Fader(
            *networks,
            build_classifier(
                flags.latent_dim, len(self.conditions.instruments), pace=flags.classifier_pace
            ),
            weight=flags.reconstruction_weight,
            prior=flags.prior_weight,
            published_kernel=flags.kernel == "published",
            pitch=PITCH,
        )

    def callbacks(self, model: TrainingModel, done: int) -> list[keras.callbacks.Callback]:
        """Callback that raises the strength against the classifier, as published."""
        from common.training.callbacks import Ramp

        flags, before = self.flags, self.flags.epoch_offset
        begin = before + round(flags.classifier_epochs * flags.epochs)
        alpha = flags.alpha if flags.adversary == "on" else 0.0
        return [Ramp(model.alpha, alpha, begin, before + flags.epochs // 2)]

    def after_epoch(self, epoch: int, networks: dict[str, keras.Model]) -> None:
        """Draw some notes; after the last epoch, write the latent vectors."""
        from common.report.latents import plot_latents
        from wae_fader.plots import plot_notes
        from wae_fader.trained import TrainedFader, write_latents

        if self._trained is None:  # created once, because it compiles
            self._trained = TrainedFader(
                **networks, images=self.store.images, conditions=self.conditions
            )
        trained, folder = self._trained, self.run.path
        side = self.sides[1] or self.sides[0]
        shown = side[:: max(len(side) // _SHOWN, 1)][:_SHOWN]
        rows = [self.store.rows[index] for index in shown]
        plot_notes(folder / "reconstructions.png", trained, self.store.read(shown), rows)
        if epoch == self.last_epoch:
            rows, vectors = write_latents(folder, trained, self.store, self.sides[0])
            styles, pitches = [row.style for row in rows], [row.pitch for row in rows]
            plot_latents(folder / "latents.png", vectors, styles, pitches, "style")


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
