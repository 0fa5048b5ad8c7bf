"""Questions that people asked in public, restated with the four tasks on positive integers: what went wrong is named.

Each is a network that would not learn a function, with the cause that its answer gave. Only facts are taken over: the
function, the network, its training. How a question was restated is said with it.
"""

from __future__ import annotations

import pytest

from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.case import LEAST_GAIN, Change, times
from sumsquares.jobs.results.causes import cases, causes_of
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.store import Store

QUESTIONS = {
    # x^2 on 0..1000, unscaled, 100 units; scaling helped. There is no unscaled input: "question" squashes them instead.
    "Q01": (
        "inputs_not_scaled",
        'task = "square"\nlargest = 1000\nrows = 1000',
        'hidden = [[100]]\nactivation = "relu"\nlr = 0.001\nepochs = 100\nnormalize = "question"',
    ),
    # x^2 + b from b and x, two hidden layers without activations, 100 rows: as a sum of two squares.
    "Q02": (
        "no_activation",
        'task = "sum_of_squares"\nlargest = 100\nrows = 100',
        'hidden = [[64, 32]]\nactivation = "identity"\nlr = 0.01\nepochs = 300\nnormalize = "symmetric"',
    ),
    # x^2 from 20 rows and one linear unit.
    "Q03": (
        "no_activation",
        'task = "square"\nlargest = 50\nrows = 20\ntest_rows = 200',
        'hidden = [[]]\nlr = 0.01\nepochs = 2000\nbatch_size = 20\nnormalize = "symmetric"',
    ),
    # (x - 1/2)^2 on 0..1, SGD at 0.001 for too short: as the square of 1..100 over the range.
    "Q04": (
        "too_few_steps",
        'task = "square"\nlargest = 100\nrows = 100\ntest_rows = 1000',
        'hidden = [[16, 16]]\nactivation = "relu"\noptimizer = "sgd"\nlr = 0.01\nepochs = 30\nbatch_size = 10',
    ),
    # x y from 6,500 rows, SGD at 0.005, unscaled: squashed instead.
    "Q06": (
        "inputs_not_scaled",
        'task = "product"\nlargest = 100\nrows = 6500',
        'hidden = [[30]]\nactivation = "tanh"\noptimizer = "sgd"\nlr = 0.005\nepochs = 20\nnormalize = "question"',
    ),
    # x y from 8 rows, right on them and wrong on others.
    "Q07": (
        "memorised",
        'task = "product"\nlargest = 13\nrows = 8\ntest_rows = 500',
        'hidden = [[10]]\nactivation = "tanh"\noptimizer = "momentum"\nlr = 0.01\nepochs = 5000\nbatch_size = 8',
    ),
    # x y diverges at once.
    "Q09": (
        "lr_too_high",
        'task = "product"\nlargest = 100\nrows = 1000',
        'hidden = [[10]]\nactivation = "relu"\noptimizer = "sgd"\nlr = 10.0\nepochs = 100\nnormalize = "symmetric"',
    ),
    # x^2 on -10..10 continues as a straight line: on 1..100, mean squared error.
    "Q24": (
        "outside_range",
        'task = "square"\nlargest = 100\nrows = 1000',
        'hidden = [[64, 64]]\nactivation = "relu"\nlr = 0.001\nepochs = 100\nnormalize = "symmetric"',
    ),
    # x^2 from 1,000 numbers, two hidden layers, tested outside the range.
    "Q25": (
        "outside_range",
        'task = "square"\nlargest = 200\nrows = 1000',
        'hidden = [[30, 30]]\nactivation = "relu"\nlr = 0.003\nepochs = 100\nnormalize = "unit"',
    ),
    # n^2 on 1..99 from tanh units, asked for 100 and 101: with a linear output.
    "Q27": (
        "outside_range",
        'task = "square"\nlargest = 99\nrows = 99\ntest_rows = 500',
        'hidden = [[10, 6]]\nactivation = "tanh"\nlr = 0.01\nepochs = 500\nbatch_size = 10\nnormalize = "symmetric"',
    ),
    # A linear function of one number from 13 rows, Adam at 0.01 for 500 epochs: the number itself.
    "Q34": (
        "too_few_steps",
        'task = "sum"\nn_numbers = 1\nlargest = 100\nrows = 13\ntest_rows = 500',
        "hidden = [[]]\nlr = 0.01\nepochs = 500\nbatch_size = 13",
    ),
    # x1 + x2 from five rows: of two, since rows are drawn and not chosen to be collinear.
    "Q35": (
        "memorised",
        'task = "sum"\nlargest = 100\nrows = 2\ntest_rows = 500',
        'hidden = [[]]\nlr = 0.01\nepochs = 2000\nbatch_size = 2\nnormalize = "symmetric"',
    ),
    # One ReLU unit learns a ReLU, half of the starts end at 0: on numbers above 0 that is the number itself.
    "Q38": (
        "dead_units",
        'task = "sum"\nn_numbers = 1\nlargest = 100\nrows = 200\ntest_rows = 500',
        'hidden = [[1]]\nactivation = "relu"\nlr = 0.01\nepochs = 300\nbatch_size = 50',
    ),
    # a + b under 100 from 11 rows and 6 sigmoid units: with a linear output.
    "Q41": (
        "memorised",
        'task = "sum"\nlargest = 99\nrows = 11\ntest_rows = 500',
        'hidden = [[6]]\nactivation = "sigmoid"\nlr = 0.01\nepochs = 5000\nbatch_size = 11\nnormalize = "symmetric"',
    ),
}
"""The cause that the answer gave, the dataset and the network."""


def diagnosed(dataset, network, store):
    """Trains a variant, and returns its case and its causes."""
    text = (
        f'name = "asked"\n[[dataset]]\nname = "d"\nseed = 1\n{dataset}\n[[grid]]\ndataset = "d"\nseeds = 5\n{network}\n'
    )
    spec = parse_spec(text.encode(), "asked.toml")
    with Runtime(IN_PROCESS, Store(str(store)), Progress(quiet=True)) as runtime:
        summary = run_spec(spec, runtime).summary
    seeds = [row["rmse"] for row in summary.trials.to_pylist() if row["rmse"] is not None]
    (row,) = summary.table.to_pylist()
    (case,) = cases([row], summary.datasets["d"], {row["variant_id"]: seeds})
    return case, causes_of(case)


def with_change(change, dataset, network):
    """The dataset and the network with the change, as lines of a spec."""
    if change.also:
        dataset, network = with_change(change.also, dataset, network)
    of_dataset = change.field in ("rows", "unused")
    lines = (dataset if of_dataset else network).split("\n")
    kept = [line for line in lines if not line.startswith(f"{change.field} =")]
    changed = "\n".join([*kept, str(Change(change.field, change.value))])
    return (changed, network) if of_dataset else (dataset, changed)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_cause_that_the_answer_gave_is_named_and_its_cure_cures(question, tmp_path):
    """It is the first or the second cause, and training again with the one change lowers the error."""
    name, dataset, network = QUESTIONS[question]
    case, causes = diagnosed(dataset, network, tmp_path)
    names = [cause.name for cause in causes]
    assert name in names[:2]
    change = causes[names.index(name)].change
    cured, _ = diagnosed(*with_change(change, dataset, network), tmp_path)
    column = "rmse_extrapolation_median" if name == "outside_range" else "rmse_median"
    assert times(case.row[column], cured.row[column]) >= LEAST_GAIN
