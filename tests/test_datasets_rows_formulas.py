"""datasets/rows.py and noise.py: rows of formulas, against plain Python."""

import hashlib
import math
import pickle
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.datasets.errors import NotFinite
from sumsquares.datasets.rows import BLOCK_ROWS, block, block_count, blocks, first_rows_problem, input_type
from sumsquares.datasets.spec import SPLITS, DatasetSpec

REAL = {"formula": "x1 * x2", "low": [-3, 0.1], "high": [2.5, 0.3], "rows": 70_000, "test_rows": 70_001, "seed": 1}
INTEGER = {"formula": "x1 - x2", "low": -30, "high": [30, 5], "numbers": "integer", "rows": 70_000, "unused": 1}
WIDE = {"formula": "x1 + x2", "low": -(2**31) + 1, "high": 2**31 - 1, "numbers": "integer", "rows": 9_999}
DIGITS = {"formula": "x % 2", "low": 3, "high": 1000, "numbers": "integer", "rows": 5_000, "digits": 2}
SPECS = {
    "real": DatasetSpec(**REAL),
    "unused": DatasetSpec(**REAL, unused=2),
    "integer": DatasetSpec(**INTEGER),
    "wide": DatasetSpec(**WIDE),
    "digits": DatasetSpec(**DIGITS),
    "task": DatasetSpec(task="square", largest=1000, rows=5_000, digits=2),
}


def digest_of(spec, split):
    digest = hashlib.sha256()
    for inputs_NI, target_N in blocks(spec, split):
        digest.update(inputs_NI.astype("<f8").tobytes())
        digest.update(target_N.astype("<f8").tobytes())
    return digest.hexdigest()[:16]


def plain_word(spec, split, row, column, columns_narrow=False):
    """The word of one number, by drawing the whole stream of its block."""
    index, place = divmod(row, BLOCK_ROWS)
    stream = np.random.Philox(key=spec.seed | SPLITS.index(split) << 64, counter=index << 128)
    words = stream.random_raw(BLOCK_ROWS * (column + 1))
    if columns_narrow:
        words = words.astype("<u8").view("<u4")
    return int(words[column * BLOCK_ROWS + place])


def ranges_of(spec, split, row):
    """The ranges of one row's numbers and unused columns, from the fields alone."""
    count = spec.n_numbers
    low, high = (list(b) if isinstance(b, tuple) else [b] * count for b in (spec.low, spec.high))
    step = 0 if spec.numbers == "real" else 1
    found = []
    for a, b in [*zip(low, high, strict=True), *[(low[0], high[0])] * spec.unused]:
        width = b - a
        beyond = (a - width - step, a - step) if row % 2 == 0 else (b + step, b + width + step)
        found.append(beyond if split == "extrapolation" else (a, b))
    return found


@pytest.mark.parametrize("name", ["real", "unused"])
@pytest.mark.parametrize("split", SPLITS)
def test_real_numbers_are_53_bits_of_their_word_scaled_to_the_range(name, split):
    """low + k / 2**53 * (high - low), as Python computes it; beyond the range even rows lie below, odd ones above."""
    spec = SPECS[name]
    inputs_NI = np.concatenate([x_NI for x_NI, _ in blocks(spec, split)])
    for row in (0, 1, 2, 3, 40_001, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 69_999):
        for column, (low, high) in enumerate(ranges_of(spec, split, row)):
            u = (plain_word(spec, split, row, column) >> 11) / 2**53
            assert inputs_NI[row, column] == low + u * (high - low)


@pytest.mark.parametrize(("name", "narrow"), [("integer", True), ("wide", False)])
@pytest.mark.parametrize("split", SPLITS)
def test_integers_are_their_word_scaled_to_the_range(name, narrow, split):
    """low + floor(word * span / 2**bits) in exact arithmetic, with both ends, also below 0."""
    spec, bits = SPECS[name], 32 if narrow else 64
    inputs_NI, _ = block(spec, split, 0)
    for row in (0, 1, 2, 3, 4_001, 9_998):
        for column, (low, high) in enumerate(ranges_of(spec, split, row)):
            word = plain_word(spec, split, row, column, narrow)
            assert inputs_NI[row, column] == low + (word * int(high - low + 1) >> bits)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("split", SPLITS)
def test_types_and_layout_are_those_of_the_spec(name, split):
    """Columns are contiguous, of the type that the schema promises; targets of formulas are float64."""
    spec = SPECS[name]
    inputs_NI, target_N = block(spec, split, 0)
    assert inputs_NI.dtype == input_type(spec)
    assert inputs_NI.shape[1] == spec.inputs == len(spec.columns) - 1
    assert target_N.dtype == (np.int64 if spec.task else np.float64)
    assert all(column_N.flags.c_contiguous for column_N in inputs_NI.T)
    for column_N, (low, high) in zip(inputs_NI.T, spec.input_ranges(split), strict=True):
        assert low <= column_N.min()
        assert column_N.max() <= high


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [(-1, 2**30, np.int64), (0, 715_827_881, np.int32), (0, 715_827_882, np.int64), (-(10**8), 10**8, np.int32)],
)
def test_integers_take_four_bytes_where_those_of_every_split_fit(low, high, kind):
    """Their differences too, since these are stored."""
    spec = DatasetSpec(formula="x", low=low, high=high, numbers="integer", rows=9)
    assert input_type(spec) == kind


@settings(max_examples=15, deadline=None)
@given(
    few=st.integers(1, 140_000),
    many=st.integers(1, 140_000),
    kind=st.sampled_from([REAL, INTEGER, DIGITS, REAL | {"noise": 0.5}]),
    split=st.sampled_from(SPLITS),
)
def test_more_rows_begin_with_the_same_rows(few, many, kind, split):
    """The first k rows are the same for any number of rows, noise included."""
    few, many = sorted((few, many))
    short, long = (DatasetSpec(**kind | {"rows": rows, "test_rows": rows}) for rows in (few, many))
    index = block_count(short, split) - 1
    kept = few - index * BLOCK_ROWS
    for found, expected in zip(block(short, split, index), block(long, split, index), strict=True):
        assert len(found) == kept
        assert found.tobytes() == expected[:kept].tobytes()


@pytest.mark.parametrize("name", ["digits", "task"])
@pytest.mark.parametrize("split", SPLITS)
def test_digits_are_those_of_the_number_the_lowest_first(name, split):
    """As Python's bin says; as many as the largest number of any split has; numbers_of reads them back."""
    spec = SPECS[name]
    inputs_NI, target_N = block(spec, split, 0)
    numbers = spec.numbers_of(inputs_NI)[:, 0]
    width = spec.n_digits
    assert width == len(bin(1000 + 998 if name == "digits" else 2000)) - 2
    for row in range(500):
        digits = bin(int(numbers[row]))[2:].rjust(width, "0")[::-1]
        assert "".join(map(str, inputs_NI[row])) == digits
        assert target_N[row] == (numbers[row] ** 2 if spec.task else numbers[row] % 2)
    low, high = spec.source.parts(split)[0][0]
    assert (low <= numbers).all()
    assert (numbers <= high).all()
    assert (spec.inputs_of(numbers[:, np.newaxis]) == inputs_NI).all()
    assert spec.columns[:2] == ("digit_1", "digit_2")


@pytest.mark.parametrize(
    ("low", "width"), [(1.0, 2**-51), (-1.0, 2**-51), (2.0**52, 3.0), (-1e100, 2e100), (0, 1e-300)]
)
@pytest.mark.parametrize("split", SPLITS)
def test_real_numbers_never_reach_the_upper_end(low, width, split):
    """Rounding would take some there where few numbers lie in the range; the smallest one is the lower end."""
    spec = DatasetSpec(formula="x", low=low, high=low + width, rows=60_000, test_rows=60_000)
    inputs_NI, _ = block(spec, split, 0)
    parts = spec.source.parts(split)
    for turn, ((bottom, top),) in enumerate(parts):
        column_N = inputs_NI[turn :: len(parts), 0]
        assert bottom <= column_N.min()
        assert column_N.max() < top


def test_noise_is_normal_independent_and_on_the_training_targets_alone():
    """Mean, deviation and quantiles of 131,072 rows; no correlation with inputs, neighbours and other seeds."""
    rows = 2 * BLOCK_ROWS
    clean, noisy = (DatasetSpec(**REAL | {"rows": rows, "noise": noise}) for noise in (0, 0.25))
    pairs = [(block(clean, "train", index), block(noisy, "train", index)) for index in (0, 1)]
    assert all((one[0] == other[0]).all() for one, other in pairs)
    noise_N = np.concatenate([(other[1] - one[1]) / 0.25 for one, other in pairs])
    assert abs(noise_N.mean()) < 5 / math.sqrt(rows)
    assert abs(noise_N.std() - 1) < 5 / math.sqrt(2 * rows)
    below = [np.count_nonzero(noise_N < NormalDist().inv_cdf(share)) / rows for share in (0.001, 0.1, 0.5, 0.9, 0.999)]
    for found, share in zip(below, (0.001, 0.1, 0.5, 0.9, 0.999), strict=True):
        assert abs(found - share) < 5 * math.sqrt(share * (1 - share) / rows)
    inputs_NI = np.concatenate([one[0] for one, _ in pairs])
    seed = DatasetSpec(**REAL | {"rows": rows, "noise": 0.25, "seed": 2})
    other_N = block(seed, "train", 0)[1] - block(DatasetSpec(**REAL | {"rows": rows, "seed": 2}), "train", 0)[1]
    for series in (inputs_NI[:, 0], inputs_NI[:, 1], inputs_NI.prod(axis=1), np.roll(noise_N, 1), np.roll(noise_N, 2)):
        assert abs(np.corrcoef(noise_N, series)[0, 1]) < 5 / math.sqrt(rows)
    for series in (noise_N[BLOCK_ROWS:], other_N, noise_N[:BLOCK_ROWS] ** 2):
        assert abs(np.corrcoef(noise_N[:BLOCK_ROWS], series)[0, 1]) < 5 / math.sqrt(BLOCK_ROWS)
    for split in ("test", "extrapolation"):
        assert digest_of(clean, split) == digest_of(noisy, split)


def test_noise_of_zero_is_no_noise():
    """And it has the same digest."""
    spec = DatasetSpec(**REAL, noise=0)
    assert spec.digest == SPECS["real"].digest
    assert digest_of(spec, "train") == digest_of(SPECS["real"], "train")


@pytest.mark.parametrize(
    ("formula", "value"),
    [("sqrt(x)", "nan"), ("1e101 + x", "1e+101"), ("1 / (x - 5)", "inf"), ("where(x > 0.9, 1e308 * x, x)", "inf")],
)
def test_a_training_or_test_row_whose_target_is_not_finite_or_too_large_is_named(formula, value):
    """With its number, the value and the remedy, by the check before anything is written and by block; it is exit 2."""
    spec = DatasetSpec(formula=formula, low=-3, high=7, numbers="integer", rows=100_000, seed=3)
    with pytest.raises(NotFinite) as caught:
        block(spec, "train", 0)
    message = str(caught.value)
    row = int(message.split("(row ")[1].split()[0].replace(",", ""))
    assert f"where x = {block(spec.model_copy(update={'formula': 'x'}), 'train', 0)[0][row, 0]} (" in message
    assert f" is {value} where x = " in message
    assert "write low and high" in message
    assert caught.value.exit_code == 2
    assert first_rows_problem(spec) == message
    assert str(pickle.loads(pickle.dumps(caught.value))) == message  # noqa: S301  our own, as workers send it


def test_what_is_not_finite_beyond_the_range_is_nan_there():
    """Half the rows of sqrt(x) on 0..1 lie below 0; the training and test rows are all finite, and nothing is wrong."""
    spec = DatasetSpec(formula="sqrt(x)", low=0, high=1, rows=1000)
    inputs_NI, target_N = block(spec, "extrapolation", 0)
    assert np.isnan(target_N[::2]).all()
    assert (target_N[1::2] == np.sqrt(inputs_NI[1::2, 0])).all()
    assert first_rows_problem(spec) is None
    assert first_rows_problem(DatasetSpec(task="square", largest=9, rows=9)) is None


def test_a_few_rows_of_many_inputs_are_drawn_alone():
    """The words of 1,024 columns are not drawn for rows that aren't there: they would take 512 MB."""
    spec = DatasetSpec(formula="sum(x)", n_numbers=1000, low=-1, high=1, rows=50, unused=24)
    inputs_NI, target_N = block(spec, "train", 0)
    assert inputs_NI.base.nbytes == 50 * 1024 * 8
    assert target_N == pytest.approx(inputs_NI[:, :1000].sum(axis=1))
