"""One list of hyperparameters: a field added to it is everywhere, and no old id changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from old_ids import stored_ids

from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.training_version import TRAINING_VERSION

ROOT = Path(__file__).parent.parent
OLD = ROOT / "tests/old_store"
IDS = stored_ids()[str(TRAINING_VERSION)]
LAST = """    loss: Loss = "mse"
    \"""What the training minimises: mean squared error, mean absolute error, Huber's loss or binary cross-entropy.\"""
"""
ADDED = LAST + "    dropout: Annotated[float, Field(strict=True, ge=0, examples=[0.1])] = 0.0\n"
PROGRAM = """
import json, sys
from pathlib import Path
import pyarrow as pa
from sumsquares.jobs.night.scores import variant_name
from sumsquares.jobs.results.pack_files import SCHEMA, decode_pack
from sumsquares.jobs.results.trial_columns import variant_columns
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.show.format import describe_variant
from sumsquares.jobs.spec.difference import describe_difference
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import trials

store, text = Path(sys.argv[1]), Path(sys.argv[2]).read_text()
more = text + "dropout = [0.0, 0.5]\\n"
specs = {"left out": text, "at its default": text + "dropout = 0.0\\n", "listed": more}
specs = {name: parse_spec(each.encode(), name) for name, each in specs.items()}
old = decode_pack(next(store.glob("trials/*.parquet")).read_bytes(), "old")
both = trials(specs["listed"])
print(json.dumps({
    "spec": {name: spec.digest for name, spec in specs.items()},
    "trials": {name: [trial.id for trial in trials(spec)] for name, spec in specs.items()},
    "night names": {
        name: sorted({variant_name(trial.variant) for trial in trials(spec)}) for name, spec in specs.items()
    },
    "difference": describe_difference(specs["left out"], specs["listed"]),
    "columns": list(variant_columns(both[0].variant)),
    "schema": [SCHEMA.names, str(SCHEMA.field("dropout").type)],
    "old rows": sorted(set(old["dropout"].to_pylist())),
    "words": [describe_variant(variant_columns(trial.variant)) for trial in both],
    "summary": sorted(set(summarize(both, SCHEMA.empty_table()).table["dropout"].to_pylist())),
}))
"""


def answer(root: Path, *arguments: str) -> dict:
    """What a program prints that imports the package from this folder."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", name="found")
def with_one_more(tmp_path_factory) -> dict:
    """Returns what a copy of the package prints that differs only by one more field in that list."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("sumsquares", "jobs", "cluster", "datasets"):
        shutil.copytree(ROOT / folder, root / folder, symlinks=True, ignore=shutil.ignore_patterns("*.so"))
    axes = root / "jobs/spec/axes.py"
    assert axes.read_text().count(LAST) == 1
    axes.write_text(axes.read_text().replace(LAST, ADDED))
    spec = root / "spec.toml"
    spec.write_text((OLD / "specs/night.toml").read_text())
    return answer(root, str(OLD / "files"), str(spec))


def test_a_new_hyperparameter_at_its_default_is_in_no_digest(found):
    """Specs, trials and the names by which nights compare variants keep their old ids, left out or written down."""
    for kind in ("spec", "trials", "night names"):
        assert found[kind]["left out"] == found[kind]["at its default"]
    assert found["spec"]["left out"] == IDS["night.toml"]["spec"]
    assert found["trials"]["left out"][:5] == IDS["night.toml"]["trials"]["first"]


def test_another_value_of_it_is_in_every_digest(found):
    """The old trials stay, and there are as many new ones beside them."""
    assert found["spec"]["listed"] != found["spec"]["left out"]
    for kind in ("trials", "night names"):
        old, both = set(found[kind]["left out"]), set(found[kind]["listed"])
        assert old < both
        assert len(both) == 2 * len(old)
    assert found["difference"] == ["grid[0].dropout: [0.0] -> [0.0, 0.5]"]


def test_it_has_a_column_that_old_files_need_not_have(found):
    """Behind the other hyperparameters, of its type; old rows are read with its default."""
    names, kind = found["schema"]
    assert names.index("dropout") == names.index(AXES[-1]) + 1 == names.index("seed") - 1
    assert kind == "double"
    assert "dropout" in found["columns"]
    assert found["old rows"] == [0.0]
    assert found["summary"] == [0.0, 0.5]


def test_it_is_shown_unless_it_has_its_default(found):
    """In the description of a variant."""
    assert {"dropout 0.5" in words for words in found["words"]} == {True, False}
    assert not any("dropout 0," in words or words.endswith("dropout 0") for words in found["words"])
