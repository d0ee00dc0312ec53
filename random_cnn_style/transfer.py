"""Transfer the style of one sound to the content of another, from audio to audio."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from common.audio.fades import cross_fade
from common.audio.loudness import at_loudness
from common.cli import UserError
from common.files.audio import safe_peak
from random_cnn_style.network import FILTERS, KERNEL, features, random_weights
from random_cnn_style.objective import Objective, Targets, energy, style_loss
from random_cnn_style.optimise import OPTIMISERS
from random_cnn_style.spectrogram import (
    HOP,
    SAMPLE_RATE,
    SHORTEST,
    TRANSFORMS,
    column_count,
    log_magnitude,
    to_audio,
)
from random_cnn_style.style import Network, Style, blend, style_of

SEGMENT = 440  # length of a segment in columns, 10.2 s
OVERLAP = 44  # number of columns that a segment shares with the next
# Deviation of the noise from which a search starts. The published one is nearly silent, which takes
# many iterations to leave, because the style loss is flat near 0. Balanced sounds have one level.
_NOISE = {"raw": 1e-3, "balanced": 0.6}
_TINY = 1e-9  # smallest scale: for silence, or a content that has the style already
_LEVEL = 0.3  # root mean square of balanced sounds


class Settings(NamedTuple):
    """Settings of a transfer.

    Attributes:
        alpha: Weight of the content against the style.
        iterations: Largest number of iterations of the search.
        filters, kernel, seed: Settings of the random network.
        networks: Number of random networks whose losses are averaged, with consecutive seeds.
        losses: "balanced": sounds at one level, and losses divided by their first values, so that
            alpha means the same for every pair; "raw": as published.
        init: "content" or "noise": start of the search.
        phase: "content" or "random": start of Griffin-Lim.
        griffin_lim: Number of Griffin-Lim iterations.
        optimiser: "lbfgs" or "adam".
        bounded: Whether no frequency may get louder than it ever is in the content or the style.
        spectrogram: "stft" or "cqt", see ``spectrogram.TRANSFORMS``.
    """

    alpha: float = 1.0
    iterations: int = 300
    filters: int = FILTERS
    kernel: int = KERNEL
    seed: int = 0
    networks: int = 1
    losses: str = "balanced"
    init: str = "content"
    phase: str = "content"
    griffin_lim: int = 30
    optimiser: str = "lbfgs"
    bounded: bool = True
    spectrogram: str = "stft"


PUBLISHED = Settings(
    1e-2, losses="raw", init="noise", phase="random", griffin_lim=500, bounded=False
)


def style_transfer(
    content: np.ndarray, style: np.ndarray, **settings: Any
) -> tuple[np.ndarray, list[dict[str, float]]]:
    """Play the content of one sound in the style of another.

    Args:
        content, style: Audio at ``spectrogram.SAMPLE_RATE``: (samples,) or (channels, samples).
        settings: Fields of ``Settings``.

    Returns:
        ``(audio, history)``: audio of the content's shape, within [-1, 1]; and the rows of
        ``Transfer.history``.

    Raises:
        UserError: Silence, or less than a kernel long.
    """
    transfer = Transfer(Settings(**settings))
    styles = transfer.styles(style, name="style")
    return transfer.mix(content, styles, name="content"), transfer.history


class Transfer:
    """A transfer with its random networks.

    Args:
        settings: ``Settings``.

    Attributes:
        history: List of dicts: channel, segment and iteration, both losses divided by their scales,
            and their weighted sum.
        seconds: Time spent on losses and on gradients.
        evaluations: Number of evaluations.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.networks = [
            Network(settings.filters, settings.kernel, settings.seed + index, settings.spectrogram)
            for index in range(settings.networks)
        ]
        self._bins = TRANSFORMS[settings.spectrogram].bins
        self._weights = [
            ops.convert_to_tensor(random_weights(self._bins, *network[:3]))
            for network in self.networks
        ]
        self.history = []
        self.seconds = np.zeros(2)
        self.evaluations = 0

    def styles(self, audio: np.ndarray, name: str = "--style") -> list[Style]:
        """Compute the style of a sound for each network.

        Args:
            audio: (samples,) or (channels, samples), of any length; channels are averaged.
            name: Name of the sound, for messages.

        Raises:
            UserError: Silence, or less than a kernel long.
        """
        sound = np.atleast_2d(audio).mean(axis=0)
        gain = self._gain(sound, name)
        self._require_columns(column_count(sound.size), name)
        magnitude, _ = log_magnitude(sound * gain, self.settings.spectrogram)
        kernel = self.settings.kernel
        starts = range(0, magnitude.shape[-1] - kernel + 1, SEGMENT)
        return [
            style_of(
                (
                    self._features(magnitude[:, at : at + SEGMENT + kernel - 1], weights)
                    for at in starts
                ),
                network,
                magnitude.max(axis=-1),
            )
            for weights, network in zip(self._weights, self.networks, strict=True)
        ]

    def blended(self, banks: Sequence[Sequence[Style]], weights: Sequence[float]) -> list[Style]:
        """Blend several lists of styles, each as returned by ``styles``, into one."""
        for bank in banks:
            if [style.network for style in bank] != self.networks:
                raise UserError(
                    "--style: a saved style of another network; give the --filters, --kernel, "
                    "--seed, --networks and --spectrogram that it was made with"
                )
        return [blend(list(styles), weights) for styles in zip(*banks, strict=True)]

    def mix(
        self, content: np.ndarray, styles: Sequence[Style], name: str = "--content"
    ) -> np.ndarray:
        """Make a sound with the content of one sound and the style of others.

        Args:
            content: (samples,) or (channels, samples).
            styles: One ``Style`` for each network.
            name: Name of the content, for messages.

        Returns:
            Audio of the same shape, turned down where it would leave [-1, 1].

        Raises:
            UserError: Silence, or less than a kernel long.
        """
        content = np.asarray(content, np.float32)
        gain = self._gain(content, name)
        self._require_columns(column_count(content.shape[-1]), name)
        mixed = [
            self._channel(number, channel * gain, styles) / gain if channel.any() else channel
            for number, channel in enumerate(np.atleast_2d(content))
        ]
        return safe_peak(np.stack(mixed).reshape(content.shape))

    def texture(self, seconds: float, styles: Sequence[Style]) -> np.ndarray:
        """Make a sound of the style alone: (samples,) in [-1, 1], at -23 LUFS."""
        columns = column_count(round(seconds * SAMPLE_RATE))
        self._require_columns(columns, "--texture")
        count, length = _segments(columns)
        rng = np.random.default_rng(self.settings.seed)
        found = [
            self._search(self._noise(rng, length), None, styles, {"channel": 0, "segment": index})
            for index in range(count)
        ]
        joined = cross_fade(np.stack(found), max(length - OVERLAP, 1))[:, :columns]
        phase = _random_phase(rng, joined)
        sound = self._to_audio(joined, phase, round(seconds * SAMPLE_RATE))
        return at_loudness(sound, SAMPLE_RATE)

    def _channel(self, number, audio, styles):
        """Make the sound of one channel."""
        settings = self.settings
        magnitude, phase = log_magnitude(audio, settings.spectrogram)
        columns = magnitude.shape[-1]
        count, length = _segments(columns)
        hop = max(length - OVERLAP, 1)
        padded = np.pad(magnitude, ((0, 0), (0, (count - 1) * hop + length - columns)))
        rng = np.random.default_rng(settings.seed)  # the same for all channels
        found = []
        for index in range(count):
            part = padded[:, index * hop : index * hop + length]
            start = part if settings.init == "content" else self._noise(rng, length)
            place = {"channel": number, "segment": index}
            found.append(self._search(start, part, styles, place))
        joined = cross_fade(np.stack(found), hop)[:, :columns]
        if settings.phase == "random":
            phase = _random_phase(rng, joined)
        return self._to_audio(joined, phase, audio.size)

    def _to_audio(self, magnitude, phase, length):
        settings = self.settings
        return to_audio(magnitude, phase, settings.griffin_lim, length, settings.spectrogram)

    def _search(self, start, content, styles, place):
        """Search for the spectrogram of a segment: (bins, columns).

        Network and search have columns first, so spectrograms are transposed here.

        Args:
            start: Start of the search, (bins, columns).
            content: Content of the segment; None for a texture.
            styles: One for each network.
            place: First entries of the rows of the history.
        """
        settings = self.settings
        targets = []
        for weights, style in zip(self._weights, styles, strict=True):
            wanted = None if content is None else self._features(content, weights)
            scales = (1.0, 1.0)
            if settings.losses == "balanced":
                scales = _scales(wanted, style)
            targets.append(Targets(weights, wanted, style.factor, scales))
        alpha = 0.0 if content is None else settings.alpha
        objective = Objective(targets, alpha)
        rows = []

        def report(losses):
            part, style = losses
            row = {"iteration": len(rows) + 1, "content": part, "style": style}
            rows.append(place | row | {"loss": alpha * part + style})

        upper = np.inf
        if settings.bounded and content is not None:
            upper = np.max([content.max(axis=-1), *(style.loudest for style in styles)], axis=0)
        search = OPTIMISERS[settings.optimiser]
        found = search(objective, start.T, settings.iterations, report, upper=upper)
        self.history += rows
        self.seconds += objective.seconds
        self.evaluations += objective.evaluations
        return found.T

    def _noise(self, rng, columns):
        deviation = _NOISE[self.settings.losses]
        return np.abs(rng.normal(0, deviation, (columns, self._bins))).astype(np.float32).T

    def _features(self, magnitude, weights):
        return ops.convert_to_numpy(features(ops.convert_to_tensor(magnitude.T), weights))

    def _gain(self, audio, name):
        level = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if audio.size else 0.0
        if level == 0:
            raise UserError(f"{name}: is silent; give a sound")
        return np.float32(_LEVEL / level if self.settings.losses == "balanced" else 1)

    def _require_columns(self, columns, name):
        least = max(self.settings.kernel, column_count(SHORTEST[self.settings.spectrogram]))
        if columns < least:
            seconds = least * HOP / SAMPLE_RATE
            raise UserError(f"{name}: too short; give at least {seconds:.2f} s")


def _random_phase(rng, magnitude):
    """Random phase for a magnitude (bins, columns), drawn column by column; radians."""
    return rng.uniform(-np.pi, np.pi, magnitude.T.shape).astype(np.float32).T


def _segments(columns):
    """Number and length of overlapping segments of equal length that cover all columns."""
    count = max(-(-(columns - OVERLAP) // (SEGMENT - OVERLAP)), 1)
    return count, -(-(columns + (count - 1) * OVERLAP) // count)


def _scales(content, style):
    """Divisors of the losses, with which alpha means the same for every pair.

    They are the content loss of silence (whose features are 0, as there is no bias) and the style
    loss of the content itself, or of silence if there is no content.
    """
    if content is None:
        return 1.0, max(energy(style.factor @ style.factor.T), _TINY)
    return max(energy(content), _TINY), max(style_loss(content, style.factor), _TINY)
