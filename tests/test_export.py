"""Exports of finished runs: what is refused, and event files as TensorBoard itself reads them."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from api_world import world as world

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.commands.asked import asked_run
from sumsquares.jobs.commands.export import Wanted, _variants, check_address, export
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.results.stored import read_losses, read_trials
from sumsquares.jobs.show.trackers import mlflow as mlflow_tracker
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.storage.store import Store


def shared(world):
    """The options of a command on the world's store."""
    return Shared(str(world.folder / "store"), json=True, quiet=True)


@pytest.fixture(scope="module")
def events(world):
    """The folder with the event files of the run."""
    folder = world.folder / "events"
    assert export(Wanted("small", None, None, folder), shared(world)) == 0
    return folder / "small"


def read(folder):
    """The events of one folder, by TensorBoard's reader."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    return found


def test_each_variant_has_a_folder_with_the_numbers_of_the_summary(world, events):
    """Every number that is there is a scalar of the same value, in float32 as TensorBoard keeps them."""
    rows = world.run.summary.to_pylist()
    assert {path.name for path in events.iterdir()} == {f"{row['dataset']}-{row['variant_id'][:12]}" for row in rows}
    for row in rows:
        found = read(events / f"{row['dataset']}-{row['variant_id'][:12]}")
        for name in ("rmse_median", "rmse_best", "n", "floor", "train_seconds"):
            if row[name] is None:
                assert name not in found.Tags()["scalars"]
            else:
                assert found.Scalars(name)[0].value == pytest.approx(row[name], rel=1e-6)


def test_the_loss_is_the_stored_curve_of_the_best_trial(world, events):
    """By epoch, counted from 1."""
    row = world.run.summary.to_pylist()[-1]
    own = [each for each in world.run.trials.to_pylist() if each["variant_id"] == row["variant_id"]]
    best = min(own, key=lambda each: each["rmse"])
    packs = {each["trial_id"]: each["pack"] for each in read_trials(world.store).table.to_pylist()}
    losses_ME, ids = read_losses(world.store, packs[best["trial_id"]])
    found = read(events / f"{row['dataset']}-{row['variant_id'][:12]}")
    assert [each.value for each in found.Scalars("loss")] == losses_ME[ids.index(best["trial_id"])].tolist()
    assert found.Scalars("loss")[0].step == 1
    assert found.Scalars("loss")[-1].step == row["epochs"]
    assert [each.value for each in found.Scalars("rmse_of_trial")] == pytest.approx([e["rmse"] for e in own], rel=1e-6)


def test_the_page_of_hyperparameters_knows_every_axis(world, events):
    """All hyperparameters are in the session's start, with their values."""
    plugin_data = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    row = world.run.summary.to_pylist()[0]
    found = read(events / f"{row['dataset']}-{row['variant_id'][:12]}")
    content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    started = plugin_data.HParamsPluginData.FromString(content).session_start_info
    assert {*AXES, "dataset", "parameters"} == {*started.hparams}
    assert started.hparams["lr"].number_value == row["lr"]
    assert started.hparams["activation"].string_value == row["activation"]


def test_a_second_export_into_the_same_folder_is_refused(world, events):
    """Event files are appended to by nobody: the folder is named, and nothing in it changes."""
    before = sorted(path.stat().st_mtime_ns for path in events.rglob("*"))
    with pytest.raises(UsageError, match="exists already"):
        export(Wanted("small", None, None, events.parent), shared(world))
    assert sorted(path.stat().st_mtime_ns for path in events.rglob("*")) == before


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted("small", None, None, None), "--mlflow"),
        (Wanted("small", None, "mine", None), "name where to"),
        (Wanted("none", None, None, "there"), "no run"),
        (Wanted("small", "ftp://server", None, None), "begins with http"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_anything_is_written(world, tmp_path, monkeypatch, wanted, told):
    """The message says what to write."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / wanted.tensorboard if wanted.tensorboard else None
    with pytest.raises(UsageError, match=told):
        export(Wanted(wanted.run, wanted.mlflow, wanted.experiment, place), shared(world))
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "address", ["http://user:secret@server:5000", "https://server/?token=secret", "https://server/#secret"]
)
def test_an_address_with_a_secret_is_refused_and_not_shown(address):
    """The variables to set instead are named."""
    with pytest.raises(UsageError, match="MLFLOW_TRACKING_TOKEN") as refused:
        check_address(address)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("module", ["tensorboardX", "mlflow", "onnx"])
def test_a_missing_package_is_named_with_its_extra(world, tmp_path, monkeypatch, module):
    """Before anything is written."""
    monkeypatch.setitem(sys.modules, module, None)
    is_board = module == "tensorboardX"
    wanted = Wanted("small", None if is_board else "http://127.0.0.1:9", None, tmp_path if is_board else None)
    with pytest.raises(UsageError, match=r'pip install "sumsquares\[(mlflow|tensorboard)\]"'):
        export(wanted, shared(world))
    assert not [*tmp_path.iterdir()]


def test_a_damaged_table_is_named(world, tmp_path):
    """It is not the file that the summary lists."""
    store = Store(str(tmp_path / "store"))
    for path in world.store.list():
        store.put(path, world.store.get(path))
    path = "runs/small/trials.parquet"
    store.put(path, store.get(path)[:-1] + b"!")
    with pytest.raises(DataError, match=r"trials\.parquet: damaged"):
        export(Wanted("small", None, None, tmp_path / "events"), Shared(store.root, json=True, quiet=True))
    assert not (tmp_path / "events").exists()


def test_the_answer_names_the_folder(world, tmp_path, capsys):
    """As JSON here."""
    export(Wanted("small", None, None, tmp_path), shared(world))
    assert json.loads(capsys.readouterr().out) == {
        "run": "small",
        "variants": world.run.summary.num_rows,
        "tensorboard": str(tmp_path / "small"),
    }


@pytest.mark.parametrize("is_new", [True, False])
def test_an_export_that_is_stopped_leaves_nothing(world, tmp_path, is_new):
    """So that it can be started again; a folder that was there stays."""
    tracker = pytest.importorskip("sumsquares.jobs.show.trackers.tensorboard")
    folder = tmp_path / "new" / "deep" if is_new else tmp_path
    variants = [*_variants(world.store, asked_run(world.store, "small"))]

    def stop(count):
        if count == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracker.write_events(folder / "small", variants, stop)
    assert tmp_path.exists()
    assert not [*tmp_path.iterdir()]
    assert export(Wanted("small", None, None, folder), shared(world)) == 0


def test_an_export_into_the_store_is_refused(world):
    """The store would have foreign files."""
    before = world.store.list()
    for folder in ("store", "store/nightly"):
        with pytest.raises(UsageError, match="lies in the store"):
            export(Wanted("small", None, None, world.folder / folder), shared(world))
    assert world.store.list() == before


def test_an_export_says_how_many_variants_are_written(world, tmp_path):
    """One after the other."""
    tracker = pytest.importorskip("sumsquares.jobs.show.trackers.tensorboard")
    variants, told = [*_variants(world.store, asked_run(world.store, "small"))], []
    tracker.write_events(tmp_path / "small", variants, told.append)
    assert told == [*range(1, len(variants) + 1)]


def test_a_stop_ends_an_export_after_the_requests_that_are_under_way(monkeypatch):
    """Of a hundred variants those are written that had begun."""
    released, begun = Event(), []

    class Pool(ThreadPoolExecutor):
        """Lets the variants end once the others are cancelled."""

        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(False, cancel_futures=cancel_futures)
            released.set()
            super().shutdown(wait)

    def write(place):
        begun.append(place)
        assert place == 0 or released.wait(60)
        return str(place), True

    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(mlflow_tracker, "ThreadPoolExecutor", Pool)
    with pytest.raises(KeyboardInterrupt):
        mlflow_tracker._each(write, range(100), stop)
    assert len(begun) < 20
