"""The file for Prometheus: what it says of each outcome, that it is valid, and that its alert rules work."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from command_line import cli as cli
from hypothesis import given
from hypothesis import strategies as st
from night_world import START, TINY, made_up
from prometheus_client.parser import text_string_to_metric_families

from sumsquares.jobs import exits
from sumsquares.jobs.night.champion import promote, rollback
from sumsquares.jobs.night.clock import Clock, stamp
from sumsquares.jobs.night.lock import holding
from sumsquares.jobs.night.metrics import HELP, Ended, write_metrics
from sumsquares.jobs.night.nights import list_nights
from sumsquares.jobs.night.records import BestVariant, read_night, write_night
from sumsquares.jobs.storage.store import StorageError, Store

ROOT = Path(__file__).parent.parent
PROMTOOL = shutil.which("promtool")
NIGHT = ("nightly", "spec.toml", "--workers", "0", "--quiet", "--metrics-file", "sums.prom")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool here: the package prometheus has it")


@pytest.fixture
def store(tmp_path):
    """An empty store, with the tiny spec beside it."""
    (tmp_path / "spec.toml").write_text(TINY)
    return Store(str(tmp_path / "store"))


def read(path="sums.prom"):
    """Returns the values by name and labels, as Prometheus parses them; each series once, each with HELP and TYPE."""
    families = [*text_string_to_metric_families(Path(path).read_bytes().decode())]
    assert {family.name: family.documentation for family in families}.items() <= HELP.items()
    assert {family.type for family in families} == {"gauge"}
    samples = [sample for family in families for sample in family.samples]
    values = {
        (sample.name.removeprefix("sumsquares_"), *sorted(sample.labels.items())): sample.value for sample in samples
    }
    assert len(values) == len(samples)
    assert all(math.isfinite(value) for value in values.values())
    return values


def of(values, name, **labels):
    """Returns the value of one series, None if there is none."""
    return values.get((name, *sorted(labels.items())))


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def test_a_night_is_recorded_as_its_json_has_it(cli, store):
    """Exit code, end, duration, best RMSE of each dataset, and the champion, which it has become."""
    ended = cli(*NIGHT, "--date", "2026-11-01", "--json")
    record, values = json.loads(ended.out), read()
    assert of(values, "night_exit_code", spec="tiny") == ended.code == 0
    assert of(values, "night_timestamp_seconds", spec="tiny") == seconds(record["ended"])
    assert of(values, "night_success_timestamp_seconds", spec="tiny") == seconds(record["ended"])
    assert of(values, "night_duration_seconds", spec="tiny") == record["seconds"]
    assert of(values, "best_rmse", spec="tiny", dataset="sums") == record["best"]["sums"]["rmse_median"]
    became = of(values, "champion_timestamp_seconds", spec="tiny")
    assert 0 <= of(values, "champion_age_seconds", spec="tiny") <= seconds(record["ended"]) - became + 1
    assert len(values) == len(HELP)


def test_a_finished_night_that_is_started_again_is_recorded_as_it_was(cli, store):
    """Also if the file was lost."""
    cli(*NIGHT, "--date", "2026-11-01")
    before = Path("sums.prom").read_text()
    Path("sums.prom").unlink()
    cli(*NIGHT, "--date", "2026-11-01")
    assert Path("sums.prom").read_text() == before


def test_a_night_that_is_not_comparable_keeps_the_last_success(cli, store, tmp_path):
    """Its exit code is 8, the champion stays the champion."""
    cli(*NIGHT, "--date", "2026-11-01")
    before = read()
    (tmp_path / "spec.toml").write_text(TINY.replace('"sum"', '"product"'))
    assert cli(*NIGHT, "--date", "2026-11-02").code == 8
    values = read()
    assert of(values, "night_exit_code", spec="tiny") == 8
    for name in ("night_success_timestamp_seconds", "champion_timestamp_seconds"):
        assert of(values, name, spec="tiny") == of(before, name, spec="tiny")


@pytest.mark.parametrize("text", ["name = 1", TINY.replace('"tiny"', '"other"'), None])
def test_a_night_that_is_refused_is_recorded_with_what_the_store_has(cli, store, tmp_path, text):
    """A spec with errors, one of another name, one that is gone; under the name of the spec if that is known."""
    cli(*NIGHT, "--date", "2026-11-01")
    before = read()
    (tmp_path / "spec.toml").write_text(text) if text else (tmp_path / "spec.toml").unlink()
    assert cli(*NIGHT, "--date", "2026-11-02").code == exits.USAGE
    values = read()
    spec = "other" if text and "other" in text else "tiny"
    assert of(values, "night_exit_code", spec=spec) == exits.USAGE
    for name in ("night_success_timestamp_seconds", "champion_timestamp_seconds"):
        assert of(values, name, spec=spec) == of(before, name, spec="tiny")
    assert of(values, "best_rmse", spec=spec, dataset="sums") == of(before, "best_rmse", spec="tiny", dataset="sums")


def test_what_is_stopped_or_fails_is_recorded(cli, store, monkeypatch):
    """With its exit code, before the error ends the command."""
    for error, code in ((StorageError("the disk is full"), exits.STORAGE), (exits.Stopped(15), 143)):

        def fails(*_, error=error):
            raise error

        monkeypatch.setattr("sumsquares.jobs.night.nightly.run_spec", fails)
        assert cli(*NIGHT, "--date", "2026-11-01").code == code
        assert of(read(), "night_exit_code", spec="tiny") == code
        assert len(read()) == 3


def test_a_start_that_finds_another_at_work_records_nothing(cli, store):
    """The file is that of the night that runs."""
    Path("sums.prom").write_text("as it was\n")
    with holding(store, "somebody's", Clock()):
        assert cli(*NIGHT).code == exits.BUSY
    assert Path("sums.prom").read_text() == "as it was\n"


def test_the_champion_is_as_old_as_its_first_promotion(store, tmp_path):
    """A rollback doesn't make its models younger."""
    nights = [made_up(store, f"2026-11-0{day}", "better") for day in (1, 2)]
    promote(store, nights[0], "tiny", 1, stamp(START), None)
    promote(store, nights[1], "tiny", 2, stamp(START + 100), nights[0])
    rollback(store, stamp(START + 200))
    assert write_metrics(tmp_path / "a.prom", store, Ended(0, START + 300, 1.0)) is None
    values = read(tmp_path / "a.prom")
    assert of(values, "champion_timestamp_seconds", spec="tiny") == START
    assert of(values, "champion_age_seconds", spec="tiny") == 300


def test_what_is_not_known_is_left_out(store, tmp_path):
    """In an empty store, and in one whose champion or nights can't be read."""
    write_metrics(tmp_path / "a.prom", store, Ended(2, START, 0.0))
    assert {name for name, *_ in read(tmp_path / "a.prom")} == {
        "night_exit_code",
        "night_timestamp_seconds",
        "night_duration_seconds",
    }
    made_up(store, "2026-11-01")  # ended at no time
    store.put("nightly/champion.json", b"{")
    write_metrics(tmp_path / "a.prom", store, Ended(2, START, 0.0, "tiny"))
    values = read(tmp_path / "a.prom")
    assert of(values, "best_rmse", spec="tiny", dataset="sums") == 1.5
    assert len(values) == 4


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder with a store, and the record of its night."""
    folder = tmp_path_factory.mktemp("recorded")
    store = Store(str(folder / "store"))
    return folder, read_night(store, made_up(store, "2026-11-01"))


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), st.floats(allow_nan=False, allow_infinity=False))
def test_any_name_and_any_number_come_back(recorded, name, rmse):
    """Quotes, backslashes and line breaks in names are escaped."""
    folder, record = recorded
    best = {name: BestVariant(rmse_median=rmse)}
    ended = Ended(0, START, 1.0, name, record.model_copy(update={"best": best}))
    assert write_metrics(folder / "a.prom", Store(str(folder / "store")), ended) is None
    assert of(read(folder / "a.prom"), "best_rmse", spec=name, dataset=name) == rmse


def test_a_last_success_is_found_behind_any_number_of_bad_nights(store, tmp_path):
    """It is the newest one, not the first."""
    for day in range(1, 28):
        night = made_up(store, f"2026-11-{day:02}", "same" if day <= 3 else "worse")
        record = read_night(store, night)
        write_night(store, record.model_copy(update={"ended": stamp(START + day)}))
    write_metrics(tmp_path / "a.prom", store, Ended(8, START + 100, 1.0, "tiny"))
    assert of(read(tmp_path / "a.prom"), "night_success_timestamp_seconds", spec="tiny") == START + 3
    assert len(list_nights(store)) == 27


def test_the_file_is_replaced_at_once_and_readable_by_all(store, tmp_path, monkeypatch):
    """Whatever the umask: node_exporter runs as another user. Nothing else is left in its folder."""
    (tmp_path / "textfile").mkdir()
    path = tmp_path / "textfile/a.prom"
    path.write_text("before")
    path.chmod(0o600)
    held = path.open()
    old = os.umask(0o077)
    try:
        assert write_metrics(path, store, Ended(0, START, 1.0)) is None
    finally:
        os.umask(old)
    with held:
        assert held.read() == "before"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in path.parent.iterdir()] == ["a.prom"]


@pytest.mark.parametrize("error", [OSError(28, "Not enough of anything"), ValueError("Not enough of anything")])
def test_a_file_that_cannot_be_written_is_a_warning(cli, store, monkeypatch, error):
    """Whatever the reason, the night's result and exit code stay, and the file is the one before."""
    Path("sums.prom").write_text("before")

    def fails(*_):
        raise error

    monkeypatch.setattr("sumsquares.jobs.night.metrics.os.fsync", fails)
    with _writable(monkeypatch):
        ended = cli(*NIGHT, "--date", "2026-11-01")
    assert ended.code == 0
    assert "--metrics-file sums.prom was not written: Not enough of anything" in ended.err
    assert Path("sums.prom").read_text() == "before"
    assert [each.name for each in Path().iterdir() if "sums.prom" in each.name] == ["sums.prom"]


@contextmanager
def _writable(monkeypatch):
    """The store's own files are written through another function."""
    monkeypatch.setattr("sumsquares.jobs.storage.folder.os", _Os())
    yield


class _Os:
    """The module os, with an fsync that works."""

    def __getattr__(self, name):
        return (lambda _: None) if name == "fsync" else getattr(os, name)


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_what_is_no_file_is_not_replaced(cli, store, kind):
    """A folder, a FIFO, a link that leads nowhere: exit code 2, before the night."""
    make = {"folder": os.mkdir, "fifo": os.mkfifo, "link": lambda name: Path(name).symlink_to("gone")}
    make[kind]("sums.prom")
    ended = cli(*NIGHT)
    assert (ended.code, "in its place" in ended.err) == (exits.USAGE, True)
    assert not Path("store").exists()


@needs_promtool
def test_promtool_finds_nothing_to_complain_about(store, tmp_path):
    """Names, types, units and help texts are as they should be."""
    record = read_night(store, made_up(store, "2026-11-01", "better"))
    promote(store, record.night, "tiny", 1, stamp(START), None)
    record = record.model_copy(update={"ended": stamp(START)})
    write_metrics(tmp_path / "a.prom", store, Ended(0, START, 1.0, "tiny", record))
    assert len(read(tmp_path / "a.prom")) == len(HELP)
    with (tmp_path / "a.prom").open() as file:
        said = subprocess.run([PROMTOOL, "check", "metrics"], stdin=file, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "cluster/starters/prometheus-alerts.yaml"), ("test", "rules", "tests/prometheus_alerts.yaml")],
)
def test_the_alert_rules_are_valid_and_fire_when_they_should(arguments):
    """promtool's own tests of them: each alert once, and no alert where nothing is wrong."""
    said = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_alert_rules_use_metrics_that_exist():
    """Every name in them is one of the file's, and each alert is tested."""
    yaml = pytest.importorskip("yaml")
    rules = yaml.safe_load((ROOT / "cluster/starters/prometheus-alerts.yaml").read_text())["groups"][0]["rules"]
    words = {word for rule in rules for word in rule["expr"].replace("(", " ").replace(")", " ").split()}
    assert {word for word in words if word.startswith("sumsquares_")} <= HELP.keys()
    tests = yaml.safe_load((ROOT / "tests/prometheus_alerts.yaml").read_text())["tests"]
    fired = {test["alertname"] for each in tests for test in each["alert_rule_test"] if test["exp_alerts"]}
    assert fired == {rule["alert"] for rule in rules}
