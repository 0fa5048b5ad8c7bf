"""A night's name, what it trains on, and what it keeps."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from night_world import TINY, made_up, spec_of
from pydantic import TypeAdapter
from specs import small

from sumsquares.datasets.tables.resolve import resolve
from sumsquares.jobs import night as night_package
from sumsquares.jobs.night.clock import Clock, stamp
from sumsquares.jobs.night.nights import Night, fresh_seed
from sumsquares.jobs.night.records import NightState, read_night, stored_night, write_spec, write_state
from sumsquares.jobs.spec.job_spec import load_spec
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.store import Store

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.toml"))
ANYTHING = TypeAdapter(dict)
DAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    "spec", [small(), spec_of(), *(load_spec(path, resolve=resolve) for path in EXAMPLES)], ids=lambda spec: spec.name
)
def test_a_night_without_fresh_data_trains_what_the_spec_says(spec):
    """It is the same work under another name. Every example survives being written as TOML again."""
    night = Night(DAY, spec)
    assert night.trained.digest == spec.digest
    assert night.trained.name == f"night-2026-11-22-{spec.digest[:12]}" == night.run


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin"])
def test_the_date_is_that_of_utc_in_every_zone(monkeypatch, zone):
    """Each date comes once, also on the days when daylight saving begins or ends."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    begin = datetime(2026, 3, 28, 0, 30, tzinfo=UTC).timestamp()
    dates = [Clock(lambda hours=hours: begin + 3600 * hours).today() for hours in range(72)]
    monkeypatch.undo()
    time.tzset()
    assert dates == [date(2026, 3, 28 + hours // 24) for hours in range(72)]
    assert stamp(begin) == "2026-03-28T00:30:00Z"


def test_fresh_nights_have_rows_of_their_own_and_trials_in_the_same_order():
    """Each date has its own rows, always the same ones; nothing else changes."""
    spec = small()
    nights = [Night(date(2026, 11, day), spec, fresh=True) for day in (21, 22, 22)]
    digests = [[dataset.digest for dataset in night.trained.datasets] for night in nights]
    assert digests[1] == digests[2] != digests[0]
    for base, own in zip(trials(spec), trials(nights[0].trained), strict=True):
        assert own.seed == base.seed
        assert own.variant.dataset.seed == fresh_seed(date(2026, 11, 21), base.variant.dataset.seed)
        assert (own.variant.hidden, own.variant.lr) == (base.variant.hidden, base.variant.lr)


def test_datasets_of_one_seed_still_share_it():
    """Datasets of different seeds get different ones."""
    assert fresh_seed(DAY, 1) == fresh_seed(DAY, 1) != fresh_seed(DAY, 2)
    assert all(0 <= fresh_seed(DAY, seed) < 2**63 for seed in range(100))


def test_a_night_comes_back_from_the_store(tmp_path):
    """Its spec and whether its data were fresh are restored."""
    store, night = Store(str(tmp_path)), Night(DAY, spec_of(TINY), fresh=True)
    assert stored_night(store, night.id) is None
    write_spec(store, night)
    facts = {"night": night.id, "date": "2026-11-22", "attempt": 1, "began": "now", "recovers": False}
    write_state(store, NightState(**facts, fresh=True, state="running"))
    assert stored_night(store, night.id).trained.digest == night.trained.digest


def test_a_record_with_a_flipped_byte_counts_as_missing(tmp_path):
    """A night with a damaged record isn't finished. For a file that must exist, the error names it."""
    store = Store(str(tmp_path))
    night = made_up(store, "2026-11-22")
    path = f"nightly/{night}/night.json"
    data = store.get(path)
    assert read_night(store, night).result == "same"
    for place in range(0, len(data) - 1, 7):
        store.put(path, data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        assert read_night(store, night) is None
    for cut in (b"", b"[]", b"null", data[:-30]):
        with pytest.raises(DamagedRecord, match=r"night\.json: damaged.*do something"):
            unseal(cut, "night.json", "do something", ANYTHING)
    assert unseal(seal({"a": [1, "x"]}), "", "", ANYTHING) == {"a": [1, "x"]}


def test_every_file_of_the_night_is_in_the_table_of_contents():
    """Each has a phrase in the package's docstring, and nothing else is listed."""
    files = {path.stem for path in Path(night_package.__file__).parent.glob("*.py")} - {"__init__"}
    listed = [line.split()[0] for line in night_package.__doc__.splitlines()[2:]]
    assert sorted(listed) == sorted(files)
