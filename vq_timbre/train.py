"""Train the timbre of one instrument: a code book of spectra, with an encoder and a decoder.

    python -m vq_timbre.train --input phrases/violin --output runs/violin

--input is a folder of recordings of one instrument or voice, or a store of vq_timbre.preprocess.
The run folder gets encoder.h5, codebook.h5 and decoder.h5, which consist of stock layers,
config.json, history.csv and pictures of the curves, of a reconstruction and of the code book. A
tenth of the recordings is held out.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.cli import Parser, UserError, add_run_flag, number, run
from common.training.devices import OneDevice
from common.training.flags import add_training_flags
from common.training.session import TrainingSession
from vq_timbre.frames import HOP, INPUTS, RATES
from vq_timbre.preprocess import fill_phrases
from vq_timbre.store import PhraseStore

if TYPE_CHECKING:
    import keras

    from common.training.model import TrainingModel
    from vq_timbre.model import Architecture, VQTimbre

_SHOWN_SECONDS = 8
_FIRST_BATCHES, _STARTING = 20, 40  # whose spectra begin the decoder, and vectors the code book


class Session(TrainingSession):
    """The training of a timbre.

    Args:
        flags: Values of the script's flags.

    Raises:
        UserError: Unfit recordings or flags, nothing left to train on.
    """

    system = "vq_timbre"
    script = "vq_timbre.train"
    networks = ("encoder", "codebook", "decoder")
    may_change = (*TrainingSession.may_change, "input")
    clip_norm = 10.0

    @staticmethod
    def add_flags(built: Parser) -> None:
        """Flags of the script."""
        built.add_argument(
            "--input",
            required=True,
            type=Path,
            help="folder of recordings of one instrument, or HDF5 file made by "
            "vq_timbre.preprocess",
        )
        add_run_flag(built, "runs/vq_timbre")
        built.add_flag(
            "--sample_rate",
            RATES[0],
            "sample rate in Hz if --input is a folder; 22050 as published",
            type=int,
            choices=RATES,
        )
        built.add_flag(
            "--size",
            "small",
            "sizes of the layers; published: 10 million weights, with --sees waveform",
            choices=("tiny", "small", "published"),
        )
        built.add_flag("--codes", 512, "number of codes; 1024 as published", type=number(int, 2))
        built.add_flag(
            "--sees",
            "spectrum",
            "what the encoder sees of a frame; waveform as published",
            choices=tuple(INPUTS),
        )
        built.add_flag(
            "--spectrum_weight",
            1.0,
            "weight of the distance between the mean spectrum of filtered noise and that of the "
            "frame; 0 as published",
            type=number(float, 0),
        )
        built.add_flag(
            "--audio_weight",
            1.0,
            "weight of the multi-scale spectral distance between the sounds",
            type=number(float, 0),
        )
        built.add_flag(
            "--commitment_weight", 0.25, "weight of the commitment", type=number(float, 0)
        )
        built.add_flag(
            "--decay",
            0.99,
            "decay of the averages of the code book",
            type=number(float, 0, below=1),
        )
        built.add_flag(
            "--least",
            0.25,
            "average number of vectors in a batch below which a code is replaced; 8 pieces have "
            "536 vectors",
            type=number(float, 0),
        )
        built.add_flag(
            "--free_epochs",
            3,
            "number of first epochs without codes; with --epoch_offset, there are none",
            type=number(int, 0),
        )
        add_training_flags(built, what="pieces", batch_size=8, lr=3e-3, epochs=16)

    def check(self) -> None:
        """Open the recordings, or the store of them."""
        flags = self.flags
        if not (flags.spectrum_weight or flags.audio_weight):
            raise UserError("--spectrum_weight 0 --audio_weight 0: nothing is left to learn from")
        self._free = 0 if flags.epoch_offset else flags.free_epochs
        if self._free >= flags.epochs:
            raise UserError(
                f"--free_epochs {flags.free_epochs}: leaves none of the --epochs {flags.epochs} to "
                "learn codes; lower it"
            )
        path = flags.input
        if path.is_dir():
            path = flags.output / "phrases" / "phrases.h5"  # no weights lie that deep
            fill_phrases(path, [flags.input], flags.sample_rate)
        self.store = PhraseStore(path)

    def find_devices(self) -> OneDevice:
        """One device: the code book learns from the whole batch."""
        return OneDevice()

    def open_data(self) -> None:
        """Split the recordings."""
        from vq_timbre.batches import Pieces

        flags, rows = self.flags, self.store.rows
        self.architecture.check()
        training, held_out = self.split_rows("recordings", lambda row: row.source)
        self.set_batches(partial(Pieces, self.store, sees=flags.sees), training, held_out)
        self._trained = None
        minutes = [
            sum(rows[index].columns for index in side) * HOP / self.store.sample_rate / 60
            for side in self.sides
        ]
        self.say(
            f"{len(training):,} phrases, {minutes[0]:.1f} minutes, to train on; "
            f"{len(held_out):,} phrases, {minutes[1]:.1f} minutes, held out"
        )

    def describe(self) -> dict[str, Any]:
        """Settings of the networks, and the sample rate."""
        return {
            "architecture": self.architecture._asdict(),
            "sample_rate": self.store.sample_rate,
        }

    @property
    def architecture(self) -> Architecture:
        """``vq_timbre.model.Architecture`` of the flags."""
        from vq_timbre.model import Architecture

        return Architecture(self.flags.size, self.flags.codes, self.flags.sees).check()

    def make_model(self) -> VQTimbre:
        """Make the untrained model."""
        from common.networks.codebook import Codebook, build_table
        from vq_timbre.model import VQTimbre, build_decoder, build_encoder

        flags, architecture = self.flags, self.architecture
        table = build_table(architecture.codes, architecture.widths.dims)
        encoder, decoder = self.sized(
            encoder=build_encoder(architecture), decoder=build_decoder(architecture)
        )
        return VQTimbre(
            encoder,
            Codebook(table, decay=flags.decay, least=flags.least),
            decoder,
            spectrum_weight=flags.spectrum_weight,
            audio_weight=flags.audio_weight,
            commitment_weight=flags.commitment_weight,
        )

    def callbacks(self, model: TrainingModel, done: int) -> list[keras.callbacks.Callback]:
        """Callback that begins the decoder, and the code book after the free epochs."""
        import keras

        from vq_timbre.model import begin_with_spectra

        flags = self.flags

        def begin(epoch, logs=None):
            model.quantised.assign(float(epoch >= flags.epoch_offset + self._free))
            if not flags.epoch_offset and epoch == 0:
                begin_with_spectra(model.decoder, self._frames(_FIRST_BATCHES, 1))
            if not flags.epoch_offset and epoch == self._free:
                vectors = model.encoder.predict(self._frames(_STARTING, 0)[..., None], verbose=0)
                model.quantiser.start(vectors, flags.seed)

        return [keras.callbacks.LambdaCallback(on_epoch_begin=begin)]

    def _frames(self, batches, part):
        """One part of the frames that sound, of the first batches of an epoch."""
        import numpy as np

        found = []
        for index in range(min(len(self.training), batches)):
            frames, _ = self.training[index]
            found.append(frames[part][frames[2] > 0])
        return np.concatenate(found)

    def after_epoch(self, epoch: int, networks: dict[str, keras.Model]) -> None:
        """Draw a reconstruction; after the last epoch, the code book."""
        from vq_timbre.descriptors import map_codes, write_table
        from vq_timbre.plots import plot_codebook, plot_conversion
        from vq_timbre.trained import TrainedTimbre

        if self._trained is None:  # created once, because it compiles
            self._trained = TrainedTimbre(
                **networks, sample_rate=self.store.sample_rate, sees=self.flags.sees
            )
        trained, folder = self._trained, self.run.path
        row = self.store.rows[(self.sides[1] or self.sides[0])[0]]
        hops = min(row.columns, _SHOWN_SECONDS * self.store.sample_rate // HOP)
        audio = self.store.audio(row, 0, hops)
        codes, gains = trained.encode_codes(audio)
        sounds = {"recording": audio, "reconstruction": trained.decode_codes(codes, gains)}
        plot_conversion(folder / "reconstruction.png", sounds, codes, trained)
        (folder / "codes.csv").unlink(missing_ok=True)  # of earlier weights
        if epoch == self.last_epoch:
            table = map_codes(trained)
            write_table(folder / "codes.csv", table)
            plot_codebook(folder / "codebook.png", trained, table)


build_parser, train, main = Session.script_functions(__doc__)

if __name__ == "__main__":
    run(main)
