"""Documentation: the Python examples run, and links and commands name existing files."""

import re

import numpy as np
import pytest
from conftest import ROOT

from common.trained import open_model, shipped
from data import load_audio

SYSTEMS = [path.parent.name for path in ROOT.glob("*/__init__.py")]
SYSTEMS = sorted({*SYSTEMS} - {"common", "benchmarks", "stress"})
PAGES = ["README.md", *(f"{name}/README.md" for name in SYSTEMS)]
ALL_PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "*/README.md", "models/*/README.md")
    for path in ROOT.glob(pattern)
)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
EXAMPLES = {page: PYTHON.findall((ROOT / page).read_text(encoding="utf-8")) for page in PAGES}


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run(tmp_path, monkeypatch, page):
    """They run in a folder with the recordings, notes and models of a clone."""
    for folder in ("data", "docs", "models"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    assert EXAMPLES[page]
    for code in EXAMPLES[page]:
        found = {}
        exec(compile(code, page, "exec"), found)
        made = {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
        assert made
        for name, array in made.items():
            assert np.isfinite(array).all(), name
            assert array.any(), name
        if page == "README.md":  # the published procedure, which is predict.py without overlap
            model = open_model(shipped("keyboard_acoustic_2_guitar_acoustic"))
            expected = model.convert(
                load_audio("docs/example_input.ogg")[0], phase="input", overlap=0
            )
            np.testing.assert_allclose(made["guitar"], expected, atol=1e-5)


def headings(path):
    """Return GitHub's anchors of the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", ALL_PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        place, _, anchor = link.partition("#")
        target = (ROOT / page).parent / place if place else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in headings(target), link


@pytest.mark.parametrize("page", ALL_PAGES)
def test_commands_can_be_pasted(page):
    """Commands use the interpreter that ``make demo`` sets up, and name files of a clone."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not re.findall(r"^ *(?:\$ *)?python3? .*$", text, re.MULTILINE)
    for command in re.findall(r"\.venv/bin/python [^`\n]*(?:\\\n[^`\n]*)*", text):
        words = command.replace("\\\n", " ").split()
        module = words[2].replace(".", "/")  # a file, or a folder that is run
        scripts = [f"{module}.py", f"{module}/__main__.py"] if words[1] == "-m" else [words[1]]
        known = any((ROOT / script).exists() for script in scripts)
        assert known or words[1:3] == ["-m", "pip"], command
        for word in words[2:]:
            if word.startswith(("docs/", "data/notes", "data/midi", "models/")):
                assert (ROOT / word).exists(), command
