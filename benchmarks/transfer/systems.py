"""The ways from one timbre to another that are compared, and the anchors that they lie between.

Each takes an excerpt and its source, and returns audio at ``data.SAMPLE_RATE``.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.transfer.excerpts import LINE, Excerpt, played
from common.audio.resynthesis import METHODS, resynthesize
from common.cli import UserError
from common.files.audio import load_audio, safe_peak, write_audio
from common.music.notes import MAX_SUBSTITUTION
from common.trained import shipped
from data import SAMPLE_RATE

FILTERS, ITERATIONS = 512, 30  # of the random CNN: a draft, for the sake of time
TRUTH = "true target"


class System(NamedTuple):
    """A way to convert, or an anchor.

    Attributes:
        convert: Function of an ``Excerpt`` and its source, that returns audio.
        takes: Function of an ``Excerpt``: whether the way is made for it.
        meaning: What it is, for tables and the page.
        anchor: Whether nothing is converted.
    """

    convert: Callable[[Excerpt, np.ndarray], np.ndarray]
    takes: Callable[[Excerpt], bool]
    meaning: str
    anchor: bool = False


def _always(_):
    return True


def copy_source(_: Excerpt, source: np.ndarray) -> np.ndarray:
    """The source as it is."""
    return source


def copy_target(excerpt: Excerpt, source: np.ndarray) -> np.ndarray:
    """Another piece by the target."""
    return np.resize(excerpt.example(), source.size)


def rephased(excerpt: Excerpt, source: np.ndarray) -> np.ndarray:
    """The magnitude of the truth with a phase that is estimated as Pix2Pix does it."""
    truth = excerpt.truth()
    length = min(truth.size, source.size)
    return safe_peak(resynthesize(truth[:length], source[:length], METHODS["mixed"]()))


def pix2pix_folder(excerpt: Excerpt) -> Path:
    """Folder of the generator of an excerpt's pair, which may not be there."""
    return shipped(f"{excerpt.origin}_2_{excerpt.target}")


def pix2pix(excerpt: Excerpt, source: np.ndarray) -> np.ndarray:
    """The shipped generator of the pair."""
    from pix2pix_timbre import convert

    return convert(source, SAMPLE_RATE, pix2pix_folder(excerpt))


def multitarget(excerpt: Excerpt, source: np.ndarray) -> np.ndarray:
    """The shipped generator of any target, shown another piece by the target."""
    from pix2pix_timbre import convert

    return convert(source, SAMPLE_RATE, style=excerpt.example())


@functools.cache
def _move_instruments():
    from common.training.run_folder import RunFolder

    config = RunFolder(shipped("move_orchestra")).read_config()
    return set(config["conditions"]["instruments"])


def _is_for_move(excerpt):
    return excerpt.group == LINE and {excerpt.origin, excerpt.target} <= _move_instruments()


def move(excerpt: Excerpt, source: np.ndarray) -> np.ndarray:
    """MoVE, told both instruments."""
    from move import transfer_to

    return transfer_to(source, SAMPLE_RATE, excerpt.target, source=excerpt.origin)


def vq_folder(excerpt: Excerpt) -> Path:
    """Folder of the code book of an excerpt's target, which may not be there."""
    return shipped(f"vq_{excerpt.target.partition('_')[0]}")


def vq_timbre(excerpt: Excerpt, source: np.ndarray) -> np.ndarray:
    """The code book of the target, with noise as published."""
    from vq_timbre import transfer_timbre

    return transfer_timbre(source, SAMPLE_RATE, vq_folder(excerpt))


def vq_harmonic(excerpt: Excerpt, source: np.ndarray) -> np.ndarray:
    """The same with harmonics at the pitch of the source."""
    from vq_timbre import transfer_timbre

    return transfer_timbre(source, SAMPLE_RATE, vq_folder(excerpt), harmonic=True)


def random_cnn(
    excerpt: Excerpt, source: np.ndarray, filters: int = FILTERS, iterations: int = ITERATIONS
) -> np.ndarray:
    """The style of another piece by the target, found by a random network."""
    from random_cnn_style import style_transfer

    settings = {"filters": filters, "iterations": iterations}
    return style_transfer(source, excerpt.example(), SAMPLE_RATE, **settings)


def granular(excerpt: Excerpt, source: np.ndarray) -> np.ndarray:
    """Grains of the target's samples, chosen by descriptors."""
    from common.files.audio import fit_length, resample

    corpus = _corpus(excerpt.voice)
    made = corpus.resynthesize(resample(source, SAMPLE_RATE, corpus.sample_rate))
    return fit_length(safe_peak(resample(made, corpus.sample_rate, SAMPLE_RATE)), source.size)


@functools.cache
def _corpus(voice):
    from granular.corpus import Corpus

    rate, size = 16000, 1024  # of the shipped models
    paths = [path for layers in voice.files.values() for path in layers.values()]
    return Corpus.of((load_audio(path, rate)[0] for path in paths), rate, size)


def transcribed(excerpt: Excerpt, source: np.ndarray) -> np.ndarray:
    """The notes that Basic Pitch hears, played by the target's samples.

    Notes that the target's samples do not reach are left out.
    """
    from common.music.transcription import transcribe

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.wav"
        write_audio(path, source, SAMPLE_RATE)
        notes = transcribe(path)
    low = min(excerpt.voice.files) - MAX_SUBSTITUTION
    high = max(excerpt.voice.files) + MAX_SUBSTITUTION
    audio = played([note for note in notes if low <= note.pitch <= high], excerpt.voice)
    if not audio.any():
        raise UserError(f"{excerpt.name}: Basic Pitch hears no note that the target can play")
    return safe_peak(audio)


SYSTEMS = {
    "copy-source": System(copy_source, _always, "the source as it is", anchor=True),
    "copy-target": System(copy_target, _always, "another piece by the target", anchor=True),
    "rephased": System(
        rephased,
        _always,
        "magnitude of the true target up to 11 kHz, with the phase that Pix2Pix would estimate",
        anchor=True,
    ),
    "pix2pix": System(
        pix2pix, lambda excerpt: pix2pix_folder(excerpt).is_dir(), "generator of the pair"
    ),
    "multitarget": System(
        multitarget, _always, "generator of any target, shown another piece by the target"
    ),
    "move": System(move, _is_for_move, "MoVE, told both instruments"),
    "vq": System(
        vq_timbre,
        lambda excerpt: excerpt.group == LINE and vq_folder(excerpt).is_dir(),
        "code book of the target's spectra, with noise as published",
    ),
    "vq-harmonic": System(
        vq_harmonic,
        lambda excerpt: excerpt.group == LINE and vq_folder(excerpt).is_dir(),
        "the same with harmonics at the pitch of the source",
    ),
    "random-cnn": System(
        random_cnn, _always, "random CNN, with the style of another piece by the target"
    ),
    "granular": System(
        granular, _always, "grains of the target's samples with the nearest descriptors"
    ),
    "transcribed": System(
        transcribed, _always, "notes that Basic Pitch hears, played by the target's samples"
    ),
    TRUTH: System(
        lambda excerpt, _: excerpt.truth(),
        _always,
        "the same notes by the target's samples: what is right",
        anchor=True,
    ),
}
