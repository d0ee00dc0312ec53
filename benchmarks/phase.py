"""Compare the ways to find a phase on the true magnitude of a target: quality and speed.

    python -m benchmarks.phase --audios_path audios --midi_path midi

Each way gets the magnitude of the target (256 bins) and the recording of the origin. Printed are
means over the beginnings of all pieces: spectral convergence (how much of the magnitude is lost);
log-spectral distance from the target in dB, and that with a window of 4096 samples, which tells
partials apart, also divided by that of the origin; height of the onsets, relative to the target's;
precision, recall and F1 of the notes that Basic Pitch hears (`make notes`); and processor time per
second of audio. The last row is the target itself. --iterations adds rows for other numbers of
iterations, --phase_model and --joint_model for the phase that these networks predict.
"""

import functools
import tempfile
import time
from pathlib import Path

import numpy as np

from common.audio.metrics import (
    fine_spectral_distance,
    log_spectral_distance,
    onset_ratio,
    spectral_convergence,
)
from common.audio.resynthesis import METHODS, Mixed, resynthesize
from common.cli import existing_folder, number, parser, run
from common.files.audio import find_recordings, peak
from common.music.synthesis import notes_of
from common.music.transcription import note_scores, require_transcriber, transcribe
from common.report.tables import as_text
from common.training.devices import start_backend
from data import (
    HOP,
    SAMPLE_RATE,
    amplitude_to_db,
    forward_transform,
    inverse_transform,
    load_audio,
    write_audio,
)

TARGET = "target"


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    built = parser(__doc__)
    built.add_argument(
        "--audios_path",
        type=existing_folder,
        required=True,
        help="folder of audios made by synthesize_audios.py",
    )
    built.add_argument(
        "--midi_path",
        type=existing_folder,
        required=True,
        help="folder of the MIDI files that the audios were made from",
    )
    built.add_flag("--origin", "keyboard_acoustic", "instrument whose phase is given")
    built.add_flag("--target", "guitar_acoustic", "instrument whose magnitude is played")
    built.add_argument(
        "--iterations",
        type=number(int, 0),
        nargs="+",
        default=[],
        help="further numbers of iterations for --phase mixed",
    )
    built.add_argument(
        "--phase_model", type=Path, help="run folder of a network that converts phases"
    )
    built.add_argument(
        "--joint_model", type=Path, help="run folder of a network trained with --with_phase"
    )
    built.add_flag(
        "--seconds", 30, "length of each piece that is used, in seconds", type=number(float, 1)
    )
    args = built.parse_args(argv)
    require_transcriber()
    ways = methods(args.iterations) | load(args)
    found = {}
    for piece in find_recordings(args.audios_path / args.origin).files:
        for name, scores in measure(args, piece, ways).items():
            found.setdefault(name, []).append(scores)
    rows = [
        {"phase": name} | {key: float(np.mean([one[key] for one in scores])) for key in scores[-1]}
        for name, scores in found.items()
    ]
    print(as_text(rows))
    return 0


def methods(iterations):
    """List the ways: dict from name to function from the audios of target and origin to audio."""
    found = dict(METHODS)
    found |= {f"mixed, {count}": functools.partial(Mixed, count) for count in iterations}
    return {
        name: lambda target, origin, make=make: resynthesize(target, origin, make())
        for name, make in found.items()
    }


def load(args):
    """Open the networks that predict a phase: dict as of ``methods``."""
    folders = {"second network": (args.phase_model, 1), "joint network": (args.joint_model, 2)}
    folders = {name: given for name, given in folders.items() if given[0] is not None}
    if not folders:
        return {}
    start_backend(None)

    from pix2pix_timbre.phase_network import JointNetwork, PhaseNetwork
    from pix2pix_timbre.trained import Predictor
    from pix2pix_timbre.weights import load_generator

    ways = {}
    for name, (folder, channels) in folders.items():
        generator = load_generator(folder / "generator.h5", channels, channels)
        network = (PhaseNetwork, JointNetwork)[channels - 1](Predictor(generator))
        ways[name] = functools.partial(predicted, network)
    return ways


def predicted(network, target, origin):
    """Make audio of the target's magnitude, with the phase that a network makes of the origin."""
    magnitude, _ = forward_transform(target, with_phase=False)
    played, phase = forward_transform(origin)
    return inverse_transform(magnitude, network(amplitude_to_db(played), phase)[1], target.size)


def measure(args, piece, ways):
    """Score the ways on one piece: dict from way to dict of scores."""
    audios = [
        load_audio(args.audios_path / instrument / f"{piece}.wav")[0]
        for instrument in (args.origin, args.target)
    ]
    length = min(*(audio.size for audio in audios), round(args.seconds * SAMPLE_RATE))
    length = length // HOP * HOP
    origin, target = (audio[:length] for audio in audios)
    seconds = length / SAMPLE_RATE
    notes = [note for note in notes_of(piece, args.midi_path) if note.start < seconds]
    magnitude, _ = forward_transform(target, with_phase=False)
    identity = fine_spectral_distance(target, origin)
    results = {}
    for name, way in ways.items():
        began = time.process_time()
        audio = way(target, origin)
        spent = time.process_time() - began
        achieved, _ = forward_transform(audio, with_phase=False)
        fine = fine_spectral_distance(target, audio)
        results[name] = {
            "lost": spectral_convergence(magnitude, achieved),
            "LSD": log_spectral_distance(magnitude, achieved),
            "LSD4096": fine,
            "LSD4096/origin": fine / identity,
            "onsets": onset_ratio(target, audio),
            **heard(audio, notes),
            "seconds": spent / seconds,
        }
    return results | {TARGET: heard(target, notes)}


def heard(audio, notes):
    """Score the notes that are heard in an audio."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audio.wav"
        write_audio(path, audio / max(1.0, peak(audio)))
        return note_scores(notes, transcribe(path))


if __name__ == "__main__":
    run(main)
