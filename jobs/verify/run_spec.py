"""Checks the job.toml of a run: whether it is the spec that belongs in the folder, and what can restore it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from sumsquares.datasets.tables.errors import TableError
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.night.nights import Night, run_name
from sumsquares.jobs.night.records import read_night
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY, sha256_of
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_spec, parse_stored
from sumsquares.jobs.spec.seal_line import is_sealed, seal_text
from sumsquares.jobs.spec.tables import mismatch
from sumsquares.jobs.stages.run_files import is_folder_of, kept_folder, run_folder, write_anew
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.verify.damage import Damage
from sumsquares.jobs.verify.references import at_its_version, night_command
from sumsquares.jobs.verify.snapshot import Snapshot

_SHOWN = re.compile(rb"<pre[^>]*>(.*?)</pre>", re.DOTALL)
_MOST_TABLES = 100
"""Tables with which a spec that the report shows is completed, one after the other."""
_NO_LIMIT = 2**63
_STATED = re.compile(rb"<code>([0-9a-f]{64})</code>")


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run, as it was read."""

    snapshot: Snapshot
    folder: str
    files: dict[str, bytes]
    """The existing files, by name."""
    night: Night | None
    """The night that it is the run of, if that night's own spec is undamaged."""
    has_spec: bool = True
    """Whether its spec is undamaged or restorable: else nothing follows from it, and nothing is deleted."""

    @property
    def night_id(self) -> str | None:
        """The night that it is the run of, by its name."""
        name = self.folder.removeprefix("runs/")
        return name.removeprefix(run_name("")) if name.startswith(run_name("")) else None

    @property
    def is_kept(self) -> bool:
        """Whether it is an earlier run that was moved aside."""
        return self.folder.count("/") > 1


def check_spec(run: RunFolder, summary: dict[str, Any] | None) -> tuple[JobSpec | None, list[Damage]]:
    """Returns the spec if it is undamaged, and else what is wrong with it."""
    path, data = f"{run.folder}/{SPEC}", run.files.get(SPEC)
    ended = run.night is not None and read_night(run.snapshot.store, run.night.id) is not None
    if data is None:
        return None, [spec_damage(run, summary, "missing")] if run.files or ended else []
    try:
        spec = parse_stored(data, path)
    except SpecError as error:
        return None, [spec_damage(run, summary, error.problems[0])]
    named = summary["files"].get(SPEC) if summary else None
    if not is_sealed(data) and named is not None and named["sha256"] != sha256_of(data):
        return None, [
            spec_damage(run, summary, f"damaged, it has lost its seal and is not the file that {SUMMARY} names")
        ]
    if not is_folder_of(spec, run.folder):
        return None, [spec_damage(run, summary, f"it is the spec of run {spec.name}, digest {spec.digest[:12]}")]
    if run.night is not None and spec.digest != run.night.trained.digest:
        return None, [spec_damage(run, summary, f"it is not what night {run.night.id} trained")]
    return spec, []


def spec_damage(run: RunFolder, summary: dict[str, Any] | None, reason: str) -> Damage:
    """Returns the damage of a spec: restored from the night or from a copy in the report, else left to the user."""
    path, night = f"{run.folder}/{SPEC}", run.night
    if night is not None:
        return Damage(path, "spec", reason, "", rewrites=lambda: {path: seal_text(night.trained.stored_text)})
    if run.night_id is not None:
        again = f"{night_command(run.snapshot.store, None, run.night_id)} rewrites it"
        return Damage(path, "spec", reason, again)
    if (copy := copy_of(run, summary)) is not None:
        return Damage(path, "spec", reason, "", rewrites=lambda: {path: copy})
    if (own := spec_of(run)) is not None and not is_folder_of(own, run.folder):
        return Damage(path, "spec", reason, _rename(run, own))
    return Damage(path, "spec", reason, delete_by_hand(run) if run.is_kept else write_anew(run.snapshot.store))


def _rename(run: RunFolder, spec: JobSpec) -> str:
    """Returns the remedy for a folder that was renamed or copied by hand."""
    to, root = kept_folder(spec) if run.is_kept else run_folder(spec.name), run.snapshot.store.root
    if run.snapshot.store.list(to):
        return f"move the folder {root}/{run.folder} out of the store: {to} is there, too"
    return f"rename the folder {root}/{run.folder} to {root}/{to}, or move it out of the store"


def copy_of(run: RunFolder, summary: dict[str, Any] | None, is_exact: bool = False) -> bytes | None:
    """Returns the spec that belongs there, found in the report or in the damaged file itself.

    It must be the very file that an undamaged summary names. Where no summary names it, and it needn't be exact, its
    digest must be the one that the summary states or, if that is damaged too, the report.
    """
    named = summary["files"].get(SPEC) if summary else None
    copies = {copy: digest for copy in _texts(run) if (digest := _digest_in(run, copy)) is not None}
    copies.pop(run.files.get(SPEC, b""), None)
    if named is not None or is_exact:
        return next((copy for copy in copies if named is not None and sha256_of(copy) == named["sha256"]), None)
    digests = {summary["spec_digest"]} if summary else _stated(run)
    return next((copy for copy, digest in copies.items() if digest in digests), None)


def _texts(run: RunFolder) -> Iterator[bytes]:
    """Yields texts that may be the spec, sealed."""
    for shown in _SHOWN.findall(run.files.get("report.html", b"")):
        text = html.unescape(shown.decode(errors="replace")).encode()
        yield seal_text(text)
        yield from map(seal_text, _with_tables(run, text))
    own = run.files.get(SPEC, b"")
    yield from (seal_text(own), seal_text(own.rstrip(b"\n").rpartition(b"\n")[0]))


def _with_tables(run: RunFolder, text: bytes) -> Iterator[bytes]:
    """Yields the text with what its tables may have held: what other specs and the store's records say of them."""
    snapshot = run.snapshot
    known = [*snapshot.references.all_tables, *TableReader(snapshot.store).known()] if b"file" in text else []
    for first in known[:_MOST_TABLES]:
        with suppress(SpecError):
            yield parse_spec(text, SPEC, _NO_LIMIT, resolve=partial(_told, [first, *known])).stored_text


def _told(known: Sequence[TableDataset], keys: TableKeys, _folder: str) -> TableDataset:
    """Returns the first table that is what the keys ask for."""
    for table in known:
        if mismatch(keys, table) is None:
            return TableDataset.model_validate({**dict(table), "name": keys.name})
    raise TableError(keys.file, ["nothing in the store says what it held"])


def _stated(run: RunFolder) -> set[str]:
    """Returns the spec digests that the report states."""
    return {each.decode() for each in _STATED.findall(run.files.get("report.html", b""))}


def _digest_in(run: RunFolder, copy: bytes) -> str | None:
    """Returns the digest of a text, if it is a valid spec of this folder."""
    try:
        spec = parse_stored(copy, SPEC)
    except SpecError:
        return None
    return spec.digest if is_folder_of(spec, run.folder) else None


def delete_by_hand(run: RunFolder) -> str:
    """Returns the remedy for a folder that nothing can restore."""
    return f"put a copy of it back, or delete the folder {run.snapshot.store.root}/{run.folder}: no other file needs it"


def spec_of(run: RunFolder) -> JobSpec | None:
    """Returns the spec in the folder at its training version if it can be read, whichever run it is of."""
    try:
        spec = parse_stored(run.files.get(SPEC, b""), SPEC)
    except SpecError:
        return None
    return at_its_version(run.snapshot.store, run.folder, spec, run.snapshot.stored)
