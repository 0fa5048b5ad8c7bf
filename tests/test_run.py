"""Whole runs in this process: what is trained, what is not trained again, what is summarised."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from specs import SMALL, small

from sumsquares.cluster.workers import WorkerRequest
from sumsquares.datasets.errors import ForeignShard
from sumsquares.datasets.rows import block
from sumsquares.jobs.commands import run as commands
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.engines.choice import choose
from sumsquares.jobs.engines.losses import curve_epochs
from sumsquares.jobs.pipeline import summarizing
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.models import load_model
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.stored import read_losses, read_results
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.packs import Pack, plan_packs
from sumsquares.jobs.stages.placement import IN_PROCESS, Placement
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.stages.rows import DatasetReader
from sumsquares.jobs.stages.train import Trainer, train_pack
from sumsquares.jobs.storage.store import StorageError, Store

TRAINER = Trainer(choose("auto", "cpu"), "cpu")


def run(folder, text=SMALL, place=IN_PROCESS, quiet=True):
    """Runs a spec; returns the store and the exit code."""
    path = folder / "spec.toml"
    path.write_text(text)
    store = Store(str(folder / "store"))
    return store, commands.run(path, 10**6, place, Shared(store.root, json=True, quiet=quiet))


def summary_of(store, name="small"):
    """The part of a summary that must not depend on how the run was carried out."""
    facts = json.loads(store.get(f"runs/{name}/summary.json"))
    for volatile in ("timing", "environment", "finished", "files", "sha256"):
        del facts[volatile]
    text = json.loads(json.dumps(facts), object_hook=lambda d: {k: v for k, v in d.items() if k != "train_seconds"})
    table = pq.read_table(Path(store.root) / f"runs/{name}/summary.parquet").drop_columns(["train_seconds"])
    return text, table.to_pylist()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The store of a finished run of the small spec; tests must not change it."""
    store, code = run(tmp_path_factory.mktemp("finished"))
    assert code == 0
    return store


def test_every_trial_has_a_result_and_the_counts_add_up(finished):
    """30 trials of 10 variants: without hidden layers the activation makes no difference."""
    facts, table = summary_of(finished)
    assert facts["trials"] == {"total": 60, "ok": 60, "diverged": 0, "missing": 0, "missing_ids": []}
    assert len(table) == 20
    assert sum(row["n"] for row in table) == 60
    assert {row["hidden"] for row in table} == {"[]", "[6]", "[5, 4]"}


def test_running_again_trains_nothing_and_gives_the_same_summary(finished, monkeypatch):
    """The plan is empty, and no pack is trained."""
    before = summary_of(finished)
    assert make_plan(small(), finished).todo == ()
    monkeypatch.setattr("sumsquares.jobs.stages.train.train_pack", None)
    assert run(Path(finished.root).parent)[1] == 0
    assert summary_of(finished) == before


def test_a_short_run_needs_no_ray_and_has_the_same_bits_in_processes(finished, tmp_path, monkeypatch, capfd):
    """If no workers are asked for, the plan decides, and the decision is reported."""
    monkeypatch.setattr("sumsquares.jobs.stages.placement.INLINE_SECONDS", 0.0)
    place = Placement(WorkerRequest(workers=2, gpu_workers=0), is_open=True)
    store, code = run(tmp_path, place=place, quiet=False)
    assert code == 0
    assert "trained in 2 processes, without Ray" in capfd.readouterr().err
    assert summary_of(store) == summary_of(finished)


def test_many_rows_are_made_by_processes_unless_workers_are_asked_for(finished, tmp_path, monkeypatch):
    """On all cores, also where one pack is trained in this process, and without Ray."""
    place = Placement(WorkerRequest(workers=2, gpu_workers=0), is_open=True)
    for module in ("commands.run", "pipeline.generating"):
        monkeypatch.setattr(f"sumsquares.jobs.{module}.INLINE_ROWS", 0)
    for name in ("cluster.inline.map_tasks", "jobs.pipeline.runtime.Runtime._connect"):
        monkeypatch.setattr(f"sumsquares.{name}", None)
    store, code = run(tmp_path, place=place)
    assert code == 0
    assert summary_of(store) == summary_of(finished)
    other = tmp_path / "other"
    assert commands.generate(tmp_path / "spec.toml", 10**6, place, Shared(str(other), json=True, quiet=True)) == 0
    made = Store(str(other))
    assert {path: made.get(path) for path in made.list("datasets")} == {
        path: store.get(path) for path in store.list("datasets") if not path.endswith("baselines.json")
    }


def test_workers_are_released_before_the_summary_is_made(tmp_path, monkeypatch):
    """A cluster that is lost while this process summarises costs nothing."""
    order = []
    release, summarize = Runtime.release, summarizing.summarize_run
    monkeypatch.setattr(Runtime, "release", lambda self: [order.append("released"), release(self)])
    monkeypatch.setattr(
        "sumsquares.jobs.pipeline.run.summarize_run",
        lambda *given, **named: [order.append("summarised"), summarize(*given, **named)][1],
    )
    assert run(tmp_path)[1] == 0
    assert order == ["released", "summarised"]


def test_running_again_imports_neither_torch_nor_ray(finished, tmp_path):
    """The imports would take two seconds."""
    (tmp_path / "spec.toml").write_text(SMALL)
    program = f"""
import sys
sys.argv = ["sumsquares", "run", {str(tmp_path / "spec.toml")!r}, "--store", {finished.root!r}]
from sumsquares.__main__ import command
print("exit", command(), "heavy", sorted({{"ray", "torch"}} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "exit 0 heavy []" in answer.stdout


@pytest.mark.skipif(TRAINER.engine != "lanes", reason="the lanes engine was not built")
def test_a_worker_of_the_lanes_engine_imports_neither_torch_nor_ray(tmp_path):
    """Each worker would start some seconds later."""
    program = f"""
import sys
from sumsquares.cluster import worker_process
from sumsquares.jobs.stages.train import worker
worker({str(tmp_path)!r}, 1, "auto", "cpu")
print("heavy", sorted({{"ray", "torch"}} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "heavy []\n"


def test_a_larger_grid_trains_only_what_is_new_and_keeps_the_earlier_run(tmp_path, capfd):
    """With one more learning rate, the change is reported, and the summary equals that of a fresh store."""
    store, _ = run(tmp_path)
    old = set(store.list("trials"))
    earlier = store.get("runs/small/summary.json")
    larger = SMALL.replace("lr = [0.001, 0.01]", "lr = [0.001, 0.01, 0.02]")
    store, code = run(tmp_path, larger)
    assert code == 0
    new = [path for path in store.list("trials") if path not in old and path.endswith(".parquet")]
    trained = sum(pq.read_metadata(Path(store.root) / path).num_rows for path in new)
    assert trained == 30
    assert "grid[0].lr: [0.001, 0.01] -> [0.001, 0.01, 0.02]" in capfd.readouterr().err
    (kept,) = [path for path in store.list("runs/small/previous") if path.endswith("summary.json")]
    assert store.get(kept) == earlier
    other = tmp_path / "fresh"
    other.mkdir()
    assert summary_of(run(other, larger)[0]) == summary_of(store)


def test_a_trial_has_the_same_numbers_in_any_pack(finished, tmp_path):
    """Trained alone in a store of its own, a trial gives the same numbers as in its pack."""
    spec = small()
    table = read_results(finished).table
    kept = {row["trial_id"]: row for row in table.to_pylist()}
    for trial in trials(spec)[::7]:
        rows = train_alone(finished, tmp_path / trial.id, trial)
        assert {k: v for k, v in rows.items() if k not in ("train_seconds", "pack")} == {
            k: v for k, v in kept[trial.id].items() if k not in ("train_seconds", "pack")
        }


def train_alone(finished, folder, trial):
    alone = Store(str(folder))
    for path in finished.list("datasets"):
        alone.put(path, finished.get(path))
    train_pack(alone, DatasetReader(alone), Pack((trial,)), TRAINER, lambda _share: None)
    return read_results(alone).table.to_pylist()[0]


def test_metrics_are_those_of_the_saved_network_on_the_test_rows(finished):
    """The stored weights, loaded as a torch.nn.Sequential, reproduce the row by the plain formulas."""
    packs = {row["trial_id"]: row for row in read_results(finished).table.to_pylist()}
    for trial in trials(small())[::11]:
        row = packs[trial.id]
        assert isinstance(load_model(finished, row["pack"], trial).module().network, torch.nn.Sequential)
        inputs, expected = block(trial.variant.dataset, "test", 0)
        got = answers(finished, row["pack"], trial, inputs)
        errors = [float(a) - int(b) for a, b in zip(got, expected, strict=True)]
        assert row["rmse"] == pytest.approx(math.sqrt(sum(e * e for e in errors) / len(errors)), rel=1e-5)
        assert row["max_abs_error"] == pytest.approx(max(map(abs, errors)), rel=1e-5)
        rounded = [round(float(a)) - int(b) for a, b in zip(got, expected, strict=True)]
        assert row["exact_fraction"] == pytest.approx(sum(r == 0 for r in rounded) / len(rounded), abs=0.03)


def test_a_diverging_trial_is_reported_and_the_others_are_the_same_to_the_bit(finished, tmp_path, capfd):
    """The exit code is 7; the other trials have the numbers that they have without it."""
    wild = SMALL.replace("[0.001, 0.01]", "[0.001, 0.01, 1e30]").replace("[train]", '[train]\noptimizer = "sgd"')
    calm = SMALL.replace("[train]", '[train]\noptimizer = "sgd"')
    for name in ("wild", "calm"):
        (tmp_path / name).mkdir()
    (one, code), (other, _) = run(tmp_path / "wild", wild), run(tmp_path / "calm", calm)
    assert code == 7
    assert "diverged" in capfd.readouterr().err
    rows = {row["trial_id"]: row for row in read_results(one).table.to_pylist()}
    diverged = [row for row in rows.values() if row["status"] == "diverged"]
    assert diverged
    assert all(row["rmse"] is None and row["steps"] < 24 for row in diverged)
    for row in read_results(other).table.to_pylist():
        assert rows[row["trial_id"]]["rmse"] == row["rmse"]


@pytest.mark.parametrize("kind", ["parquet", "safetensors"])
def test_a_damaged_result_is_named_and_trained_again(finished, tmp_path, capfd, kind):
    """The summary is the same as without the damage."""
    store, _ = run(tmp_path)
    path = next(path for path in store.list("trials") if path.endswith(kind))
    if kind == "parquet":
        store.put(path, store.get(path)[:-30])
    else:
        store.delete(path)
    capfd.readouterr()
    store, code = run(tmp_path)
    assert code == 0
    assert path in capfd.readouterr().err
    assert summary_of(store) == summary_of(finished)
    assert not read_results(store).problems


def exchange(store, one, other):
    """Swaps the names of two folders or files."""
    root = Path(store.root)
    (root / one).rename(root / "aside")
    (root / other).rename(root / one)
    (root / "aside").rename(root / other)


@pytest.mark.parametrize("kinds", [("parquet",), ("safetensors",), ("parquet", "safetensors")])
def test_packs_that_were_exchanged_are_trained_again(finished, tmp_path, capfd, kinds):
    """Whole packs or only their weights are swapped: each is named, and the summary is the same as before.

    Weights that a report shows are deleted by the run that finds them damaged, and made again by the next one.
    """
    store, _ = run(tmp_path)
    packs = [path.removesuffix(".parquet") for path in store.list("trials") if path.endswith(".parquet")][:2]
    for kind in kinds:
        exchange(store, *(f"{pack}.{kind}" for pack in packs))
    capfd.readouterr()
    store, code = run(tmp_path)
    printed = capfd.readouterr().err
    assert code == 0
    assert kinds == ("safetensors",) or all(f"{pack}.parquet: damaged" in printed for pack in packs)
    if kinds == ("safetensors",):
        store, code = run(tmp_path)
        assert code == 0
    assert summary_of(store) == summary_of(finished)
    assert "parquet" not in kinds or not read_results(store).problems


@pytest.mark.parametrize("remedy", ["rename", "move away"])
def test_datasets_that_were_exchanged_are_never_trained_on(finished, tmp_path, capfd, remedy):
    """Swapped manifests and shards are named with exit code 3; after the remedy, the results are the same as before."""
    store, _ = run(tmp_path)
    folders = sorted({f"datasets/{path.split('/')[1]}" for path in store.list("datasets")})
    exchange(store, *folders)
    for path in store.list("trials"):
        store.delete(path)
    capfd.readouterr()
    with pytest.raises(ForeignShard, match="Move the file away and generate the dataset again"):
        run(tmp_path)
    printed = capfd.readouterr().err
    assert all(f"Rename its folder {folder}, or move it away" in printed for folder in folders)
    assert not store.list("trials")
    if remedy == "rename":
        exchange(store, *folders)
    else:
        for folder in folders:
            (Path(store.root) / folder).rename(tmp_path / Path(folder).name)
    assert run(tmp_path)[1] == 0
    assert summary_of(store) == summary_of(finished)


def test_a_run_deletes_no_results_that_another_spec_needs(finished, tmp_path):
    """A pack that has lost its weights still has its numbers: they stay for the spec that they belong to."""
    store, _ = run(tmp_path)
    lost = next(path for path in store.list("trials") if path.endswith("safetensors"))
    store.delete(lost)
    other = SMALL.replace('"small"', '"other"').replace("lr = [0.001, 0.01]", "lr = [0.1]")
    assert run(tmp_path, other)[1] == 0
    assert lost.replace("safetensors", "parquet") in store.list("trials")
    assert run(tmp_path)[1] == 0
    assert summary_of(store) == summary_of(finished)
    assert not read_results(store).problems


def test_damaged_weights_are_found_when_they_are_used_and_trained_again(finished, tmp_path, capfd):
    """After a flipped byte the summary lacks samples until the next run; truncation is noticed at once."""
    store, _ = run(tmp_path)
    for harm in (lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], lambda data: data[:-5]):
        for path in store.list("trials"):
            if path.endswith("safetensors"):
                store.put(path, harm(store.get(path)))
        capfd.readouterr()
        run(tmp_path)
        assert "trials/" in capfd.readouterr().err
        assert run(tmp_path)[1] == 0
        assert summary_of(store) == summary_of(finished)


def test_a_full_disk_ends_the_run_at_once(tmp_path, monkeypatch):
    """It ends with exit code 4 after one pack, not after all; committed results stay."""
    tried = []

    def full(_store, _reader, pack, *_):
        tried.append(pack.id)
        raise StorageError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("sumsquares.jobs.stages.train.train_pack", full)
        with pytest.raises(StorageError, match="no space left"):
            run(tmp_path)
    assert len(tried) == 1
    assert run(tmp_path)[1] == 0


def test_interrupted_packs_resume_from_their_checkpoints_although_others_are_done(finished, tmp_path, monkeypatch):
    """The remaining trials would be cut into other packs; a pack with a checkpoint is kept as it was."""
    monkeypatch.setattr("sumsquares.jobs.stages.train.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("sumsquares.jobs.engines.torch_engine.REPORT_STEPS", 5)
    monkeypatch.setattr("sumsquares.jobs.engines.lanes_engine.CALL_FLOPS", 1)
    monkeypatch.setattr(
        "sumsquares.jobs.stages.packs.PACK_BYTES", {"cpu": 8 * plan_packs(trials(small()))[0].program.model_bytes}
    )
    store = Store(str(tmp_path / "store"))
    for path in finished.list("datasets"):
        store.put(path, finished.get(path))
    last = plan_packs(trials(small()))[-1]
    interrupt_at(store, last, 0.6)
    plan = make_plan(small(), store)
    assert [pack.id for pack in plan.begun] == [last.id]
    assert last.id in {pack.id for pack in plan.packs("cpu")}
    assert sorted(trial.id for pack in plan.packs("cpu") for trial in pack.trials) == sorted(
        trial.id for trial in trials(small())
    )
    run(tmp_path)
    assert summary_of(store) == summary_of(finished)
    assert store.list("states") == []


def test_a_pack_resumes_from_its_checkpoint_unless_that_is_damaged(finished, tmp_path, monkeypatch, caplog):
    """A resumed pack ends with the same numbers and curves; with a flipped byte in its checkpoint it starts again."""
    monkeypatch.setattr("sumsquares.jobs.stages.train.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("sumsquares.jobs.engines.torch_engine.REPORT_STEPS", 5)
    monkeypatch.setattr("sumsquares.jobs.engines.lanes_engine.CALL_FLOPS", 1)
    expected = {row["trial_id"]: row["rmse"] for row in read_results(finished).table.to_pylist()}
    pack = plan_packs(trials(small()))[0]
    for harm in (False, True):
        store = Store(str(tmp_path / str(harm)))
        for path in finished.list("datasets"):
            store.put(path, finished.get(path))
        interrupt_at(store, pack, 0.6)
        (saved,) = store.list("states")
        if harm:
            data = store.get(saved)
            store.put(saved, data[:100] + bytes([data[100] ^ 1]) + data[101:])
        began = []
        train_pack(store, DatasetReader(store), pack, TRAINER, began.append)
        assert (began[0] < 0.4) == harm
        assert store.list("states") == []
        assert {r["trial_id"]: r["rmse"] for r in read_results(store).table.to_pylist()} == {
            trial.id: expected[trial.id] for trial in pack.trials
        }
        losses, ids = read_losses(store, pack.id)
        assert losses.shape == (len(ids), len(curve_epochs(pack.program.epochs)))
        np.testing.assert_array_equal(losses, read_losses(finished, pack.id)[0])
    assert "is damaged" in caplog.text


def test_a_pack_does_not_resume_from_the_checkpoint_of_another(finished, tmp_path, monkeypatch, caplog):
    """Swapped checkpoints are both named and ignored, and each pack ends with its own numbers."""
    monkeypatch.setattr("sumsquares.jobs.stages.train.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("sumsquares.jobs.engines.torch_engine.REPORT_STEPS", 5)
    monkeypatch.setattr("sumsquares.jobs.engines.lanes_engine.CALL_FLOPS", 1)
    store = Store(str(tmp_path / "store"))
    for path in finished.list("datasets"):
        store.put(path, finished.get(path))
    whole = plan_packs(trials(small()))[0]
    for pack in whole.split():
        interrupt_at(store, pack, 0.6)
    assert len(make_plan(small(), store).begun) == 2
    exchange(store, *store.list("states"))
    assert make_plan(small(), store).begun == ()
    assert caplog.text.count("it holds what belongs in states/") == 2
    for pack in whole.split():
        began = []
        train_pack(store, DatasetReader(store), pack, TRAINER, began.append)
        assert began[0] < 0.4
    expected = {row["trial_id"]: row["rmse"] for row in read_results(finished).table.to_pylist()}
    assert all(row["rmse"] == expected[row["trial_id"]] for row in read_results(store).table.to_pylist())


def interrupt_at(store, pack, share):
    def heartbeat(done):
        if done >= share:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_pack(store, DatasetReader(store), pack, TRAINER, heartbeat)


def test_a_pack_that_fails_is_reported_and_the_run_continues(tmp_path, monkeypatch, capfd):
    """Its trials count as missing, with exit code 7; running again trains them."""
    bad = plan_packs(trials(small()))[0]
    real = train_pack

    def failing(store, reader, pack, device, heartbeat):
        if pack.id == bad.id:
            raise ValueError("no luck")
        return real(store, reader, pack, device, heartbeat)

    with monkeypatch.context() as patch:
        patch.setattr("sumsquares.jobs.stages.train.train_pack", failing)
        store, code = run(tmp_path)
    assert code == 7
    err = capfd.readouterr().err
    assert bad.id in err
    assert "no luck" in err
    assert summary_of(store)[0]["trials"]["missing"] == len(bad.trials)
    assert run(tmp_path)[1] == 0


def test_a_dataset_larger_than_memory_gives_the_same_results(tmp_path):
    """It has three shards, of which one is cached at a time."""
    text = SMALL.replace("rows = 60", "rows = 2_200_000").replace("epochs = 8", "epochs = 1")
    text = text.replace("batch_size = 20", "batch_size = 20_000").replace("[[], [6], [5, 4]]", "[[6]]")
    text = text.replace('["sums", "squares"]', '"squares"').replace('["identity", "tanh"]', '"tanh"')
    stores = []
    for limit in (1, 1 << 30):
        folder = tmp_path / str(limit)
        folder.mkdir()
        stores.append(run(folder, text, Placement(IN_PROCESS.wanted, memory_limit=limit))[0])
    assert summary_of(stores[0]) == summary_of(stores[1])


def test_float64_and_products_of_three_numbers_are_right(tmp_path):
    """A linear model of a product is the least-squares plane that numpy finds on the same rows."""
    text = """
name = "unseen"
[[dataset]]
name = "products"
task = "product"
n_numbers = 3
largest = 777
rows = 500
[train]
dtype = "float64"
optimizer = "adam"
lr = 0.02
epochs = 300
batch_size = 500
normalize = "zscore"
[[grid]]
dataset = "products"
"""
    store, code = run(tmp_path, text)
    assert code == 0
    facts, _ = summary_of(store, "unseen")
    row = facts["best"]["products"]["trial"]
    dataset = small().datasets[0].model_copy(update={"task": "product", "n_numbers": 3, "largest": 777, "rows": 500})
    assert row["rmse_train"] == pytest.approx(least_squares(dataset.model_copy(update={"seed": 0})), rel=1e-3)


def least_squares(dataset):
    inputs, target = block(dataset, "train", 0)
    columns = np.column_stack([inputs, np.ones(len(inputs))]).astype(float)
    solution, *_ = np.linalg.lstsq(columns, target.astype(float), rcond=None)
    return math.sqrt(np.mean((columns @ solution - target) ** 2))


def test_a_run_in_a_bucket_is_a_run_in_a_folder(finished, tmp_path, s3_root, capfd):
    """On a local S3 server the summary is the same, and so is a resumed run."""
    (tmp_path / "spec.toml").write_text(SMALL)
    for _ in range(2):
        assert commands.run(tmp_path / "spec.toml", 10**6, IN_PROCESS, Shared(s3_root, json=True, quiet=True)) == 0
        facts = json.loads(capfd.readouterr().out)
        assert facts["trials"] == summary_of(finished)[0]["trials"]
        trained = {name: found["trial"] for name, found in facts["best"].items()}
    for name, trial in summary_of(finished)[0]["best"].items():
        assert trained[name]["rmse"] == trial["trial"]["rmse"]
