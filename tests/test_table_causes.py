"""Planted causes on small tables: what is blamed, what is not, and that no sentence is about what isn't known there."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import calls, command

from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.results import stored_baselines
from sumsquares.jobs.results.rows_of import blocks_of
from sumsquares.jobs.spec.job_spec import parse_stored
from sumsquares.jobs.storage.store import Store

ROWS = 400
NOISE = 0.1
HEALTHY = {
    "hidden": [[16]],
    "activation": "tanh",
    "optimizer": "adam",
    "lr": 0.01,
    "normalize": "zscore",
    "epochs": 120,
    "batch_size": 32,
}
PLANTED = {
    "healthy": ({}, {"unknown", "readout_not_trained"}),
    "too-high": ({"lr": 30.0}, {"lr_too_high"}),
    "too-low": ({"lr": 0.00001}, {"lr_too_low", "readout_not_trained"}),
    "few-epochs": ({"epochs": 2, "lr": 0.001}, {"too_few_steps", "readout_not_trained"}),
    "raw": ({"normalize": "none", "normalize_target": "zscore"}, {"inputs_not_scaled", "saturated"}),
    "raw-target": ({"normalize_target": "none", "lr": 0.001}, {"target_not_scaled", "readout_not_trained"}),
    "decay": ({"weight_decay": 10.0}, {"weight_decay_too_high"}),
    "dead": ({"activation": "relu", "lr": 30.0}, {"lr_too_high", "dead_units"}),
    "out-of-reach": ({"output": "sigmoid", "normalize_target": "zscore"}, {"output_cannot_reach"}),
    "by-heart": ({"hidden": [[256]], "epochs": 1000}, {"memorised"}),
    "linear-alone": ({"activation": "identity"}, {"unknown"}),
    "grid": ({"activation": ["identity", "tanh"], "lr": [0.00001, 0.01], "hidden": [[1], [16]]}, None),
    "straight": ({"activation": ["identity", "tanh"]}, None),
}
"""By the name of a dataset: what is changed in its grid, and which first causes are right; None where they are many."""


def smooth(draw, x_NI):
    return np.sin(3 * x_NI[:, 0]) + x_NI[:, 1] ** 2 + x_NI[:, 2] + NOISE * draw.standard_normal(ROWS)


def straight(draw, x_NI):
    return x_NI @ [1.0, 2.0, -1.0] + draw.standard_normal(ROWS)


def write(path, target, rows=ROWS, scale=(1.0, 1.0, 1.0), unit=1.0):
    """A table of three inputs, and the target in a unit."""
    draw = np.random.default_rng(5)
    x_NI = draw.uniform(-1, 1, (ROWS, 3))
    columns = dict(zip(("a", "b", "c"), (x_NI * scale).T, strict=True))
    pq.write_table(pa.table({**columns, "price": unit * target(draw, x_NI)}).slice(0, rows), path)


def spec_text():
    """One dataset for each fault, with its own draw of the folds."""
    files = {
        "raw": "raw.parquet",
        "raw-target": "unit.parquet",
        "by-heart": "few.parquet",
        "straight": "straight.parquet",
    }
    text = 'name = "planted"\n'
    for seed, name in enumerate(PLANTED):
        file = files.get(name, "smooth.parquet")
        text += f'[[dataset]]\nname = "{name}"\nfile = "{file}"\ntarget = "price"\nfolds = 5\nseed = {seed}\n'
    for name, (changed, _) in PLANTED.items():
        text += f'[[grid]]\ndataset = "{name}"\nseeds = 3\n'
        text += "".join(f"{axis} = {json.dumps(value)}\n" for axis, value in {**HEALTHY, **changed}.items())
    return text


@pytest.fixture(scope="module", name="run")
def run_of_all(tmp_path_factory):
    """The folder with the spec and the store, after the run."""
    if lanes_engine.available() is not None:
        pytest.skip("without the kernel it takes minutes")
    folder = tmp_path_factory.mktemp("planted")
    write(folder / "smooth.parquet", smooth)
    write(folder / "few.parquet", smooth, rows=60)
    write(folder / "raw.parquet", smooth, scale=(1e6, 1e6, 1e6))
    write(folder / "unit.parquet", smooth, unit=1e6)
    write(folder / "straight.parquet", straight)
    (folder / "planted.toml").write_text(spec_text())
    return folder


@pytest.fixture(scope="module", name="rows")
def summary_rows(run):
    """The rows of the summary's table by dataset, with the summary under None."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(run)
        patch.setattr(stored_baselines, "sklearn_version", lambda: None)  # its trees take longer than the training
        patch.setattr("sys.argv", ["sumsquares", "run", "planted.toml", "--workers", "0", "--quiet"])
        assert command() in (0, 7)
    folder = run / "store" / "runs" / "planted"
    found = {None: json.loads((folder / "summary.json").read_text())}
    for row in pq.read_table(folder / "summary.parquet").to_pylist():
        found.setdefault(row["dataset"], []).append(row)
    return found


@pytest.fixture(name="cli")
def command_line(run, monkeypatch, capfd):
    """The command line in the folder of the run."""
    monkeypatch.setattr(stored_baselines, "sklearn_version", lambda: None)
    yield from calls(monkeypatch, capfd, run)


@pytest.mark.parametrize("name", [name for name, (_, right) in PLANTED.items() if right])
def test_a_planted_fault_is_blamed(rows, name):
    """The first cause is one whose change mends it; where nothing is wrong, no fault is named."""
    (row,) = rows[name]
    assert row["cause"] in PLANTED[name][1], row["causes"]


def test_in_a_grid_the_neighbour_decides(rows):
    """Whatever has a better neighbour is blamed on the axis in which it differs."""
    of = {(row["hidden"], row["activation"], row["lr"]): row for row in rows["grid"]}
    assert of["[16]", "tanh", 0.01]["cause"] in ("unknown", "readout_not_trained")
    assert (of["[16]", "identity", 0.01]["cause"], of["[16]", "identity", 0.01]["remedy"]) == (
        "no_activation",
        'activation = "tanh"',
    )
    assert (of["[1]", "tanh", 0.01]["cause"], of["[1]", "tanh", 0.01]["remedy"]) == ("too_narrow", "hidden = [[16]]")
    assert of["[16]", "tanh", 0.00001]["causes"].split(", ")[0] == "lr_too_low"


def test_an_activation_is_not_missed_where_nothing_bends(rows):
    """Nor where no variant of the run shows that something does."""
    assert not any("no_activation" in row["causes"] for row in (*rows["straight"], *rows["linear-alone"]))


def test_floors_of_tables_are_least_squares_on_the_test_rows_and_what_an_output_reaches(run, rows):
    """Each the mean over the splits, as numpy computes them from the stored rows; nothing is known of the others."""
    store = Store(str(run / "store"))
    spec = parse_stored((run / "store" / "runs" / "planted" / "job.toml").read_bytes(), "job.toml")
    table = next(each for each in spec.datasets if each.name == "linear-alone")
    limits = []
    for split in table.splits:
        inputs_NI, target_N = (np.concatenate(part) for part in zip(*blocks_of(store, split, "test"), strict=True))
        columns = np.column_stack([inputs_NI, np.ones(len(target_N))])
        weights, *_ = np.linalg.lstsq(columns, target_N)
        limits.append(np.sqrt(np.square(columns @ weights - target_N).mean()))
    (row,) = rows["linear-alone"]
    assert (row["floor_kind"], row["floor"]) == ("linear", pytest.approx(np.mean(limits)))
    assert row["rmse_mean"] >= row["floor"]
    (row,) = rows["out-of-reach"]
    assert row["floor_kind"] == "bound"
    assert 0.5 < row["floor"] <= row["rmse_mean"]
    others = [row for name, found in rows.items() if name for row in found if row["activation"] != "identity"]
    assert {row["floor_kind"] for row in others if row["output"] == "linear"} == {"none"}
    assert not any(
        row["floor_range"] or row["exact_everywhere"] for name, found in rows.items() if name for row in found
    )
    assert rows[None]["below_floor"] == []


def test_nothing_is_said_of_ranges_integers_or_formulas(rows, cli):
    """Of a table, none of it is known. The means over splits are called so."""
    for arguments in (("explain", "planted", "--all-variants"), ("run", "planted.toml", "--all-variants")):
        ended = cli(*arguments)
        assert ended.code in (0, 7), ended.err
        assert not re.search(r"\b(whole range|of the range|rounding|formula|noise|exact|learnt|number_1)\b", ended.out)
    assert rows


def test_what_is_explained_is_what_the_summary_has(rows, cli):
    """Roles, causes and the linear function of those without an activation; in JSON with the same causes."""
    ended = cli("explain", "planted", "--dataset", "grid", "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)["datasets"]["grid"]
    assert told["variants"] == len(rows["grid"])
    of = {row["variant_id"]: row for row in rows["grid"]}
    for each in told["explanations"]:
        row = of[each["variant"]["variant_id"]]
        assert ", ".join(cause["name"] for cause in each["causes"]) == row["causes"]
        if row["activation"] == "identity":
            assert [*each["linear"]["coefficients"]] == ["a", "b", "c"]


def test_a_cause_on_a_table_is_proved_on_its_splits(rows, cli):
    """With the seeds that the run has, as the splits are the pairs; again, nothing is trained."""
    arguments = ("explain", "planted", "--dataset", "grid", "--variant", "hidden=[1]", "--variant", "activation=tanh")
    ended = cli(*arguments, "--prove", "--workers", "0", "--json")
    assert ended.code == 0, ended.err
    proofs = [each["proof"] for each in json.loads(ended.out)["datasets"]["grid"]["explanations"]]
    assert len(proofs) == 2
    for proof in proofs:
        assert (proof["proved"], proof["after"]["verdict"]) == (True, "better")
        assert (proof["splits"], len(proof["seeds"]), proof["after"]["paired_by"]) == (5, 3, "split")
        assert proof["after"]["test"]["seeds"] == len(proof["before"]["rmse"]) == 5
        of = next(row for row in rows["grid"] if row["variant_id"] == proof["before"]["variant_id"])
        assert np.mean(proof["before"]["rmse"]) == pytest.approx(of["rmse_mean"])
    again = cli(*arguments, "--prove", "--workers", "0")
    assert again.code == 0
    assert "0 to train" in again.err
    assert again.out.count("Proved: ") == 2
