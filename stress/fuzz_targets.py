"""Targets of ``stress.fuzz``: readers, and intact files for them.

A ``Target`` has samples, the bytes of real files, and a function that reads a damaged file.
"""

import io
import shutil
import tempfile
from pathlib import Path

import numpy as np

from common.cli import UserError
from common.files.audio import AudioFileError
from stress.fuzz_damage import Sample, Target, hdf5_structure
from stress.fuzz_systems import SYSTEM_TARGETS

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "models" / "keyboard_acoustic_2_guitar_acoustic" / "generator.h5"
DOCUMENTED = (UserError, AudioFileError, FileNotFoundError)

_SECONDS = 0.3  # length of the audio samples, so that they have a few kB
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
        if header.format != "MP3":  # their headers give the length
            assert audio.shape[1] == header.frames, (audio.shape, header.frames)

    return read


def _weight_samples():
    return [Sample(".h5", MODEL.read_bytes(), hdf5_structure(MODEL))]


def _weights_reader():
    from pix2pix_timbre import weights
    from pix2pix_timbre.model import build_generator

    # building takes far longer than reading, and depends only on the shape in the file
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
    **SYSTEM_TARGETS,
}
