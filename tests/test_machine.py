"""Cores and memory within affinity and cgroups of both versions; bfloat16."""

import os

import pytest

from common.work import machine
from common.work.machine import computes_bfloat16, cores, memory


@pytest.fixture
def cgroups(tmp_path, monkeypatch):
    """Function that sets the cgroups of the process and the files in their folders."""

    def put(own, **files):
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "fs" / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "fs")
    monkeypatch.setattr(machine, "_OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return put


def test_without_limits_all_is_free(cgroups):
    assert cores() == 8
    whole = memory()
    assert whole == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cgroups("0::/a/b\n", a__cpu_dot_max="max 100000\n", a__b__memory_dot_max="max\n")
    assert (cores(), memory()) == (8, whole)


def test_version_2_limits_also_by_the_groups_above(cgroups):
    cgroups(
        "0::/job/step\n",
        job__step__cpu_dot_max="max 100000\n",
        job__cpu_dot_max="250000 100000\n",
        job__step__memory_dot_max="2000000\n",
        job__memory_dot_max="3000000\n",
    )
    assert (cores(), memory()) == (2, 2000000)


def test_version_1_limits_each_controller(cgroups):
    cgroups(
        "5:memory:/job\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/\n",
        cpu__cpu_dot_cfs_quota_us="50000\n",  # in a container its own group is the root
        cpu__cpu_dot_cfs_period_us="100000\n",
        memory__job__memory_dot_limit_in_bytes="1000000\n",
        memory__memory_dot_limit_in_bytes="9223372036854771712\n",
    )
    assert (cores(), memory()) == (1, 1000000)
    cgroups("4:cpu,cpuacct:/docker/x\n", cpu__cpu_dot_cfs_quota_us="-1\n")
    assert cores() == 8


def test_affinity_limits(cgroups, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert cores() == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores() == os.cpu_count()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 sha\n", True),
        ("processor\t: 0\nflags\t\t: fpu avx2 sha\nbugs\t\t: none\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", True),
        ("processor\t: 0\nFeatures\t: fp asimd\n", False),
        ("processor\t: 0\n", True),  # the file does not say
        (None, True),
    ],
)
def test_instructions_for_bfloat16_are_found(tmp_path, monkeypatch, text, expected):
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(machine, "_PROCESSOR", path)
    assert computes_bfloat16() == expected
