"""Fuzz one target of ``stress.fuzz`` by atheris, which searches for inputs that reach new code.

    python -m stress.fuzz --engine atheris --target midi

atheris observes only the code of the kit, not that of libraries. It stops at the first fault.
"""

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path


def main(name, runs, counts_path, *flags):
    """Fuzz a target; libFuzzer ends the process.

    Args:
        name: Name in ``stress.fuzz_targets.TARGETS``.
        runs: Number of inputs.
        counts_path: JSON file for the counts of outcomes, written after every hundred inputs.
        flags: Flags for libFuzzer.
    """
    import atheris

    with atheris.instrument_imports(
        include=["common", "data", "pix2pix_timbre", "vae_generation", "time_stretching"]
    ):
        from stress.fuzz_targets import DOCUMENTED, TARGETS

        reader = TARGETS[name].reader()
    samples = TARGETS[name].samples()
    folder = tempfile.TemporaryDirectory()
    corpus = Path(folder.name) / "corpus"
    corpus.mkdir()
    for index, sample in enumerate(samples):
        (corpus / f"{index:03d}").write_bytes(sample.content)
    # libsndfile accepts any format under this name, and decides by the content
    path = Path(folder.name) / f"input{'.mp3' if name == 'audio' else samples[0].suffix}"
    counts = Counter()

    def read(content):
        path.write_bytes(content)
        try:
            reader(path)
            counts["accepted"] += 1
        except DOCUMENTED as error:
            counts[type(error).__name__] += 1
        if counts.total() % 100 == 0:  # libFuzzer ends the process without calling us again
            Path(counts_path).write_text(json.dumps(counts))

    longest = max(len(sample.content) for sample in samples)
    argv = [sys.argv[0], f"-runs={runs}", f"-max_len={longest + 256}", *flags, str(corpus)]
    atheris.Setup(argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
