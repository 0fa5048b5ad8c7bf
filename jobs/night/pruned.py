"""What retention has deleted, or would delete, in words."""

from __future__ import annotations

from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.night.retention import Pruning
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.storage.plain import readable
from sumsquares.jobs.storage.store import Store


def pruning_text(store: Store, plan: Pruning, deleted: bool) -> str:
    """Returns what retention deletes, in words."""
    if not plan.nights:
        return f"nothing to prune in {store.describe()}"
    damaged = (
        f"; no trials are deleted, since {plan.unreadable[0]} is damaged, missing or a link: "
        "run its spec again, or delete it"
        if plan.unreadable
        else ""
    )
    verb = "deleted" if deleted else "would delete"
    nights = counted(len(plan.nights), "night")
    nights += f", {plan.nights[0]}" + (f" to {plan.nights[-1]}" if len(plan.nights) > 1 else "")
    return (
        f"{verb} {nights}: {counted(len(plan.trials), 'file')} of trials, "
        f"{len(plan.datasets)} of datasets, {len(plan.records)} of summaries, {counted(plan.bytes, 'byte')}{damaged}"
    )


def pruning_warning(store: Store, plan: Pruning) -> str | None:
    """Returns a warning about files that are not ours and stay; None if there are none."""
    if not plan.foreign:
        return None
    nights = f" and night {few_names(plan.retained)} as a whole" if plan.retained else ""
    files = counted(len(plan.foreign), "file")
    return (
        f"among old nights, {files}, foreign or behind a link,{nights} will not be deleted: "
        f"{few_names([readable(path) for path in plan.foreign])}; move what is yours out of {store.describe()}"
    )
