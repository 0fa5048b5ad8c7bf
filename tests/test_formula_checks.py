"""Specs with formulas that can't be trained on as they are asked: refused with path, value and remedy."""

from __future__ import annotations

import pytest

from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.spec import checks_formulas
from sumsquares.jobs.spec.job_spec import SpecError, load_spec, parse_spec

WAVES = 'formula = "sin(x1) + x2"\nlow = -3.0\nhigh = 3.0'
STEP = 'formula = "x > 0.5"\nlow = 0.0\nhigh = 1.0'
PROBABILITY = 'loss = "bce"\noutput = "sigmoid"\nnormalize_target = "none"\n'


def spec(dataset: str, grid: str = "", train: str = "") -> str:
    """Returns a spec of one dataset."""
    table = f'[[dataset]]\nname = "waves"\nrows = 1000\n{dataset}\n'
    return f'name = "q"\n{table}[train]\nbatch_size = 10\n{train}\n[[grid]]\n{grid}\n'


def problems(text: str) -> tuple[str, ...]:
    """Returns what is wrong with a new spec."""
    try:
        parse_spec(text.encode(), "spec.toml", new=True)
    except SpecError as error:
        return error.problems
    return ()


FAULTS = {
    "question": (spec(WAVES, 'normalize = ["unit", "question"]'), ["grid[0].normalize[1]:", '"waves"', 'write "unit"']),
    "logarithm of inputs": (
        spec(WAVES, train='normalize = "log"\nnormalize_target = "unit"'),
        ["train.normalize:", 'dataset "waves"', "reach down to -3", "a low above 0"],
    ),
    "logarithm of digits": (
        spec('formula = "x"\nlow = 1\nhigh = 7\nnumbers = "integer"\ndigits = 2', 'normalize = "log"'),
        ["grid[0].normalize:", "reach down to 0", "remove digits"],
    ),
    "logarithm of targets": (
        spec(WAVES, 'normalize_target = ["none", "log"]'),
        ["grid[0].normalize_target[1]:", '"log" needs a target above 0', '"waves" is -3.9', "in training row 397"],
    ),
    "logarithm of targets, as of inputs": (
        spec('formula = "x - 3"\nlow = 1.0\nhigh = 4.0', 'normalize = "log"'),
        ["grid[0].normalize:", '"log" needs a target above 0'],
    ),
    "no probability": (
        spec(WAVES, PROBABILITY),
        ["grid[0].loss:", '"bce" needs a target from 0 to 1', "-3.9", "another loss"],
    ),
    "a probability that is too large": (
        spec('formula = "x"\nlow = 0.0\nhigh = 1.5', PROBABILITY),
        ["grid[0].loss:", '"bce" needs a target from 0 to 1', "1.49", "another loss"],
    ),
    "a noisy probability": (
        spec(STEP + "\nnoise = 0.1", PROBABILITY),
        ["grid[0].loss:", '"bce" needs a target from 0 to 1', '"waves" has noise', "noise = 0.0"],
    ),
    "not finite": (
        spec('formula = "1 / (x - 1)"\nlow = 0\nhigh = 2\nnumbers = "integer"'),
        ['dataset[0] "waves".formula:', "divides by 0 at x = 1", "where("],
    ),
    "too small": (
        spec('formula = "1e-170 * x"\nlow = 1\nhigh = 2'),
        ['dataset[0] "waves".formula:', "at most 1.99", "e-170 in size", "to be squared", "at least 1e-100"],
    ),
    "not parsed": (spec('formula = "x^2"\nlow = 0\nhigh = 2'), ['dataset[0] "waves".formula:', "'^'", "**"]),
    "misspelt": (spec(WAVES.replace("formula", "formual")), ['dataset[0] "waves".formual:', '"formula"?', '"low"']),
    "one's own rows": (spec('path = "own.csv"'), ['dataset[0] "waves".path:', "unknown key", '"task"', '"formula"']),
    "a long formula": (
        spec(f'formula = "{"x + " * 20_000}x"\nlow = 0\nhigh = 1'),
        ['dataset[0] "waves".formula:', "80_001 characters", "at most 20_000 characters"],
    ),
    "other digits": (spec(WAVES + "\ndigits = 10"), ['dataset[0] "waves".digits:', "10", "write 2"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_dataset_that_cannot_be_trained_on_is_refused(fault: str) -> None:
    """One line has the path, the value and what to write instead."""
    text, (path, *words) = FAULTS[fault]
    found = problems(text)
    assert any(line.startswith(path) and all(word in line for word in words) for line in found), found
    assert all(line.isprintable() and line.isascii() and len(line) < 500 for line in found)


@pytest.mark.parametrize("grid", ["", PROBABILITY, 'normalize = "log"\nnormalize_target = "none"'])
def test_what_can_be_trained_is_accepted(grid: str) -> None:
    """A step from 0 to 1 as it is, as a probability, and with logarithms of its inputs."""
    assert problems(spec(STEP.replace("low = 0.0", "low = 0.1"), grid)) == ()


@pytest.mark.parametrize("formula", ["x - x", "1e-100 + x * 0", "where(x > 0.5, 1e-99, 1e-200)"])
def test_small_targets_are_accepted_if_their_errors_can_be_squared(formula: str) -> None:
    """All of them may be 0."""
    assert problems(spec(STEP.replace("x > 0.5", formula))) == ()


def test_all_problems_are_told_at_once_and_each_once() -> None:
    """Those of formulas beside those of fields and grids; a value of [train] that two grids use is told once."""
    text = spec(
        WAVES, "lr = -1\n[[grid]]\nhidden = [[2]]", 'normalize_target = "log"\nreadout = "solved"\nloss = "mae"'
    )
    paths = [line.split(":")[0] for line in problems(text + '\n[[dataset]]\nname = "other"\nrows = 0\n')]
    other = ['dataset[1] "other"', 'dataset[1] "other".rows']
    assert sorted(paths) == [*other, "grid[0].lr", "train.normalize_target", "train.readout"]


def test_a_stored_spec_is_not_evaluated_again(tmp_path) -> None:
    """It was when it was new; a file that a user gives is."""
    text = spec('formula = "log(x)"\nlow = -1.0\nhigh = 2.0')
    assert parse_spec(text.encode(), "stored").datasets[0].formula == "log(x)"
    (tmp_path / "spec.toml").write_text(text)
    with pytest.raises(SpecError, match="log"):
        load_spec(tmp_path / "spec.toml")


@pytest.mark.parametrize(("formula", "count"), [("x + " * 4000 + "x", 7), ("sum(x)", 98)])
def test_formulas_that_are_long_together_are_refused_unparsed(formula: str, count: int) -> None:
    """A file of 1 MiB could have so many that they take minutes. One that is too long by itself has its own message."""
    tables = [
        f'[[dataset]]\nname = "d{i}"\nformula = "{formula}"\nn_numbers = 1024\nrows = {i + 1}' for i in range(count)
    ]
    (problem,) = problems('name = "q"\n' + "\n".join(tables))
    assert problem.startswith("dataset: 1")
    assert "more than 100_000; write fewer or shorter ones" in problem


@pytest.mark.parametrize("count", [1, 20, 500])
@pytest.mark.parametrize("formula", ["x", "x" + " + x" * 900, "sum(x)"])
def test_the_rows_that_are_evaluated_are_bounded(formula: str, count: int) -> None:
    """However many datasets, rows, inputs and characters a spec has; the first rows are those of the dataset."""
    table = {"name": "d", "formula": formula, "low": 0.0, "high": 1.0, "rows": 10**9, "test_rows": 10**9}
    dataset = NamedDataset.model_validate(table | ({"n_numbers": 900} if formula == "sum(x)" else {}))
    first = checks_formulas._first_rows(dataset, count)
    assert first.rows == first.test_rows >= 100
    assert first.rows == 100 or first.rows * count * (len(dataset.formula or "") + dataset.inputs) <= 2**23
    assert first.model_copy(update={"rows": 10**9, "test_rows": 10**9}) == dataset.unnamed()
