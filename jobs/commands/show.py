"""What `sumsquares show` does: prints what a run printed, from its stored files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from sumsquares.jobs import exits
from sumsquares.jobs.commands.printing import Shown, console, print_results
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.commands.stored_run import Stored, stored_run
from sumsquares.jobs.messages.numbers import counted
from sumsquares.jobs.night.clock import stamp
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY
from sumsquares.jobs.show.result_files import REPORT, open_report
from sumsquares.jobs.storage.layout import unit_of
from sumsquares.jobs.storage.plain import readable
from sumsquares.jobs.storage.store import Store


def show(run: str, has_spec: bool, shown: Shown, shared: Shared) -> int:
    """Returns exit code 3 if files of the run are damaged or missing, each of which is named.

    Raises:
        UsageError: there is no such run, or it isn't finished.
        DataError: its spec or its summary is damaged, so that there is nothing to show.

    """
    stored = stored_run(Store(shared.store), run)
    if shared.json:
        facts = json.loads(stored.summary_json)
        facts |= {"folder": f"{stored.store.root}/{stored.folder}", "damaged": list(stored.damage)}
        facts |= {"spec": stored.spec.source_text.decode()} if has_spec else {}
        sys.stdout.write(json.dumps(facts, indent=1) + "\n")
    else:
        _print(stored, has_spec, shown)
    progress = shared.progress()
    if shown.in_browser:
        open_report(f"{stored.store.root}/{stored.folder}", progress, stored.store.exists(f"{stored.folder}/{REPORT}"))
    progress.warn_all(stored.damage)
    progress.warn_all(f"{readable(path)}: not one of our names, left as it is" for path in _foreign(stored))
    return exits.DATA if stored.damage else exits.OK


def _print(stored: Stored, has_spec: bool, shown: Shown) -> None:
    out = console()
    for line in _head(stored):
        out.print(line, soft_wrap=True, highlight=False, markup=False)
    out.print()
    if has_spec:
        out.print(stored.spec.source_text.decode(), soft_wrap=True, highlight=False, markup=False)
    print_results(stored.summary(), stored.spec.name, shown, stored.store, stored.folder)


def _head(stored: Stored) -> Iterator[str]:
    """Yields when and where it ran, what was run, and how long that took."""
    content, path = stored.content, f"{stored.folder}/{SUMMARY}"
    if (finished := content.get("finished")) is None:
        written = stored.store.times(stored.folder).get(path)
        finished = f"{stamp(written)}, by the time its summary was written" if written else "at an unknown time"
    where = content.get("environment", {})
    on = (
        f", on {where['platform']} with {counted(where['cpus'], 'CPU')}" if {"platform", "cpus"} <= where.keys() else ""
    )
    yield f"{stored.words}: finished {finished}{on}"
    counts = content["trials"]
    told = ", ".join(f"{counts[key]:,} {key}" for key in ("ok", "diverged", "missing") if counts[key])
    spec = f"spec {stored.spec.digest[:12]}, {stored.store.root}/{stored.folder}/{SPEC}"
    yield f"{spec}: {counted(counts['total'], 'trial')}, {told}"
    if seconds := content.get("timing"):
        yield "took " + ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())


def _foreign(stored: Stored) -> list[str]:
    """Returns the files in its folder that have none of our names."""
    return [path for path in stored.store.list(stored.folder) if unit_of(path) is None]
