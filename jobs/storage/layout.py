"""Which paths in a store are files of ours, and the unit each belongs to. Decided by name; nothing is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.tables.table import TableDataset, TableSplit

_NIGHT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})-[0-9a-f]{12}")
AREAS = frozenset({"datasets", "trials", "states", "runs", "nightly", "tables", "running"})
"""The top folders of a store."""
DERIVED = ("summary.json", "summary.parquet", "trials.parquet", "report.html")
"""Files of a run that follow from its spec and the results; the first makes the others valid."""
RECORDS = ("nightly/champion.json", "nightly/lock.json", "nightly/pruned.json")
NIGHTS_PAGE = "nightly/index.html"
"""The page of nights; it follows from the other files of the store."""
_RUN = r"runs/[a-z0-9][a-z0-9_-]{0,63}"
_KEPT = rf"{_RUN}(?:/previous/[0-9a-f]{{12}}(?:-[0-9]{{1,3}})?)?"
_FILES = {
    "pack": re.compile(r"trials/([0-9a-f]+)\.(?:parquet|safetensors)"),
    "state": re.compile(r"(states/[0-9a-f]+\.state)"),
    "dataset": re.compile(
        r"datasets/([0-9a-f]{64})/(?:manifest\.json|(?:facts|baselines)(?:-[0-9a-f]{16})?\.json|"
        r"(?:train|test|extrapolation|rows)/part-[0-9]{5,7}\.parquet)"
    ),
    "table": re.compile(r"tables/([0-9a-f]{64})\.json"),
    "run": re.compile(rf"({_KEPT})/(?:job\.toml|summary\.json|summary\.parquet|trials\.parquet|report\.html)"),
    "night": re.compile(r"nightly/([0-9-]{10}-[0-9a-f]{12})/(?:spec\.toml|state\.json|night\.json|scores\.parquet)"),
    "page": re.compile(rf"({re.escape(NIGHTS_PAGE)})"),
    "running": re.compile(r"(running/[0-9a-f]{16}\.json)"),
    "record": re.compile(rf"({'|'.join(map(re.escape, RECORDS))})"),
}
_OF_KEPT = re.compile(rf"{_RUN}/previous/[0-9a-f]{{12}}(?:-[0-9]{{1,3}})?/")
_FOLDER = re.compile(
    rf"(?:{'|'.join(sorted(AREAS))}|datasets/[0-9a-f]{{64}}(?:/(?:train|test|extrapolation|rows))?|{_KEPT}|{_RUN}/previous|nightly/"
    r"[0-9-]{10}-[0-9a-f]{12})"
)


def is_night(name: str) -> bool:
    """Whether this is a night's id with an existing date."""
    match = _NIGHT.fullmatch(name)
    if match is None:
        return False
    try:
        date.fromisoformat(match[1])
    except ValueError:
        return False
    return True


def unit_of(path: str) -> tuple[str, str] | None:
    """The kind and name of the unit that a file belongs to; None if the name isn't one of ours."""
    for kind, pattern in _FILES.items():
        if (match := pattern.fullmatch(path)) is not None and (kind != "night" or is_night(match[1])):
            return kind, match[1]
    return None


def is_of_kept_run(path: str) -> bool:
    """Whether it is a path below the folder of an earlier run that is kept, beside the run of its name."""
    return _OF_KEPT.match(path) is not None


def is_folder_of_ours(path: str) -> bool:
    """Whether it is one of the folders that hold our files."""
    return _FOLDER.fullmatch(path) is not None


def hidden_in(sizes: Mapping[str, int]) -> list[str]:
    """The links, and what else isn't a folder, in the place of folders of runs or nights: what is behind isn't listed.

    `sizes` are those of a listing, which gives 0 to what isn't a regular file.
    """
    tops = ("runs", "nightly")
    return [path for path, size in sizes.items() if not size and path.startswith(tops) and is_folder_of_ours(path)]


def folder_of(dataset: Dataset | TableDataset) -> str:
    """The path of a dataset's folder in the store; that of a table is named by its content, whatever its splits."""
    whole = dataset.whole if isinstance(dataset, TableSplit) else dataset
    return f"datasets/{whole.content if isinstance(whole, TableDataset) else whole.digest}"
