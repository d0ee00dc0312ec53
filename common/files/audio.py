"""Audio files: read in one go or in blocks, after a check; written completely or not at all.

Audio is float32 in [-1, 1], (samples,) or (channels, samples). No function modifies its arguments.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from common.cli import UserError, find_inputs, missing, require_whole
from common.files.atomic import replace_when_done
from common.files.containers import UNKNOWN_LENGTH, Damaged, whole_frames
from common.files.kinds import foreign_recording, true_kind
from common.files.quiet import quiet_decoder

if TYPE_CHECKING:
    import soundfile


PEAK = 0.999  # peak level to which louder results are turned down
SILENT_PEAK = 1e-4  # peak level below which a recording counts as silent
RATES = 4000, 768000  # Hz; files with other sample rates count as damaged
_FORMATS = {  # suffix -> libsndfile's name, where they differ
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
# libsndfile reads the rest of a file that was cut off, and says so in its log only
_CUT_OFF = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_INTEGERS = 2**31  # full scale of 32-bit integers
_LOUDEST = 16  # largest floating-point sample, 24 dB above full scale; above are integers or damage
_UNREADABLE = "not a readable audio file ({}); convert it to WAV or FLAC, or take another copy"
_MOST_CHANNELS = 64  # of an array; more are samples, on the wrong axis
_MOST_SAMPLES = 4096  # per byte of the file: more than any format needs for silence
_AS_DEEP = {  # format -> sample formats as deep, the best first
    "PCM_24": ("PCM_24",),
    "PCM_32": ("PCM_32", "PCM_24"),
    "FLOAT": ("FLOAT", "PCM_24"),
    "DOUBLE": ("FLOAT", "PCM_24"),
}
_SECONDS_AT_ONCE = 600  # block length for files that are read in one go
_FEWEST_AT_ONCE = 2**16  # samples, in case the header counts too few


def require_audio_suffix(path: Path) -> None:
    """Raise ``UserError`` if the suffix of ``--output`` is not that of an audio format."""
    if path.suffix.lower() not in AUDIO_SUFFIXES:
        raise UserError(f"--output {path}: end it in {_KNOWN}")


class AudioFileError(OSError):
    """A file that cannot be read or written as audio; the message names it and the remedy."""


class MissingAudioError(AudioFileError, FileNotFoundError):
    """An audio file that does not exist (any more)."""


def load_audio(
    path: Path | str, sample_rate: int | None = None, mono: bool = True
) -> tuple[np.ndarray, int]:
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
        AudioFileError: The file is not readable as audio, or has NaN or infinite samples.
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


def read_blocks(path: Path | str, seconds: int = 10) -> Iterator[tuple[np.ndarray, bool]]:
    """Read an audio file in blocks, whatever its length.

    Args:
        path: File to read.
        seconds: Largest length of a block.

    Yields:
        ``(block, last)``: float32 (channels, samples) at the file's rate, and whether the block is
        the last one, which is shorter than the others and may be empty.

    Raises:
        MissingAudioError: There is no such file.
        AudioFileError: As ``read_header``, or the file is damaged, or has NaN or infinite samples.
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
        # else it would seek to the end of each block, where MP3 and Opus decoders restart
        file.seekable = lambda: False
        with file:
            while not last:
                with quiet():
                    block = file.read(size, dtype=dtype, always_2d=True)
                if dtype == "int16":  # as libsndfile does it, but faster
                    block = block * np.float32(2**-15)
                elif not (np.abs(block) <= _LOUDEST).all():
                    raise AudioFileError(f"{path}: {_beyond(block)}, and save it again")
                samples += len(block)
                last = len(block) < size
                if last and samples < whole:
                    raise AudioFileError(
                        f"{path}: damaged, only {samples} of {whole} samples can be read; copy it "
                        "again"
                    )
                yield block.T, last
    except soundfile.SoundFileError as error:
        raise AudioFileError(f"{path}: {_UNREADABLE.format(_reason(error))}") from error


def _reason(error):
    """What libsndfile says, without the path that soundfile puts before it as bytes."""
    return getattr(error, "error_string", error)


def _beyond(block):
    """Describe what is wrong with samples that are not finite or too large."""
    loudest = np.abs(block).max()
    if not loudest <= _INTEGERS:
        return (
            f"holds NaN or infinite samples, or some beyond {_INTEGERS}; repair the recording first"
        )
    return (
        f"holds floating-point samples up to {loudest:.6g}, where full scale is 1; divide them, by "
        "32768 if they are 16-bit integers"
    )


def checked_audio(audio: np.ndarray, sample_rate: int, name: str = "audio") -> np.ndarray:
    """Check audio that a function is given, and scale integers as if they came from a file.

    Args:
        audio: (samples,) or (channels, samples), floating-point with full scale 1, or integers of
            8 to 32 bits with the full scale of their type; unsigned ones are centred at its middle.
        sample_rate: Hz, a whole number within RATES.
        name: Name of the argument, for messages.

    Returns:
        float32, same shape; the array itself if it is float32.

    Raises:
        UserError: Not such an array or rate, empty, more than 64 channels, or samples that are NaN,
            infinite or beyond 16.
    """
    require_whole(sample_rate, "sample_rate", *RATES)
    try:
        audio = np.asarray(audio)
    except ValueError as error:  # rows of several lengths
        raise UserError(f"{name}: not an array; give all channels the same length") from error
    if audio.dtype.kind not in "iuf":
        raise UserError(
            f"{name}: not an array of real numbers but of {audio.dtype}; give samples, as "
            "soundfile.read returns them"
        )
    if audio.ndim not in (1, 2):
        raise UserError(f"{name}: has {audio.ndim} axes; give (samples,) or (channels, samples)")
    if not audio.size:
        raise UserError(f"{name}: is empty; give at least one sample")
    if audio.ndim == 2 and len(audio) > _MOST_CHANNELS:
        raise UserError(
            f"{name}: has {len(audio)} channels, more than {_MOST_CHANNELS}; give (channels, "
            "samples); transpose what soundfile.read returns"
        )
    if audio.dtype.kind in "iu":
        return _from_integers(audio, name)
    if not peak(audio) <= _LOUDEST:
        raise UserError(f"{name}: {_beyond(audio)}")
    return audio.astype(np.float32, copy=False)


def _from_integers(audio, name):
    """Scale integers of 8 to 32 bits to float32 in [-1, 1)."""
    bits = 8 * audio.dtype.itemsize
    if bits > 32:  # no file has these; Python's and NumPy's integers mostly are shorter ones
        raise UserError(
            f"{name}: {audio.dtype} has no full scale; divide the samples by theirs, 32768 if they "
            "were 16-bit integers"
        )
    middle = 0 if audio.dtype.kind == "i" else 2 ** (bits - 1)
    return ((audio.astype(np.float64) - middle) / 2 ** (bits - 1)).astype(np.float32)


def to_mono(block: np.ndarray) -> np.ndarray:
    """Average the channels of (channels, samples) float32."""
    return block[0] if len(block) == 1 else block.mean(axis=0, dtype=np.float32)


def read_header(path: Path | str) -> soundfile._SoundFileInfo:
    """Read the header of an audio file: ``samplerate`` in Hz, ``channels``, ``frames``, ...

    ``frames`` is an estimate for MP3 files that do not give their length.

    Raises:
        MissingAudioError: There is no such file.
        AudioFileError: libsndfile cannot read the file, it is cut off, or its header has an
            impossible rate or length.
    """
    return _checked_header(path)[0]


def _checked_header(path):
    """Like ``read_header``, with the number of samples per channel that decoding has to give."""
    import soundfile

    if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises where it may not look)
        raise MissingAudioError(f"{path}: {missing(path)}")
    if os.stat(path).st_size == 0:  # noqa: PTH116
        raise AudioFileError(f"{path}: not a readable audio file, is empty; copy it again")
    try:
        with quiet_decoder(path):
            header = soundfile.info(os.fsencode(path))
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: .raw, which has no header
        reason = true_kind(path) or _UNREADABLE.format(_reason(error))
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
    """Recordings in a folder.

    Attributes:
        files: Dict from name to path of the recordings, as in ``common.cli.Found``.
        foreign: List of (path, remedy) of recordings that libsndfile cannot read, except those
            that are there in a readable format as well.
        others: Sorted paths of all other files.
    """

    files: dict[str, Path]
    foreign: list[tuple[Path, str]]
    others: list[Path]


def find_recordings(folder: Path) -> Recordings:
    """Find the ``Recordings`` below a folder, by suffix or, failing that, by content."""
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


def resample(audio: np.ndarray, from_rate: float, to_rate: float) -> np.ndarray:
    """Resample float32 audio (..., samples) with soxr's high-quality band-limited filter."""
    import soxr

    if from_rate == to_rate or audio.shape[-1] == 0:
        return audio
    # soxr wants (samples, channels)
    resampled = soxr.resample(np.moveaxis(audio, -1, 0), from_rate, to_rate, quality="HQ")
    return np.ascontiguousarray(np.moveaxis(resampled, 0, -1), dtype=np.float32)


def fit_length(audio: np.ndarray, samples: int) -> np.ndarray:
    """Cut an audio (..., any), or pad it with zeros, to a number of samples."""
    missing = max(samples - audio.shape[-1], 0)
    padding = [(0, 0)] * (audio.ndim - 1) + [(0, missing)]
    return np.pad(audio, padding)[..., :samples]


def _format_of(path):
    """Return libsndfile's name of the format that belongs to a path's suffix."""
    return _FORMATS.get(path.suffix.lower(), path.suffix[1:].upper())


def kept_subtype(header: soundfile._SoundFileInfo, path: Path | str) -> str | None:
    """Choose the sample format in which an output has the bit depth of a recording.

    Args:
        header: Result of ``read_header`` for the recording.
        path: Output file.

    Returns:
        libsndfile's name, or None for the default of the output's format, which is used for
        recordings of 16 bit or less, for compressed ones, and if the format has nothing deeper.
    """
    import soundfile

    subtypes = _AS_DEEP.get(header.subtype, ())
    name = _format_of(Path(path))
    known = name in soundfile.available_formats()
    return next((kind for kind in subtypes if known and soundfile.check_format(name, kind)), None)


class AudioWriter:
    """Context manager that writes an audio file in parts; the file is complete or absent.

    The format follows the suffix (``.wav``, ``.flac``, ``.ogg``, ...); the sample format is
    ``subtype`` (a libsndfile name such as ``"FLOAT"``) or the format's default, 16 bit for WAV.
    ``durable`` as in ``replace_when_done``.

    Raises:
        AudioFileError: Unknown suffix, or a format that cannot hold this signal.
        OSError: The file cannot be written.
    """

    def __init__(
        self,
        path: Path | str,
        sample_rate: int,
        channels: int,
        subtype: str | None = None,
        durable: bool = True,
    ) -> None:
        import soundfile

        self.path, self._durable = Path(path), durable
        self._format = (sample_rate, channels, subtype)
        name = _format_of(self.path)
        if name not in soundfile.available_formats():
            raise AudioFileError(f"{path}: unknown audio format; use {_KNOWN}")
        if not soundfile.check_format(name, subtype):
            raise AudioFileError(f"{path}: {name} has no sample format {subtype}")
        try:  # only an encoder knows its rates and channels
            soundfile.SoundFile(
                io.BytesIO(), "w", sample_rate, channels, subtype, format=name
            ).close()
        except soundfile.SoundFileError as error:
            others = " or ".join(kind for kind in (".wav", ".flac") if kind[1:].upper() != name)
            raise AudioFileError(
                f"{path}: {name} cannot hold {channels} channels at {sample_rate} Hz; write "
                f"{others} instead"
            ) from error
        self._name = name

    def __enter__(self) -> AudioWriter:
        import soundfile

        self._whole = replace_when_done(self.path, self._durable)
        temporary = self._whole.__enter__()
        # so that missing permissions are reported with the path, which libsndfile omits
        temporary.touch()
        rate, channels, subtype = self._format
        try:
            self._file = soundfile.SoundFile(
                os.fsencode(temporary), "w", rate, channels, subtype, format=self._name
            )
            self._file.flush = lambda: None  # called by close(); would wait for the disk each time
            self._subtype = self._file.subtype  # asked once, not of the file for each block
        except soundfile.SoundFileError as error:
            temporary.unlink()
            raise OSError(f"{self.path}: cannot be written; is the disk full?") from error
        return self

    def write(self, audio: np.ndarray) -> None:
        """Append (samples,) or (channels, samples) float32; finite and within [-1, 1].

        Raises:
            ValueError: NaN, or samples outside [-1, 1] in a format that would clip them.
        """
        import soundfile

        audio = np.asarray(audio, dtype=np.float32)
        most = np.finfo(np.float32).max if "FLOAT" in self._subtype else 1
        try:
            # in parts: libsndfile's Vorbis encoder overflows its stack on long arrays
            for start in range(0, audio.shape[-1], 2**16):
                part = audio[..., start : start + 2**16].T
                loudest = peak(part)
                if not loudest <= most:
                    raise ValueError(
                        f"{self.path}: samples reach {peak(audio)}; scale the signal to [-1, 1]"
                    )
                if self._subtype == "PCM_16":
                    # libsndfile is slower and rounds down, which is a bias of half a step
                    part = part * np.float32(2**15)
                    np.rint(part, out=part)
                    if loudest >= 1 - 2**-16:  # 1.0 does not fit into 16 bits
                        np.minimum(part, 2**15 - 1, out=part)
                    part = part.astype(np.int16)
                self._file.write(part)
        # AssertionError: a write was incomplete
        except (soundfile.SoundFileError, AssertionError) as error:
            raise OSError(f"{self.path}: cannot be written; is the disk full?") from error

    def __exit__(self, *exception: Any) -> None:
        import soundfile

        try:
            self._file.close()
        except soundfile.SoundFileError as error:
            exception = (type(error), error, error.__traceback__)
            raise OSError(f"{self.path}: cannot be written; is the disk full?") from error
        finally:
            self._whole.__exit__(*exception)


def write_audio(
    path: Path | str, audio: np.ndarray, sample_rate: int, subtype: str | None = None
) -> None:
    """Write audio of shape (samples,) or (channels, samples); see ``AudioWriter``."""
    audio = np.asarray(audio, dtype=np.float32)
    channels = 1 if audio.ndim == 1 else len(audio)
    with AudioWriter(path, sample_rate, channels, subtype) as writer:
        writer.write(audio)


def peak(audio: np.ndarray) -> float:
    """Largest absolute sample: 0.0 for empty audio, NaN if there is a NaN."""
    return float(max(audio.max(initial=0), -audio.min(initial=0)))


def is_silent(audio: np.ndarray) -> bool:
    """Whether no sample of an audio reaches -80 dB; true of an empty one."""
    return peak(audio) < SILENT_PEAK


def load_sounding(path: Path, sample_rate: int) -> np.ndarray:
    """Audio (samples,) of a file at a rate in Hz; ``UserError`` if it is silent."""
    audio, _ = load_audio(path, sample_rate=sample_rate)
    if is_silent(audio):
        raise UserError(f"{path}: is silent; give another recording")
    return audio


def safe_peak(audio: np.ndarray) -> np.ndarray:
    """Turn audio down if it would leave [-1, 1]."""
    loudest = peak(audio)
    return audio * np.float32(PEAK / loudest) if loudest > PEAK else audio
