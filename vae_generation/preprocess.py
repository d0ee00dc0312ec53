"""Turn notes or recordings into one store of spectrogram images.

    python -m vae_generation.preprocess --audio_path data/notes --features_path notes.h5

Each file named as in NSynth (<instrument>_<preset>-<pitch>-<velocity>.wav or .flac) gives one image
of its beginning, stored with instrument, pitch and velocity; --transpose adds shifted copies. All
other audio files are cut into windows, without overlap unless --hop_seconds is shorter; the name of
their folder counts as their instrument. Silent windows are left out and counted.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from common.audio.loudness import TARGET_LUFS, at_loudness
from common.cli import (
    Parser,
    counted,
    number,
    parser,
    printable,
    report_skipped,
    run,
)
from common.files.audio import is_silent, resample
from common.work.fill import Recording, add_fill_flags, fill_store, find_recordings, left_out
from common.work.jobs import add_job_flags, parse_job_args
from data import load_audio
from vae_generation.spectrogram import DEFAULT_FFT, FRAMES, KINDS, Spectrogram
from vae_generation.store import Example, parse_note


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__, writes=("features_path",))
    add_fill_flags(built, "notes or recordings")
    built.add_flag("--spectrogram", "mel", "kind of spectrogram", choices=KINDS)
    built.add_flag("--sample_rate", 16000, "sample rate in Hz", type=number(int, 1000, 192000))
    built.add_argument(
        "--duration",
        type=number(float, above=0),
        help="length of an image in seconds (default: 64 columns, which is 2.0 for a "
        "mel spectrogram)",
    )
    built.add_argument(
        "--fft_size",
        type=number(int, 32),
        help="length of the transform in samples (default: 2048; for log and linear: 512)",
    )
    built.add_argument(
        "--hop",
        type=number(int, 1),
        help="distance between columns in samples (default: a quarter of --fft_size)",
    )
    built.add_flag(
        "--bins", 256, "number of frequency bins, the rows of an image", type=number(int, 8)
    )
    built.add_flag(
        "--floor_db", -80.0, "level in dB that becomes 0 in the image", type=number(float)
    )
    built.add_flag(
        "--ceiling_db", 0.0, "level in dB that becomes 1 in the image", type=number(float)
    )
    built.add_argument(
        "--hop_seconds",
        type=number(float, above=0),
        help="distance between the windows of a recording in seconds (default: --duration)",
    )
    built.add_argument(
        "--transpose",
        type=number(int, -12, 12),
        nargs="+",
        default=[0],
        metavar="SEMITONES",
        help="semitones by which copies of each note are shifted, by playing it "
        "faster or slower (default: 0)",
    )
    built.add_argument(
        "--even_level",
        action="store_true",
        help=f"bring what every image shows to {TARGET_LUFS:g} LUFS",
    )
    add_job_flags(built)
    return built


def cut(
    recording: Recording,
    spectrogram: Spectrogram,
    *,
    hop_seconds: float,
    transpose: Sequence[int] = (0,),
    even_level: bool = False,
) -> tuple[list[tuple[Example, np.ndarray]], dict[str, float]]:
    """Compute the images of one file for ``fill_store``.

    Args:
        recording: File of a note or of other audio.
        spectrogram: How to compute an image.
        hop_seconds: Distance of the windows that are cut out of other audio.
        transpose: Semitones by which copies of a note are shifted.
        even_level: Bring each image to -23 LUFS.

    Returns:
        ``(items, counts)``: list of (``Example``, image); counts of ``notes``, ``windows``, silent
        windows left out (``silent``), and the sum of the shares of ``clipped`` values.
    """
    note = parse_note(recording.name)
    if note is not None:
        audio, rate = load_audio(recording.path, sample_rate=None)
        windows = [
            (
                note._replace(source=f"{recording.name}~{shift:+d}", pitch=note.pitch + shift),
                resample(audio, rate * 2 ** (shift / 12), spectrogram.sample_rate),
            )
            for shift in transpose
            if 0 <= note.pitch + shift < 128
        ]
    else:
        audio, _ = load_audio(recording.path, sample_rate=spectrogram.sample_rate)
        hop = max(round(hop_seconds * spectrogram.sample_rate), 1)
        instrument = recording.path.parent.name
        last = max(audio.size - spectrogram.samples, 0)
        windows = [
            (
                Example(recording.name, start / spectrogram.sample_rate, instrument),
                audio[start : start + spectrogram.samples],
            )
            # the last window ends at the end of the recording
            for start in dict.fromkeys([*range(0, last + 1, hop), last])
        ]
    sounding = [(example, audio) for example, audio in windows if _sounds(audio, spectrogram)]
    if even_level:
        sounding = [
            (example, at_loudness(audio[: spectrogram.samples], spectrogram.sample_rate))
            for example, audio in sounding
        ]
    images = [(example, *spectrogram.image(audio)) for example, audio in sounding]
    counts = {
        "windows" if note is None else "notes": len(images),
        "silent": len(windows) - len(images),
        "clipped": sum(share for *_, share in images),
    }
    return [(example, image) for example, image, _ in images], counts


def _sounds(audio, spectrogram):
    return not is_silent(audio[: spectrogram.samples])


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its exit status."""
    args = parse_job_args(build_parser(), argv)
    fft_size = args.fft_size or DEFAULT_FFT[args.spectrogram]
    hop = args.hop or fft_size // 4
    frames = FRAMES
    if args.duration is not None:
        frames = 1 + round(args.duration * args.sample_rate) // hop
    levels = args.floor_db, args.ceiling_db
    spectrogram = Spectrogram(
        args.spectrogram, args.sample_rate, fft_size, hop, args.bins, frames, *levels
    ).check()
    hop_seconds = args.hop_seconds or spectrogram.seconds
    shifts = tuple(dict.fromkeys(args.transpose))
    recordings, foreign = find_recordings(args.audio_path)
    rows, counts, skipped = fill_store(
        args.features_path,
        Example,
        partial(
            cut,
            spectrogram=spectrogram,
            hop_seconds=hop_seconds,
            transpose=shifts,
            even_level=args.even_level,
        ),
        recordings,
        settings=spectrogram._asdict(),
        shape=(spectrogram.bins, spectrogram.frames),
        folders=args.audio_path,
        jobs=args.jobs,
        scheduler=args.scheduler,
    )
    said = [counted(counts["notes"], "note"), counted(counts["windows"], "window")]
    said += left_out(counts, silent="silent part")
    print(
        f"{printable(args.features_path)}: {', '.join(said)}; "
        f"{spectrogram.bins}x{spectrogram.frames}, {spectrogram.seconds:.2f} s each, "
        f"{counts['clipped'] / len(rows):.3%} above --ceiling_db"
    )
    return report_skipped([*foreign, *skipped])


if __name__ == "__main__":
    run(main)
