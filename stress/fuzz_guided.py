"""One target of ``stress.fuzz``, fed by atheris, which looks for inputs that reach new code.

    python -m stress.fuzz --engine atheris --target midi

It sees the code of the kit alone, not that of libraries. Stops at the first fault.
"""

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path


def main(name, runs, counts_path, *flags):
    """Feed a target; libFuzzer ends the process.

    Args:
        name: Of ``stress.fuzz_targets.TARGETS``.
        runs: Inputs.
        counts_path: Where the outcomes are counted, a hundred at a time, as JSON.
        flags: Of libFuzzer.
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
    # a name that libsndfile takes for any format, by the content
    path = Path(folder.name) / f"input{'.mp3' if name == 'audio' else samples[0].suffix}"
    counts = Counter()

    def read(content):
        path.write_bytes(content)
        try:
            reader(path)
            counts["accepted"] += 1
        except DOCUMENTED as error:
            counts[type(error).__name__] += 1
        if counts.total() % 100 == 0:  # libFuzzer ends the process without a last word
            Path(counts_path).write_text(json.dumps(counts))

    longest = max(len(sample.content) for sample in samples)
    argv = [sys.argv[0], f"-runs={runs}", f"-max_len={longest + 256}", *flags, str(corpus)]
    atheris.Setup(argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
