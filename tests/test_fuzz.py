"""Damaged files of every kind are read or refused in one line; also files that once failed."""

import gzip
import random
import re
from pathlib import Path

import faulty_readers
import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from stress import fuzz
from stress.fuzz_damage import damage
from stress.fuzz_targets import TARGETS

REGRESSIONS = sorted((ROOT / "tests" / "regressions").iterdir())
FAST = [
    name for name in TARGETS if name not in ("weights", "layout")
]  # their readers take seconds to start


@pytest.fixture(scope="module")
def worker():
    """Function that returns the running ``Worker`` of a target."""
    workers = {}

    def running(name):
        if name not in workers:
            workers[name] = fuzz.Worker(TARGETS[name].reader)
        return workers[name]

    yield running
    for one in workers.values():
        one.__exit__()


@pytest.fixture(scope="module")
def samples():
    """Function that returns the samples of a target."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = TARGETS[name].samples()
        return made[name]

    return of


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_once_was_a_fault_is_refused(worker, path):
    target, suffix = path.name.partition("-")[0], Path(path.stem).suffix
    outcome = worker(target).read(suffix, gzip.decompress(path.read_bytes()))
    assert not outcome.fault, outcome
    assert outcome.kind in ("UserError", "AudioFileError"), outcome


CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=6
)


@pytest.mark.stress
@pytest.mark.parametrize("name", TARGETS)
def test_any_damage_is_read_or_refused(worker, samples, name):
    structured = [(sample, sample.structure or [slice(0, None)]) for sample in samples(name)]

    @settings(max_examples=200 if name in FAST else 25, database=None)
    @given(
        chosen=st.integers(0, len(structured) - 1),
        changes=CHANGES,
        kept=st.one_of(st.just(1.0), st.floats(0, 1)),
        data=st.data(),
    )
    def check(chosen, changes, kept, data):
        sample, structure = structured[chosen]
        content = bytearray(sample.content)
        for share, replacement in changes:
            part = data.draw(st.sampled_from(structure))
            size = len(range(*part.indices(len(content))))
            start = (part.start or 0) + int(share * size)
            content[start : start + len(replacement)] = replacement
        outcome = worker(name).read(sample.suffix, bytes(content[: round(kept * len(content))]))
        assert not outcome.fault, outcome

    check()


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=40))
def test_any_name_of_a_note_is_read_or_refused(worker, text):
    outcome = worker("names").read(".txt", text.encode(errors="replace"))
    assert not outcome.fault, outcome


@pytest.mark.stress
def test_the_benchmark_feeds_every_target_and_prints_a_table(tmp_path, capsys):
    folder = tmp_path / "faults"
    for name in FAST:
        argv = ["--target", name, "--inputs", "60", "--folder", str(folder), "--seed", "1"]
        assert fuzz.main(argv) == 0
        header, row = (
            re.split(r"\s{2,}", line) for line in capsys.readouterr().out.splitlines()[-2:]
        )
        figures = dict(zip(header, row, strict=True))
        assert figures["target"] == name
        assert int(figures["inputs"]) == 60
        assert int(figures["accepted"]) + int(figures["refused"]) == 60
        assert int(figures["refused"]) > 0
        assert figures["faults"] == "0"
    assert not folder.exists()


def test_damage_is_the_same_for_the_same_seed_and_hits_what_it_is_aimed_at(samples):
    (sample,) = samples("store")
    arrays = np.ones(len(sample.content), bool)
    for part in sample.structure:
        arrays[part] = False
    assert arrays.mean() > 0.9  # so that hits elsewhere are no coincidence
    hits = 0
    for seed in range(100):
        content = damage(sample, random.Random(seed))
        assert content == damage(sample, random.Random(seed))
        if len(content) == len(sample.content):
            changed = np.frombuffer(content, np.uint8) != np.frombuffer(sample.content, np.uint8)
            hits += (changed & ~arrays).any()
    assert hits > 30


@pytest.mark.stress
@pytest.mark.parametrize(
    ("reader", "kind"),
    [
        (faulty_readers.crash, "crash"),
        (faulty_readers.hang, "hang"),
        (faulty_readers.memory, "memory"),
        (faulty_readers.claim, "MemoryError"),
        (faulty_readers.fail, "KeyError"),
    ],
)
def test_every_fault_is_found_and_survived(reader, kind, monkeypatch):
    if kind == "hang":
        monkeypatch.setattr(fuzz, "_HANG_SECONDS", 6.0)
    with fuzz.Worker(reader) as worker:
        assert worker.read(".bin", b".").kind == "accepted"
        outcome = worker.read(".bin", b"!")
        assert (outcome.kind, outcome.fault) == (kind, True)
        assert worker.read(".bin", b".").kind == "accepted"


@pytest.mark.stress
def test_inputs_with_a_fault_are_kept(tmp_path, capsys, monkeypatch):
    target = TARGETS["midi"]._replace(reader=faulty_readers.fail)
    monkeypatch.setitem(TARGETS, "midi", target)
    monkeypatch.setattr(fuzz, "damage", lambda sample, rng, others: rng.choice([b"!", b"."]) * 9)
    assert fuzz.main(["--target", "midi", "--inputs", "20", "--folder", str(tmp_path)]) == 1
    kept = list((tmp_path / "midi").glob("KeyError-*.mid"))
    assert 0 < len(kept) < 20
    assert f"KeyError {len(kept)}" in capsys.readouterr().out
    assert all(path.read_bytes() == b"!" * 9 for path in kept)
    assert all("KeyError" in path.with_suffix(".txt").read_text() for path in kept)
