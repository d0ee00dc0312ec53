"""Measure how soon the page of latent_exploration answers: a second of sound, for each model.

    python -m benchmarks.latent_page

Prints a row for each model: milliseconds from a request to the whole WAV file, at places all over
the map, after a first request; and the time of the processor, all cores together, which other
programs hardly change. The aim is 150 ms. The map shows recordings of data/orchestra.
"""

import json
import threading
import time
import urllib.request

import numpy as np

from common.cli import UserError, number, parser, run
from common.report.tables import as_text
from common.trained import MODELS
from common.training.devices import start_backend
from latent_exploration.explorer import Explorer, Sound
from latent_exploration.page import SOUNDS, some_of, titled
from latent_exploration.scripts import read_sound
from latent_exploration.server import Server
from latent_exploration.session import LatentSession, open_latent


def main(argv=None):
    """Run the benchmark; return exit status 0."""
    built = parser(__doc__, converts=())
    built.add_argument("--models", nargs="+", help="names below models/ (default: all)")
    built.add_flag("--sounds", 8, "number of sounds on the map", type=number(int, 2, 200))
    built.add_flag("--rounds", 40, "number of requests", type=number(int, 1))
    args = built.parse_args(argv)
    start_backend(None)
    rows = []
    for name in args.models or sorted(path.parent.name for path in MODELS.glob("*/config.json")):
        try:
            model = open_latent(MODELS / name)
        except UserError:  # without a latent space, or told more than a path
            continue
        spent, worked = answer_times(explorer_of(model, args.sounds), args.rounds)
        median, late, worst = np.quantile(spent, (0.5, 0.95, 1)) * 1000
        row = {"model": name, "median": median, "95 %": late, "worst": worst}
        rows.append({**row, "processor": float(np.median(worked)) * 1000})
    print(as_text(rows))
    return 0


def explorer_of(model, count):
    """Explorer of two seconds of some notes."""
    session, sounds = LatentSession(model), []
    for path in some_of(list(SOUNDS.glob("*.flac")), count):
        audio = read_sound(path, model.sample_rate)[: 2 * model.sample_rate]
        sounds.append(Sound(*titled(path), session.load(audio).path))
    return Explorer(model, sounds)


def answer_times(explorer, rounds):
    """Seconds of requests at random places, and of the processor, after one that is not counted."""
    rng, spent, worked = np.random.default_rng(0), [], []
    low, high = explorer.places.min(axis=0), explorer.places.max(axis=0)
    with Server(0, "benchmark") as server:
        server.explorer = explorer
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for _ in range(rounds + 1):
            order = {"at": np.clip(rng.uniform(low, high), -3, 3).tolist(), "seconds": 1.0}
            request = urllib.request.Request(
                f"{server.address}render",
                json.dumps(order).encode(),
                {"Content-Type": "application/json"},
            )
            begin, busy = time.perf_counter(), time.process_time()
            with urllib.request.urlopen(request) as answer:
                answer.read()
            spent.append(time.perf_counter() - begin)
            worked.append(time.process_time() - busy)
        server.shutdown()
    return spent[1:], worked[1:]


if __name__ == "__main__":
    run(main)
