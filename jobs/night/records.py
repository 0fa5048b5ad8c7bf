"""What the store holds of a night: its specs, state.json and night.json, typed and frozen.

    nightly/<night>/spec.toml       the spec as it was given
    nightly/<night>/state.json      how far the night has come; written at each start, failure and end
    nightly/<night>/night.json      how it ended; the night is finished once this file exists
    nightly/<night>/scores.parquet  how good its trials are, see scores.py

A record declares the keys that are used and their types. Keys that it doesn't declare are kept as they are.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, FiniteFloat, TypeAdapter

from sumsquares.jobs.night.nights import NAMES, Night, date_of, folder_of, run_name
from sumsquares.jobs.results.summary_file import sha256_of
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_stored
from sumsquares.jobs.spec.seal_line import is_sealed, seal_text
from sumsquares.jobs.spec.training_version import UNRECORDED
from sumsquares.jobs.stages.foreign import refuse_foreign
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.layout import is_night
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed

GOOD = ("first", "better", "same")
"""Results of a night that did not regress."""
UNREPORTED = ("running", "stopped")
"""States of a night that has neither ended nor been notified of."""

_CONFIG = ConfigDict(extra="allow", strict=True, frozen=True)


def _checked(night: str) -> str:
    if not is_night(night):
        raise ValueError(f"{night!r} is not a night")
    return night


NightId = Annotated[str, AfterValidator(_checked)]
"""The id of a night; anything else that is read in its place is damage."""


class Attempt(BaseModel):
    """What is known of an attempt from its start. A state may lack the keys that have a default."""

    model_config = _CONFIG

    night: NightId
    date: str
    """The night's logical date, such as 2026-11-22."""
    spec_name: str = ""
    spec_digest: str = ""
    fresh: bool
    """Whether the night trains on rows of its own."""
    run: str = ""
    token: int = 0
    """Fencing token of the lock under which the attempt runs."""
    attempt: int
    """Number of the attempt, from 1."""
    began: str
    """Time of the first attempt, such as 2026-11-22T03:00:00Z."""
    recovers: bool
    """Whether it follows a night, or an attempt of this night, that failed, was partial or regressed."""
    source_sha256: str = ""
    """Of spec.toml with its seal; earlier versions didn't record it."""
    training_version: int = UNRECORDED
    """The one that the attempt's trials are of."""

    def to_json(self) -> dict[str, Any]:
        """Returns the keys that were set, in the order in which the record declares them."""
        return self.model_dump(exclude_unset=True)


class NightState(Attempt):
    """What state.json holds: how far a night has come."""

    trials: dict[str, Any] = {}
    """Number of trials by status; this and the next three of a partial night."""
    stages: dict[str, Any] = {}
    """Seconds by stage."""
    ended: str = ""
    message: str = ""
    result: str = ""
    """Of a night that has ended: what night.json says."""
    error: str = ""
    exit_code: int = 0
    state: str
    """running, stopped, failed, partial, broken or ended."""
    event: str = ""
    """Event that the hook was called for, of a night that has ended."""


class PartialNight(Attempt):
    """How an attempt ended that lacks trials. It is neither judged nor finished, and has no night.json."""

    trials: dict[str, Any]
    stages: dict[str, Any]
    ended: str
    message: str
    result: str = "partial"
    exit_code: int


class BestVariant(BaseModel):
    """The variant with the lowest median RMSE on a dataset."""

    model_config = _CONFIG

    rmse_median: FiniteFloat
    rmse_best: float = 0.0
    words: str = ""
    """The variant as a person would describe it."""


class NightRecord(Attempt):
    """What night.json holds: how a night ended."""

    spec_name: str
    spec_digest: str
    run: str
    token: int
    trials: dict[str, Any] = {}
    """Number of trials by status."""
    stages: dict[str, Any] = {}
    """Seconds by stage."""
    result: str
    """first, better, same, worse, apart (not comparable) or failed."""
    exit_code: int
    message: str
    """How the night was judged, in one line of fewer than 200 characters."""
    details: list[str] = []
    """What the line leaves out, one fact each; earlier versions wrote all of it into the message."""
    against: NightId | None
    """The champion that the night was compared with."""
    trained_digest: str
    """Digest of the spec that was trained."""
    scores_sha256: str
    gate: dict[str, Any] = {}
    """The comparison in full."""
    best: dict[str, BestVariant]
    """By dataset."""
    ended: str
    seconds: FiniteFloat


Record = TypeVar("Record", NightRecord, NightState)
_NIGHT, _STATE = TypeAdapter(NightRecord), TypeAdapter(NightState)


def parse_night(data: bytes, path: str) -> NightRecord:
    """Returns what a night.json holds; DamagedRecord if it isn't what was written."""
    return unseal(data, path, "", _NIGHT)


def parse_state(data: bytes, path: str) -> NightState:
    """Returns what a state.json holds; DamagedRecord if it isn't what was written."""
    return unseal(data, path, "", _STATE)


def read_night(store: Store, night: str) -> NightRecord | None:
    """Returns how a night ended; None if it hasn't, or if night.json is damaged: the night is then judged again."""
    return _read(store, night, "night", _NIGHT)


def read_state(store: Store, night: str) -> NightState | None:
    """Returns how far a night has come; None if it was never started, or if state.json is damaged."""
    return _read(store, night, "state", _STATE)


def is_of_night(record: Attempt, night: str) -> bool:
    """Whether a record is that of the night in whose folder it lies."""
    return (record.night, record.date) == (night, date_of(night).isoformat())


def write_night(store: Store, record: NightRecord) -> None:
    """Writes night.json."""
    store.put(f"{folder_of(record.night)}/night.json", seal({"format": 1, **record.to_json()}))


def write_state(store: Store, state: NightState) -> None:
    """Writes state.json."""
    store.put(f"{folder_of(state.night)}/state.json", encode_state(state))


def encode_state(state: NightState) -> bytes:
    """Returns the bytes of a state.json."""
    return seal({"format": 1, **state.to_json()})


def write_spec(store: Store, night: Night) -> None:
    """Stores the spec as it was given."""
    store.put(f"{folder_of(night.id)}/spec.toml", seal_text(night.spec.stored_text))


def refuse_foreign_files(store: Store, night: str) -> None:
    """Raises ForeignFile if a foreign file is in the place of one of the night's own."""
    paths = [f"{folder_of(night)}/{name}" for name in NAMES]
    existing = store.sizes(folder_of(night))
    refuse_foreign(store, [path for path in paths if path in existing])


def stored_night(store: Store, night: str) -> Night | None:
    """Returns a night of the store; None if its spec is missing, or no intact record says whether its data were fresh.

    Raises:
        DamagedRecord: its spec is not the one that its id promises.

    """
    path = f"{folder_of(night)}/spec.toml"
    record = read_state(store, night) or read_night(store, night)
    try:
        text = store.get(path)
    except FileNotFoundError:
        return None
    if record is None:
        return None
    try:
        spec = parse_stored(text, path).trained_by(record.training_version)
        found = Night(date_of(night), spec, record.fresh)
    except SpecError:
        found = None
    # An earlier version wrote specs without a seal. If the record has a digest, the seal was there and was cut off.
    is_intact = is_sealed(text) or "source_sha256" not in record.model_fields_set
    is_intact = is_intact or record.source_sha256 == sha256_of(text)
    if found is None or found.id != night or not is_intact:
        remedy = rerun_remedy(store, night)
        raise DamagedRecord(f"{path}: damaged, it is not the spec that the night's name promises: {remedy}")
    return found


def trained_spec(store: Store, night: str) -> JobSpec:
    """Returns what a night has trained, as the spec of its run says, at the night's training version.

    Raises:
        DamagedRecord: the run's spec is gone, or is not what the night trained.

    """
    path = f"{run_folder(run_name(night))}/job.toml"
    expected, training_version = _trained(store, night)
    try:
        spec = parse_stored(store.get(path), path)
    except FileNotFoundError:
        raise DamagedRecord(f"{path}: missing: {rerun_remedy(store, night)}") from None
    except SpecError:
        spec = None
    if expected is None:
        remedy = rerun_remedy(store, night)
        raise DamagedRecord(f"{folder_of(night)}: no file there says what it trained any more: {remedy}")
    if spec is None or (spec.name, spec.digest) != (run_name(night), expected):
        raise DamagedRecord(f"{path}: damaged, it is not what night {night} trained: {rerun_remedy(store, night)}")
    return spec.trained_by(training_version)


def rerun_remedy(store: Store, night: str) -> str:
    """Returns the remedy for a night's damaged specs, which follow from the spec that it was started with."""
    other = typed(store, "nightly", "rollback", "--to", "NIGHT")
    return f"{rerun_command(store, night)} rewrites it; or {other} makes another night the champion"


def rerun_command(store: Store, night: str) -> str:
    """Returns the command that starts a night again if its spec is not in the store."""
    given = typed(store, "nightly", "SPEC", "--date", str(date_of(night)))
    return f"{given} with the night's own spec (and --fresh-data if it had that)"


def _trained(store: Store, night: str) -> tuple[str | None, int]:
    """Returns the digest of what a night trained and its training version; None if no intact file states them."""
    if (record := read_night(store, night)) is not None:
        return record.trained_digest, record.training_version
    found = stored_night(store, night)
    return (found.trained.digest, found.trained.training_version) if found else (None, UNRECORDED)


def _read(store: Store, night: str, kind: str, shape: TypeAdapter[Record]) -> Record | None:
    """Returns a record that is that night's own."""
    path = f"{folder_of(night)}/{kind}.json"
    try:
        found = unseal(store.get(path), path, "", shape)
    except (FileNotFoundError, DamagedRecord):
        return None
    return found if is_of_night(found, night) else None
