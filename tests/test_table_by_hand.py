"""Results of trials on tables, computed again with numpy from the file and the stored weights alone."""

from __future__ import annotations

import json
import math

import numpy as np
import plain_tables
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import calls

import sumsquares

SPEC = """name = "own"
[[dataset]]
name = "own"
file = "own.parquet"
target = "y"
inputs = ["a", "b", "c"]
categories = "one_hot"
{keys}
[train]
epochs = 3
batch_size = 5
[[grid]]
hidden = [[], [3]]
activation = ["identity", "relu"]
normalize = ["zscore", "unit", "symmetric", "none"]
seeds = 1
"""


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path):
    yield from calls(monkeypatch, capfd, tmp_path)


def own(rows, has_nulls=False):
    """Rows of numbers, integers and texts, some of them missing, and two columns that hold rows out."""
    draw = np.random.default_rng(1)
    a_N, b_N, c_N = draw.normal(size=rows), draw.integers(0, 4, rows), draw.choice(["x", "z", "é"], rows)
    y_N = 2 * a_N - b_N + (c_N == "x") + 0.1 * draw.normal(size=rows)
    names = {"a": 9, "b": 13, "c": 17, "y": 25}
    columns = {
        name: [None if has_nulls and at % every == 4 else value for at, value in enumerate(values.tolist())]
        for (name, every), values in zip(names.items(), (a_N, b_N, c_N, y_N), strict=True)
    }
    return pa.table({**columns, "t1": draw.random(rows) < 0.3, "t2": draw.random(rows) < 0.3})


def numbers(rows, missing):
    """The rows that are used, their inputs with NaN for what is missing, and their targets."""
    names = ("a", "b", "c", "y") if missing == "drop" else ("y",)
    rows = [row for row in rows if all(row[name] is not None for name in names)]
    texts = sorted({row["c"] for row in rows} - {None})
    x = [[row["a"], row["b"], *((None if row["c"] is None else row["c"] == text) for text in texts)] for row in rows]
    return rows, np.array(x, np.float64), np.array([row["y"] for row in rows])


def splits(rows, test=0.2, folds=None, validation=None, **_):
    """The training rows and those that are measured on, by the name of the split."""
    every = set(range(len(rows)))
    if isinstance(test, list):
        held_out = {name: {at for at in every if rows[at][name]} for name in test}
    elif folds:
        held_out = {f"fold_{at + 1}": part for at, part in enumerate(plain_tables.drawn(0, len(rows), None, folds))}
    else:
        held_out = {None: plain_tables.drawn(0, len(rows), test, None)[0]}
    drawn = plain_tables.measured(0, len(rows), validation) if validation else set()
    found = {}
    for name, out in held_out.items():
        train = every - out
        found[name] = (sorted(train - drawn), sorted(train & drawn if validation else out))
    return found


def scale(kind, values):
    """Shift and scale of columns."""
    low, high = values.min(0), values.max(0)
    shift, size = {
        "zscore": (values.mean(0), values.std(0)),
        "unit": (low, high - low),
        "symmetric": ((low + high) / 2, (high - low) / 2),
        "none": (0.0 * low, 0.0 * low),
    }[kind]
    return shift, np.where(size == 0, 1.0, size)


def answers(model, x_NI, y_N, train):
    """What a model answers for all rows."""
    x_NI = np.where(np.isnan(x_NI), np.nanmean(x_NI[train], axis=0), x_NI)
    kind = model.variant["normalize"]
    (shift, size), (base, unit) = scale(kind, x_NI[train]), scale(kind, y_N[train])
    values = [each.detach().numpy().astype(np.float64) for each in model.module.network.state_dict().values()]
    hidden = (x_NI - shift) / size
    for at in range(0, len(values), 2):
        hidden = hidden @ values[at].T + values[at + 1]
        if at + 2 < len(values) and model.variant["activation"] == "relu":
            hidden = np.maximum(hidden, 0)
    return hidden[:, 0] * unit + base


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"folds": 3},
        {"test": ["t1", "t2"]},
        {"test": ["t1", "t2"], "missing": "mean"},
        {"folds": 2, "missing": "drop", "validation": 0.3},
        {"folds": 3, "missing": "mean", "validation": 0.25},
    ],
)
def test_rmses_follow_from_the_rows_and_the_weights(cli, tmp_path, keys):
    """Those on test rows and on training rows, R^2, and the baselines, in every split."""
    table = own(60, "missing" in keys)
    pq.write_table(table, tmp_path / "own.parquet")
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    (tmp_path / "job.toml").write_text(SPEC.format(keys=lines))
    assert cli("run", "job.toml", "--workers", "0", "--quiet").code == 0
    rows, x_NI, y_N = numbers(table.to_pylist(), keys.get("missing"))
    parts = splits(rows, **keys)
    run = sumsquares.open("own")
    known = {row["trial_id"]: row for row in run.trials.to_pylist()}
    assert {row["split"] for row in known.values()} == {*parts}
    for model in run.models():
        row = known[model.trial_id]
        train, test = parts[row["split"]]
        error_N = answers(model, x_NI, y_N, train) - y_N
        square = np.mean(error_N[test] ** 2)
        assert row["rmse"] == pytest.approx(math.sqrt(square), rel=1e-5)
        assert row["rmse_train"] == pytest.approx(math.sqrt(np.mean(error_N[train] ** 2)), rel=1e-5)
        assert row["r2"] == pytest.approx(1 - square / np.var(y_N[test]), rel=1e-4, abs=1e-4)
    expected = [baselines(x_NI, y_N, *part) for part in parts.values()]
    (about,) = json.loads((tmp_path / "store/runs/own/summary.json").read_text())["datasets"].values()
    found = {each["name"]: each["rmse_of_splits"] for each in about["baselines"]}
    for name in ("mean", "least squares"):
        assert found[name] == pytest.approx([each[name] for each in expected], rel=1e-9)


def baselines(x_NI, y_N, train, test):
    """RMSEs on test rows of the mean of the training rows, and of least squares on them."""
    x_NI = np.column_stack([np.where(np.isnan(x_NI), np.nanmean(x_NI[train], axis=0), x_NI), np.ones(len(y_N))])
    weights, *_ = np.linalg.lstsq(x_NI[train], y_N[train])
    predicted = {"mean": y_N[train].mean(), "least squares": x_NI[test] @ weights}
    return {name: math.sqrt(np.mean((each - y_N[test]) ** 2)) for name, each in predicted.items()}


def test_a_split_with_one_test_row_near_zero_is_no_divergence(cli, tmp_path):
    """Its target says nothing about the size of targets: the limit is ten times the largest of the whole split."""
    rows = [(at * 0.37 % 1, math.sin(at) or 1e-6, int(at == 0)) for at in range(40)]
    (tmp_path / "own.csv").write_text("a,y,t\n" + "".join(f"{a},{y},{t}\n" for a, y, t in rows))
    spec = SPEC.format(keys='test = "t"').replace('["a", "b", "c"]', '["a"]').replace("own.parquet", "own.csv")
    (tmp_path / "job.toml").write_text(spec)
    ended = cli("run", "job.toml", "--workers", "0", "--quiet")
    assert (ended.code, ended.err) == (0, "")
