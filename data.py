"""The shared codec: audio <-> magnitude images of 256 bins, cut into 256x256 frames.

Every constant that training and prediction must agree on is defined here, once.
Magnitude arrays are (..., frequency, time) float32; audio arrays are (..., samples)
float32 in [-1, 1]. No function modifies its arguments.

    >>> audio, rate = load_audio("piano.wav")
    >>> magnitude, phase = forward_transform(audio)
    >>> frames = slice_magnitude(amplitude_to_db(magnitude))
    >>> restored = join_magnitude_slices(frames, magnitude.shape[-1])
    >>> audio = inverse_transform(db_to_amplitude(restored), phase, audio.shape[-1])
"""

import contextlib
import hashlib
import os
import re
from contextvars import ContextVar
from functools import partial
from pathlib import Path

import numpy as np

from common.containers import UNKNOWN_LENGTH, Damaged, quiet_decoder, whole_frames

SAMPLE_RATE = 44100  # Hz
FFT_SIZE = 1024  # samples
HOP = FFT_SIZE // 2  # samples
BINS = 256  # kept of FFT_SIZE // 2 + 1 = 513, from 0 Hz to 10.98 kHz
FRAME_COLUMNS = 256  # columns (STFT hops) in one frame: 2.97 s
PEAK = 0.999  # a louder result is turned down to it
RATES = 4000, 768000  # Hz, of audio files; at others they are taken for damaged
AMIN = np.float32(1 / 2**16)  # one step of 16-bit audio: the smallest magnitude told from 0

# numpy.hanning is symmetric; with a hop of half the window its square overlap-adds to between
# 0.5 and 1, so the inverse divides by it instead of relying on a constant sum.
WINDOW = np.hanning(FFT_SIZE).astype(np.float32)
_SCALE = np.float32(2 / np.hanning(FFT_SIZE).sum())
_SCALED_WINDOW = WINDOW * _SCALE
_LOG_RANGE = np.log1p(1 / AMIN, dtype=np.float32)

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".opus", ".w64", ".au", ".caf"}

_FORMATS = {".aif": "AIFF", ".opus": "OGG"}

# libsndfile reads what there is of a file that was cut off, and tells it in its log only
_CUT_OFF = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_LOUDEST = 2**31  # of 32-bit samples that were stored as they are
_MOST_SAMPLES = 4096  # in a byte: more than any format makes of silence
_SYSTEM_ERROR = 2  # of libsndfile
_SECONDS_AT_ONCE = 600  # of a file that is read as a whole
_FEWEST_AT_ONCE = 2**16  # samples, should a header tell too few

_LONG_NAME = 100  # bytes; most file systems take 255, some that encrypt 143

# of a long transform: so few that what it works on stays in the processor's cache, and that malloc
# keeps its memory for the next ones, as getting it from the system takes longer than transforming
_COLUMNS_AT_ONCE = 64


class AudioFileError(OSError):
    """A file that cannot be read or written as audio; the message names it and the remedy."""


class MissingAudioError(AudioFileError, FileNotFoundError):
    """An audio file that is not there, or not any more."""


def load_audio(path, sample_rate=SAMPLE_RATE, mono=True):
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
            to_mono(block) if mono else block.T for block, _ in read_blocks(path, _SECONDS_AT_ONCE)
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
        ``(block, last)``: float32 (samples, channels) at the file's rate; whether it is the last
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
                    raise AudioFileError(
                        f"{path}: holds NaN or infinite samples, or some beyond {_LOUDEST}; repair "
                        "the recording first"
                    )
                samples += len(block)
                last = len(block) < size
                if last and samples < whole:
                    raise AudioFileError(
                        f"{path}: damaged, only {samples} of {whole} samples can be read; copy it "
                        "again"
                    )
                yield block, last
    except soundfile.SoundFileError as error:
        raise AudioFileError(f"{path}: not a readable audio file ({error})") from error


def to_mono(block):
    """The average of the channels of (samples, channels) float32."""
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)


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
        raise AudioFileError(f"{path}: not a readable audio file ({error})") from error
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
        raise AudioFileError(f"{path}: {error}") from error
    if header.frames * header.channels > _MOST_SAMPLES * Path(path).stat().st_size:
        raise AudioFileError(
            f"{path}: claims {header.frames} samples, more than it can hold; copy it again"
        )
    return header, whole


def resample(audio, from_rate, to_rate):
    """Resample float32 audio (..., samples) with soxr's high-quality band-limited filter."""
    import soxr

    if from_rate == to_rate or audio.shape[-1] == 0:
        return audio
    # soxr wants (samples, channels)
    resampled = soxr.resample(np.moveaxis(audio, -1, 0), from_rate, to_rate, quality="HQ")
    return np.ascontiguousarray(np.moveaxis(resampled, 0, -1), dtype=np.float32)


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
        name = _FORMATS.get(self.path.suffix.lower(), self.path.suffix[1:].upper())
        if name not in soundfile.available_formats():
            raise AudioFileError(f"{path}: unknown audio format; use .wav, .flac or .ogg")
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


def write_audio(path, audio, sample_rate=SAMPLE_RATE, subtype=None):
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


def hidden_beside(path, kind):
    """Path of a hidden file beside ``path``: ``.<kind>.<name>``, a long name as its hash."""
    name = path.name
    if len(os.fsencode(name)) > _LONG_NAME:  # file systems would refuse one that is even longer
        name = hashlib.sha256(os.fsencode(name)).hexdigest() + path.suffix[:16]
    return path.with_name(f".{kind}.{name}")


# Stands in the names of temporary files, where several processes may write the same file at once.
temporary_mark = ContextVar("temporary_mark", default="")


class replace_when_done:
    """Context manager: a temporary path beside ``path`` that takes its place on success.

    The temporary file is removed when the block fails, so a file is either whole or absent. Its
    name depends on ``path`` alone (and on ``temporary_mark``): what a killed process left is
    overwritten by the next one. It keeps the suffix, from which libraries tell the format.

    Args:
        path: The file.
        durable: Wait until it is on the disk. Many small files are written several times as fast
            without; a failing machine, not a killed process, can then leave them cut off.
    """

    def __init__(self, path, durable=True):
        self.path, self._durable = Path(path), durable
        self.temporary = hidden_beside(self.path, f"part{temporary_mark.get()}")

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self.temporary

    def __exit__(self, exception_type, exception, traceback):
        try:
            if exception_type is None:
                if self._durable:
                    with self.temporary.open("rb") as file:
                        os.fsync(file.fileno())
                self.temporary.replace(self.path)
        finally:
            self.temporary.unlink(missing_ok=True)


def column_count(samples):
    """Number of STFT columns of a signal: one per hop, the last hop completed with zeros."""
    return 1 + -(-samples // HOP)


def _spectra(audio, start, stop):
    """Scaled spectra (..., columns, FFT_SIZE // 2 + 1) of columns start to stop."""
    import scipy.fft  # not above: --help would take twice as long

    first, last = start * HOP - HOP, (stop - 1) * HOP + HOP
    samples = audio.shape[-1]
    block = audio[..., max(first, 0) : min(last, samples)]
    padding = [(0, 0)] * (audio.ndim - 1) + [(max(-first, 0), max(last - max(samples, first), 0))]
    if any(padding[-1]):
        block = np.pad(block, padding)
    # with a hop of half the window each window is two hops of the signal
    hops = block.reshape(*audio.shape[:-1], stop - start + 1, HOP)
    windows = np.empty((*audio.shape[:-1], stop - start, FFT_SIZE), np.float32)
    np.multiply(hops[..., :-1, :], _SCALED_WINDOW[:HOP], out=windows[..., :HOP])
    np.multiply(hops[..., 1:, :], _SCALED_WINDOW[HOP:], out=windows[..., HOP:])
    return scipy.fft.rfft(windows, axis=-1)


def forward_transform(audio, with_phase=True, columns=slice(None)):
    """Short-time Fourier transform, centred and zero-padded, as magnitude and phase.

    Column k is centred on sample ``k * HOP``. The last incomplete hop is completed with zeros, so
    that the inverse is well conditioned up to the last sample.

    Args:
        audio: (..., samples), real.
        with_phase: Also return the phase.
        columns: Slice of the columns to return; the others are not computed.

    Returns:
        magnitude: (..., BINS, columns) float32, ``2 |S| / sum(window)``: a sine of amplitude 1 in
            the middle of a bin has magnitude 1 there. ``columns == column_count(samples)``, if all.
        phase: same shape, radians in [-pi, pi]; None without ``with_phase``.
    """
    audio = np.asarray(audio, dtype=np.float32)
    first, stop, _ = columns.indices(column_count(audio.shape[-1]))
    count = max(stop - first, 0)
    magnitude = np.empty((*audio.shape[:-1], count, BINS), dtype=np.float32)
    phase = np.empty_like(magnitude) if with_phase else None
    for start in range(0, count, _COLUMNS_AT_ONCE):
        part = slice(start, min(start + _COLUMNS_AT_ONCE, count))
        spectra = _spectra(audio, first + part.start, first + part.stop)[..., :BINS]
        np.abs(spectra, out=magnitude[..., part, :])
        if with_phase:
            np.arctan2(spectra.imag, spectra.real, out=phase[..., part, :])
    if not with_phase:
        return np.swapaxes(magnitude, -1, -2), None
    return np.swapaxes(magnitude, -1, -2), np.swapaxes(phase, -1, -2)


def forward_spectra(audio):
    """The transform of ``forward_transform`` as complex numbers: (..., columns, BINS) complex64."""
    audio = np.asarray(audio, dtype=np.float32)
    return _spectra(audio, 0, column_count(audio.shape[-1]))[..., :BINS]


def inverse_transform(magnitude, phase, length=None):
    """Audio from magnitude and phase: inverse of ``forward_transform``.

    The bins above ``BINS`` are taken as zero. Weighted overlap-add (Griffin and Lim 1984, eq. 6):
    the least-squares signal for the given spectra.

    Args:
        magnitude: (..., BINS, columns), as ``forward_transform`` returns it.
        phase: same shape, radians.
        length: Samples to return; default ``(columns - 1) * HOP``.

    Returns:
        float32 (..., length).

    Raises:
        ValueError: Shapes differ, the number of bins is wrong, or ``length`` is longer than the
            columns reach.
    """
    magnitude, phase = np.asarray(magnitude), np.asarray(phase)
    if magnitude.shape != phase.shape or magnitude.shape[-2] != BINS:
        raise ValueError(
            f"magnitude {magnitude.shape}, phase {phase.shape}: not both (..., {BINS}, columns)"
        )

    def spectra(part):
        angle = np.swapaxes(phase[..., part], -1, -2)
        amplitude = np.swapaxes(magnitude[..., part], -1, -2)
        polar = np.empty(amplitude.shape, np.complex64)
        np.multiply(amplitude, np.cos(angle), out=polar.real)
        np.multiply(amplitude, np.sin(angle), out=polar.imag)
        return polar

    return _overlap_add(spectra, magnitude.shape[:-2], magnitude.shape[-1], length)


def inverse_spectra(spectra, length=None):
    """Audio from complex spectra: inverse of ``forward_spectra``, otherwise ``inverse_transform``.

    Args:
        spectra: (..., columns, BINS), as ``forward_spectra`` returns them.
        length: Samples to return; default ``(columns - 1) * HOP``.

    Returns:
        float32 (..., length).
    """
    spectra = np.asarray(spectra)
    return _overlap_add(
        lambda part: spectra[..., part, :], spectra.shape[:-2], spectra.shape[-2], length
    )


def _overlap_add(spectra, shape, columns, length):
    """Audio (*shape, length) of the spectra that a function returns for a slice of columns."""
    import scipy.fft

    length = max(columns - 1, 0) * HOP if length is None else length
    if length > 0 and column_count(length) > columns:
        raise ValueError(f"{columns} columns cannot fill {length} samples")
    signal = np.zeros((*shape, (columns + 1) * HOP), dtype=np.float32)
    weight = np.zeros((columns + 1) * HOP, dtype=np.float32)
    halves = signal.reshape(*shape, columns + 1, HOP)
    half_weights = weight.reshape(columns + 1, HOP)
    square = np.square(WINDOW)
    for start in range(0, columns, _COLUMNS_AT_ONCE):
        stop = min(start + _COLUMNS_AT_ONCE, columns)
        whole = np.zeros((*shape, stop - start, FFT_SIZE // 2 + 1), np.complex64)
        np.divide(spectra(slice(start, stop)), _SCALE, out=whole[..., :BINS])
        grains = scipy.fft.irfft(whole, FFT_SIZE, axis=-1) * WINDOW
        # with a hop of half the window each half of a grain falls into exactly one hop
        halves[..., start:stop, :] += grains[..., :HOP]
        halves[..., start + 1 : stop + 1, :] += grains[..., HOP:]
        half_weights[start:stop] += square[:HOP]
        half_weights[start + 1 : stop + 1] += square[HOP:]
    covered = slice(HOP, HOP + length)
    return signal[..., covered] / weight[covered]


def amplitude_to_db(mag):
    """Normalised logarithmic magnitude: 0 at silence, 1 at magnitude 1.

    ``20 log1p(mag / amin) / (20 log1p(1 / amin))``; float32, same shape.
    """
    mag_db = np.asarray(np.divide(mag, AMIN, dtype=np.float32))
    np.log1p(mag_db, out=mag_db)
    mag_db /= _LOG_RANGE
    return mag_db


def db_to_amplitude(mag_db):
    """Exact inverse of ``amplitude_to_db``; float32, same shape."""
    mag = np.asarray(np.multiply(mag_db, _LOG_RANGE, dtype=np.float32))
    np.expm1(mag, out=mag)
    mag *= AMIN
    return mag


def phase_to_image(phase):
    """Phase in [-pi, pi] as an image in [0, 1]; float32, same shape."""
    return np.asarray(np.divide(phase, 2 * np.pi, dtype=np.float32) + np.float32(0.5))


def image_to_phase(image):
    """Inverse of ``phase_to_image``; float32, same shape."""
    return np.asarray((np.asarray(image, np.float32) - np.float32(0.5)) * np.float32(2 * np.pi))


def slice_magnitude(mag):
    """Cut an image into frames, the last one completed with zeros.

    Args:
        mag: (BINS, columns).

    Returns:
        (frames, BINS, FRAME_COLUMNS, 1), same dtype; no frames for no columns.
    """
    mag = np.asarray(mag)
    if mag.ndim != 2 or mag.shape[0] != BINS:
        raise ValueError(f"expected ({BINS}, columns), got {mag.shape}")
    frames = -(-mag.shape[1] // FRAME_COLUMNS)
    sliced = np.zeros((BINS, frames * FRAME_COLUMNS), dtype=mag.dtype)
    sliced[:, : mag.shape[1]] = mag
    return np.moveaxis(sliced.reshape(BINS, frames, FRAME_COLUMNS), 1, 0)[..., np.newaxis]


def join_magnitude_slices(frames, columns=None):
    """Exact inverse of ``slice_magnitude``: (BINS, columns).

    Args:
        frames: (frames, BINS, FRAME_COLUMNS, 1).
        columns: Columns to keep; default all, with the last frame's padding.

    Raises:
        ValueError: Wrong shape, or fewer columns in the frames than asked for.
    """
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[1:] != (BINS, FRAME_COLUMNS, 1):
        raise ValueError(f"expected (frames, {BINS}, {FRAME_COLUMNS}, 1), got {frames.shape}")
    joined = np.moveaxis(frames[..., 0], 0, 1).reshape(BINS, -1)
    columns = joined.shape[1] if columns is None else columns
    if columns > joined.shape[1]:
        raise ValueError(f"{len(frames)} frames hold {joined.shape[1]} columns, not {columns}")
    return joined[:, :columns]
