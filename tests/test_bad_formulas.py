"""Formulas that can't be used are refused with their place and a remedy, before anything is computed or created."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from bad_formulas import RANGES, TEXTS
from command_line import cli as cli

from sumsquares.datasets.formula import FormulaError, parse
from sumsquares.datasets.formula_text import MOST_CHARACTERS

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
