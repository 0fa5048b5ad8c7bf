"""Reading a job spec: defaults, overriding, what its digest depends on, and the differences between two specs."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from sumsquares.jobs.spec.axes import AXES, Grid
from sumsquares.jobs.spec.difference import describe_difference
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, load_spec, parse_spec
from sumsquares.jobs.spec.variants import trials

DESIGN = """
name = "question"
[[dataset]]
name = "sums"
task = "sum"
n_numbers = 2
largest = 1000
rows = 1_000_000
seed = 1
[[dataset]]
name = "squares"
task = "square"
largest = 1000
rows = 1_000_000
seed = 1
unused = 0            # extra random input columns that the target does not depend on
[train]               # constants of every variant, each of which may also be an axis of a grid
epochs = 500
batch_size = 100
[[grid]]              # cartesian product of the lists; several grids add up; equal variants count once
dataset = ["sums", "squares"]
hidden = [[], [64], [64, 64]]
activation = ["identity", "relu", "tanh"]
optimizer = ["adam"]
lr = [0.001, 0.01]
normalize = ["unit"]  # question | unit | symmetric | zscore
seeds = 5
"""

TINY = 'name = "tiny"\n[[dataset]]\nname = "sums"\ntask = "sum"\nlargest = 10\nrows = 1000\n'


def parse(text: str) -> JobSpec:
    """Parses the text of a spec."""
    return parse_spec(text.encode(), "spec.toml")


def axes_of(text: str) -> dict[str, object]:
    """Returns the axes of the first grid of a spec."""
    return parse(text).canonical_grids[0]


def test_a_spec_is_read_as_written() -> None:
    """Names, datasets and axes are those of the file, and its bytes are kept."""
    spec = parse(DESIGN)
    assert spec.name == "question"
    assert [dataset.name for dataset in spec.datasets] == ["sums", "squares"]
    assert spec.grids[0].hidden == ((), (64,), (64, 64))
    assert spec.source_text == DESIGN.encode()


def test_omitted_values_have_the_documented_defaults() -> None:
    """A grid that lists only a dataset has one value on each axis."""
    assert axes_of(TINY + '[[grid]]\ndataset = "sums"\n') == {
        "dataset": ["sums"], "hidden": [()], "activation": ["relu"], "optimizer": ["adam"], "lr": [0.001],
        "schedule": ["constant"], "weight_decay": [0.0], "batch_size": [100], "epochs": [500],
        "init": ["glorot_uniform"], "normalize": ["unit"], "dtype": ["float32"], "shuffle_seed": [0],
        "readout": ["trained"], "normalize_target": ["same"], "output": ["linear"], "loss": ["mse"], "seeds": 1,
    }  # fmt: skip


OTHER = {
    "hidden": "[[8]]", "activation": '"tanh"', "optimizer": '"sgd"', "lr": "0.5", "schedule": '"cosine"',
    "weight_decay": "0.1", "batch_size": "7", "epochs": "3", "init": '"pytorch"', "normalize": '"zscore"',
    "dtype": '"float64"', "shuffle_seed": "9", "readout": '"solved"', "normalize_target": '"zscore"',
    "output": '"tanh"', "loss": '"huber"',
}  # fmt: skip


def test_the_table_of_other_values_covers_every_axis() -> None:
    """An axis can't be added without the tests below."""
    assert tuple(OTHER) == AXES
    assert set(Grid.model_fields) == {"dataset", *AXES, "seeds"}


@pytest.mark.parametrize("axis", AXES)
def test_a_grid_overrides_train_which_overrides_the_default(axis: str) -> None:
    """Each axis may be a constant in [train], and a scalar or a list in a grid."""
    in_grid = f"{axis} = {OTHER[axis]}\n"
    in_train = f"[train]\n{axis} = {OTHER[axis].replace('[[8]]', '[8]')}\n"
    grid = '[[grid]]\ndataset = "sums"\n'
    default, train, both = axes_of(TINY + grid), axes_of(TINY + in_train + grid), axes_of(TINY + grid + in_grid)
    assert train == both != default
    constant = {"hidden": "[[]]", "activation": '["relu"]'}.get(axis) or str(default[axis]).replace("'", '"')
    assert axes_of(TINY + in_train + grid + f"{axis} = {constant}\n") == default


def test_a_grid_without_datasets_means_all_of_them() -> None:
    """The digest, the trials and the differences are those of the explicit list."""
    listed, left_out = parse(DESIGN), parse(DESIGN.replace('dataset = ["sums", "squares"]\n', ""))
    assert left_out.digest == listed.digest
    assert [trial.id for trial in trials(left_out)] == [trial.id for trial in trials(listed)]
    assert describe_difference(left_out, listed) == []
    assert describe_difference(left_out, parse(DESIGN.replace('["sums", "squares"]', '"sums"'))) == [
        'grid[0].dataset: ["squares", "sums"] -> ["sums"]'
    ]


def test_an_integer_is_read_as_a_float_where_a_float_is_expected() -> None:
    """`lr = 1` is `lr = 1.0`, and `weight_decay = -0.0` is 0.0."""
    axes = axes_of(TINY + '[[grid]]\ndataset = "sums"\nlr = [1, 1.0]\nweight_decay = -0.0\n')
    assert axes["lr"] == [1.0]
    assert str(axes["weight_decay"]) == "[0.0]"


def test_seeds_are_a_number_or_a_list() -> None:
    """`seeds = 3` means 0, 1, 2; a seed that is listed twice counts once."""
    of = {text: Grid.model_validate({"dataset": ["d"], "seeds": text}).seed_values for text in (3, (7, 5, 7))}
    assert list(of[3]) == [0, 1, 2]
    assert of[(7, 5, 7)] == (7, 5)
    grid = TINY + '[[grid]]\ndataset = "sums"\nseeds = '
    assert parse(grid + "3").digest == parse(grid + "[2, 0, 1]").digest != parse(grid + "[1, 2, 3]").digest


def test_the_digest_leaves_out_the_runs_name_and_the_text() -> None:
    """Comments, spaces and the name of the run don't change it; the name of a dataset does, since results have it."""
    spec = parse(DESIGN)
    assert parse(DESIGN.replace('name = "question"', 'name = "other"')).digest == spec.digest
    assert parse(DESIGN + "# a comment\n\n").digest == spec.digest
    assert parse(DESIGN.replace('"sums"', '"adds"')).digest != spec.digest


@pytest.mark.parametrize(
    "text", [DESIGN, "\ufeff" + DESIGN, DESIGN.replace("\n", "\r\n")], ids=["plain", "bom", "crlf"]
)
def test_a_spec_is_read_from_its_file(text: str, tmp_path: Path) -> None:
    """A byte order mark and the line endings of Windows make no difference."""
    (tmp_path / "spec.toml").write_bytes(text.encode())
    assert load_spec(tmp_path / "spec.toml").digest == parse(DESIGN).digest


def test_a_spec_is_frozen_and_survives_pickling() -> None:
    """Workers receive it unchanged, with its text."""
    spec = parse(DESIGN)
    copy = pickle.loads(pickle.dumps(spec))  # noqa: S301 - our own bytes
    assert (copy.digest, copy.source_text) == (spec.digest, spec.source_text)
    with pytest.raises(ValidationError, match="frozen"):
        spec.name = "other"  # type: ignore[misc]
    error = pickle.loads(pickle.dumps(SpecError("s", ["a: b; c"])))  # noqa: S301
    assert str(error) == "s: 1 problem\n  a: b; c"


def test_equal_specs_have_no_difference() -> None:
    """A spec that is only written differently has none either."""
    assert describe_difference(parse(DESIGN), parse(DESIGN)) == []
    moved = DESIGN.replace("epochs = 500\n", "") + "epochs = 500\n"
    assert describe_difference(parse(DESIGN), parse(moved.replace("[0.001, 0.01]", "[1e-2, 1e-3]"))) == []


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("epochs = 500", "epochs = 900", ["train.epochs: 500 -> 900"]),
        ("lr = [0.001, 0.01]", "lr = 0.1", ["grid[0].lr: [0.001, 0.01] -> [0.1]"]),
        ("hidden = [[], [64], [64, 64]]", "hidden = [[]]", ["grid[0].hidden: [[], [64], [64, 64]] -> [[]]"]),
        ("seeds = 5", "seeds = [1]", ["grid[0].seeds: 5 -> [1]"]),
        ("seeds = 5", "seeds = 5\nepochs = [500, 900]", ["grid[0].epochs: [500] -> [500, 900]"]),
        ("lr = [0.001, 0.01]", "lr = [1, 2, 3, 4, 5, 6]",
         ["grid[0].lr: 2 -> 6 values; gone [0.001, 0.01], new [1.0, 2.0, 3.0, 4.0, 5.0, ... 6 values in all]"]),
        ("rows = 1_000_000\nseed = 1\n[[", "rows = 1000\nseed = 1\n[[",
         ['dataset "sums".rows: 1000000 -> 1000', 'dataset "sums".test_rows: 10000 -> 1000']),
        ("seeds = 5", 'seeds = 5\n[[grid]]\ndataset = "sums"', ["grid[1]: only in the new spec"]),
        ("[train]", '[[dataset]]\nname = "more"\ntask = "sum"\nlargest = 9\nrows = 9\n[train]',
         ['dataset "more": only in the new spec']),
    ],
)  # fmt: skip
def test_a_difference_is_named_by_path_with_both_values(old: str, new: str, lines: list[str]) -> None:
    """A difference has the path of the file; the comparison in reverse finds the same paths."""
    one, other = parse(DESIGN), parse(DESIGN.replace(old, new))
    assert describe_difference(one, other) == lines
    back = describe_difference(other, one)
    assert [line.split(":")[0] for line in back] == [line.split(":")[0] for line in lines]


def test_only_grids_that_differ_are_compared() -> None:
    """Moving a grid to another place makes no difference."""
    head, first, second = TINY, '[[grid]]\ndataset = "sums"\n', '[[grid]]\ndataset = "sums"\nlr = 0.5\n'
    third = second.replace("0.5", "0.7")
    assert describe_difference(parse(head + first + second), parse(head + third + first)) == [
        "grid[0].lr: [0.5] -> [0.7]"
    ]


def test_reading_a_spec_imports_neither_ray_nor_torch() -> None:
    """A spec is validated in a fraction of a second, also on a machine without them."""
    imports = "import sys, sumsquares.jobs.spec.difference, sumsquares.jobs.spec.variants"
    code = f"{imports}; print({{'ray', 'torch', 'pyarrow'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
