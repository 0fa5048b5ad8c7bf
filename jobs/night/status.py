"""What a person wants to know of a store's nights: how the last ones ended, which is missing, who runs now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sumsquares.jobs.night.calendar import missed_dates
from sumsquares.jobs.night.champion import read_champion
from sumsquares.jobs.night.clock import Clock, stamp
from sumsquares.jobs.night.lock import read_lease
from sumsquares.jobs.night.lost import champion_night
from sumsquares.jobs.night.nights import date_of, list_nights, read_night, read_state
from sumsquares.jobs.night.sources import trained_spec
from sumsquares.jobs.show.format import counted, number
from sumsquares.jobs.show.progress import clock as clock_text
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.store import Store

_FACTS = ("night", "date", "result", "exit_code", "message", "best", "seconds", "attempt", "ended", "fresh", "error")

_NAMED = 5  # missing dates in the text; --json has all


def status_facts(store: Store, clock: Clock, nights: int) -> dict[str, Any]:
    """The last nights, the newest first; today's is not missing yet."""
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
    """The same for people, a line per night."""
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
    found = read_night(store, night)
    if found is None:
        state = read_state(store, night) or {"state": "damaged"}
        word = "running" if night == running else {"running": "broken"}.get(state["state"], state["state"])
        found = {**state, "night": night, "date": date_of(night).isoformat(), "result": word}
    return {name: found[name] for name in _FACTS if name in found}
