"""The status of a store's nights: how the latest ones ended, which are missing, and which one runs now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from functools import partial
from typing import Any

from sumsquares.jobs.night.champion import Champion, champion_night, read_champion
from sumsquares.jobs.night.clock import Clock, stamp
from sumsquares.jobs.night.history import READERS
from sumsquares.jobs.night.lock import read_lease
from sumsquares.jobs.night.nights import date_of, list_nights
from sumsquares.jobs.night.notify import missed_dates
from sumsquares.jobs.night.records import GOOD, read_night, read_state, trained_spec
from sumsquares.jobs.show.format import counted, number
from sumsquares.jobs.show.links import linked
from sumsquares.jobs.show.night_words import move_words, when_words
from sumsquares.jobs.show.progress import clock as clock_text
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.layout import NIGHTS_PAGE
from sumsquares.jobs.storage.store import Store

_FACTS = (
    *("night", "date", "result", "exit_code", "message", "details", "best", "seconds", "stages", "attempt", "ended"),
    *("fresh", "error"),
)

_NAMED = 5  # missing dates and changes of the champion in the text; --json has all


def status_facts(store: Store, clock: Clock, nights: int | None, since: date = date.min) -> dict[str, Any]:
    """Returns the status as JSON: the nights since a date, the newest first, or the latest `nights` of them.

    Today's night is not missing yet.
    """
    champion, lease, problems = None, None, []
    try:
        champion, _ = read_champion(store)
        if champion:
            champion_night(store, champion.night)
            trained_spec(store, champion.night)
    except DamagedRecord as error:
        problems.append(str(error))
    try:
        lease, _ = read_lease(store)
    except DamagedRecord as error:
        problems.append(str(error))
    running = lease.owner if lease and lease.owner else None
    shown = [night for night in list_nights(store)[::-1] if date_of(night) >= since][:nights]
    with ThreadPoolExecutor(READERS) as pool:
        facts = list(pool.map(partial(_facts, store, running=running.night if running else None), shown))
    return {
        "store": store.root,
        "page": f"{store.root}/{NIGHTS_PAGE}" if store.exists(NIGHTS_PAGE) else None,
        "champion": champion.night if champion else None,
        "moves": _moves(champion, since),
        "running": {**asdict(running), "expires": stamp(lease.expires)} if running and lease else None,
        "missing": [day.isoformat() for day in missed_dates(store, clock.today()) if day >= since],
        "problems": problems,
        "nights": facts,
    }


def status_text(facts: Mapping[str, Any]) -> str:
    """Returns the same for people: the state, and then one line per night, two if something is wrong with it."""
    champion, running = facts["champion"], facts["running"]
    asks = "; `sumsquares predict champion NUMBER...` asks it"
    lines = [f"champion: {champion}{asks}" if champion else "champion: none", *_change_lines(facts["moves"])]
    if running:
        since = stamp(running["since"])
        lines.append(f"running:  {running['night']} on {running['host']}, process {running['pid']}, since {since}")
    if facts["missing"]:
        newest = ", ".join(facts["missing"][-_NAMED:])
        nights = counted(len(facts["missing"]), "night")
        lines.append(f"missing:  {nights}, the newest {newest}; --from and --to make up for them")
    lines += [f"problem:  {problem}" for problem in facts["problems"]]
    lines += [f"page:     {linked(facts['page'], facts['page'])}"] if facts["page"] else []
    for night in facts["nights"]:
        lines += _lines(night, champion)
    return "\n".join(lines if facts["nights"] else [*lines, f"no night yet in {facts['store']}"])


def _change_lines(moves: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a line for each of the newest changes of the champion, the latest first."""
    shown = moves[: -_NAMED - 1 : -1]
    lines = [f"{each['night']} {each['how']} {when_words(each['at'])}" for each in shown]
    lines += [f"and {counted(len(moves) - _NAMED, 'earlier change')}"] if len(moves) > _NAMED else []
    return [f"{'' if place else 'changes:':<9} {line}" for place, line in enumerate(lines)]


def _lines(night: Mapping[str, Any], champion: str | None) -> list[str]:
    """Returns the line of a night, and what is wrong with it."""
    mark = "*" if night["night"] == champion else " "
    took = clock_text(night["seconds"]) if "seconds" in night else "-"
    best = ", ".join(f"{name} {number(found['rmse_median'])}" for name, found in night.get("best", {}).items())
    line = f"{mark} {night['night']}  {night['result']:<8} exit {night.get('exit_code', '-')}  {took:>7}  {best}"
    wrong = night.get("message") or night.get("error") if night["result"] not in GOOD else None
    return [line.rstrip(), f"    {wrong}"] if wrong else [line.rstrip()]


def _moves(champion: Champion | None, since: date) -> list[dict[str, Any]]:
    """Returns the changes of the champion since a date, the latest last."""
    moves = list(enumerate(champion.moves)) if champion else []
    shown = [(place, move) for place, move in moves if move.at[:10] >= since.isoformat()]
    return [{**asdict(move), "how": move_words(move.kind, place)} for place, move in shown]


def _facts(store: Store, night: str, running: str | None) -> dict[str, Any]:
    record = read_night(store, night)
    if record is not None:
        found = record.to_json()
    else:
        state = read_state(store, night)
        name = state.state if state else "damaged"
        result = "running" if night == running else {"running": "broken"}.get(name, name)
        known = state.to_json() if state else {}
        found = {**known, "night": night, "date": date_of(night).isoformat(), "result": result}
    return {name: found[name] for name in _FACTS if name in found}
