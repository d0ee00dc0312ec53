"""Every public function of the library has type hints, found in the syntax trees."""

import ast

import pytest
from conftest import ROOT
from test_architecture import FILES as LIBRARY

FILES = sorted({*LIBRARY, *ROOT.glob("*.py")})


def is_public(name):
    """Whether a name is public; special methods such as ``__init__`` are."""
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def public_functions(body, owner=None):
    """(name, node, whether it takes self or cls) of public functions and methods, not nested."""
    for node in body:
        if isinstance(node, ast.ClassDef) and is_public(node.name):
            yield from public_functions(node.body, node.name)
        elif isinstance(node, ast.FunctionDef) and is_public(node.name):
            is_static = any(
                getattr(mark, "id", "") == "staticmethod" for mark in node.decorator_list
            )
            name = node.name if owner is None else f"{owner}.{node.name}"
            yield name, node, owner is not None and not is_static


def parts_without_hint(text):
    """Names of the parameters and returns without a hint, such as "Store.read: indices"."""
    for name, node, is_bound in public_functions(ast.parse(text).body):
        given = node.args
        parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        parameters += [extra for extra in (given.vararg, given.kwarg) if extra]
        for parameter in parameters[is_bound:]:
            if parameter.annotation is None:
                yield f"{name}: {parameter.arg}"
        if node.returns is None:
            yield f"{name}: return"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_public_functions_have_type_hints(path):
    assert not list(parts_without_hint(path.read_text(encoding="utf-8")))


def test_missing_hints_are_found():
    source = """
def given(a: int, *b: int, c: int = 0, **d: int) -> int: ...
def missing(a, *b, c=0, **d): ...
def _private(a): ...
class Public:
    def __init__(self, a): ...
    @staticmethod
    def static(a) -> None:
        def nested(a): ...
    @classmethod
    def of(cls, a) -> int: ...
class _Private:
    def method(self, a): ...
"""
    assert list(parts_without_hint(source)) == [
        *(f"missing: {part}" for part in ("a", "c", "b", "d", "return")),
        "Public.__init__: a",
        "Public.__init__: return",
        "Public.static: a",
        "Public.of: a",
    ]
