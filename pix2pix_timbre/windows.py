"""Convert magnitude images of any length in overlapping windows of 256 columns."""

from collections.abc import Callable

import numpy as np

from common.audio.voices import ALONE, Unison, Voices
from data import BINS, FRAME_COLUMNS, HOP, amplitude_to_db, db_to_amplitude

BATCH = 8  # frames per call of the network
# Transposed convolutions leave a faint grid with periods of 2 to 256 columns. Windows that begin
# every 121 columns, a number without small factors, put the grid in another place each time.
OVERLAP = 135 / FRAME_COLUMNS


def window_weights(overlap: float) -> np.ndarray:
    """Cross-fade weights of a window, (FRAME_COLUMNS,) float32, all above 0.

    Args:
        overlap: Share of a window that the next one covers, in [0, 1).
    """
    ramp = min(FRAME_COLUMNS - hop_columns(overlap), FRAME_COLUMNS // 2)
    columns = np.arange(FRAME_COLUMNS) + 0.5
    to_edge = np.minimum(columns, FRAME_COLUMNS - columns)
    rising = np.minimum(to_edge / ramp, 1.0) if ramp else np.ones(FRAME_COLUMNS)
    return np.square(np.sin(np.pi / 2 * rising)).astype(np.float32)


def hop_columns(overlap: float) -> int:
    """Distance of windows in columns."""
    return max(round(FRAME_COLUMNS * (1 - overlap)), 1)


class Conversion:
    """Streaming conversion of a magnitude image, window by window with cross-fades.

    Windows are at fixed multiples of the hop, so the result depends neither on how the image is cut
    into blocks nor on the batches. Silent windows stay silent and are not predicted.

    Args:
        predict: Function from frames to frames in [0, 1], such as a
            ``pix2pix_timbre.trained.Predictor``.
        channels: Number of audio channels, converted alike.
        overlap: Share of a window that the next one covers, in [0, 1).
    """

    def __init__(
        self,
        predict: Callable[[np.ndarray], np.ndarray],
        channels: int = 1,
        overlap: float = OVERLAP,
    ) -> None:
        self._predict = predict
        self._hop = hop_columns(overlap)
        self._weights = window_weights(overlap)
        self._pending = np.zeros((channels, BINS, 0), np.float32)
        self._sum = np.zeros((channels, BINS, FRAME_COLUMNS), np.float32)
        self._weight = np.zeros(FRAME_COLUMNS, np.float32)

    def push(self, image: np.ndarray) -> np.ndarray:
        """Add columns, and return those that no later window changes.

        Args:
            image: (channels, BINS, columns) float32 in [0, 1].

        Returns:
            (channels, BINS, finished columns) float32 in [0, 1].
        """
        self._pending = np.concatenate([self._pending, image], axis=-1)
        windows = max((self._pending.shape[-1] - FRAME_COLUMNS) // self._hop + 1, 0)
        return self._convert(windows - windows % BATCH)  # call the network with full batches only

    def finish(self) -> np.ndarray:
        """Convert the rest; the last window is padded with silence."""
        left = self._pending.shape[-1]
        windows = -(-left // self._hop)  # all that begin before the end
        padding = max((windows - 1) * self._hop + FRAME_COLUMNS - left, 0)
        self._pending = np.pad(self._pending, [(0, 0), (0, 0), (0, padding)])
        return self._convert(windows)[..., :left]

    def _convert(self, windows):
        channels = len(self._pending)
        starts = [index * self._hop for index in range(windows)]
        frames = np.empty((windows, channels, BINS, FRAME_COLUMNS), np.float32)
        for frame, start in zip(frames, starts, strict=True):
            frame[:] = self._pending[..., start : start + FRAME_COLUMNS]
        converted = np.zeros_like(frames)
        sounding = frames.any(axis=(2, 3))
        if sounding.any():
            converted[sounding] = self._predict(frames[sounding][..., np.newaxis])[..., 0]
        finished = []
        for frame in converted:
            self._sum += frame * self._weights
            self._weight += self._weights
            finished.append(self._sum[..., : self._hop] / self._weight[: self._hop])
            self._sum = _shift(self._sum, self._hop)
            self._weight = _shift(self._weight, self._hop)
        self._pending = self._pending[..., windows * self._hop :]
        empty = np.zeros((channels, BINS, 0), np.float32)
        return np.concatenate([empty, *finished], axis=-1)


def _shift(array, columns):
    shifted = np.zeros_like(array)
    shifted[..., : FRAME_COLUMNS - columns] = array[..., columns:]
    return shifted


def convert_image(
    predict: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    overlap: float = OVERLAP,
    voices: Voices = ALONE,
) -> np.ndarray:
    """Convert a whole image, (BINS, columns) or (channels, BINS, columns), in [0, 1].

    Args:
        predict, image: As for ``Conversion``.
        overlap: Share of a window that the next one covers, in [0, 1).
        voices: Voices that are added to the result.
    """
    stacked = np.asarray(image, np.float32).reshape(-1, *np.shape(image)[-2:])
    conversion = Conversion(predict, len(stacked), overlap)
    converted = np.concatenate([conversion.push(stacked), conversion.finish()], axis=-1)
    if voices.count > 1:  # else the way to magnitudes and back would only round
        converted = amplitude_to_db(Unison(voices, HOP).push(db_to_amplitude(converted)))
    return converted.reshape(np.shape(image))
