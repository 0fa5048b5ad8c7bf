"""The files of a run, of an earlier one that is kept, or of the run of a night: its spec, and what follows from it.

A sealed summary.json names the others. Where one is damaged all that follow from the spec go, the summary first: a run
without them is one that is not finished yet. What an earlier version wrote has no seal, and is read as well as can be.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sumsquares.datasets.differences import UNREADABLE
from sumsquares.datasets.errors import DataError
from sumsquares.jobs.night.nights import Night, run_name
from sumsquares.jobs.night.records import read_night
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY, read_summary, sha256_of
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_stored
from sumsquares.jobs.spec.seal_line import is_sealed, seal_text
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.run_files import PREVIOUS, run_folder, write_anew
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.layout import DERIVED
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.typed import typed
from sumsquares.jobs.verify.anew import kept_files
from sumsquares.jobs.verify.damage import Damage, foreign
from sumsquares.jobs.verify.owners import known_night, night_command, run_command
from sumsquares.jobs.verify.world import World

_SHOWN = re.compile(rb"<pre[^>]*>(.*?)</pre>", re.DOTALL)
_STATED = re.compile(rb"<code>([0-9a-f]{64})</code>")


@dataclass(frozen=True)
class _Run:
    """A folder as it was read."""

    world: World
    folder: str
    files: dict[str, bytes]
    """By name, those that there are."""
    night: Night | None
    """Of the run of a night whose own spec is whole."""
    has_spec: bool = True
    """Whether its spec is whole, or is written anew: else nothing follows from it, and nothing is deleted."""

    @property
    def night_id(self) -> str | None:
        """Of the run of a night."""
        name = self.folder.removeprefix("runs/")
        return name.removeprefix(run_name("")) if name.startswith(run_name("")) else None

    @property
    def is_kept(self) -> bool:
        """Whether it is an earlier run."""
        return self.folder.count("/") > 1


def check_run(world: World, folder: str) -> list[Damage]:
    """What is wrong with the files in a run's folder."""
    read = {name: world.get(f"{folder}/{name}") for name in (SPEC, *DERIVED)}
    files = {name: data for name, data in read.items() if data is not None}
    name = folder.removeprefix("runs/")
    night = known_night(world.store, name.removeprefix(run_name(""))) if name.startswith(run_name("")) else None
    run = _Run(world, folder, files, night)
    summary, reason = _summary(run)
    spec, found = _check_spec(run, summary)
    if reason is None and summary is not None and (other := _contradiction(run, spec, summary)) is not None:
        if _copy_of(run, summary, is_exact=True) is None:
            reason = other
        else:
            found.append(_spec_damage(run, summary, f"it is not the file that {SUMMARY} names"))
    run = replace(run, has_spec=all(each.anew is not None for each in found))
    if reason is not None:
        found.append(_derived(run, SUMMARY, reason))
    elif summary is None and files.keys() & set(DERIVED):
        found.append(_derived(run, SUMMARY, "missing, though files beside it were written before it"))
    if summary is not None and not summary["files"]:
        return found + _check_old(run)
    return found + _check_named(run, summary or {"files": {}})


def _summary(run: _Run) -> tuple[dict[str, Any] | None, str | None]:
    """What the summary says, and what is wrong with it."""
    data, path = run.files.get(SUMMARY), f"{run.folder}/{SUMMARY}"
    if data is None:
        return None, None
    try:
        found = read_summary(data, path)
    except DamagedRecord as error:
        return None, str(error).removeprefix(f"{path}: ")
    if not found["files"] and (json.dumps(json.loads(data), indent=1) + "\n").encode() != data:
        return None, "damaged, it says the right things in other bytes than were written"
    return found, None


def _contradiction(run: _Run, spec: JobSpec | None, summary: dict[str, Any]) -> str | None:
    """What in a whole summary isn't that of the spec beside it, which is whole."""
    if spec is None:
        return None
    if summary["spec_digest"] != spec.digest:
        return f"it is not the summary of the {SPEC} beside it"
    named = summary["files"].get(SPEC)
    if named is not None and is_sealed(run.files[SPEC]) and named["sha256"] != sha256_of(run.files[SPEC]):
        return f"the {SPEC} beside it was written later"
    return None


def _check_spec(run: _Run, summary: dict[str, Any] | None) -> tuple[JobSpec | None, list[Damage]]:
    """The spec if it is whole, else what is wrong with it."""
    path, data = f"{run.folder}/{SPEC}", run.files.get(SPEC)
    ended = run.night is not None and read_night(run.world.store, run.night.id) is not None
    if data is None:
        return None, [_spec_damage(run, summary, "missing")] if run.files or ended else []
    try:
        spec = parse_stored(data, path)
    except SpecError as error:
        return None, [_spec_damage(run, summary, error.problems[0])]
    named = summary["files"].get(SPEC) if summary else None
    if not is_sealed(data) and named is not None and named["sha256"] != sha256_of(data):
        return None, [
            _spec_damage(run, summary, f"damaged, it has lost its seal and is not the file that {SUMMARY} names")
        ]
    if not _is_of(spec, run.folder):
        return None, [_spec_damage(run, summary, f"it is the spec of run {spec.name}, digest {spec.digest[:12]}")]
    if run.night is not None and spec.digest != run.night.trained.digest:
        return None, [_spec_damage(run, summary, f"it is not what night {run.night.id} trained")]
    return spec, []


def _is_of(spec: JobSpec, folder: str) -> bool:
    """Whether a folder has the name that a run of this spec, or an earlier one, gives it."""
    return folder in (run_folder(spec.name), _kept_folder(spec))


def _kept_folder(spec: JobSpec) -> str:
    return f"{run_folder(spec.name)}/{PREVIOUS}/{spec.digest[:12]}"


def _spec_damage(run: _Run, summary: dict[str, Any] | None, reason: str) -> Damage:
    path, night = f"{run.folder}/{SPEC}", run.night
    if night is not None:
        return Damage(path, "spec", reason, "", anew=lambda: {path: seal_text(night.trained.source_text)})
    if run.night_id is not None:
        again = f"{night_command(run.world.store, None, run.night_id)} writes it anew"
        return Damage(path, "spec", reason, again)
    if (copy := _copy_of(run, summary)) is not None:
        return Damage(path, "spec", reason, "", anew=lambda: {path: copy})
    if (own := _spec_of(run)) is not None and not _is_of(own, run.folder):
        return Damage(path, "spec", reason, _rename(run, own))
    return Damage(path, "spec", reason, _forget(run) if run.is_kept else write_anew(run.world.store))


def _rename(run: _Run, spec: JobSpec) -> str:
    """The remedy for a folder that was renamed, or copied, by hand."""
    to, root = _kept_folder(spec) if run.is_kept else run_folder(spec.name), run.world.store.root
    if run.world.store.list(to):
        return f"move the folder {root}/{run.folder} out of the store: {to} is there, too"
    return f"rename the folder {root}/{run.folder} to {root}/{to}, or move it out of the store"


def _copy_of(run: _Run, summary: dict[str, Any] | None, is_exact: bool = False) -> bytes | None:
    """The spec that belongs there, from the texts in the report and the file's own without its seal.

    It is the very file that a whole summary names. Where none names it, and it need not be exact, it is one of the
    digest that the summary states, or, where that isn't whole, the report.
    """
    named = summary["files"].get(SPEC) if summary else None
    copies = {copy: digest for copy in _texts(run) if (digest := _digest_in(run, copy)) is not None}
    copies.pop(run.files.get(SPEC, b""), None)
    if named is not None or is_exact:
        return next((copy for copy in copies if named is not None and sha256_of(copy) == named["sha256"]), None)
    digests = {summary["spec_digest"]} if summary else _stated(run)
    return next((copy for copy, digest in copies.items() if digest in digests), None)


def _texts(run: _Run) -> Iterator[bytes]:
    """Texts that may be the spec, sealed."""
    for shown in _SHOWN.findall(run.files.get("report.html", b"")):
        yield seal_text(html.unescape(shown.decode(errors="replace")).encode())
    own = run.files.get(SPEC, b"")
    yield from (seal_text(own), seal_text(own.rstrip(b"\n").rpartition(b"\n")[0]))


def _stated(run: _Run) -> set[str]:
    """The digests of a spec that the report states; a text that has one of them confirms itself."""
    return {each.decode() for each in _STATED.findall(run.files.get("report.html", b""))}


def _digest_in(run: _Run, copy: bytes) -> str | None:
    """The digest of a spec that can be read and has the folder's name."""
    try:
        spec = parse_stored(copy, SPEC)
    except SpecError:
        return None
    return spec.digest if _is_of(spec, run.folder) else None


def _forget(run: _Run) -> str:
    return f"put a copy of it back, or delete the folder {run.world.store.root}/{run.folder}: no other file needs it"


def _derived(run: _Run, name: str, reason: str) -> Damage:
    """Damage of a file that follows from the spec, or the trace of one that is missing."""
    path, data = f"{run.folder}/{name}", run.files.get(name)
    if data is not None and not is_ours(path, data):
        return foreign(path)
    if run.is_kept:
        return _derived_of_kept(run, path, reason)
    if not run.has_spec:
        return Damage(path, "summary", reason, f"first put {run.folder}/{SPEC} right, see there: it follows from that")
    all_of_it = {each: run.files[each] for each in DERIVED if each in run.files}
    deletes = tuple(f"{run.folder}/{each}" for each, has in all_of_it.items() if is_ours(f"{run.folder}/{each}", has))
    return Damage(path, "summary", reason, _again(run), deletes)


def _derived_of_kept(run: _Run, path: str, reason: str) -> Damage:
    """No run writes the summary of an earlier one again, so repair does, if the store has all of its trials."""
    spec = _spec_of(run)
    if spec is None or not _is_of(spec, run.folder):
        return Damage(path, "summary", reason, _forget(run))
    train = run_command(run.world.store, "train", run.folder)
    otherwise = f"{train}, then {typed(run.world.store, 'verify', '--repair')} writes it anew"
    if not run.world.are_stored(spec):
        return Damage(path, "summary", reason, otherwise)
    anew = partial(kept_files, run.world.store, run.folder, spec)
    return Damage(path, "summary", reason, "", anew=anew, otherwise=otherwise)


def _again(run: _Run) -> str:
    spec = _spec_of(run)
    if run.night_id is None and spec is None:
        return write_anew(run.world.store)
    if run.night_id is not None:
        return f"{night_command(run.world.store, run.night, run.night_id)} makes it again"
    verb = "summarize" if spec is None or run.world.are_stored(spec) else "run"
    return f"{run_command(run.world.store, verb, run.folder)} makes it again"


def _spec_of(run: _Run) -> JobSpec | None:
    try:
        return parse_stored(run.files.get(SPEC, b""), SPEC)
    except SpecError:
        return None


def _check_named(run: _Run, summary: dict[str, Any]) -> list[Damage]:
    """The files that the summary names, but for the spec; of an old one those that there are."""
    found = []
    for name, named in summary["files"].items():
        data = run.files.get(name) if name in DERIVED else run.world.get(f"{run.folder}/{name}")
        if name == SPEC or (data is not None and sha256_of(data) == named["sha256"]):
            continue
        reason = f"missing, though {SUMMARY} names it" if data is None else "its bytes are not those that were written"
        found.append(_derived(run, name, reason))
    return found


def _check_old(run: _Run) -> list[Damage]:
    """Files that no hash covers: whether they can be read to their end."""
    table, page = run.files.get("summary.parquet"), run.files.get("report.html")
    wrong = []
    if table is not None:
        try:
            pq.read_table(pa.BufferReader(table))
        except UNREADABLE as error:
            wrong.append(_derived(run, "summary.parquet", f"it can't be read: {error}"))
    if page is not None and not page.rstrip().endswith(b"</html>"):
        wrong.append(_derived(run, "report.html", "it is cut off"))
    missing = [name for name in ("summary.parquet", "report.html") if name not in run.files]
    return wrong + [_derived(run, name, f"missing beside its {SUMMARY}") for name in missing]


def finishing(world: World, folder: str, stored: Collection[str]) -> str:
    """What makes the summary of a run that has none; of an earlier one by making it the present run."""
    name = folder.removeprefix("runs/")
    if name.startswith(run_name("")):
        night = name.removeprefix(run_name(""))
        return night_command(world.store, known_night(world.store, night), night)
    spec = parse_stored(world.store.get(f"{folder}/{SPEC}"), SPEC)
    is_trained = folder.count("/") == 1 and all(trial.id in stored for trial in trials(spec))
    return run_command(world.store, "summarize" if is_trained else "run", folder)


def is_old(world: World, folder: str) -> bool:
    """Whether an earlier version wrote its summary, so that no hash covers the files beside it."""
    try:
        data = world.get(f"{folder}/{SUMMARY}")
        return data is not None and not read_summary(data, SUMMARY)["files"]
    except DataError:
        return False
