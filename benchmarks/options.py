"""Measure what augmentation and averaged weights bring on held-out pieces.

    python -m benchmarks.options --output options

Trains the generator alone on the shipped pieces and notes, once without and once with each option,
for the same number of steps. Prints the L1 distance from the true guitar on the held-out pieces, in
the [-1, 1] scale: as they are, and with random effects on both sides. Each row takes some minutes;
an interrupted run continues where it stopped.
"""

from pathlib import Path

import numpy as np

import compute_features
import synthesize_audios
import train_generator
from benchmarks.flags import add_data_flag
from common.cli import number, parser, run
from common.files.text import write_rows
from common.report.tables import as_text
from common.training.devices import start_backend
from common.training.run_folder import RunFolder

PAIR = ("keyboard_acoustic", "guitar_acoustic")
HELD_OUT = 0.4  # share of the eleven pieces
RENDERINGS = {  # flags of synthesize_audios.py
    "as_written": [],
    "transposition": ["--transpose", "-5", "-2", "0", "3"],
    "speed": ["--playback_speed", "0.75", "0.9", "1", "1.2"],
    "duration": ["--duration_rate", "1", "2", "3", "4"],
}
EFFECTS = ["gain", "eq", "reverb"]
ROWS = {  # name: renderings, flags of train_generator.py
    "none": ("as_written", []),
    **{name: (name, []) for name in list(RENDERINGS)[1:]},
    **{name: ("as_written", ["--augment", name]) for name in EFFECTS},
    "transposition and effects": ("transposition", ["--augment", *EFFECTS]),
    "averages": ("as_written", ["--ema", "0.99"]),
    "constant rate": ("as_written", ["--lr_decay", "none"]),
    "constant rate and averages": ("as_written", ["--lr_decay", "none", "--ema", "0.99"]),
}


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    built = parser(__doc__)
    built.add_argument("--output", type=Path, required=True, help="folder for data and runs")
    built.add_flag(
        "--width", 8, "number of filters in the first block of the generator", type=number(int, 1)
    )
    built.add_flag("--steps", 2000, "number of training steps for each row", type=number(int, 10))
    add_data_flag(built, "--notes", "notes", "folder of notes")
    add_data_flag(built, "--midi", "midi", "folder of MIDI files")
    args = built.parse_args(argv)
    for name, flags in RENDERINGS.items():
        render(args, name, flags)
    start_backend(None)
    rows = []
    for name, (renderings, more) in ROWS.items():
        folder = args.output / "runs" / name.replace(" ", "_")
        train(args, folder, args.output / renderings / "features", more)
        rows.append({"option": name, **measure(args, folder)})
    write_rows(args.output / "options.csv", rows)
    print(as_text(rows))
    return 0


def render(args, name, flags):
    """Play the included pieces in some variations, and compute their features."""
    audios, features = (str(args.output / name / kind) for kind in ("audios", "features"))
    source = ["--nsynth_path", str(args.notes), "--midi_path", str(args.midi), "--shared_gain"]
    instruments = ["--instruments", *PAIR]
    synthesize_audios.main([*source, "--audios_path", audios, *instruments, *flags])
    compute_features.main(["--audios_path", audios, "--features_path", features])


def train(args, folder, features, more):
    """Train the generator alone, or continue its training."""
    epochs = 10
    flags = {
        "dataset_path": features,
        "origin": PAIR[0],
        "target": PAIR[1],
        "output": folder,
        "width": args.width,
        "dropout": 0,
        "offsets": "random",
        "lr": 2e-3,
        "lr_decay": "cosine",
        "validation_split": HELD_OUT,
        "epochs": epochs,
        "steps_per_epoch": args.steps // epochs,
    }
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    train_generator.main([*words, *more])


def measure(args, folder):
    """Measure distances on the held-out pieces, as they are and with effects on both sides."""
    from pix2pix_timbre.augment import Augmentation
    from pix2pix_timbre.features import FeatureStore
    from pix2pix_timbre.pairs import PairedFrames, split_pairs
    from pix2pix_timbre.trained import Predictor
    from pix2pix_timbre.weights import load_generator

    predict = Predictor(load_generator(RunFolder(folder).path / "generator.h5"))
    origin, target = (
        FeatureStore(args.output / "as_written" / "features" / f"{name}.h5") for name in PAIR
    )
    with origin, target:
        _, held_out, _ = split_pairs(origin, target, HELD_OUT)
        distances = {}
        for name, augment in (("plain", None), ("with effects", Augmentation(EFFECTS))):
            frames = PairedFrames(held_out, 8, augment=augment)
            total = sum(
                np.abs(predict((x + 1) / 2) * 2 - 1 - y).mean(axis=(1, 2, 3)).sum()
                for x, y in (frames[index] for index in range(len(frames)))
            )
            distances[name] = float(total) / frames.frame_count
    return distances


if __name__ == "__main__":
    run(main)
