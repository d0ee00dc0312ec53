"""Calculate what a large data set costs: core hours, disk and network, from measured speeds.

    python -m benchmarks.costs --synthesis 2000 --features 2300

The sets are MAESTRO, 200 hours of piano, and one as large as the Lakh MIDI dataset, 10,000 hours,
played by every instrument. Sizes follow from the file formats. Tasks are the units of work that a
step gives to its processes; "stores" is the work that compute_features.py does in its own process.
The part files of an instrument are removed once they are in its store; in the worst case, those of
all other instruments are on the disk at that time.
"""

from common.cli import number, parser, run
from common.report.tables import as_text
from data import BINS, FRAME_COLUMNS, HOP, SAMPLE_RATE

SETS = {  # name -> hours, pieces
    "MAESTRO": (200, 1_276),
    "Lakh": (10_000, 176_581),
}
WAV_HOUR = 3600 * SAMPLE_RATE * 2  # bytes of 16-bit audio
IMAGE_HOUR = 3600 * SAMPLE_RATE / HOP * BINS * 2  # bytes of float16
CHUNK = FRAME_COLUMNS * BINS * 2  # bytes; on average, the last chunk of a piece is half empty

# Bytes that pass through the scheduler for a task and its result, counted by a proxy between
# scheduler, script and two workers. Functions of the script itself are sent with each task.
SYNTHESIS_MESSAGES, FEATURES_MESSAGES = 4_500, 15_000


def main(argv=None):
    """Print the table; exit status 0."""
    built = parser(__doc__)
    rate = number(float, above=0)
    built.add_flag(
        "--synthesis",
        2000,
        "speed of the synthesis on one core, as a multiple of real time",
        type=rate,
    )
    built.add_flag(
        "--features",
        2300,
        "speed of the features on one core, as a multiple of real time",
        type=rate,
    )
    built.add_flag("--stores", 800, "speed of writing a feature store in MB/s", type=rate)
    built.add_flag("--instruments", 4, "number of instruments", type=number(int, 1))
    built.add_argument(
        "--notes",
        type=number(float, 0),
        default=40,
        help="size of the notes of an instrument in MB (default: 40, a preset of NSynth)",
    )
    built.add_flag("--workers", 32, "number of processes", type=number(int, 1))
    args = built.parse_args(argv)
    rows = [
        {"set": name, "hours": f"{hours * args.instruments:,}", **row}
        for name, (hours, pieces) in SETS.items()
        for row in costs(args, hours, pieces)
    ]
    print(as_text(rows))
    written, read = args.synthesis * WAV_HOUR / 3.6e9, args.features * WAV_HOUR / 3.6e9
    images = args.features * IMAGE_HOUR / 3.6e9
    print(
        f"one core writes {written:.0f} MB/s in the synthesis, reads {read:.0f} and writes "
        f"{images:.0f} for the features"
    )
    return 0


def costs(args, hours, pieces):
    """Return the rows of a data set, one for each step.

    Args:
        args: Parsed flags.
        hours, pieces: Hours and number of pieces of one instrument.
    """
    count = args.instruments
    wav, image = count * hours * WAV_HOUR, count * hours * IMAGE_HOUR
    store = image + count * pieces * CHUNK / 2
    notes = args.workers * count * args.notes * 1e6
    return [
        _row("synthesis", count * hours / args.synthesis, (notes, wav, wav))
        | {"tasks": f"{pieces:,}", "scheduler MB": _count(pieces * SYNTHESIS_MESSAGES / 1e6)},
        _row("features", count * hours / args.features, (wav, image, image))
        | {
            "tasks": f"{count * pieces:,}",
            "scheduler MB": _count(count * pieces * FEATURES_MESSAGES / 1e6),
        },
        _row("stores", image / args.stores / 3.6e9, (image, store, store)),
    ]


def _row(step, core_hours, sizes):
    read, written, disk = (_count(size / 1e9) for size in sizes)
    taken = {"read GB": read, "written GB": written, "on disk GB": disk}
    return {"step": step, "core hours": f"{core_hours:,.2f}"} | taken


def _count(value):
    return f"{value:,.0f}"


if __name__ == "__main__":
    run(main)
