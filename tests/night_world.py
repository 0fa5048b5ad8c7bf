"""What tests of nights share: a clock that can be moved, a tiny spec, and made-up nights without training."""

from __future__ import annotations

from datetime import UTC, date, datetime

from result_rows import commit, row_of

from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.records import BestVariant, NightRecord, NightState, write_night, write_state
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.training_version import TRAINING_VERSION, UNRECORDED
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.generate import folder_of as dataset_folder
from sumsquares.jobs.stages.run_files import run_folder

TINY = """
name = "tiny"
[[dataset]]
name = "sums"
task = "sum"
largest = 50
rows = 200
test_rows = 100
[train]
epochs = 4
batch_size = 20
[[grid]]
dataset = "sums"
hidden = [[4]]
lr = [0.01, 0.02]
activation = "tanh"
seeds = 4
"""
START = datetime(2026, 11, 1, 3, tzinfo=UTC).timestamp()
DAY = 86_400.0


class Moved:
    """A clock that moves only when a test moves it."""

    def __init__(self, now=START):
        self.wall, self.ticks = now, 0.0
        self.clock = Clock(lambda: self.wall, lambda: self.ticks, self.pass_)

    def pass_(self, seconds):
        """Moves both clocks."""
        self.wall += seconds
        self.ticks += seconds


def spec_of(text=TINY):
    return parse_spec(text.encode(), "tiny.toml")


def said(record):
    """All that is said of a finished night: its line, and the details below it."""
    return "\n".join([record.message, *record.details])


def made_up(store, day, result="same", fresh=True, against=None, scores="", text=TINY, version=TRAINING_VERSION):
    """Writes a finished night whose results were never trained; returns its id."""
    night = Night(date.fromisoformat(day), spec_of(text).trained_by(version), fresh)
    commit(store, [row_of(trial) for trial in trials(night.trained)])
    for dataset in night.trained.datasets:
        for name, data in (("train/part-00000.parquet", b"PAR1"), ("manifest.json", b'{\n "format": 1')):
            store.put(f"{dataset_folder(dataset)}/{name}", data)
    store.put(f"{run_folder(night.run)}/job.toml", night.trained.source_text)
    store.put(f"{run_folder(night.run)}/summary.json", b'{\n "format": 1')
    store.put(f"nightly/{night.id}/spec.toml", night.spec.source_text)
    facts = {
        "night": night.id,
        "date": day,
        "spec_name": night.spec.name,
        "spec_digest": night.spec.digest,
        "run": night.run,
        "began": day,
        "fresh": fresh,
        "attempt": 1,
        "recovers": False,
        **({"training_version": version} if version != UNRECORDED else {}),
    }
    write_state(store, NightState(**facts, state="ended"))
    record = NightRecord(
        **facts,
        result=result,
        exit_code=8 if result == "worse" else 0,
        against=against,
        message=result,
        trained_digest=night.trained.digest,
        scores_sha256=scores,
        token=1,
        seconds=61.0,
        best={"sums": BestVariant(rmse_median=1.5)},
        ended=day,
    )
    write_night(store, record)
    return night.id
