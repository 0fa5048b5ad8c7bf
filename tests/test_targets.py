"""Targets that only later training rows show to be wrong: refused once the rows are there, before any training."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_run import run

from sumsquares.jobs.stages.targets import WrongTarget

ROWS = 20_000
# Of a long formula fewer rows are checked, none of which is below 0.0001.
TEXT = f"""
name = "late"
[[dataset]]
name = "rare"
formula = "where(x < 0.0001, VALUE, x){" + 0 * x" * 600}"
low = 0.0
seed = 3
high = 1.0
rows = {ROWS}
test_rows = 10
[[grid]]
hidden = [[2]]
epochs = 1
batch_size = 5000
"""
GRIDS = {
    "log": 'normalize_target = ["unit", "log"]',
    "bce": 'normalize_target = "none"\noutput = "sigmoid"\nloss = ["mse", "bce"]',
}


@pytest.mark.parametrize(
    ("grid", "value", "told"),
    [
        ("log", "0", '"log" needs a target above 0, and that of a training row is 0; write another normalize_target'),
        ("bce", "7", '"bce" needs a target from 0 to 1, and that of a training row is 7; write another loss'),
        ("bce", "-7", "and that of a training row is -7"),
    ],
)
def test_a_later_row_with_a_wrong_target_is_told_before_the_training(tmp_path, grid, value, told):
    """With the dataset and exit code 2; the other trials of the grid aren't trained either."""
    with pytest.raises(WrongTarget) as caught:
        run(tmp_path, TEXT.replace("VALUE", value) + GRIDS[grid])
    assert str(caught.value).startswith('dataset "rare": ')
    assert told in str(caught.value)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "store" / "trials").exists()


@pytest.mark.parametrize("grid", GRIDS)
def test_the_same_with_targets_that_are_right_is_trained(tmp_path, grid):
    """Those of every row are in 0..1."""
    assert run(tmp_path, TEXT.replace("VALUE", "1") + GRIDS[grid])[1] == 0


TABLE = """
name = "own"
[[dataset]]
name = "own"
file = "own.parquet"
target = "target"
[[grid]]
hidden = [[2]]
epochs = 1
batch_size = 20
"""


def test_a_table_whose_target_is_a_boolean_column_is_trained_with_bce(tmp_path):
    """It is 0 and 1."""
    columns = {"a": [float(index % 7) for index in range(100)], "target": [index % 7 > 3 for index in range(100)]}
    pq.write_table(pa.table(columns), tmp_path / "own.parquet")
    assert run(tmp_path, TABLE + GRIDS["bce"])[1] == 0
