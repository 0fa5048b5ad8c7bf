"""Moments of a formula's training rows, against exact arithmetic and the documented order of sums."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.datasets.moments import Meter, Moments, total
from sumsquares.datasets.rows import BLOCK_ROWS, blocks
from sumsquares.datasets.shards import decode_shard, encode_shard, shard_count
from sumsquares.datasets.spec import DatasetSpec

FLOATS = st.floats(-1e100, 1e100)
SPECS = [
    {"formula": "sin(x1) + x2**2", "low": [-3.0, 1e6], "high": [3.0, 1e6 + 1], "noise": 0.1, "rows": 700},
    {"formula": "x1 * x2", "low": -9, "high": 5, "numbers": "integer", "rows": 1234, "unused": 2},
    {"formula": "x % 3", "low": 0, "high": 100, "numbers": "integer", "digits": 2, "rows": 99},
    {"formula": "1e12 + x", "low": 0.0, "high": 1e-3, "rows": BLOCK_ROWS + 5},
    {"formula": "x", "low": -1e100, "high": 1e100, "rows": 300},
    {"formula": "1e-200 * x", "low": 1.0, "high": 2.0, "rows": 300},
]


def columns_of(spec):
    """All training rows, the target as the last column."""
    inputs, targets = zip(*blocks(spec, "train"), strict=True)
    return [*np.concatenate(inputs).T, np.concatenate(targets)]


def measured(spec):
    """The moments of all training rows."""
    meter = Meter()
    assert sum(len(target_N) for _, target_N in meter.watch(blocks(spec, "train"))) == spec.rows
    return meter.moments()


def in_order(values):
    """The sum of Python's floats by halving."""
    values = list(values)
    while len(values) > 1:
        half = len(values) // 2
        rest = len(values) - half
        values = [a + b for a, b in zip(values[:half], values[rest:], strict=True)] + values[half:rest]
    return values[0]


@given(st.lists(FLOATS, min_size=1, max_size=70))
def test_a_sum_has_one_order(values):
    """To the bit that of plain Python, so on every machine, and close to the exact one."""
    found = total(np.array(values))
    assert found == in_order(values)
    assert found == pytest.approx(math.fsum(values), rel=1e-12, abs=1e-14 * sum(map(abs, values)))


@pytest.mark.parametrize("given_spec", SPECS, ids=[spec["formula"] for spec in SPECS])
def test_moments_are_those_of_exact_arithmetic(given_spec):
    """Of inputs and of the noisy target; the variance does not cancel out, whatever the mean."""
    spec = DatasetSpec(**given_spec)
    found = measured(spec)
    each = [
        *zip(found.input_min, found.input_max, found.input_mean, found.input_std, strict=True),
        (found.target_min, found.target_max, found.target_mean, found.target_std),
    ]
    for (low, high, mean, std), values_N in zip(each, columns_of(spec), strict=True):
        values = [Fraction(value) for value in values_N.tolist()]
        exact_mean = sum(values) / len(values)
        exact_std = _root(sum((value - exact_mean) ** 2 for value in values) / len(values))
        assert (low, high) == (float(min(values)), float(max(values)))
        assert mean == pytest.approx(float(exact_mean), rel=1e-14, abs=1e-14 * exact_std)
        assert std == pytest.approx(exact_std, rel=1e-9)


def _root(square):
    """The square root of a Fraction that may be beyond floats."""
    scale = Fraction(2) ** ((square.numerator.bit_length() - square.denominator.bit_length()) // 2)
    return float(scale * Fraction(math.sqrt(square / scale**2))) if square else 0.0


@given(st.integers(1, 400), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_moments_have_the_bits_of_sums_in_the_documented_order(rows, seed):
    """In plain Python, with no sum of numpy's: no processor adds in another order."""
    spec = DatasetSpec(formula="exp(x)", low=-4.0, high=9.0, rows=rows, seed=seed)
    found = measured(spec)
    values = columns_of(spec)[-1].tolist()
    scale = math.ldexp(1.0, -math.frexp(max(map(abs, values)))[1])
    shift = in_order([value * scale for value in values]) / rows
    distances = [value * scale - shift for value in values]
    offset = in_order(distances) / rows
    square = in_order([value * value for value in distances]) / rows - offset * offset
    if rows > 1:
        assert found.target_mean == (shift + offset) / scale
        assert found.target_std == math.sqrt(max(0.0, square)) / scale


def test_a_constant_column_has_no_deviation():
    """Exactly none, although sums of equal numbers are rounded, and a zero has no sign."""
    spec = DatasetSpec(formula="0.1 + 0 * x", low=-0.0, high=0, numbers="integer", rows=1003)
    assert measured(spec) == Moments((0.0,), (0.0,), (0.0,), (0.0,), 0.1, 0.1, 0.1, 0.0)
    minus = measured(spec.model_copy(update={"formula": "-0.0 * (x + 1)"}))
    assert math.copysign(1, minus.target_min) == math.copysign(1, minus.target_mean) == 1.0


@pytest.mark.parametrize("shard_rows", [BLOCK_ROWS, 2 * BLOCK_ROWS])
def test_moments_are_the_same_for_any_size_of_the_shards(shard_rows):
    """To the bit: those of the stored rows, taken in blocks, are those of the rows that a spec gives."""
    spec = DatasetSpec(formula="exp(x)", low=0.0, high=3.0, noise=0.1, rows=2 * BLOCK_ROWS + 77)

    def stored():
        for index in range(shard_count(spec, "train", shard_rows)):
            table = decode_shard(*encode_shard_of(spec, index, shard_rows))
            x_N, target_N = (column.to_numpy() for column in table.columns)
            for start in range(0, len(x_N), BLOCK_ROWS):
                yield x_N[start : start + BLOCK_ROWS, None], target_N[start : start + BLOCK_ROWS]

    meter = Meter()
    assert sum(1 for _ in meter.watch(stored())) == 3
    assert meter.moments() == measured(spec)


def encode_shard_of(spec, index, shard_rows):
    """The arguments with which a shard of training rows is decoded."""
    data, entry = encode_shard(spec, "train", index, shard_rows)
    return data, spec, entry
