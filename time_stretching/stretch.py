"""Change the duration of a recording without changing its pitch.

    python -m time_stretching.stretch --input song.wav --output slow.wav --rate 0.8
    python -m time_stretching.stretch --input song.flac --output minute.flac --duration 60
    python -m time_stretching.stretch --input song.wav --output fast.wav --rate 2 --method vocoder

--rate 2 is twice as fast and half as long, as in librosa. Channels and sample rate are kept.

  vocoder   phase vocoder that keeps attacks in time and sounds at their level
  neural    resizes the codes of an auto-encoder, corrects and decodes them; the phase is that of
            the vocoder; nothing above 8 kHz is kept
  codes     resizes and decodes the codes; the phase is found by Griffin-Lim; nothing above 8 kHz
            is kept
  interp    resizes the spectrogram; the phase is found by Griffin-Lim
  resample  plays faster or slower, which changes the pitch

neural and codes know only the instruments that they were trained on. Other sounds, such as pure
tones, may mostly be lost; the script then says how much is lost at which frequency.
"""

from pathlib import Path

import numpy as np

from common.cli import Parser, UserError, add_gpu_flag, number, parser, run, say
from common.files.audio import AudioWriter, kept_subtype, read_header, safe_peak
from common.trained import shipped
from common.training.devices import start_backend
from common.work.lock import only_run
from data import load_audio
from time_stretching.flags import add_onsets_flag
from time_stretching.measures import band_losses
from time_stretching.methods import METHODS, NETWORK_METHODS, check_rate, stretch

SHIPPED = shipped("time_stretching")
LOSS_DB = 1.5  # losses above this in a third-octave band are reported


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__)
    built.add_argument("--input", type=Path, required=True, help="audio file to stretch")
    built.add_argument("--output", type=Path, required=True, help="audio file to write")
    how = built.add_mutually_exclusive_group(required=True)
    how.add_argument(
        "--rate",
        type=number(float, above=0),
        help="factor on the tempo, 0.25 to 4; 2 is twice as fast",
    )
    how.add_argument(
        "--duration",
        type=number(float, above=0),
        metavar="SECONDS",
        help="length of the output in seconds, instead of --rate",
    )
    built.add_argument(
        "--method",
        choices=METHODS,
        help="method, see below (default: vocoder; neural where --model is given)",
    )
    built.add_argument(
        "--model",
        type=Path,
        help="run folder of the networks of neural and codes (default: models/time_stretching)",
    )
    built.add_argument(
        "--power",
        type=number(float, above=0, high=4),
        default=1.0,
        help="exponent on the magnitudes of neural and codes (default: 1; published: 1.4)",
    )
    built.add_argument(
        "--iterations",
        type=number(int, 0),
        help="number of Griffin-Lim iterations that search for a phase (default: 16 "
        "for codes and interp, 0 for the others)",
    )
    add_onsets_flag(built)
    add_gpu_flag(built)
    return built


def plan(
    path: Path,
    samples: int,
    sample_rate: int,
    rate: float | None = None,
    duration: float | None = None,
) -> tuple[float, int]:
    """Return rate and number of samples of the result; ``UserError`` if it is impossible.

    Args:
        path: Recording, for messages.
        samples: Length of the recording.
        sample_rate: Hz.
        rate: Factor on the tempo, or None.
        duration: Length of the result in seconds, instead of a rate.
    """
    if duration is None:
        return check_rate(rate), round(samples / rate)
    wanted = max(round(duration * sample_rate), 1)
    try:
        return check_rate(samples / wanted), wanted
    except UserError as error:
        raise UserError(
            f"--duration {duration:g}: {path} lasts {samples / sample_rate:.2f} s; {error}"
        ) from error


def told_loss(audio: np.ndarray, stretched: np.ndarray, sample_rate: int) -> str:
    """Describe at which frequencies a result has lost more than LOSS_DB; "" if at none."""
    losses = band_losses(stretched, audio, sample_rate)
    hertz, most = max(losses.items(), key=lambda item: item[1], default=(0.0, 0.0))
    if most <= LOSS_DB:
        return ""
    return (
        f"; {most:.0f} dB of what sounds around {hertz:.0f} Hz is lost, which the codes do not "
        "know: --method vocoder keeps it"
    )


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    args = build_parser().parse_args(argv)
    method = args.method or ("neural" if args.model else "vocoder")
    audio, sample_rate = load_audio(args.input, sample_rate=None, mono=False)
    if not audio.shape[-1]:
        raise UserError(f"{args.input}: holds no audio")
    subtype = kept_subtype(read_header(args.input), args.output)
    writer = AudioWriter(args.output, sample_rate, len(audio), subtype)  # also checks the format
    rate, samples = plan(args.input, audio.shape[-1], sample_rate, args.rate, args.duration)
    with only_run(args.output, folder=False):
        trained = None
        if method in NETWORK_METHODS:
            start_backend(args.gpu)
            from time_stretching.trained import load_stretcher

            trained = load_stretcher(args.model or SHIPPED, with_corrector=method == "neural")
        stretched = stretch(
            audio,
            sample_rate,
            rate,
            method,
            trained=trained,
            samples=samples,
            power=args.power,
            iterations=args.iterations,
            onsets=args.onsets == "place",
        )
        with writer:
            writer.write(safe_peak(stretched))
    note = "" if np.any(audio) else ", silent"
    if method in NETWORK_METHODS and args.power == 1:
        note += told_loss(audio, stretched, sample_rate)
    say(
        f"{args.output}: {audio.shape[-1] / sample_rate:.2f} s at rate {rate:.4g} are "
        f"{samples / sample_rate:.2f} s{note}"
    )
    return 0


if __name__ == "__main__":
    run(main)
