"""A trained timbre at work, at once or in a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.latent import Control
from common.trained import load_networks, open_run, reading_config
from vq_timbre.descriptors import NAMES, choose_codes, read_table
from vq_timbre.excitation import Harmonics, Noise, envelopes
from vq_timbre.frames import CONTEXT, HOP, RATES, analyse, hops_of, padded

if TYPE_CHECKING:
    import keras

PART = 64  # frames that are computed at once, 1.5 s
_AHEAD = 2  # frames whose pitch an excitation needs in advance
_FOLLOWED = -1.0  # the same of the level at which curves of descriptors are played
_FAINTEST = -6.0  # logarithm to base 10 of the level of silence, in a latent vector


class TrainedTimbre:
    """Encoder, code book and decoder at work, a ``common.latent.LatentModel``.

    A latent vector is that of a code, and beside it the logarithm to base 10 of the root mean
    square of the frame.

    Args:
        encoder, codebook, decoder: Keras models as ``vq_timbre.model`` builds them.
        sample_rate: Hz.
        sees: What the encoder sees of a frame (``vq_timbre.frames.INPUTS``).
        folder: Run folder, for the table of the codes' descriptors; it is made if there is none.

    Attributes:
        dims: Length of a latent vector.
        rate: Latent vectors a second.
        controls: The loudness.
        descriptors: Names of the descriptors that ``follow`` knows.
        code_vectors: (codes, dims - 1) float32, the code book.
    """

    descriptors = NAMES

    def __init__(
        self,
        encoder: keras.Model,
        codebook: keras.Model,
        decoder: keras.Model,
        *,
        sample_rate: int,
        sees: str,
        folder: Path | None = None,
    ) -> None:
        self._folder, self._table = folder, None
        self.encoder, self.codebook, self.decoder = encoder, codebook, decoder
        self.sample_rate, self.sees = sample_rate, sees
        self.rate = sample_rate / HOP
        self.units = decoder.input_shape[1][-1]
        for network in (encoder, decoder):
            network.compile(jit_compile=False)
        self._speak = _compiled_speak()

    @property
    def code_vectors(self) -> np.ndarray:
        """The code book."""
        return np.asarray(self.codebook.get_weights()[0])

    @property
    def dims(self) -> int:
        """Length of a latent vector."""
        return self.code_vectors.shape[1] + 1

    @property
    def controls(self) -> dict[str, Control]:
        """The loudness."""
        return {"loudness": Control(self.dims - 1, 0.0, 1 / 20)}

    def follow(self, name: str, target: np.ndarray) -> np.ndarray:
        """Latent vectors (steps, dims) for a curve of a descriptor, at -20 dB.

        Args:
            name: One of ``descriptors``.
            target: (steps,); where no code reaches it, the nearest is taken.
        """
        if self._table is None:
            self._table = read_table(self, self._folder or Path())
        codes = choose_codes(self._table, name, np.asarray(target)).codes
        level = np.full(len(codes), _FOLLOWED)
        return np.column_stack([self.code_vectors[codes], level]).astype(np.float32)

    def encode_inputs(self, inputs: np.ndarray) -> np.ndarray:
        """Vectors (frames, dims - 1) of the ``inputs`` of ``vq_timbre.frames.Frames``."""
        found = []
        for start in range(0, len(inputs), PART):
            part = inputs[start : start + PART]
            whole = np.pad(part, ((0, PART - len(part)), (0, 0)))[..., np.newaxis]
            found.append(np.asarray(self.encoder.predict_on_batch(whole))[: len(part)])
        return np.concatenate(found)

    def nearest(self, vectors: np.ndarray) -> np.ndarray:
        """Number of the code nearest to each vector (frames, dims - 1): (frames,)."""
        from common.networks.codebook import nearest

        return np.asarray(nearest(vectors.astype(np.float32), self.code_vectors))

    def encode_vectors(self, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of an audio before they are quantised.

        Args:
            audio: (samples,) float32 at ``sample_rate``, not empty.

        Returns:
            ``(vectors, gains)``: (frames, dims - 1), and the root mean square of each frame; three
            frames more than hops.
        """
        frames = analyse(padded(audio), self.sees)
        return self.encode_inputs(frames.inputs), frames.gains

    def encode_codes(self, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the codes of an audio (frames,), and gains, as ``encode_vectors``."""
        vectors, gains = self.encode_vectors(audio)
        return self.nearest(vectors), gains

    def decode_vectors(
        self, vectors: np.ndarray, gains: np.ndarray, hertz: np.ndarray | None = None, seed: int = 0
    ) -> np.ndarray:
        """Audio of vectors of any kind: (samples,) float32, three hops fewer than frames.

        Args:
            vectors: (frames, dims - 1).
            gains: (frames,), root mean square of each frame.
            hertz: (frames,) pitch of a harmonic excitation, 0 for noise; default noise throughout.
            seed: Integer, of the noise.
        """
        speaker = Speaker(self, harmonic=hertz is not None, seed=seed)
        hertz = np.zeros(len(vectors)) if hertz is None else hertz
        return np.concatenate([speaker.push(vectors, gains, hertz), speaker.finish()])

    def decode_codes(self, codes: np.ndarray, gains: np.ndarray, **options: Any) -> np.ndarray:
        """Audio of codes, as ``decode_vectors``.

        Args:
            codes: (frames,) numbers of codes.
            gains: (frames,).
            options: ``hertz`` and ``seed``.
        """
        return self.decode_vectors(self.code_vectors[codes], gains, **options)

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Latent vectors (hops, dims) of an audio (samples,) float32."""
        codes, gains = self.encode_codes(audio)
        level = np.log10(np.maximum(gains, 10**_FAINTEST))
        # without the frames whose middle lies outside
        return np.column_stack([self.code_vectors[codes], level])[1:-2].astype(np.float32)

    def decode(self, z: np.ndarray, seed: int = 0) -> np.ndarray:
        """Audio (samples,) of latent vectors (steps, dims); each becomes the nearest code."""
        z = np.pad(np.asarray(z, np.float32), ((1, 2), (0, 0)), mode="edge")
        gains = np.where(z[:, -1] > _FAINTEST, 10 ** np.minimum(z[:, -1], 0), 0)
        return np.clip(self.decode_codes(self.nearest(z[:, :-1]), gains, seed=seed), -1, 1)


class Speaker:
    """Decodes a stream of vectors; what comes out does not depend on how it is cut.

    Args:
        trained: ``TrainedTimbre``.
        harmonic: Excite with harmonics where a frame has a pitch.
        seed: Integer, of the noise.
    """

    def __init__(self, trained: TrainedTimbre, *, harmonic: bool = False, seed: int = 0) -> None:
        self._trained, self._harmonic = trained, harmonic
        dims = trained.dims - 1
        self._waiting = [np.zeros((0, dims)), np.zeros(0), np.zeros(0)]
        self._state = np.zeros((1, trained.units), np.float32)
        self._before = None  # shares of the last CONTEXT frames
        self._gains = np.zeros(CONTEXT, np.float32)
        self._source = Harmonics(trained.sample_rate, seed) if harmonic else Noise(seed)
        self._excitation = self._excite(np.zeros(2 * CONTEXT))
        self._skip = CONTEXT  # hops before the audio

    def push(self, vectors: np.ndarray, gains: np.ndarray, hertz: np.ndarray) -> np.ndarray:
        """Add frames, and return what can be heard of them so far: (samples,) float32.

        Args:
            vectors: (frames, dims).
            gains: (frames,), root mean square of each.
            hertz: (frames,), pitch of each or 0; not used without ``harmonic``.
        """
        new = (vectors, gains, hertz)
        self._waiting = [
            np.concatenate([one, other]) for one, other in zip(self._waiting, new, strict=True)
        ]
        heard = [np.zeros(0, np.float32)]
        while len(self._waiting[0]) >= PART + _AHEAD:
            heard.append(self._part(PART))
        return np.concatenate(heard)

    def finish(self) -> np.ndarray:
        """Return what is left: (samples,) float32."""
        heard = [np.zeros(0, np.float32)]
        while len(self._waiting[0]):
            heard.append(self._part(min(PART, len(self._waiting[0]))))
        return np.concatenate(heard)

    def _excite(self, hertz):
        return self._source.draw(hertz) if self._harmonic else self._source.draw(len(hertz))

    def _part(self, count):
        vectors, gains, hertz = (_whole(one[: PART + _AHEAD]) for one in self._waiting)
        self._waiting = [one[count:] for one in self._waiting]
        gains[count:] = 0
        decoder = self._trained.decoder
        inputs = [vectors[np.newaxis, :PART].astype(np.float32), self._state]
        shares, self._state = map(np.asarray, decoder.predict_on_batch(inputs))
        shares = shares[0]
        if self._harmonic:
            shares = envelopes(shares, hertz[:PART], self._trained.sample_rate)
        before = np.repeat(shares[:1], CONTEXT, axis=0) if self._before is None else self._before
        shares = np.concatenate([before, shares])
        # the middle of frame t is the end of hop t + 1
        excitation = np.concatenate([self._excitation, self._excite(hertz[_AHEAD:])])
        gains = np.concatenate([self._gains, gains[:PART]]).astype(np.float32)
        parts = [shares, gains, excitation]
        heard = self._trained._speak([part[np.newaxis] for part in parts])[0]
        self._before, self._gains = shares[-CONTEXT:], gains[-CONTEXT:]
        self._excitation = excitation[-2 * CONTEXT * HOP :]
        skip, self._skip = self._skip, max(self._skip - count, 0)
        return heard[skip * HOP : count * HOP]


def _whole(values):
    """At least a part and what is ahead of it, the last value held."""
    missing = max(PART + _AHEAD - len(values), 0)
    return np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1), mode="edge")


class Converter:
    """Converts a stream of audio into the timbre; the level is that of the input.

    Args:
        trained: ``TrainedTimbre``.
        quantised: False passes the vectors on without codes.
        track: Function of audio and rate that finds the pitch of each of its frames, for a harmonic
            excitation (``vq_timbre.pitch.track``); None for noise.
        seed: Integer, of the noise.
    """

    def __init__(
        self,
        trained: TrainedTimbre,
        *,
        quantised: bool = True,
        track: Callable[[np.ndarray, int], np.ndarray] | None = None,
        seed: int = 0,
    ) -> None:
        self._trained, self._quantised, self._track = trained, quantised, track
        self._speaker = Speaker(trained, harmonic=track is not None, seed=seed)
        self._held = np.zeros(CONTEXT * HOP, np.float32)
        self._samples = 0

    def push(self, audio: np.ndarray) -> np.ndarray:
        """Add audio (samples,), and return what can be heard so far: (samples,) float32."""
        self._samples += audio.size
        return self._convert(audio)

    def finish(self) -> np.ndarray:
        """Return what is left; in all it is as long as the audio, in whole hops."""
        side = CONTEXT * HOP + hops_of(self._samples) * HOP - self._samples
        return np.concatenate(
            [self._convert(np.zeros(side, np.float32), 1), self._speaker.finish()]
        )

    def _convert(self, audio, least=PART):
        self._held, heard = np.concatenate([self._held, audio]), [np.zeros(0, np.float32)]
        while (frames := self._held.size // HOP - CONTEXT) >= least:
            frames = min(frames, PART)
            part = self._held[: (frames + CONTEXT) * HOP]
            self._held = self._held[frames * HOP :]
            found, trained = analyse(part, self._trained.sees), self._trained
            vectors = trained.encode_inputs(found.inputs)
            if self._quantised:
                vectors = trained.code_vectors[trained.nearest(vectors)]
            hertz = np.zeros(frames)
            if self._track is not None and found.gains.any():
                hertz = self._track(part, trained.sample_rate)
            heard.append(self._speaker.push(vectors, found.gains, hertz))
        return np.concatenate(heard)


def convert_blocks(
    blocks: Iterable[np.ndarray], trained: TrainedTimbre, **options: Any
) -> Iterator[np.ndarray]:
    """Convert a stream of audio, each channel by itself; memory does not grow with its length.

    Args:
        blocks: Iterable of (channels, samples) float32 at the rate of the model.
        trained: ``TrainedTimbre``.
        options: ``quantised`` and ``track`` of ``Converter``.

    Yields:
        (channels, samples) float32, in all as long as the input, in whole hops.
    """
    converters = None
    for block in blocks:
        if converters is None:
            converters = [Converter(trained, seed=seed, **options) for seed in range(len(block))]
        heard = [one.push(channel) for one, channel in zip(converters, block, strict=True)]
        if heard[0].size:
            yield np.stack(heard)
    if converters is not None:
        yield np.stack([converter.finish() for converter in converters])


def _compiled_speak():
    """``vq_timbre.synthesis.speak`` of a list of its arguments, compiled."""
    import keras

    from vq_timbre.synthesis import speak

    class Speak(keras.Model):
        def call(self, inputs):
            return speak(*inputs)

    network = Speak()
    network.compile(jit_compile=False)
    return network.predict_on_batch


def load_trained(folder: Path) -> TrainedTimbre:
    """The ``TrainedTimbre`` of a run folder of ``vq_timbre.train``.

    Raises:
        UserError: No such folder, another system's, or damaged files.
    """
    return open_trained(folder, open_run(folder, "vq_timbre"))


def open_trained(folder: Path, config: dict[str, Any]) -> TrainedTimbre:
    """As ``load_trained``, given the content of ``config.json``."""
    from common.networks.codebook import build_table
    from vq_timbre.model import Architecture, build_decoder, build_encoder

    with reading_config(folder):
        architecture = Architecture(**config["architecture"]).check()
        sample_rate = config["sample_rate"]
        if sample_rate not in RATES:
            raise ValueError(f"sample_rate {sample_rate!r}")
    networks = {
        "encoder": build_encoder(architecture),
        "codebook": build_table(architecture.codes, architecture.widths.dims),
        "decoder": build_decoder(architecture),
    }
    networks = load_networks(folder, networks)
    return TrainedTimbre(
        **networks, sample_rate=sample_rate, sees=architecture.sees, folder=Path(folder)
    )
