"""The readers that ``stress.fuzz`` feeds, what it feeds them, and how it damages that.

A ``Target`` has samples, real files as bytes, and a function that reads a damaged one from a file.
"""

import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError
from common.files.audio import AudioFileError

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "models" / "keyboard_acoustic_2_guitar_acoustic" / "generator.h5"
DOCUMENTED = (UserError, AudioFileError, FileNotFoundError)

_SECONDS = 0.3  # of an audio sample: a few kB
_FORMATS = (  # suffix, sample format, rate in Hz, channels
    (".wav", "PCM_16", 44100, 2),
    (".wav", "PCM_24", 16000, 1),
    (".wav", "FLOAT", 48000, 1),
    (".flac", "PCM_16", 16000, 1),
    (".flac", "PCM_24", 44100, 2),
    (".ogg", "VORBIS", 44100, 1),
    (".opus", "OPUS", 48000, 2),
    (".aiff", "PCM_16", 44100, 2),
    (".mp3", "MPEG_LAYER_III", 44100, 2),
    (".mp3", "MPEG_LAYER_III", 16000, 1),
    (".w64", "PCM_16", 22050, 1),
    (".au", "PCM_16", 22050, 1),
    (".caf", "PCM_16", 22050, 1),
)
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)
_LARGE = (2**40, 2**63 - 1, 2**63, 2**64 - 1)


class Sample(NamedTuple):
    """A sound file.

    Attributes:
        suffix: Of its name.
        content: Its bytes.
        structure: Slices of the content that say what the rest means; the damage goes there.
    """

    suffix: str
    content: bytes
    structure: tuple = ()


class Target(NamedTuple):
    """A reader.

    Attributes:
        samples: Function without arguments, a list of ``Sample``.
        reader: Function without arguments that gives the function that reads a path. It raises one
            of ``DOCUMENTED``, or AssertionError where what it read is not as documented.
    """

    samples: Callable
    reader: Callable


def _midi_samples():
    return [Sample(".mid", path.read_bytes()) for path in sorted((ROOT / "data/midi").glob("*"))]


def _midi_reader():
    from common.music.midi import LONGEST_HOURS, read_notes

    def read(path):
        notes = read_notes(path).notes
        assert notes, "no note"
        for note in notes:
            assert 0 <= note.pitch <= 127, note
            assert 1 <= note.velocity <= 127, note
            assert 0 <= note.start < note.end <= 3600 * LONGEST_HOURS, note

    return read


def _name_samples():
    names = sorted(path.name for path in (ROOT / "data/notes/audio").iterdir())[::10]
    instruments = ["keyboard_acoustic", "keyboard_acoustic:0,4,9", "keyboard_acoustic_004"]
    return [Sample(".txt", text.encode()) for text in [*names, *instruments]]


def _names_reader():
    from common.music.notes import NoteLibrary, parse_instrument

    def parse(text):
        name, presets = parse_instrument(text)
        assert name, text
        assert presets is None or all(0 <= preset <= 999 for preset in presets), presets

    def list_notes(path, text):
        folder = path.with_suffix("")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            (folder / text).touch()
        except (OSError, ValueError) as error:
            raise UserError(f"{text!r}: no file has this name") from error
        library = NoteLibrary(folder)
        for instrument in library.instruments:
            for preset in library.presets(instrument):
                assert 0 <= preset <= 999, preset

    def read(path):
        text = path.read_bytes().decode(errors="surrogateescape")
        try:
            parse(text)
        except UserError:
            list_notes(path, text)

    return read


def _store_samples():
    import compute_features

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        audios = folder / "audios" / "keyboard_acoustic"
        audios.mkdir(parents=True)
        for path in sorted((ROOT / "data/notes/audio").glob("keyboard_acoustic*"))[:3]:
            shutil.copy(path, audios)
        flags = ["--audios_path", folder / "audios", "--features_path", folder, "--jobs", 1]
        compute_features.main([str(flag) for flag in flags])
        path = folder / "keyboard_acoustic.h5"
        return [Sample(".h5", path.read_bytes(), hdf5_structure(path))]


def _store_reader():
    from data import BINS
    from pix2pix_timbre.features import FeatureStore

    def read(path):
        with FeatureStore(path) as store:
            for name in store.renderings:
                image = store.read(name)
                assert image.shape == (store.columns[name], BINS), image.shape
                assert image.dtype == np.float16, image.dtype
                assert np.isfinite(image).all(), "not finite"
                store.read(name, 100, 200)

    return read


def _audio_samples():
    import soundfile

    from common.files.audio import resample
    from data import load_audio

    source = sorted((ROOT / "data/notes/audio").glob("keyboard_acoustic*"))[0]
    note, rate = load_audio(source, sample_rate=None)
    note = note[: int(_SECONDS * rate)]
    samples = []
    for suffix, subtype, new_rate, channels in _FORMATS:
        audio = np.tile(resample(note, rate, new_rate)[:, np.newaxis], channels)
        name = {".opus": "OGG"}.get(suffix, suffix[1:].upper())
        file = io.BytesIO()
        soundfile.write(file, audio, new_rate, subtype, format=name)
        samples.append(Sample(suffix, file.getvalue()))
    return samples


def _audio_reader():
    from common.files.audio import read_header
    from data import SAMPLE_RATE, load_audio

    def read(path):
        header = read_header(path)
        audio, rate = load_audio(path)
        assert rate == SAMPLE_RATE, rate
        assert audio.ndim == 1, audio.shape
        assert audio.dtype == np.float32, audio.dtype
        assert np.isfinite(audio).all(), "not finite"
        audio, rate = load_audio(path, sample_rate=None, mono=False)
        assert rate == header.samplerate, rate
        assert len(audio) == header.channels, audio.shape
        if header.format != "MP3":  # where they are told
            assert audio.shape[1] == header.frames, (audio.shape, header.frames)

    return read


def _weight_samples():
    return [Sample(".h5", MODEL.read_bytes(), hdf5_structure(MODEL))]


def _weights_reader():
    from pix2pix_timbre import weights
    from pix2pix_timbre.model import build_generator

    # building takes far longer than reading, and does not depend on the file but by its shape
    built = build_generator(16)
    shape = weights.generator_shape(MODEL)

    def read(path):
        found = weights.generator_shape(path)
        if found != shape:
            raise UserError(f"{path}: another generator")
        weights.load_into(built, path)

    return read


TARGETS = {
    "midi": Target(_midi_samples, _midi_reader),
    "names": Target(_name_samples, _names_reader),
    "store": Target(_store_samples, _store_reader),
    "audio": Target(_audio_samples, _audio_reader),
    "weights": Target(_weight_samples, _weights_reader),
}


def hdf5_structure(path):
    """Slices of an HDF5 file that hold no array: headers, names, attributes, indices."""
    import h5py

    arrays = []

    def visit(_, item):
        if not isinstance(item, h5py.Dataset) or not item.id.get_storage_size():
            return
        if item.chunks is None:
            arrays.append((item.id.get_offset(), item.id.get_storage_size()))
        else:
            chunks = map(item.id.get_chunk_info, range(item.id.get_num_chunks()))
            arrays.extend((chunk.byte_offset, chunk.size) for chunk in chunks)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    slices, position = [], 0
    for offset, size in sorted(pair for pair in arrays if pair[0] is not None):
        slices.append(slice(position, offset))
        position = offset + size
    slices.append(slice(position, Path(path).stat().st_size))
    return tuple(part for part in slices if part.start < part.stop)


def damage(sample, rng, others=()):
    """A sample's content with one to eight faults of kinds that are known to find errors.

    Args:
        sample: ``Sample``.
        rng: ``random.Random``.
        others: Samples from which parts may be taken.
    """
    content = bytearray(sample.content)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        _damage_once(content, sample, rng, others)
    return bytes(content)


def _damage_once(content, sample, rng, others):
    place = _place(content, sample, rng)
    size = rng.choice((1, 2, 4, 8))
    kind = rng.randrange(10)
    if kind == 0:
        content[place : place + 1] = bytes([(content + b"\0")[place] ^ 1 << rng.randrange(8)])
    elif kind in (1, 2):
        content[place : place + 1] = bytes([rng.randrange(256)])
    elif kind in (3, 4):
        number = rng.choice(_NUMBERS + _LARGE) % 256**size
        content[place : place + size] = number.to_bytes(size, rng.choice(("big", "little")))
    elif kind == 5:
        order = rng.choice(("big", "little"))
        number = int.from_bytes(content[place : place + size], order) + rng.choice((-1, 1, 8, 256))
        content[place : place + size] = (number % 256**size).to_bytes(size, order)
    elif kind == 6:
        del content[place : place + rng.choice((1, 4, 16, 256))]
    elif kind == 7:
        start = _place(content, sample, rng)
        content[place:place] = content[start : start + rng.choice((1, 4, 16, 256))]
    elif kind == 8:
        source = rng.choice(others).content if others and rng.random() < 0.3 else bytes(content)
        start, length = rng.randrange(len(source) + 1), rng.choice((4, 8, 16, 64, 256))
        content[place : place + length] = source[start : start + length]
    else:
        del content[place + 1 :]


def _place(content, sample, rng):
    if sample.structure and rng.random() < 0.9:
        part = rng.choice(sample.structure)
        return min(rng.randrange(part.start, part.stop), len(content))
    if rng.random() < 0.5:  # headers come first
        return rng.randrange(min(len(content), 256) + 1)
    return rng.randrange(len(content) + 1)
