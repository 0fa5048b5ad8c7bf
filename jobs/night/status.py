"""The status of a store's nights: how the latest ones ended, which are missing, and which one runs now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sumsquares.jobs.night.champion import champion_night, read_champion
from sumsquares.jobs.night.clock import Clock, stamp
from sumsquares.jobs.night.lock import read_lease
from sumsquares.jobs.night.nights import date_of, list_nights
from sumsquares.jobs.night.notify import missed_dates
from sumsquares.jobs.night.records import read_night, read_state, trained_spec
from sumsquares.jobs.show.format import counted, number
from sumsquares.jobs.show.progress import clock as clock_text
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.store import Store

_FACTS = ("night", "date", "result", "exit_code", "message", "best", "seconds", "attempt", "ended", "fresh", "error")

_NAMED = 5  # missing dates in the text; --json has all


def status_facts(store: Store, clock: Clock, nights: int) -> dict[str, Any]:
    """Returns the status as JSON: the latest nights, the newest first. Today's night is not missing yet."""
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
    shown = list_nights(store)[::-1][:nights]
    return {
        "store": store.root,
        "champion": champion.night if champion else None,
        "moves": [asdict(move) for move in champion.moves[-nights:]] if champion else [],
        "running": {**asdict(running), "expires": stamp(lease.expires)} if running and lease else None,
        "missing": [day.isoformat() for day in missed_dates(store, clock.today())],
        "problems": problems,
        "nights": [_facts(store, night, running.night if running else None) for night in shown],
    }


def status_text(facts: Mapping[str, Any]) -> str:
    """Returns the same for people, one line per night."""
    champion, running = facts["champion"], facts["running"]
    asks = "; `sumsquares predict champion NUMBER...` asks it"
    lines = [f"champion: {champion}{asks}" if champion else "champion: none"]
    if running:
        since = stamp(running["since"])
        lines.append(f"running:  {running['night']} on {running['host']}, process {running['pid']}, since {since}")
    if facts["missing"]:
        newest = ", ".join(facts["missing"][-_NAMED:])
        nights = counted(len(facts["missing"]), "night")
        lines.append(f"missing:  {nights}, the newest {newest}; --from and --to make up for them")
    lines += [f"problem:  {problem}" for problem in facts["problems"]]
    for night in facts["nights"]:
        mark = "*" if night["night"] == champion else " "
        took = clock_text(night["seconds"]) if "seconds" in night else "-"
        best = ", ".join(f"{name} {number(found['rmse_median'])}" for name, found in night.get("best", {}).items())
        lines.append(
            f"{mark} {night['night']}  {night['result']:<8} exit {night.get('exit_code', '-')}  {took:>7}  {best}"
        )
    return "\n".join(lines if facts["nights"] else [*lines, f"no night yet in {facts['store']}"])


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
