"""Evaluate the five methods, on pieces that the model was not trained on and on known sounds.

    python -m time_stretching.evaluate --model runs/stretch --audio_path audios --output figures

--audio_path holds renderings by synthesize_audios.py, ideally also at the --playback_speed values
that are measured. Prints

  auto-encoder  mean squared error of held-out spectrograms in the published scale (0 to 1 for
                130 dB) and in the model's, and their log-spectral distance in dB
  LSD           log-spectral distance (common.audio.metrics) of each method's result, at each rate,
                from three references: the phase vocoder; the phase vocoder with --onsets leave,
                as in librosa ("librosa"); and, where there is one, the rendering of the same notes
                at that speed, compared at the same level ("true"). Further rows: neural with the
                codes of the resized spectrogram instead of its corrector ("perfect"); codes with
                the phase of neural; neural and vocoder with --onsets leave. below_codes is how
                much closer than codes a result is to the first two references
  known sounds  duration_error in samples; cents: median error of the pitch of steady tones;
                clicks_ms: greatest error in the timing of clicks; smear_ms, modulation_dB and
                crest_loss_dB as defined in time_stretching.measures, medians over tones;
                level_dB: greatest change of level among sines from 100 Hz to 7 kHz

--output gets the curves of LSD against the rate, pictures of the codes before and after, and the
spectrograms of the five methods.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.audio.metrics import log_spectral_distance
from common.audio.spectrograms import decibels
from common.cli import Parser, add_gpu_flag, counted, existing_folder, number, parser, run, say
from common.files.audio import find_recordings, fit_length
from common.music.names import piece_below, tempo_of
from common.report.evaluation import held_out
from common.report.tables import as_text
from common.trained import add_model_flag, open_run
from common.training.devices import start_backend
from data import load_audio
from time_stretching import measures
from time_stretching.measures import level_difference
from time_stretching.methods import ITERATIONS, LEVEL, METHODS, encode_audio, mixture, stretch
from time_stretching.resize import HIGHEST, LOWEST, positions, resize
from time_stretching.spectrogram import PUBLISHED, SAMPLE_RATE, TRANSFORM, WIDE

if TYPE_CHECKING:
    from time_stretching.trained import Stretcher


RATES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
LEVEL_PITCHES = (100.0, 262.0, 440.0, 1000.0, 1500.0, 2093.0, 4000.0, 7000.0)  # Hz
PITCHES = (110.0, 220.0, 329.63, 440.0, 659.26, 880.0, 1760.0)  # Hz
PERFECT = "perfect"  # "neural" with the codes of the resized spectrogram for the corrector's
LEFT = ", onsets left"
WAYS = {name: {"method": name} for name in METHODS} | {
    "codes, phase of neural": {"method": "codes", "iterations": ITERATIONS["neural"]},
    f"neural{LEFT}": {"method": "neural", "onsets": False},
    f"vocoder{LEFT}": {"method": "vocoder", "onsets": False},
}
_PARTIALS = (1, 10)
_TONE_SECONDS = 4.0
_CLICKS = np.arange(0.5, 7.6, 0.8)  # seconds
_CLICK_SECONDS = 8.0
_SHOWN_SECONDS = 6.0


def build_parser() -> Parser:
    """Create the parser of the command line."""
    built = parser(__doc__)
    add_model_flag(built, "time_stretching")
    built.add_argument(
        "--audio_path", required=True, type=existing_folder, help="folder of audio files"
    )
    built.add_argument(
        "--output", type=Path, help="output folder for pictures (default: none are drawn)"
    )
    built.add_argument(
        "--rates",
        nargs="+",
        type=number(float, LOWEST, HIGHEST),
        default=list(RATES),
        metavar="RATE",
        help=f"rates to measure (default: {' '.join(f'{rate:g}' for rate in RATES)})",
    )
    built.add_flag(
        "--seconds",
        20.0,
        "length of each recording that is used, in seconds",
        type=number(float, 1),
    )
    add_gpu_flag(built)
    return built


def unheard(folder: Path, model: Path) -> dict[str, Path]:
    """Find recordings of pieces that a model was not trained on: dict from name to path."""
    files = find_recordings(folder).files
    config = open_run(model, "time_stretching")
    remedy = "render pieces that it held out, or others"
    names = held_out(files, [config], piece_below, where=folder, remedy=remedy)
    return {name: files[name] for name in names}


def magnitude(audio: np.ndarray) -> np.ndarray:
    """Compute the magnitudes of audio (samples,): (BINS, columns)."""
    return np.abs(TRANSFORM.forward(audio))


def reconstruction(trained: Stretcher, audios: Iterable[np.ndarray]) -> dict[str, float]:
    """Measure the errors of the auto-encoder alone: dict."""
    rows = []
    for audio in audios:
        truth = magnitude(audio)
        decoded = trained.magnitude(trained.encode(trained.scale.image(truth)))
        rows.append(
            [
                *(
                    float(np.mean(np.square(scale.image(truth) - scale.image(decoded))))
                    for scale in (PUBLISHED, trained.scale)
                ),
                log_spectral_distance(truth, decoded),
            ]
        )
    names = ("published_scale", "own_scale", "LSD")
    return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))


def resized_codes(trained: Stretcher, audio: np.ndarray, rate: float) -> np.ndarray:
    """Resize the spectrogram of audio (samples,) to a rate, and encode it: (code, columns)."""
    columns = TRANSFORM.columns(round(audio.size / rate))
    given = np.abs(TRANSFORM.forward(audio, 0, int((columns - 1) * rate) + 2))
    return trained.encode(trained.scale.image(resize(given, positions(0, columns, rate))))


def all_knowing(trained: Stretcher, audio: np.ndarray) -> Stretcher:
    """Make a ``Stretcher`` for this audio whose corrector returns ``resized_codes``."""
    knowing = copy.copy(trained)
    knowing.correct = lambda resized, rate: resized_codes(trained, audio, rate)
    return knowing


def distances(
    trained: Stretcher, audio: np.ndarray, rate: float, true: np.ndarray | None = None
) -> dict[str, dict[str, float]]:
    """Measure log-spectral distances of each method from the phase vocoder and a true rendering.

    Args:
        trained: ``Stretcher``.
        audio: (samples,), with its peak at LEVEL.
        rate: Factor on the tempo.
        true: The same music at that rate, (samples,), or None.

    Returns:
        Dict from WAYS, and PERFECT, to a dict with ``vocoder``, ``librosa`` and, with ``true``,
        also ``true``.
    """
    made = {
        name: stretch(audio, SAMPLE_RATE, rate, trained=trained, **way)
        for name, way in WAYS.items()
    }
    knowing = all_knowing(trained, audio)
    made[PERFECT] = stretch(audio, SAMPLE_RATE, rate, "neural", trained=knowing)
    references = {
        "vocoder": magnitude(made["vocoder"]),
        "librosa": magnitude(made[f"vocoder{LEFT}"]),
    }
    found = {name: {} for name in made}
    for name, one in made.items():
        for reference, expected in references.items():
            found[name][reference] = log_spectral_distance(expected, magnitude(one))
        if true is not None:
            samples = min(one.size, true.size)
            pair = magnitude(true[:samples]), magnitude(one[:samples])
            louder = level_difference(*map(decibels, pair))
            found[name]["true"] = log_spectral_distance(pair[0], pair[1] * 10 ** (louder / 20))
    return found


def known_sounds(
    way: Callable[[np.ndarray, int, float], np.ndarray], rate: float
) -> dict[str, float]:
    """Measure errors on sounds in closed form at a rate: dict.

    Args:
        way: Function from (audio, sample rate, rate) to the stretched audio.
        rate: Factor on the tempo.
    """

    def made(audio):
        return way(audio, SAMPLE_RATE, rate)

    given = measures.clicks(_CLICKS, _CLICK_SECONDS, SAMPLE_RATE)
    sound, times = made(given), _CLICKS / rate
    cents, modulation, crest = [], [], []
    for partials in _PARTIALS:
        for pitch in PITCHES:
            steady = measures.tone(pitch, _TONE_SECONDS, SAMPLE_RATE, partials)
            result = made(steady)
            cents.append(abs(measures.pitch_error(result, SAMPLE_RATE, pitch)))
            modulation.append(measures.level_modulation(result, SAMPLE_RATE))
            if partials > 1:
                crest.append(measures.crest_loss(result, steady))
    tones = [measures.tone(pitch, _TONE_SECONDS, SAMPLE_RATE) for pitch in LEVEL_PITCHES]
    levels = [measures.level_change(made(tone), tone) for tone in tones]
    return {
        "duration_error": sound.size - round(given.size / rate),
        "cents": float(np.median(cents)),
        "clicks_ms": 1000 * float(np.abs(measures.click_errors(sound, SAMPLE_RATE, times)).max()),
        "smear_ms": measures.energy_spread(sound, SAMPLE_RATE, times),
        "modulation_dB": float(np.median(modulation)),
        "crest_loss_dB": float(np.median(crest)),
        "level_dB": max(levels, key=abs),
    }


def draw(
    folder: Path,
    trained: Stretcher,
    audio: np.ndarray,
    rates: Sequence[float],
    curves: dict[str, dict[str, list[tuple[float, float]]]],
) -> None:
    """Write the pictures."""
    from time_stretching.plots import plot_errors, plot_images

    plot_errors(folder / "rates.png", curves, "log-spectral distance in dB")
    audio = audio[: round(_SHOWN_SECONDS * SAMPLE_RATE)]
    rate = next((rate for rate in rates if rate != 1), rates[0])
    before = encode_audio(audio[np.newaxis], TRANSFORM.columns(audio.size), trained)
    target = resized_codes(trained, audio, rate)
    resized = resize(before, positions(0, target.shape[-1], rate))
    codes = {
        "codes before": before,
        f"resized to rate {rate:g}": resized,
        "corrected": trained.correct(resized, rate),
        "target: codes of the resized spectrogram": target,
    }
    plot_images(folder / "codes.png", codes, columns=2, limits=(-1, 1))
    images = {"input": audio} | {
        name: stretch(audio, SAMPLE_RATE, rate, name, trained=trained) for name in METHODS
    }
    images = {
        f"{name}, rate {rate:g}" if name != "input" else name: WIDE.image(
            mixture(TRANSFORM.forward(one[np.newaxis]))
        )
        for name, one in images.items()
    }
    plot_images(folder / "methods.png", images, columns=3)


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    args = build_parser().parse_args(argv)
    start_backend(args.gpu)
    from time_stretching.trained import load_stretcher

    trained = load_stretcher(args.model)
    files = unheard(args.audio_path, args.model)
    speeds = {tempo_of(name): name for name in files}
    written = [name for name in files if tempo_of(name)[1] == 1] or list(files)

    def load(name, seconds):
        audio, _ = load_audio(files[name], sample_rate=SAMPLE_RATE)
        audio = audio[: round(seconds * SAMPLE_RATE)]
        return audio * np.float32(LEVEL / max(np.abs(audio).max(initial=0), 1e-6))

    audios = {name: load(name, args.seconds) for name in written}
    say(f"{counted(len(written), 'recording')} of held-out pieces: {', '.join(written)}")
    print()
    score = reconstruction(trained, audios.values())
    print(as_text([{"auto-encoder": str(args.model), **score}]), end="\n\n")

    rows, curves = [], {"vocoder": {}, "librosa": {}, "true": {}}
    for rate in args.rates:
        sums = {name: {} for name in (*WAYS, PERFECT)}
        for name, audio in audios.items():
            speed = tempo_of(name)[1]
            other = speeds.get((tempo_of(name)[0], speed * rate)) if rate != 1 else None
            # zeros where the rendering ends before the excerpt does
            true = None if other is None else load(other, audio.size / rate / SAMPLE_RATE)
            if true is not None:
                true = fit_length(true, round(audio.size / rate))
            for method, found in distances(trained, audio, rate, true).items():
                for reference, value in found.items():
                    sums[method].setdefault(reference, []).append(value)
        for method, found in sums.items():
            row = {"LSD": method, "rate": f"{rate:g}"}
            for reference, values in found.items():
                row[reference] = float(np.mean(values))
                points = curves[reference].setdefault(method, [])
                points.append((rate, row[reference]))
            if "neural" in method or method == PERFECT:
                reference = "librosa" if method.endswith(LEFT) else "vocoder"
                plain = float(np.mean(sums["codes"][reference]))
                row["below_codes"] = f"{1 - row[reference] / plain:.1%}"
            rows.append(row)
    print(as_text(rows), end="\n\n")
    known = [
        {
            "known sounds": method,
            "rate": f"{rate:g}",
            **known_sounds(partial(stretch, method=method, trained=trained), rate),
        }
        for rate in args.rates
        for method in METHODS
    ]
    print(as_text(known))
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        shown = {f"distance from {name}": one for name, one in curves.items() if one}
        draw(args.output, trained, next(iter(audios.values())), args.rates, shown)
    return 0


if __name__ == "__main__":
    run(main)
