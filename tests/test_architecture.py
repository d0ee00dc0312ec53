"""The import rule: which part of the project may import which, found in the syntax trees."""

import ast

import pytest
from conftest import ROOT

SYSTEMS = sorted(
    path.parent.name
    for path in ROOT.glob("*/__init__.py")
    if path.parent.name not in ("common", "benchmarks", "stress", "tests")
)
# Each level may import itself and the levels before it.
LEVELS = [
    ["common.cli"],
    ["common.files"],
    ["data"],
    ["common.audio", "common.music", "common.work"],
    ["common.training", "common.networks", "common.trained", "common.latent", "common.report"],
    SYSTEMS,
    ["scripts"],
]


def level_of(module):
    """Index in LEVELS of a module; that of the last level for scripts."""
    for number, names in enumerate(LEVELS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return number
    return len(LEVELS) - 1


def imports(path):
    """Names of the project's modules that a file imports, at its top or inside functions."""
    known = {"data", "common", "benchmarks", "stress", *SYSTEMS}
    known |= {script.stem for script in ROOT.glob("*.py")}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] in known)


FILES = [
    path for folder in ("common", *SYSTEMS) for path in sorted((ROOT / folder).rglob("*.py"))
] + [ROOT / "data.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_run_one_way(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    system = module.partition(".")[0]
    for name in imports(path):
        assert level_of(name) <= level_of(module), f"{module} imports {name}"
        if system in SYSTEMS:
            other = name.partition(".")[0]
            assert other not in SYSTEMS or other == system, f"{module} imports {name}"


def test_no_file_is_longer_than_600_lines():
    files = [
        path
        for path in ROOT.rglob("*.py")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ]
    assert not [path for path in files if len(path.read_text(encoding="utf-8").splitlines()) > 600]
