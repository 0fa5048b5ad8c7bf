"""nightly/index.html: the page of a store's nights. It shows each of them, and never changes how one ends."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from night_world import Moved, made_up
from test_cli import cli  # noqa: F401  the fixture
from test_night_nightly import context, failing, learning_rate, night_of, stopped
from verify_world import found, mend

from sumsquares.jobs import exits
from sumsquares.jobs.night import history, nightly, page
from sumsquares.jobs.night.champion import PATH as CHAMPION
from sumsquares.jobs.night.champion import promote
from sumsquares.jobs.night.context import Options
from sumsquares.jobs.night.nightly import run_night
from sumsquares.jobs.night.nights import list_nights
from sumsquares.jobs.night.page import page_of, write_page
from sumsquares.jobs.night.records import NightState, write_state
from sumsquares.jobs.show.nights_page import Nights, ShownMove, ShownNight, nights_page
from sumsquares.jobs.stages import train as training
from sumsquares.jobs.storage.layout import NIGHTS_PAGE
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import StorageError, Store

TODAY = date(2026, 11, 27)
RESULTS = ("first", "better", "same", "worse", "apart", "failed", "partial", "stopped", "broken", "running", "damaged")


@pytest.fixture(autouse=True, scope="module")
def no_reports():
    """Skips the reports of runs, which take longer than these nights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sumsquares.jobs.pipeline.summarizing.report", lambda *_: "")
        yield


class Parts(HTMLParser):
    """The links of a page, the ids in it, and what refers to them."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.referred, self.rows = [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Collects them."""
        given = dict(attrs)
        assert "style" not in given, "the page's policy forbids it"
        self.links += [given["href"]] if tag == "a" else []
        self.ids += [given["id"]] if "id" in given else []
        self.referred += given.get("aria-labelledby", "").split()
        self.rows += tag == "tr"


def shown_night(number, result="same", **others):
    """A night of the page, counted back from today."""
    day = TODAY - timedelta(days=number)
    return ShownNight(f"{day}-0123456789ab", day, result, best={"sums": 1.0 + number}, seconds=60.0 + number, **others)


def shown(nights, **others):
    """What a page shows, with nothing but these nights."""
    given = {
        "spec": "tiny",
        "today": TODAY,
        "champion": None,
        "moves": [],
        "missed": [],
        "left_out": 0,
        "deleted": None,
    }
    return Nights(nights=nights, **{**given, **others})


NIGHTS = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from(RESULTS), st.text(max_size=400), st.lists(st.text(), max_size=20)),
    max_size=25,
    unique_by=lambda each: each[0],
)
DATES = st.dates(date(2025, 1, 1), TODAY)


@given(NIGHTS, st.lists(DATES, max_size=9), st.lists(st.tuples(st.text(max_size=30), DATES), max_size=30))
def test_each_night_is_in_the_page_whatever_happened(given_nights, missed, moves):
    """Nothing in it is markup of others, each reference has its target, and the same nights give the same page."""
    nights = [shown_night(n, result, message=m, details=d) for n, result, m, d in sorted(given_nights, reverse=True)]
    changes = [ShownMove(kind or "promoted", f"{day}-0123456789ab", f"{day}T03:00:00Z") for kind, day in moves]
    data = shown(nights, missed=missed, moves=changes)
    text = nights_page(data)
    parts = Parts(text)
    table = text[text.index('id="all"') :]
    assert all(night.night in table for night in nights)
    assert len(parts.ids) == len(set(parts.ids))
    assert set(parts.referred) <= set(parts.ids)
    assert parts.links == ["#content"]
    assert nights_page(data) == text


def test_markup_in_a_message_is_text():
    """A message may hold what an error of a library says."""
    text = nights_page(shown([shown_night(0, "worse", message="<script>x</script>", details=["<b>&"])]))
    assert "<script>x" not in text
    assert "&lt;script&gt;x" in text
    assert "&lt;b&gt;&amp;" in text


@pytest.mark.parametrize("count", [0, 1, 3, 30, 1000])
def test_a_page_is_small_and_says_what_it_leaves_out(count):
    """Thousands of nights with long messages and many datasets give less than 1 MB."""
    best = {f"dataset-{number}": 0.5 for number in range(40)}
    nights = [
        ShownNight(
            *(f"{day}-0123456789ab", day, RESULTS[number % len(RESULTS)], 8, '"' * 900, ["<" * 900] * 30, best, 61.0),
            *({"train": 50.0}, f"../runs/night-{day}-0123456789ab/report.html"),
        )
        for number in range(count)
        for day in [TODAY - timedelta(days=count - number)]
    ]
    moves = [ShownMove("promoted", night.night, f"{night.day}T03:00:00Z") for night in nights]
    missed = [TODAY - timedelta(days=2 * number) for number in range(180)]
    text = nights_page(shown(nights, left_out=1234, moves=moves, missed=missed, deleted=date(2020, 1, 1)))
    assert len(text.encode()) < 1_000_000
    assert "1,234 older nights of the store are left out" in text
    assert "up to 2020-01-01, were deleted by retention" in text
    if count:
        drawn = min(12, 4000 // count)
        assert text.count('<h3 id="nights.rmse-') == drawn
        assert f"Not drawn: {40 - drawn} datasets more" in text
        assert "37 datasets more without a column" in text
        assert all(night.night in text for night in nights)


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


def world(store, count=5):
    """Made-up nights of different results, the first of which is the champion."""
    results = ("first", "same", "worse", "failed", "same")
    ids = [made_up(store, f"2026-11-{20 + number}", results[number % 5]) for number in range(count)]
    promote(store, ids[0], "tiny", 1, "2026-11-20T04:00:00Z", None)
    return ids


def html(store):
    return store.get(NIGHTS_PAGE).decode()


def test_links_lead_to_files_that_are_there_and_nights_without_a_report_have_none(store):
    """Reports are linked relative to the page, in whatever place the store lies."""
    ids = world(store)
    for night in ids[:2]:
        store.put(f"runs/night-{night}/report.html", b"<html>")
    write_page(store, TODAY, None)
    links = {link for link in Parts(html(store)).links if not link.startswith("#")}
    assert links == {f"../runs/night-{night}/report.html" for night in ids[:2]}
    assert all(store.exists(link.removeprefix("../")) for link in links)


def test_the_page_shows_the_store_and_counts_what_it_leaves_out(store, monkeypatch):
    """The newest nights are shown. Missed dates, unfinished and damaged nights are named."""
    ids = world(store)
    monkeypatch.setattr(history, "MOST", 3)
    facts = {"night": ids[-1], "date": ids[-1][:10], "fresh": True, "attempt": 1, "began": "x", "recovers": False}
    store.delete(f"nightly/{ids[-1]}/night.json")
    write_state(store, NightState(**facts, state="stopped", error="stopped by SIGTERM", exit_code=143))
    for name in ("night", "state"):
        store.put(f"nightly/{ids[-2]}/{name}.json", b"{")
    text = page_of(store, TODAY).decode()
    assert "2 older nights of the store are left out" in text
    table = text[text.index('id="all"') :]
    assert [night in table for night in ids] == [False, False, True, True, True]
    assert "stopped by SIGTERM" in text
    assert "its records are damaged" in table
    assert "2026-11-25 to 2026-11-26" in text
    assert (
        f"The champion is night {ids[0]}, 7 days old, promoted without a comparison on 2026-11-20 at 04:00 UTC." in text
    )


def test_the_same_store_and_date_give_the_same_page(store):
    """The page may depend on no other clock, nor on the order in which files are read."""
    world(store)
    assert page_of(store, TODAY) == page_of(store, TODAY)


@pytest.mark.parametrize("outcome", ["first", "worse", "partial", "failure", "stopped"])
def test_the_page_is_written_however_a_night_ends(store, outcome):
    """It shows the night with that result."""
    time = Moved()
    if outcome == "worse":
        run_night(context(night_of(0), store, time))
    number = int(outcome == "worse")
    with pytest.MonkeyPatch.context() as patch, learning_rate(1e-4 if outcome == "worse" else 1.0):
        if outcome == "partial":
            patch.setattr(training, "models_of", lambda pack: 1 / 0)
        elif outcome in ("failure", "stopped"):
            patch.setattr(nightly, "run_spec", failing if outcome == "failure" else stopped)
        if outcome in ("failure", "stopped"):
            with pytest.raises((StorageError, exits.Stopped)):
                run_night(context(night_of(number), store, time))
        else:
            assert run_night(context(night_of(number), store, time)).result == outcome
    words = {
        "first": "promoted: the first",
        "worse": "regressed",
        "partial": "lacks trials",
        "failure": "failed",
        "stopped": "stopped by a signal",
    }
    row = re.search(rf'<th scope="row">\s*(?:<a[^>]*>)?{night_of(number).id}.*?</tr>', html(store), re.DOTALL)
    assert words[outcome] in row[0]
    assert html(store).encode() == page_of(store, time.clock.today())


def test_the_hook_finds_the_page_with_the_night_that_it_is_called_for(store, tmp_path):
    """A hook may publish the page."""
    hook = f"cp {store.root}/{NIGHTS_PAGE} {tmp_path}/published.html"
    run_night(context(night_of(0), store, Moved(), Options(hook=hook)))
    assert (tmp_path / "published.html").read_bytes() == store.get(NIGHTS_PAGE)


FAULTS = (
    StorageError("the disk is full"),
    ForeignFile("a folder stands there"),
    ValueError("a fault of ours"),
    RecursionError("the same"),
    MemoryError(),
)


@pytest.mark.parametrize("place", ["read_history", "nights_page", "create", "get_versioned"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_page_that_cannot_be_written_is_a_warning_and_changes_no_night(store, capsys, fault, place):
    """Result, exit code and champion are those of a night whose page was written."""

    def broken(*arguments):
        if isinstance(arguments[0], Store) and place in ("create", "get_versioned") and arguments[1] != NIGHTS_PAGE:
            return real(*arguments)
        raise fault

    owner = Store if place in ("create", "get_versioned") else page
    real = getattr(owner, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, place, broken)
        record = run_night(context(night_of(0), store, Moved()))
    assert (record.result, record.exit_code) == ("first", exits.OK)
    assert store.exists(CHAMPION)
    assert "nightly/index.html was not written" in capsys.readouterr().err
    assert not store.exists(NIGHTS_PAGE)
    assert run_night(context(night_of(1), store, Moved())).result == "same"
    assert night_of(0).id in html(store)


def test_a_foreign_file_in_its_place_is_named_and_stays(store, capsys, tmp_path):
    """The night ends as ever. A folder or a link there is named, too."""
    store.put(NIGHTS_PAGE, b"<html>my own notes</html>")
    assert run_night(context(night_of(0), store, Moved())).exit_code == exits.OK
    assert html(store) == "<html>my own notes</html>"
    assert "nightly/index.html was not written: a file of someone else lies there" in capsys.readouterr().err
    assert found(store)[NIGHTS_PAGE].kind == "foreign"
    store.delete(NIGHTS_PAGE)
    (tmp_path / "store" / NIGHTS_PAGE).mkdir()
    assert run_night(context(night_of(1), store, Moved())).exit_code == exits.OK
    assert "nightly/index.html was not written" in capsys.readouterr().err


def test_a_page_that_is_overtaken_is_made_again_from_what_is_there_then(store, monkeypatch):
    """Whoever changes the store and then writes the page finds the change in it."""
    ids = world(store)
    write_page(store, TODAY, None)
    real, calls = page.page_of, []

    def overtaken(*arguments):
        made = real(*arguments)
        if not calls:
            calls.append(made)
            promote(store, ids[1], "tiny", 2, "2026-11-21T04:00:00Z", ids[0])
            write_page(store, TODAY, None)
        return made

    monkeypatch.setattr(page, "page_of", overtaken)
    write_page(store, TODAY + timedelta(days=1), None)
    assert f"The champion is night {ids[1]}" in html(store)
    assert html(store).encode() == real(store, TODAY + timedelta(days=1))


def test_rollback_promote_and_prune_write_the_page(cli, store, tmp_path):  # noqa: F811
    """Retention keeps it. The status says where it is."""
    ids = world(store)
    assert "page:" not in cli("nightly", "status").out
    assert cli("nightly", "promote", ids[2]).code == 0
    assert f"The champion is night {ids[2]}" in html(store)
    assert "promoted by hand" in html(store)
    assert cli("nightly", "rollback").code == 0
    assert f"The champion is night {ids[0]}" in html(store)
    assert "restored by a rollback" in html(store)
    made_up(store, "2020-01-01")
    write_page(store, TODAY, None)
    assert "2020-01-01-" in html(store)
    assert cli("nightly", "prune", "--keep", "1", "--keep-days", "1").code == 0
    assert "2020-01-01-" not in html(store)
    assert "were deleted by retention" in html(store)
    assert f"page:     {tmp_path}/store/nightly/index.html" in cli("nightly", "status", "--store", store.root).out


HARMS = (
    lambda data: data[:-9],
    lambda data: data.replace(b"night", b"Night", 1),
    lambda data: b"",
    lambda data: data[:40],
)


@pytest.mark.parametrize("harm", HARMS, ids=["cut off", "changed", "empty", "nearly gone"])
def test_verify_finds_a_damaged_page_and_repair_writes_it_again(store, harm):
    """A missing one is no damage: earlier versions wrote none."""
    run_night(context(night_of(0), store, Moved()))
    assert NIGHTS_PAGE not in found(store)
    store.put(NIGHTS_PAGE, harm(store.get(NIGHTS_PAGE)))
    assert found(store)[NIGHTS_PAGE].kind == "page"
    assert mend(store) == {}
    assert page.is_intact(store.get(NIGHTS_PAGE))
    store.delete(NIGHTS_PAGE)
    assert found(store) == {}


def test_the_status_since_a_date_has_the_nights_and_changes_from_then_on(cli, store):  # noqa: F811
    """Both the text and the JSON. With --nights as well, the newest of them."""
    ids = world(store)
    promote(store, ids[1], "tiny", 2, "2026-11-21T04:00:00Z", ids[0])
    facts = json.loads(cli("nightly", "status", "--since", "2026-11-21", "--json").out)
    assert [night["night"] for night in facts["nights"]] == ids[:0:-1]
    assert [(move["night"], move["how"]) for move in facts["moves"]] == [(ids[1], "promoted by the gate")]
    assert all(day >= "2026-11-21" for day in facts["missing"])
    text = cli("nightly", "status", "--since", "2026-11-21", "--nights", "2").out
    assert [night for night in ids if f"  {night}  " in text] == ids[-2:]
    assert f"changes:  {ids[1]} promoted by the gate on 2026-11-21 at 04:00 UTC" in text


def test_the_status_since_a_number_of_days_has_as_many_dates(cli, store):  # noqa: F811
    """Today is one of them."""
    from sumsquares.jobs.commands.nightly import since_date

    assert since_date("7d", TODAY) == date(2026, 11, 21)
    assert since_date("1d", TODAY) == TODAY
    assert since_date("9999999d", TODAY) == date.min
    world(store)
    assert cli("nightly", "status", "--since", "99999d").out.count("exit") == 5


@pytest.mark.parametrize(
    "since", ["yesterday", "22.11.2026", "2026-02-30", "20261122", "0d", "-1d", "7", "9999-01-01", ""]
)
def test_a_wrong_date_is_exit_2_with_a_remedy(cli, store, since):  # noqa: F811
    """The message has the option, what was given and what to write."""
    ended = cli("nightly", "status", f"--since={since}")
    assert (ended.code, ended.out) == (2, "")
    assert "--since" in ended.err
    assert "write a date such as 2026-11-22, or 7d" in ended.err or "in the future" in ended.err


def test_a_night_that_went_wrong_has_its_message_in_the_status(cli, store):  # noqa: F811
    """A good night has one line."""
    night = made_up(store, "2026-11-20", "worse")
    made_up(store, "2026-11-21", "same")
    lines = cli("nightly", "status").out.splitlines()
    place = next(number for number, line in enumerate(lines) if night in line)
    assert lines[place + 1] == "    worse"
    assert "    same" not in lines


def test_nights_at_the_ends_of_the_calendar_have_a_page(store):
    """No date is beyond what the page can draw."""
    for day in ("0001-01-01", "9999-12-31"):
        made_up(store, day)
    assert all(night in page_of(store, TODAY).decode() for night in list_nights(store))
