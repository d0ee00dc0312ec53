"""Audio files: read whole or in blocks, checked before; written whole or not at all.

Audio is float32 in [-1, 1], (samples,) or (channels, samples). No function modifies its arguments.
"""

import contextlib
import os
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.cli import UserError, find_inputs
from common.files.atomic import replace_when_done
from common.files.containers import UNKNOWN_LENGTH, Damaged, whole_frames
from common.files.kinds import foreign_recording, true_kind
from common.files.quiet import quiet_decoder

PEAK = 0.999  # a louder result is turned down to it
RATES = 4000, 768000  # Hz, of audio files; at others they are taken for damaged
_FORMATS = {  # those of libsndfile whose suffix is not their name
    ".aif": "AIFF",
    ".aifc": "AIFF",
    ".opus": "OGG",
    ".oga": "OGG",
    ".snd": "AU",
    ".wave": "WAV",
    ".bwf": "WAV",
}
AUDIO_SUFFIXES = {
    ".wav",
    ".flac",
    ".ogg",
    ".mp3",
    ".aiff",
    ".w64",
    ".rf64",
    ".au",
    ".caf",
    *_FORMATS,
}
_USUAL = (".wav", ".flac", ".ogg")
_KNOWN = f"{', '.join(_USUAL)} (or {', '.join(sorted(AUDIO_SUFFIXES - {*_USUAL}))})"
# libsndfile reads what there is of a file that was cut off, and tells it in its log only
_CUT_OFF = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_INTEGERS = 2**31  # the largest ones
_LOUDEST = 16  # of floating-point samples, 24 dB above full scale; more are integers, or damage
_MOST_SAMPLES = 4096  # in a byte: more than any format makes of silence
_AS_DEEP = {  # by sample format, the best first
    "PCM_24": ("PCM_24",),
    "PCM_32": ("PCM_32", "PCM_24"),
    "FLOAT": ("FLOAT", "PCM_24"),
    "DOUBLE": ("FLOAT", "PCM_24"),
}
_SYSTEM_ERROR = 2  # of libsndfile
_SECONDS_AT_ONCE = 600  # of a file that is read as a whole
_FEWEST_AT_ONCE = 2**16  # samples, should a header tell too few


def require_audio_suffix(path):
    """Raise ``UserError`` for an ``--output`` whose suffix is that of no audio format."""
    if path.suffix.lower() not in AUDIO_SUFFIXES:
        raise UserError(f"--output {path}: end it in {_KNOWN}")


class AudioFileError(OSError):
    """A file that cannot be read or written as audio; the message names it and the remedy."""


class MissingAudioError(AudioFileError, FileNotFoundError):
    """An audio file that is not there, or not any more."""


def load_audio(path, sample_rate=None, mono=True):
    """Read an audio file in any format that libsndfile reads.

    Args:
        path: File to read.
        sample_rate: Rate in Hz to resample to; None keeps the file's.
        mono: Average the channels.

    Returns:
        ``(audio, rate)``: float32 of shape (samples,), or (channels, samples) when not
        ``mono``, and the rate in Hz.

    Raises:
        MissingAudioError: There is no such file.
        AudioFileError: The file is no readable audio, or holds NaN or infinite samples.
    """
    rate = read_header(path).samplerate
    try:
        blocks = [
            to_mono(block) if mono else block for block, _ in read_blocks(path, _SECONDS_AT_ONCE)
        ]
        audio = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=-1)
        if sample_rate is not None and rate != sample_rate:
            audio, rate = resample(audio, rate, sample_rate), sample_rate
    except MemoryError as error:
        raise AudioFileError(f"{path}: too long for the memory here; cut it up") from error
    return audio, rate


def read_blocks(path, seconds=10):
    """Read an audio file in blocks, whatever its length.

    Args:
        path: File to read.
        seconds: Length of a block, at most.

    Yields:
        ``(block, last)``: float32 (channels, samples) at the file's rate; whether it is the last
        one, which is shorter than the others and may be empty.

    Raises:
        MissingAudioError: There is no such file.
        AudioFileError: As ``read_header``; damaged; or NaN or infinite samples.
    """
    import soundfile

    header, whole = _checked_header(path)
    size = min(seconds * header.samplerate, max(header.frames, _FEWEST_AT_ONCE) + 1)
    samples, last = 0, False
    dtype = "int16" if header.subtype == "PCM_16" else "float32"
    is_mpeg = header.subtype.startswith("MPEG")  # asked once, not of the file for each block
    quiet = partial(quiet_decoder, path) if is_mpeg else contextlib.nullcontext
    try:
        with quiet():
            file = soundfile.SoundFile(os.fsencode(path))
        # or it would seek the end of each block, where decoders of MP3 and Opus start anew
        file.seekable = lambda: False
        with file:
            while not last:
                with quiet():
                    block = file.read(size, dtype=dtype, always_2d=True)
                if dtype == "int16":  # as libsndfile does it, but faster
                    block = block * np.float32(2**-15)
                elif not (np.abs(block) <= _LOUDEST).all():
                    raise AudioFileError(f"{path}: {_beyond(block)}")
                samples += len(block)
                last = len(block) < size
                if last and samples < whole:
                    raise AudioFileError(
                        f"{path}: damaged, only {samples} of {whole} samples can be read; copy it "
                        "again"
                    )
                yield block.T, last
    except soundfile.SoundFileError as error:
        raise AudioFileError(f"{path}: not a readable audio file ({error})") from error


def _beyond(block):
    """What is wrong with samples that are no numbers, or too large ones."""
    loudest = np.abs(block).max()
    if not loudest <= _INTEGERS:
        return (
            f"holds NaN or infinite samples, or some beyond {_INTEGERS}; repair the recording first"
        )
    return (
        f"holds floating-point samples up to {loudest:.6g}, where full scale is 1; divide them, by "
        "32768 if they are 16-bit integers, and save it again"
    )


def to_mono(block):
    """The average of the channels of (channels, samples) float32."""
    return block[0] if len(block) == 1 else block.mean(axis=0, dtype=np.float32)


def read_header(path):
    """What the header of an audio file says: ``samplerate`` in Hz, ``channels``, ``frames``, ...

    ``frames`` is an estimate where an MP3 file does not tell.

    Raises:
        MissingAudioError: There is no such file.
        AudioFileError: The file is no audio that libsndfile reads, is cut off, or claims a rate or
            a length that it cannot have.
    """
    return _checked_header(path)[0]


def _checked_header(path):
    """As ``read_header``, with the number of samples per channel that must come out of the file."""
    import soundfile

    if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises where it may not look)
        raise MissingAudioError(f"{path}: no such file")
    try:
        with quiet_decoder(path):
            header = soundfile.info(os.fsencode(path))
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: .raw, which has no header
        reason = true_kind(path) or f"not a readable audio file ({error})"
        raise AudioFileError(f"{path}: {reason}") from error
    sizes = _CUT_OFF.search(header.extra_info)
    if sizes and int(sizes[2]) < int(sizes[1]) < UNKNOWN_LENGTH:
        raise AudioFileError(
            f"{path}: cut off, holds {sizes[2]} of {sizes[1]} bytes of audio; copy it again"
        )
    if not RATES[0] <= header.samplerate <= RATES[1]:
        raise AudioFileError(
            f"{path}: claims {header.samplerate} Hz, not within {RATES[0]} to {RATES[1]}; repair "
            "its header"
        )
    try:
        whole = whole_frames(path, header)
    except Damaged as error:
        raise AudioFileError(f"{path}: {true_kind(path) or error}") from error
    if header.frames * header.channels > _MOST_SAMPLES * Path(path).stat().st_size:
        raise AudioFileError(
            f"{path}: claims {header.frames} samples, more than it can hold; copy it again"
        )
    return header, whole


class Recordings(NamedTuple):
    """What a folder holds.

    Attributes:
        files: Dict from name to path of the recordings, as ``common.cli.Found`` has it.
        foreign: List of (path, remedy) of recordings in formats that libsndfile does not read,
            unless they are there in another format, too.
        others: Sorted paths of all other files.
    """

    files: dict
    foreign: list
    others: list


def find_recordings(folder):
    """The ``Recordings`` below a folder: by their suffix, or else by their content."""
    files, others = find_inputs(folder, _is_recording)
    foreign = [
        (path, true_kind(path))
        for path in others
        if foreign_recording(path)
        and path.relative_to(folder).with_suffix("").as_posix() not in files
    ]
    left = {path for path, _ in foreign}
    return Recordings(files, foreign, [path for path in others if path not in left])


def _is_recording(path):
    if path.suffix.lower() in AUDIO_SUFFIXES:
        return True
    try:
        return path.suffix.lower() != ".raw" and bool(read_header(path))
    except OSError:
        return False


def resample(audio, from_rate, to_rate):
    """Resample float32 audio (..., samples) with soxr's high-quality band-limited filter."""
    import soxr

    if from_rate == to_rate or audio.shape[-1] == 0:
        return audio
    # soxr wants (samples, channels)
    resampled = soxr.resample(np.moveaxis(audio, -1, 0), from_rate, to_rate, quality="HQ")
    return np.ascontiguousarray(np.moveaxis(resampled, 0, -1), dtype=np.float32)


def _format_of(path):
    """libsndfile's name of the format that a suffix stands for."""
    return _FORMATS.get(path.suffix.lower(), path.suffix[1:].upper())


def kept_subtype(header, path):
    """Sample format with which an output is as deep as a recording.

    Args:
        header: What ``read_header`` says of the recording.
        path: The output.

    Returns:
        A libsndfile name, or None for the default of the output's format: of recordings of 16 bit
        and less, of compressed ones, and where that format has nothing deeper.
    """
    import soundfile

    subtypes = _AS_DEEP.get(header.subtype, ())
    name = _format_of(Path(path))
    known = name in soundfile.available_formats()
    return next((kind for kind in subtypes if known and soundfile.check_format(name, kind)), None)


class AudioWriter:
    """Context manager that writes an audio file in parts; it appears whole or not at all.

    The format follows the suffix (``.wav``, ``.flac``, ``.ogg``, ...); the sample format is
    ``subtype`` (a libsndfile name such as ``"FLOAT"``) or the format's default, 16 bit for WAV.
    ``durable`` as in ``replace_when_done``.

    Raises:
        AudioFileError: Unknown suffix, or a format that cannot hold this signal.
        OSError: The file cannot be written.
    """

    def __init__(self, path, sample_rate, channels, subtype=None, durable=True):
        import soundfile

        self.path, self._durable = Path(path), durable
        self._format = (sample_rate, channels, subtype)
        name = _format_of(self.path)
        if name not in soundfile.available_formats():
            raise AudioFileError(f"{path}: unknown audio format; use {_KNOWN}")
        if not soundfile.check_format(name, subtype):
            raise AudioFileError(f"{path}: {name} has no sample format {subtype}")
        self._name = name

    def __enter__(self):
        import soundfile

        self._whole = replace_when_done(self.path, self._durable)
        temporary = self._whole.__enter__()
        temporary.touch()  # a folder without permission is named by the system, not by libsndfile
        rate, channels, subtype = self._format
        try:
            self._file = soundfile.SoundFile(
                os.fsencode(temporary), "w", rate, channels, subtype, format=self._name
            )
            self._file.flush = lambda: None  # of close(), which would wait for the disk each time
            self._subtype = self._file.subtype  # asked once, not of the file for each block
        except soundfile.SoundFileError as error:
            temporary.unlink()
            if getattr(error, "code", None) == _SYSTEM_ERROR:
                raise OSError(f"{self.path}: cannot be written; is the disk full?") from error
            raise AudioFileError(
                f"{self.path}: {self._name} cannot hold {channels} channels at {rate} Hz ({error})"
            ) from error
        return self

    def write(self, audio):
        """Append (samples,) or (channels, samples) float32; finite and within [-1, 1].

        Raises:
            ValueError: NaN, or samples outside [-1, 1] in a format that would clip them.
        """
        import soundfile

        audio = np.asarray(audio, dtype=np.float32)
        most = np.finfo(np.float32).max if "FLOAT" in self._subtype else 1
        try:
            # in parts: libsndfile's Vorbis encoder overflows its stack on long ones
            for start in range(0, audio.shape[-1], 2**16):
                part = audio[..., start : start + 2**16].T
                loudest = peak(part)
                if not loudest <= most:
                    raise ValueError(
                        f"{self.path}: samples reach {peak(audio)}; scale the signal to [-1, 1]"
                    )
                if self._subtype == "PCM_16":
                    # libsndfile takes longer, and rounds down: a bias of half a step
                    part = part * np.float32(2**15)
                    np.rint(part, out=part)
                    if loudest >= 1 - 2**-16:  # 1 has no number of 16 bit
                        np.minimum(part, 2**15 - 1, out=part)
                    part = part.astype(np.int16)
                self._file.write(part)
        except (soundfile.SoundFileError, AssertionError) as error:  # it asserts a full write
            raise OSError(f"{self.path}: cannot be written; is the disk full?") from error

    def __exit__(self, *exception):
        import soundfile

        try:
            self._file.close()
        except soundfile.SoundFileError as error:
            exception = (type(error), error, error.__traceback__)
            raise OSError(f"{self.path}: cannot be written; is the disk full?") from error
        finally:
            self._whole.__exit__(*exception)


def write_audio(path, audio, sample_rate, subtype=None):
    """Write audio of shape (samples,) or (channels, samples); see ``AudioWriter``."""
    audio = np.asarray(audio, dtype=np.float32)
    channels = 1 if audio.ndim == 1 else len(audio)
    with AudioWriter(path, sample_rate, channels, subtype) as writer:
        writer.write(audio)


def peak(audio):
    """The largest absolute sample, 0.0 of an empty audio; NaN if there is one."""
    return float(max(audio.max(initial=0), -audio.min(initial=0)))


def safe_peak(audio):
    """An audio, turned down where it would leave [-1, 1]."""
    loudest = peak(audio)
    return audio * np.float32(PEAK / loudest) if loudest > PEAK else audio
