"""The runs in a store at a glance: one entry per folder, from a listing and the heads of its files.

A file is read once and no hash is computed: what can't be parsed, or has another size than the summary says, counts as
damaged. `sumsquares verify` looks at every byte.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.results.final import FINAL
from sumsquares.jobs.results.middle import middle
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_stored
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.storage.layout import is_night, unit_of
from sumsquares.jobs.storage.store import Store

NIGHT, PROOF, VALIDATION = "night-", "-proof", "-validation"
"""What the names of runs begin or end with that others have made."""
_MOST = 64 << 20  # bytes of a summary.json: measured 40 kB for 1,000 trials; it doesn't grow much with more
_READERS = 16  # threads; an object store answers in 10 to 100 ms
_ODD = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class StoredRun:
    """What a listing and the heads of its files tell of a run."""

    name: str
    """Of the run; of an earlier one that is kept, with its digest: NAME@DIGEST."""
    folder: str
    bytes: int
    """Of its own files; its trials and datasets may be shared."""
    state: str
    """finished, unfinished or damaged."""
    finished: str | None = None
    """When, such as 2026-11-22T03:00:00Z; None if it isn't, or if its summary doesn't say."""
    datasets: tuple[str, ...] = ()
    variants: int = 0
    trials: Mapping[str, int] = field(default_factory=dict)
    """total, ok, diverged and missing."""
    best: Mapping[str, float | None] = field(default_factory=dict)
    """By dataset, the RMSE of the best variant: the median of its seeds, or the mean over the splits of a table."""
    earlier: int = 0
    """Earlier runs of its name that are kept."""

    @property
    def is_kept(self) -> bool:
        """Whether it is an earlier run that was moved aside."""
        return self.folder.count("/") > 1

    @property
    def is_of_night(self) -> bool:
        """Whether it is a night's, by its name."""
        return is_night(self.name.removeprefix(NIGHT)) and self.name.startswith(NIGHT)


def stored_runs(store: Store, sizes: Mapping[str, int]) -> list[StoredRun]:
    """Returns the runs among these files, in the order of their folders."""
    files: dict[str, dict[str, int]] = defaultdict(dict)
    for path, size in sizes.items():
        if (unit := unit_of(path)) is not None and unit[0] == "run":
            files[unit[1]][path.rpartition("/")[2]] = size
    kept: dict[str, int] = defaultdict(int)
    for folder in files:
        if folder.count("/") > 1:
            kept["/".join(folder.split("/")[:2])] += 1
    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(partial(_read, store), files, files.values())
        return [replace(run, earlier=kept.get(run.folder, 0)) for run in found]


def kinds_of(runs: Iterable[StoredRun]) -> dict[str, str]:
    """Returns what each run is by its name: night, proof, fit, validation, final or run."""
    names = {run.name.partition("@")[0] for run in runs}
    return {name: _kind_of(name, names) for name in names}


def _kind_of(name: str, names: set[str]) -> str:
    if name.startswith(NIGHT) and is_night(name.removeprefix(NIGHT)):
        return "night"
    if name.endswith(PROOF):
        return "proof"
    for suffix in (VALIDATION, FINAL):
        if name.endswith(suffix) and name.removesuffix(suffix) in names:
            return suffix[1:]
    return "fit" if f"{name}{VALIDATION}" in names else "run"


def _read(store: Store, folder: str, files: Mapping[str, int]) -> StoredRun:
    parts = folder.split("/")
    run = StoredRun(parts[1] if len(parts) == 2 else f"{parts[1]}@{parts[3]}", folder, sum(files.values()), "damaged")
    try:
        if SUMMARY in files:
            path = f"{folder}/{SUMMARY}"
            return _finished(run, json.loads(store.get(path, _MOST, files[SUMMARY])), files)
        return _unfinished(run, parse_stored(store.get(f"{folder}/{SPEC}"), folder))
    except (FileNotFoundError, SpecError, DataError, *_ODD):
        return run


def _finished(run: StoredRun, summary: Mapping[str, Any], files: Mapping[str, int]) -> StoredRun:
    named = summary.get("files", {})
    is_whole = SPEC in files and all(files.get(name) == about["bytes"] for name, about in named.items())
    return replace(
        run,
        state="finished" if is_whole else "damaged",
        finished=summary.get("finished"),
        datasets=tuple(summary["datasets"]),
        variants=sum(int(about["variants"]) for about in summary["datasets"].values()),
        trials={key: int(summary["trials"][key]) for key in ("total", "ok", "diverged", "missing")},
        best={name: best and middle(best) for name, best in summary["best"].items()},
    )


def _unfinished(run: StoredRun, spec: JobSpec) -> StoredRun:
    wanted = trials(spec)
    return replace(
        run,
        state="unfinished",
        datasets=tuple(dict.fromkeys(trial.variant.dataset.name for trial in wanted)),
        variants=len({trial.variant.group for trial in wanted}),
        trials={"total": len(wanted)},
    )
