"""The examples of the public API, in docstrings and on docs/api.md, are run as they stand."""

from __future__ import annotations

import doctest
import inspect
import re
from functools import cached_property
from pathlib import Path
from types import FunctionType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from api_world import world as world

import sumsquares
from sumsquares.jobs.engines.sequential import ScaledNetwork

ROOT = Path(__file__).parent.parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PUBLIC = [name for name in sumsquares.__all__ if name != "__version__"]


def documented():
    """Each public name and each public method and property, with its object."""
    for name in PUBLIC:
        thing = getattr(sumsquares, name)
        yield name, thing
        if inspect.isclass(thing):
            kinds = (FunctionType, property, cached_property)
            own = {key: each for key, each in vars(thing).items() if isinstance(each, kinds)}
            yield from ((f"{name}.{key}", each) for key, each in own.items() if not key.startswith("_"))


ALL = list(documented())


def text_of(thing):
    """Its own docstring."""
    return inspect.getdoc(getattr(thing, "func", thing)) or ""


def run_examples(text, name, world):
    """Runs the examples in a text, and returns how many there are."""
    test = doctest.DocTestParser().get_doctest(text, {}, name, name, 0)
    known = {"sumsquares": sumsquares, "run": world.run, "folder": world.folder, "np": np, "pa": pa, "pc": pc}
    test.globs.update(known)
    failures = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=failures.append)
    assert not failures, "".join(failures)
    return len(test.examples)


@pytest.mark.parametrize(("name", "thing"), ALL, ids=[name for name, _ in ALL])
def test_the_example_of_a_public_name_is_true(world, name, thing):
    """A name, or a method that takes or makes something, has one; a plain property needs a sentence alone."""
    count = run_examples(text_of(thing), name, world)
    assert text_of(thing).strip()
    assert count or isinstance(thing, property)


def test_public_functions_have_types():
    """Of all arguments and results, so that type checkers see them."""
    for name, thing in ALL:
        function = getattr(thing, "fget", None) or getattr(thing, "func", thing)
        if inspect.isfunction(function):
            hints = {key for key in inspect.signature(function).parameters if key != "self"} | {"return"}
            assert hints <= set(function.__annotations__), name


def test_the_module_is_documented():
    """It says what goes in and what comes out."""
    assert "raw inputs [N, I]" in text_of(ScaledNetwork)


def test_the_examples_of_the_page_are_true(world, tmp_path, monkeypatch):
    """In their order, from an empty folder."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```pycon\n(.*?)^```", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE | re.DOTALL)
    assert run_examples("\n".join(blocks), "docs/api.md", world) > 30


def test_the_page_names_every_public_name():
    """In its table."""
    named = set(re.findall(r"^\| `(?:sumsquares\.)?(\w+)", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE))
    assert named == set(PUBLIC)
