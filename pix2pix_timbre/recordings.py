"""Convert audio: arrays, and files of any length in constant memory."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from common.audio.resynthesis import DEFAULT_PHASE, METHODS
from common.audio.streaming import parts_of, stream_file
from common.audio.voices import ALONE, Unison, Voices
from common.files.audio import fit_length, resample, safe_peak
from data import (
    FRAME_COLUMNS,
    HOP,
    SAMPLE_RATE,
    amplitude_to_db,
    db_to_amplitude,
    forward_transform,
)
from pix2pix_timbre.windows import OVERLAP, Conversion

Predict = Callable[[np.ndarray], np.ndarray]
Network = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
_PART_COLUMNS = 4 * FRAME_COLUMNS  # length of the parts that are read: whole frames


def convert_blocks(
    blocks: Iterable[np.ndarray],
    channels: int,
    *,
    predict: Predict,
    overlap: float,
    phase: str,
    voices: Voices = ALONE,
    network: Network | None = None,
) -> Iterator[np.ndarray]:
    """Convert a stream of audio.

    Args:
        blocks: Iterable of (channels, samples) float32 at SAMPLE_RATE.
        channels: Number of channels.
        predict, overlap, phase, voices: See ``convert_file``.
        network: Function ``(image, phase) -> (image, phase)`` that is called first, such as a
            ``pix2pix_timbre.phase_network.PhaseNetwork``; it receives whole frames if possible.

    Yields:
        Converted blocks (channels, samples); in total as many samples as the input, rounded up to
        whole hops.
    """
    resynthesis = METHODS[phase]()
    shifts = HOP // resynthesis.hop
    conversion = Conversion(predict, shifts * channels, overlap)
    finding = None
    with ThreadPoolExecutor(1) as worker:  # finds a phase while the network converts the next part
        for part in _converted(blocks, resynthesis.hop, conversion, voices, network):
            if finding is not None:
                yield from _filled(finding.result())
            finding = worker.submit(resynthesis.push, *part)
        if finding is not None:
            yield from _filled(finding.result())


def _filled(audio):
    return [audio] if audio.shape[-1] else []


def _converted(blocks, hop, conversion, voices, network):
    """Convert the magnitude of a stream of audio, of columns that are a hop apart.

    If those of the network are further apart, it converts several images, each of which begins one
    hop later.

    Args:
        blocks, voices, network: See ``convert_blocks``.
        hop: HOP or a divisor of it.
        conversion: ``pix2pix_timbre.windows.Conversion`` for HOP / hop images of each channel.

    Yields:
        ``(wanted, played, phase, last)``, as ``common.audio.resynthesis`` takes them.
    """
    shifts = HOP // hop
    unison = Unison(voices, hop)
    waiting = None  # magnitude and phase of the recording, of columns that are not yet converted
    for audio, columns, last in parts_of(blocks, shifts * _PART_COLUMNS, hop):
        played, phase = forward_transform(audio, columns=columns, hop=hop)
        image = _apart(amplitude_to_db(played), shifts)
        if network is not None:
            image, phase = network(image, _apart(phase, shifts))
            phase = _together(phase, shifts)[..., : played.shape[-1]]
        converted = conversion.push(image)
        if last:
            converted = np.concatenate([converted, conversion.finish()], axis=-1)
        given = played, phase
        if waiting is not None:
            given = [np.concatenate(pair, axis=-1) for pair in zip(waiting, given, strict=True)]
        ready = min(shifts * converted.shape[-1], given[0].shape[-1])
        waiting = [one[..., ready:] for one in given]
        wanted = unison.push(db_to_amplitude(_together(converted, shifts)[..., :ready]))
        yield wanted, *(one[..., :ready] for one in given), last


def _apart(image, shifts):
    """Every ``shifts``-th column from the first, the second and so on, as channels of their own.

    Args:
        image: (channels, BINS, columns).
        shifts: Number of images; if need be, the last ones end with a column of zeros.

    Returns:
        (shifts * channels, BINS, columns / shifts, rounded up).
    """
    padded = np.pad(image, [(0, 0), (0, 0), (0, -image.shape[-1] % shifts)])
    return np.concatenate([padded[..., shift::shifts] for shift in range(shifts)])


def _together(images, shifts):
    """Inverse of ``_apart``, with the padding."""
    found = np.stack(np.split(images, shifts), axis=-1)
    return found.reshape(*found.shape[:-2], -1)


def convert_audio(
    audio: np.ndarray,
    sample_rate: int,
    *,
    predict: Predict,
    overlap: float = OVERLAP,
    phase: str = DEFAULT_PHASE,
    voices: Voices = ALONE,
    network: Network | None = None,
) -> np.ndarray:
    """Convert audio in memory.

    Args:
        audio: (samples,) or (channels, samples) float32 in [-1, 1].
        sample_rate: Hz.
        predict, overlap, phase, voices, network: See ``convert_file``.

    Returns:
        float32, same shape, turned down where it would leave [-1, 1].
    """
    channels = np.atleast_2d(audio)
    given = resample(channels, sample_rate, SAMPLE_RATE)
    blocks = convert_blocks(
        [given],
        len(given),
        predict=predict,
        overlap=overlap,
        phase=phase,
        voices=voices,
        network=network,
    )
    converted = np.concatenate([given[:, :0], *blocks], axis=-1)
    converted = resample(converted, SAMPLE_RATE, sample_rate)
    return safe_peak(fit_length(converted, audio.shape[-1])).reshape(audio.shape)


def convert_file(
    source: Path,
    output: Path,
    *,
    predict: Predict,
    overlap: float = OVERLAP,
    phase: str = DEFAULT_PHASE,
    voices: Voices = ALONE,
    network: Network | None = None,
) -> dict[str, Any]:
    """Convert one audio file; memory does not grow with its length.

    Args:
        source: Audio file.
        output: Audio file to write; it appears whole or not at all.
        predict: Function from frames to frames in [0, 1], such as a
            ``pix2pix_timbre.trained.Predictor``.
        overlap: Share of a frame that overlaps with the next one, in [0, 1).
        phase: Name in ``common.audio.resynthesis.METHODS``.
        voices: Voices that are added to the converted magnitude.
        network: As in ``convert_blocks``.

    Returns:
        As ``common.audio.streaming.stream_file``.
    """

    def convert(blocks, channels):
        return convert_blocks(
            blocks,
            channels,
            predict=predict,
            overlap=overlap,
            phase=phase,
            voices=voices,
            network=network,
        )

    return stream_file(source, output, SAMPLE_RATE, convert)
