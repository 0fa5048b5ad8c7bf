"""The spec of a run in the store, and what happens to an earlier run of the same name: it is kept, not overwritten."""

from __future__ import annotations

from datasets.errors import DataError
from jobs.spec.difference import describe_difference
from jobs.spec.job_spec import JobSpec, SpecError, parse_spec
from jobs.storage.store import Store

PREVIOUS = "previous"
WRITE_ANEW = "run `sumsquares summarize SPEC` to write it anew, with the spec that was run"
"""The remedy for a run's job.toml and summary.json."""


class DamagedSpec(DataError):  # noqa: N818  its base says that it is an error
    """The stored spec of a run is not the one that was run (exit code 3)."""


def run_folder(name: str) -> str:
    """Where a run's files lie."""
    return f"runs/{name}"


def stored_spec(store: Store, name: str) -> JobSpec | None:
    """The spec of the last run of that name, or None; its limit on trials was applied when it was run.

    Raises:
        DamagedSpec: it can't be read, or is that of a run of another name.

    """
    path = f"{run_folder(name)}/job.toml"
    try:
        spec = parse_spec(store.get(path), path, max_trials=2**63)
    except FileNotFoundError:
        return None
    except SpecError as error:
        raise DamagedSpec(f"{error}; {WRITE_ANEW}") from error
    if spec.name != name:
        raise DamagedSpec(f"{path}: damaged, it is the spec of run {spec.name}: {WRITE_ANEW}")
    return spec


def keep_spec(store: Store, spec: JobSpec) -> list[str]:
    """Writes the spec; an earlier run with another one is moved aside, and its differences are returned.

    The earlier run's files lie in `runs/<name>/previous/<first 12 digits of its digest>/` from then on. Its trials
    are where all trials are: those that both specs have are not trained again.
    """
    folder = run_folder(spec.name)
    try:
        earlier = stored_spec(store, spec.name)
    except DamagedSpec:
        earlier = None
    if earlier is not None and earlier.digest == spec.digest:
        return []
    difference = []
    if earlier is not None:
        aside = f"{folder}/{PREVIOUS}/{earlier.digest[:12]}"
        difference = [*describe_difference(earlier, spec), f"the earlier run is kept in {aside}"]
        files = [path for path in store.list(folder) if not path.startswith(f"{folder}/{PREVIOUS}/")]
        for path in files:
            store.put(f"{aside}/{path.removeprefix(folder + '/')}", store.get(path))
        # The spec is replaced last: interrupted before, the next run finds the earlier spec and does all this again.
        for path in files:
            if not path.endswith("/job.toml"):
                store.delete(path)
    store.put(f"{folder}/job.toml", spec.source_text)
    return difference
