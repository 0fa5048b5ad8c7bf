"""Formulas that can't be used are refused with their place and a remedy, before anything is computed or created."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from bad_formulas import RANGES, TEXTS
from command_line import cli as cli
from hypothesis import given
from hypothesis import strategies as st

from sumsquares.datasets.formulas.formula import Formula, FormulaError, parse
from sumsquares.datasets.formulas.range_check import check_range
from sumsquares.datasets.formulas.words import MOST_CHARACTERS

MOST_BYTES = 64 * 2**20
GRID = "[train]\nepochs = 2\nbatch_size = 10\n[[grid]]\nhidden = [[4]]\n"
pytestmark = pytest.mark.timeout(60)


def named(texts):
    """Long texts have short names."""
    return [pytest.param(text, id=ascii(text)[1:-1][:40]) for text in texts]


@pytest.mark.parametrize("text", named(TEXTS))
def test_each_text_is_refused_with_its_place_and_a_remedy(text):
    """The message has the position, what is wrong and what to write; it is short, and memory stays bounded."""
    tracemalloc.start()
    try:
        with pytest.raises(FormulaError) as refused:
            parse(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    message = str(refused.value)
    assert not [word for word in TEXTS[text] if word not in message], message
    assert "write" in message or "remove" in message, message
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 400
    assert peak < MOST_BYTES


def spec(text, low_and_high="low = -1.0\nhigh = 1.0"):
    """A job spec with one formula, as TOML writes any text."""
    quoted = "".join(f"\\U{ord(character):08X}" for character in text)
    return f'name = "bad"\n[[dataset]]\nname = "bad"\nformula = "{quoted}"\n{low_and_high}\nrows = 100\n{GRID}'


def refused(cli, text):
    """Runs a spec; returns its message once it was refused without a trace."""
    Path("bad.toml").write_text(text)
    ended = cli("run", "bad.toml", "--workers", "0", "--store", "store")
    assert ended.code == 2, ended.err[-500:]
    assert "formula" in ended.err
    assert "Traceback" not in ended.err
    assert "internal error" not in ended.err
    assert len(ended.err) < 3000
    assert [path.name for path in Path().iterdir()] == ["bad.toml"]
    return " ".join(ended.err.split())


@pytest.mark.parametrize("text", named(text for text in TEXTS if "\ud800" not in text))
def test_a_run_of_it_exits_2_and_creates_nothing(cli, text):
    """The command line tells the same, with the path of the formula in the spec, and no store is made."""
    message = refused(cli, spec(text))
    assert "dataset[0]" in message
    if len(text) <= MOST_CHARACTERS:
        assert not [word for word in TEXTS[text] if word not in message], message


@pytest.mark.parametrize("text", named(RANGES))
def test_a_run_without_a_finite_value_exits_2_and_creates_nothing(cli, text):
    """A formula that has no finite value somewhere in its range is refused with the place, before anything is made."""
    low_and_high, words = RANGES[text]
    message = refused(cli, spec(text, low_and_high))
    assert not [word for word in words if word not in message], message
    assert "write another" in message


def test_all_bad_formulas_of_a_spec_are_told_at_once(cli):
    """Two bad texts and two bad ranges are four problems of one message."""
    texts = ("2x", "x^2", "1 / x", "log(x)")
    tables = [
        f'[[dataset]]\nname = "d{i}"\nformula = "{text}"\nlow = -1\nhigh = 1\nrows = 9\n'
        for i, text in enumerate(texts)
    ]
    message = refused(cli, f'name = "bad"\n{"".join(tables)}{GRID}')
    for words in ("write 2 * x", "write **", "1 / x divides by 0 at x = 0", "log(x) is the logarithm"):
        assert words in message


WORDS = [
    "x",
    "x1",
    "x2",
    "x3",
    "x0",
    "1",
    "2.5",
    "0",
    "1e308",
    "7e-308",
    "pi",
    "e",
    "2x",
    "_",
    "ln",
    "\u0445",
    "'",
    "1j",
]
WORDS += ["+", "-", "*", "/", "//", "%", "**", "(", ")", ",", "<", "<=", "==", "!=", "and", "or", "not", "True", "in"]
WORDS += ["where", "log", "max", "sum", "sqrt", "tan", "exp", ".", "=", "^", "lambda", "if", "else", ":", "[", "]"]


def refusal(text):
    """Why a text is no formula, or None."""
    try:
        parse(text)
    except FormulaError as error:
        return str(error)
    return None


@given(words=st.lists(st.sampled_from(WORDS), max_size=12), low=st.integers(-9, 9), is_real=st.booleans())
def test_whatever_the_words_a_formula_is_used_or_refused(words, low, is_real):
    """Random words are a formula, which is evaluated and checked on its range, or a FormulaError; nothing else."""
    text = " ".join(words)
    if message := refusal(text):
        assert "write" in message or "remove" in message
        return
    count = parse(text).n_numbers
    source = Formula(parse(text), (float(low),) * count, (low + 3.0,) * count, is_real)
    assert source.target(np.full((2, count), low)).shape == (2,)
    assert "; write " in (check_range(source) or "; write ")


@given(text=st.text(max_size=30))
def test_whatever_the_characters_a_formula_is_used_or_refused(text):
    """Random characters are a formula, or a FormulaError of printable ASCII."""
    message = refusal(text)
    if message is None:
        assert parse(parse(text).text).text == parse(text).text
    else:
        assert message.isascii()
        assert message.isprintable()
