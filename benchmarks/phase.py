"""Compare the phase estimators on the true magnitude of a target: quality and speed.

    python -m benchmarks.phase --audios_path audios --midi_path midi

Each estimator gets the magnitude of the target (256 bins) and the phase of the origin. Printed are
means over the beginnings of all pieces: spectral convergence (how much of the magnitude is lost),
log-spectral and multi-resolution distance of the sound from the target, precision, recall and F1 of
the notes that Basic Pitch hears in it (`make notes`), and computing time per second of audio. The
last row is the target itself. --phase_model and --joint_model add rows for the phase that these
networks predict.
"""

import functools
import tempfile
import time
from pathlib import Path

import numpy as np

from common.audio.metrics import (
    log_spectral_distance,
    multi_resolution_spectral_distance,
    spectral_convergence,
)
from common.audio.phase import ESTIMATORS, estimate_phase
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
    networks = load(args)
    found = {}
    for piece in find_recordings(args.audios_path / args.origin).files:
        for name, scores in measure(args, piece, networks).items():
            found.setdefault(name, []).append(scores)
    rows = [
        {"phase": name} | {key: float(np.mean([one[key] for one in scores])) for key in scores[-1]}
        for name, scores in found.items()
    ]
    print(as_text(rows))
    return 0


def load(args):
    """Open the networks that predict a phase: dict from name to function."""
    folders = {"second network": (args.phase_model, 1), "joint network": (args.joint_model, 2)}
    folders = {name: given for name, given in folders.items() if given[0] is not None}
    if not folders:
        return {}
    start_backend(None)

    from pix2pix_timbre.phase_network import JointNetwork, PhaseNetwork
    from pix2pix_timbre.trained import Predictor
    from pix2pix_timbre.weights import load_generator

    networks = {}
    for name, (folder, channels) in folders.items():
        generator = load_generator(folder / "generator.h5", channels, channels)
        networks[name] = (PhaseNetwork, JointNetwork)[channels - 1](Predictor(generator))
    return networks


def measure(args, piece, networks):
    """Score the estimators on one piece: dict from estimator to dict of scores."""
    audios = [
        load_audio(args.audios_path / instrument / f"{piece}.wav")[0]
        for instrument in (args.origin, args.target)
    ]
    length = min(*(audio.size for audio in audios), round(args.seconds * SAMPLE_RATE))
    length = length // HOP * HOP
    origin, target = (audio[:length] for audio in audios)
    seconds = length / SAMPLE_RATE
    notes = [note for note in notes_of(piece, args.midi_path) if note.start < seconds]
    (played, phase), (magnitude, _) = map(forward_transform, (origin, target))
    image = amplitude_to_db(played)
    ways = {name: functools.partial(estimate_phase, name, magnitude) for name in ESTIMATORS}
    for name, network in networks.items():
        ways[name] = functools.partial(lambda network, phase: network(image, phase)[1], network)
    results = {}
    for method, way in ways.items():
        began = time.perf_counter()
        estimated = way(phase)
        spent = time.perf_counter() - began
        audio = inverse_transform(magnitude, estimated, length)
        achieved, _ = forward_transform(audio, with_phase=False)
        results[method] = {
            "convergence": spectral_convergence(magnitude, achieved),
            "LSD": log_spectral_distance(magnitude, achieved),
            "multi_resolution": multi_resolution_spectral_distance(target, audio),
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
