"""Convert recordings with a trained generator.

    python predict.py --model models/keyboard_acoustic_2_guitar_acoustic --input piano.wav \\
        --output guitar.wav

--model is a run folder or an .h5 file of weights, also one of the published code. --input is an
audio file of any format, rate, length and number of channels, or a folder of them; the output has
the same rate, channels and length. The phase of the input is reused.
"""

import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np

from common.cli import UserError, find_files, number, parser, report_skipped, run
from data import (
    AUDIO_SUFFIXES,
    FRAME_COLUMNS,
    HOP,
    SAMPLE_RATE,
    AudioFileError,
    AudioWriter,
    amplitude_to_db,
    db_to_amplitude,
    forward_transform,
    inverse_transform,
    read_header,
)

_BLOCK_SECONDS = 10
_PEAK = 0.999  # a louder result is scaled down to it


def build_parser():
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--model", required=True, type=Path, help="run folder, or .h5 of weights")
    built.add_argument("--input", required=True, type=Path, help="audio file, or folder of them")
    built.add_argument(
        "--output", required=True, type=Path, help="audio file, or folder when the input is one"
    )
    built.add_argument(
        "--phase",
        choices=["input"],
        default="input",
        help="phase of the result (default: input, that of the recording, as published)",
    )
    built.add_argument(
        "--overlap",
        type=number(float, 0, below=1),
        default=0.5,
        help="share of a frame that the next one covers, cross-faded (default: 0.5; 0 cuts hard, "
        "as published)",
    )
    built.add_argument("--gpu", help="GPU to use (default: what the environment offers)")
    return built


def model_file(path):
    """The weights file that ``--model`` names: itself, or ``generator.h5`` in a run folder."""
    if path.is_dir():
        path = path / "generator.h5"
    if not path.is_file():
        raise UserError(f"{path}: no such file; --model is a run folder or an .h5 of weights")
    return path


def read_blocks(path, resampler):
    """Audio of a file in blocks, (channels, samples) float32 at SAMPLE_RATE.

    Args:
        path: Audio file.
        resampler: ``soxr.ResampleStream`` from the file's rate, or None.

    Yields:
        ``(block, samples)``: the block, and the samples of the file that it was made from.

    Raises:
        AudioFileError: Not readable, or NaN or infinite samples.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            size = _BLOCK_SECONDS * file.samplerate
            while True:
                block = file.read(size, dtype="float32", always_2d=True)
                if not np.isfinite(block).all():
                    raise AudioFileError(
                        f"{path}: holds NaN or infinite samples; repair the recording first"
                    )
                last = len(block) < size
                resampled = block
                if resampler is not None:
                    resampled = resampler.resample_chunk(block, last=last)
                yield np.ascontiguousarray(resampled.T), len(block)
                if last:
                    return
    except soundfile.SoundFileError as error:
        raise AudioFileError(f"{path}: not a readable audio file ({error})") from error


def convert_blocks(blocks, conversion):
    """Convert a stream of audio, reusing its phase.

    Args:
        blocks: Iterable of (channels, samples) float32 at SAMPLE_RATE.
        conversion: ``pix2pix_timbre.convert.Conversion``.

    Yields:
        Converted (channels, samples), in all as many samples as came in, up to the hop that
        completes the last one.
    """
    audio = phases = ready = None
    first = True
    for block, last in _mark_last(blocks):
        audio = block if audio is None else np.concatenate([audio, block], axis=-1)
        # one hop of context on each side makes the columns of a part those of the whole
        hops = audio.shape[-1] // HOP
        if not last and hops < FRAME_COLUMNS:
            continue
        magnitude, phase = forward_transform(audio if last else audio[:, : hops * HOP])
        columns = slice(0 if first else 1, None if last else -1)
        image = amplitude_to_db(magnitude[..., columns])
        phase = phase[..., columns]
        audio = audio[:, (hops - 1) * HOP :]
        first = False
        converted = conversion.push(image)
        if last:
            converted = np.concatenate([converted, conversion.finish()], axis=-1)
        phases = phase if phases is None else np.concatenate([phases, phase], axis=-1)
        ready = converted if ready is None else np.concatenate([ready, converted], axis=-1)
        if ready.shape[-1] > 1:
            done = ready.shape[-1]
            yield inverse_transform(db_to_amplitude(ready), phases[..., :done])
            # samples between two columns need both: the last one is kept for the next part
            ready, phases = ready[..., -1:], phases[..., done - 1 :]


def _mark_last(items):
    iterator = iter(items)
    previous = next(iterator)
    for item in iterator:
        yield previous, False
        previous = item
    yield previous, True


def convert_file(predict, source, output, overlap):
    """Convert one audio file; memory does not grow with its length.

    Args:
        predict: ``pix2pix_timbre.convert.Predictor``.
        source: Audio file.
        output: Audio file to write; it appears whole or not at all.
        overlap: Of the frames, in [0, 1).

    Returns:
        Dict: ``seconds`` of audio, whether the input was ``silent``, and the ``gain`` that kept the
        result within [-1, 1].
    """
    import soxr

    from pix2pix_timbre.convert import Conversion

    header = read_header(source)
    rate, channels = header.samplerate, header.channels
    if not header.frames:
        raise AudioFileError(f"{source}: holds no samples")
    into = back = None
    if rate != SAMPLE_RATE:
        into = soxr.ResampleStream(rate, SAMPLE_RATE, channels, dtype="float32", quality="HQ")
        back = soxr.ResampleStream(SAMPLE_RATE, rate, channels, dtype="float32", quality="HQ")
    samples, silent, peak = 0, True, 0.0

    def blocks():
        nonlocal samples, silent
        for block, count in read_blocks(source, into):
            samples += count
            silent = silent and not block.any()
            yield block

    output.parent.mkdir(parents=True, exist_ok=True)
    # The peak is known at the end only: until then the result waits in a file without a name.
    with tempfile.TemporaryFile(dir=output.parent) as waiting:
        with closing(convert_blocks(blocks(), Conversion(predict, channels, overlap))) as converted:
            for part, last in _mark_last(converted):
                audio = part.T if back is None else back.resample_chunk(part.T, last=last)
                peak = max(peak, float(np.abs(audio).max(initial=0)))
                waiting.write(np.ascontiguousarray(audio, dtype=np.float32).tobytes())
        gain = min(1.0, _PEAK / peak) if peak else 1.0
        waiting.seek(0)
        with AudioWriter(output, rate, channels) as writer:
            while samples:
                count = min(samples, _BLOCK_SECONDS * rate)
                stored = waiting.read(count * channels * np.dtype(np.float32).itemsize)
                audio = np.frombuffer(stored, np.float32).reshape(-1, channels)
                audio = np.pad(audio, [(0, count - len(audio)), (0, 0)])
                writer.write(audio.T * np.float32(gain))
                samples -= count
    return {"seconds": header.frames / rate, "silent": silent, "gain": gain}


def main(argv=None):
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    weights = model_file(args.model)
    if args.input.is_dir():
        files = {
            args.output / f"{name}.wav": path
            for name, path in find_files(args.input, AUDIO_SUFFIXES).items()
        }
        if not files:
            raise UserError(f"{args.input}: no audio file in it or below it")
    else:
        if args.output.suffix.lower() not in AUDIO_SUFFIXES:
            raise UserError(f"--output {args.output}: end it in .wav, .flac or .ogg")
        read_header(args.input)  # a wrong name is answered before Keras is imported
        files = {args.output: args.input}

    from common.training import select_gpus

    select_gpus(args.gpu)

    from pix2pix_timbre.convert import Predictor
    from pix2pix_timbre.weights import load_generator

    predict = Predictor(load_generator(weights))
    skipped = []
    for output, source in files.items():
        try:
            if output.exists() and output.samefile(source):
                raise UserError(f"{output}: is the input; choose another --output")
            done = convert_file(predict, source, output, args.overlap)
        except (UserError, AudioFileError) as error:
            if not args.input.is_dir():
                raise
            skipped.append((source, error))
            continue
        notes = []
        if done["silent"]:
            notes.append("the input is silent, and so is the output")
        if done["gain"] < 1:
            notes.append(f"turned down by {-20 * np.log10(done['gain']):.1f} dB to avoid clipping")
        print("; ".join([f"{output}: {done['seconds']:.1f} s", *notes]))
    return report_skipped(skipped)


if __name__ == "__main__":
    run(main)
