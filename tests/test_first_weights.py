"""First weights by the lanes library and by numpy: the same bits, those of earlier versions, in bounded memory."""

from __future__ import annotations

import ctypes
import hashlib
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from first_weights import packs, same_bits
from lanes_builds import builds, needs_lanes, peak_of
from test_lanes_library import harmed

from sumsquares.jobs.engines import initialize
from sumsquares.jobs.engines.lanes import library
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.recipe import Recipe

ROOT = Path(__file__).parent.parent
VARIANTS = {each.variant: each for each in builds()}
BITS = "5dcc141787b7efbd3cb42c33899777edb59d6b6bfcf63e03f4d5cb069bf1b7f1"
WIDE = Program(1, (64, 64), "relu", "adam", "constant", 100, 1, 1000, "float32", 0)


def drawn(program, models):
    """Draws the first weights of a pack; ranges at their limits may overflow."""
    with np.errstate(all="ignore"):
        return initialize.initialize(program, models.seeds, models.init, models.input_range, models.readout)


@pytest.fixture
def by_numpy(monkeypatch):
    """Takes the library away."""
    monkeypatch.setattr(initialize, "load", lambda: "it was not built")


def digest():
    """SHA-256 of the first weights of all packs."""
    found = hashlib.sha256()
    for program, models in packs():
        found.update(drawn(program, models).tobytes())
    return found.hexdigest()


def test_first_weights_are_those_of_earlier_versions():
    """They are part of what a trial's id stands for."""
    assert digest() == BITS


def test_numpy_draws_the_same_bits_without_a_library(by_numpy):
    """As in a clone that was not built."""
    assert digest() == BITS


@needs_lanes
@pytest.mark.parametrize("variant", VARIANTS)
def test_each_build_draws_the_same_bits(variant, monkeypatch):
    """For every instruction set that this processor has."""
    monkeypatch.setattr(initialize, "load", lambda: VARIANTS[variant])
    assert digest() == BITS


@needs_lanes
@pytest.mark.parametrize("numbers", [1, 700])
def test_the_number_of_models_at_a_time_changes_no_bit(numbers, monkeypatch):
    """Of the library's calls, and of numpy's."""
    cases = list(packs(inputs=(2,), hidden=((), (5,), (16, 16))))
    expected = [drawn(*case) for case in cases]
    monkeypatch.setattr(initialize, "NATIVE_NUMBERS", numbers)
    monkeypatch.setattr(initialize, "NUMPY_NUMBERS", numbers)
    assert all(same_bits(drawn(*case), array) for case, array in zip(cases, expected, strict=True))
    monkeypatch.setattr(initialize, "load", lambda: "it was not built")
    assert all(same_bits(drawn(*case), array) for case, array in zip(cases, expected, strict=True))


@pytest.mark.parametrize("kind", ["pytorch", "spread_knots"])
def test_numpy_takes_bounded_memory(kind, by_numpy):
    """Beside the result, 40 MB at most, however many models there are: their draws alone would take 70 MB here."""
    tracemalloc.start()
    try:
        result = initialize.initialize(WIDE, range(2000), [kind] * 2000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < result.nbytes + 40e6


PREPARE = """
from sumsquares.jobs.engines.initialize import initialize
from sumsquares.jobs.engines.program import Program
WIDE = Program(1, (64, 64), "relu", "adam", "constant", 100, 1, 1000, "float32", 0)
initialize(WIDE, [0], ["spread_knots"])
"""


@needs_lanes
@pytest.mark.skipif(sys.platform != "linux", reason="kilobytes on Linux")
def test_the_library_takes_the_memory_of_the_result_alone():
    """No draw is kept beside the weight that it becomes."""
    work = 'result = initialize(WIDE, range(8000), ["spread_knots", "pytorch"] * 4000)'
    assert peak_of(PREPARE, work, "result") < 1.1


def recipe_of():
    """Returns a program, a recipe of models, and room for their parameters."""
    program, models = next(pack for pack in packs(inputs=(3,), hidden=((5, 2),)) if pack[1].input_range)
    return program, Recipe.of(program, models), np.zeros((len(models.seeds), program.parameters), program.dtype)


@needs_lanes
@pytest.mark.parametrize("how", ["type", "shorter", "longer", "deeper", "strided"])
@pytest.mark.parametrize(
    "name",
    ["seeds_M", "kind_M", "bounds_KL2", "rise_M", "low_I", "high_I", "share_I", "knot_H", "parameters"],
)
def test_an_array_of_another_dtype_shape_or_layout_is_refused(name, how):
    """It is refused before any of its numbers are read. A recipe with more or fewer kinds is another recipe."""
    program, recipe, parameters = recipe_of()
    if name == "parameters":
        parameters = harmed(parameters, how)
    else:
        with np.errstate(over="ignore"):
            recipe = replace(recipe, **{name: harmed(getattr(recipe, name), how)})
    if (name, how) == ("bounds_KL2", "longer"):
        library.load().initialize(program, recipe, parameters)
        return
    with pytest.raises(ValueError, match=r"in one piece|refuses"):
        library.load().initialize(program, recipe, parameters)


@needs_lanes
@pytest.mark.parametrize("kind", [-1, 4, 2**62])
def test_a_kind_without_bounds_is_refused(kind):
    """Its bounds would be read from beyond the array."""
    program, recipe, parameters = recipe_of()
    kind_M = recipe.kind_M.copy()
    kind_M[3] = kind
    with pytest.raises(ValueError, match="refuses"):
        library.load().initialize(program, replace(recipe, kind_M=kind_M), parameters)


@needs_lanes
@pytest.mark.parametrize("null", range(9))
def test_a_null_pointer_is_refused(null):
    """This calls the C function without the checks in Python."""
    room = np.zeros(64)
    arrays = [None if place == null else room.ctypes.data_as(ctypes.c_void_p) for place in range(9)]
    hidden = np.array([2], np.int64)
    head = [*map(ctypes.c_int64, (1, 1)), hidden.ctypes.data_as(ctypes.c_void_p), *map(ctypes.c_int64, (0, 0, 0, 1))]
    call = library.load()._functions.lanes_initialize_f64
    assert call(*head, arrays[0], ctypes.c_int64(1), *arrays[1:]) == 1
