"""The page's JavaScript equals the Python side; make web-test tests the page itself."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

NODE = shutil.which("node")
OLDEST = 20


def test_the_javascript_equals_the_python_side(tmp_path):
    if NODE is None:
        pytest.skip("Node.js is not installed")
    version = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").partition(".")[0]) < OLDEST:
        pytest.skip(f"Node.js is older than version {OLDEST}")
    script = [sys.executable, "-m", "web.tests.golden", "--output", str(tmp_path)]
    subprocess.run(script, cwd=ROOT, check=True)
    done = subprocess.run(
        [NODE, "--test", ROOT / "web" / "tests" / "unit.test.js"],
        env={**os.environ, "MADE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
