"""show: what a run printed, from its stored files alone."""

from __future__ import annotations

import json
import shutil

import pytest
from old_ids import OLD
from specs import SMALL
from store_world import run as run_specs
from store_world import shared, spec
from test_run import run

from sumsquares.jobs import exits
from sumsquares.jobs.commands import show as show_command
from sumsquares.jobs.commands.printing import DEFAULT, Shown
from sumsquares.jobs.commands.run import summarize
from sumsquares.jobs.commands.show import show
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.stages.run_files import begin_run
from sumsquares.jobs.storage.store import Store


@pytest.fixture(name="finished", scope="module")
def finished_store(tmp_path_factory):
    """A finished run of the small spec; tests must not change it."""
    folder = tmp_path_factory.mktemp("finished")
    assert run(folder)[1] == exits.OK
    return folder


@pytest.fixture(name="store")
def copy_of_it(finished, tmp_path):
    """A copy that a test may change."""
    return Store(str(shutil.copytree(finished / "store", tmp_path / "store")))


def shown(store, name, capsys, *, json=False, has_spec=False, what=DEFAULT):
    """The exit code, and what is printed."""
    code = show(name, has_spec, what, shared(store, json))
    return code, capsys.readouterr()


@pytest.mark.parametrize("what", [Shown(), Shown(all_variants=True, samples=True)])
def test_it_prints_what_the_run_printed_without_reading_a_trial(finished, store, capsys, what):
    """To the character, after the lines on when and where; trials and datasets may be gone."""
    summarize(finished / "spec.toml", 10**6, shared(store, json=False), what)
    printed = capsys.readouterr().out
    for path in [*store.list("trials"), *store.list("datasets")]:
        store.delete(path)
    code, out = shown(store, "small", capsys, what=what)
    head, _, rest = out.out.partition("\n\n")
    assert (code, rest) == (exits.OK, printed)
    assert head.startswith("run small: finished 20")
    assert head.count("\n") == 2


def test_json_is_the_summary_with_its_place(store, capsys):
    """And the spec on request, as it was written."""
    _, out = shown(store, "small", capsys, json=True, has_spec=True)
    facts, summary = json.loads(out.out), json.loads(store.get("runs/small/summary.json"))
    assert {key: facts[key] for key in summary} == summary
    assert facts["spec"] == SMALL
    _, out = shown(store, "small", capsys, has_spec=True)
    assert SMALL in out.out


@pytest.mark.parametrize("name", ["summary.parquet", "trials.parquet", "report.html"])
@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_damaged_file_is_named_with_exit_3_and_the_rest_is_shown(finished, store, capsys, name, harm):
    """From the trials, where a table is damaged."""
    _, intact = shown(store, "small", capsys)
    path = f"runs/small/{name}"
    if harm == "cut":
        store.put(path, store.get(path)[:-9])
    else:
        store.delete(path)
    code, out = shown(store, "small", capsys)
    assert code == exits.DATA
    assert path in out.err.replace("\n", "")
    assert "verify" in out.err
    assert out.out == intact.out


def test_a_damaged_summary_or_spec_is_an_error_with_a_remedy(store):
    """Nothing else says what was run."""
    for name in ("summary.json", "job.toml"):
        data = store.get(f"runs/small/{name}")
        store.put(f"runs/small/{name}", data[:-9])
        with pytest.raises(ValueError, match=name) as error:
            show("small", False, Shown(), shared(store))
        assert exits.code_of(error.value) == exits.DATA
        store.put(f"runs/small/{name}", data)


def test_an_earlier_run_is_shown_by_its_digest(tmp_path, capsys):
    """As it was printed, from its own files."""
    store = Store(str(tmp_path))
    run_specs(store, spec("a", [0.01]))
    _, before = shown(store, "a", capsys)
    run_specs(store, spec("a", [0.02]))
    (folder,) = {path.split("/")[3] for path in store.list("runs/a/previous")}
    code, after = shown(store, f"a@{folder[:5]}", capsys)
    assert code == exits.OK
    assert after.out.replace(f"/previous/{folder}", "").replace(f"a@{folder}:", "a:") == before.out


def test_an_unknown_or_unfinished_run_is_a_usage_error(store):
    """With what to do."""
    begin_run(store, spec("new"))
    with pytest.raises(UsageError, match="has no summary yet"):
        show("new", False, Shown(), shared(store))
    for name in ("smal", "champion", "small@ffff", "small@?"):
        with pytest.raises(UsageError):
            show(name, False, Shown(), shared(store))


@pytest.mark.parametrize("name", ["old", "old@44bee13f2ca0", "torch", "champion", "night-2026-11-02-8ad084a2c6ed"])
def test_runs_of_an_earlier_version_are_shown_from_their_trials(tmp_path, capsys, name):
    """Its files kept less; nothing is written."""
    store = Store(str(shutil.copytree(OLD / "files", tmp_path / "old")))
    before = {path: store.get(path) for path in store.list()}
    code, out = shown(store, name, capsys)
    assert code == exits.OK
    assert "has an RMSE" in out.out
    assert {path: store.get(path) for path in store.list()} == before
    assert len(read_results(store).table) > 0


def test_a_file_of_somebody_else_is_named(store, capsys):
    """It is no damage."""
    store.put("runs/small/notes.txt", b"mine")
    code, out = shown(store, "small", capsys)
    assert code == exits.OK
    assert "notes.txt: not one of our names" in out.err


def test_open_opens_the_report_of_the_run_that_is_shown(tmp_path, capsys, monkeypatch):
    """An earlier one's too; a missing report is not opened."""
    store, opened = Store(str(tmp_path)), []
    monkeypatch.setattr(
        show_command, "open_report", lambda folder, _progress, is_there: opened.append((folder, is_there))
    )
    run_specs(store, spec("a", [0.01]), spec("a", [0.02]))
    (folder,) = {path.split("/")[3] for path in store.list("runs/a/previous")}
    what = Shown(in_browser=True)
    shown(store, f"a@{folder}", capsys, what=what)
    store.delete("runs/a/report.html")
    shown(store, "a", capsys, what=what)
    assert opened == [(f"{store.root}/runs/a/previous/{folder}", True), (f"{store.root}/runs/a", False)]
