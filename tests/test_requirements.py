"""The lists of packages agree with each other, and so do the places that name the version."""

import re

import pytest
from conftest import ROOT
from packaging.requirements import Requirement


def requirements(name):
    """List the packages in a requirements file, in its order."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def normalized(name):
    """Normalise the name of a package as package indexes do."""
    return name.lower().replace("_", "-")


def test_jax_takes_the_place_of_tensorflow_and_all_else_is_the_same():
    ordinary, with_jax = requirements("requirements.txt"), requirements("requirements-jax.txt")
    assert (ordinary[0].name, with_jax[0].name) == ("tensorflow", "jax")
    assert ordinary[1:] == with_jax[1:]


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_the_lock_has_one_version_of_every_package_that_is_within_its_bounds(python):
    locked = {}
    for item in requirements("requirements.lock"):
        if item.marker is None or item.marker.evaluate({"python_version": python}):
            assert normalized(item.name) not in locked
            (version,) = item.specifier
            assert version.operator == "=="
            locked[normalized(item.name)] = version.version
    for name in ("", "-jax", "-dev", "-notes", "-export", "-midi"):
        for wanted in requirements(f"requirements{name}.txt"):
            assert wanted.specifier.contains(locked[normalized(wanted.name)]), wanted
    # JAX runs with the jaxlib of its own version only
    assert locked["jax"] == locked["jaxlib"]


def test_the_package_has_the_same_lists_and_one_version():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    files = re.findall(r'"(requirements[^"]*)"', project)
    assert files[0] == "requirements.txt"
    assert all((ROOT / name).exists() for name in files)
    assert not re.search(r"^(optional-)?dependencies = \[", project, re.MULTILINE)
    (version,) = re.findall(r'^version = "(.*)"', project, re.MULTILINE)
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere():
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    released = re.search(r"^date-released: (\S+)$", citation, re.M)[1]
    assert f"\nversion: {version}\n" in citation
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (?!Unreleased)(.*)$", changes, re.M)
    assert headings[0] == f"{version} - {released}"
