"""What the READMEs show to paste into a notebook: each example runs."""

import re

import numpy as np
import pytest
import soundfile
from conftest import ROOT, make_note

from common.trained import open_model, shipped
from data import load_audio

SYSTEMS = [path.parent.name for path in ROOT.glob("*/__init__.py")]
SYSTEMS = sorted({*SYSTEMS} - {"common", "benchmarks", "stress"})
PAGES = ["README.md", *(f"{name}/README.md" for name in SYSTEMS)]
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
EXAMPLES = {page: PYTHON.findall((ROOT / page).read_text(encoding="utf-8")) for page in PAGES}


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run(tmp_path, monkeypatch, page):
    """In a folder with the recordings that they name, of two seconds, and the shipped models."""
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    assert EXAMPLES[page]
    for code in EXAMPLES[page]:
        for name in re.findall(r'"(\w+\.wav)"', code):
            soundfile.write(name, make_note(60, (1.0, 0.5, 0.3)), 16000)
        found = {}
        exec(compile(code, page, "exec"), found)
        made = {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
        assert made
        for name, array in made.items():
            assert np.isfinite(array).all(), name
            assert array.any(), name
        if page == "README.md":  # the published way, as predict.py takes it without overlap
            model = open_model(shipped("keyboard_acoustic_2_guitar_acoustic"))
            expected = model.convert(load_audio("piano.wav")[0], phase="input", overlap=0)
            np.testing.assert_allclose(made["guitar"], expected, atol=1e-5)
