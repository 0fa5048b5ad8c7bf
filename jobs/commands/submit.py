"""Sends a run to a cluster: the same command on the same spec, as a Ray job. What that job then does is `run.py`."""

from __future__ import annotations

import hashlib
import re
import shlex
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sumsquares.cluster.submission import Endpoint, Job, Jobs
from sumsquares.jobs import exits
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.stages.placement import PlacementOptions
from sumsquares.jobs.storage.plain import is_plain
from sumsquares.jobs.storage.store import Store

ADDRESSES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Environment variables that are read in this order if no --address is given."""

_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?|[0-9a-f:.]{2,45}", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\xa1-\xff]+")


def endpoint(
    address: str | None, headers: Sequence[str], verify: str | None, environment: Mapping[str, str]
) -> Endpoint:
    """Returns the address of the Jobs API according to the options and the environment.

    Raises:
        UsageError: no address, one that is not http or https, or a header without a value.

    """
    found = address or next((environment[name] for name in ADDRESSES if environment.get(name)), None)
    if not found:
        raise UsageError(
            f"no cluster is named: give --address http://head:8265, or set {ADDRESSES[0]}; the runs of a store are "
            "listed by `sumsquares runs`"
        )
    try:
        parts = urlsplit(found)
        valid = parts.scheme in ("http", "https") and bool(_HOST.fullmatch(parts.hostname or "")) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageError("the address of a cluster begins with http:// or https://, such as http://head:8265")
    if "@" in parts.netloc or any(mark in found for mark in "?#%"):
        raise UsageError("the address seems to hold credentials: leave them out, and set RAY_AUTH_TOKEN instead")
    pairs = [header.partition(":") for header in headers]
    if not all(_NAME.fullmatch(name.strip()) and _VALUE.fullmatch(value.strip()) for name, _, value in pairs):
        raise UsageError("a --header has no value, or an invalid name or value; write --header 'Name: value'")
    given = "true" if verify is None else verify
    checked: bool | str = {"true": True, "false": False}.get(given.lower(), given)
    if isinstance(checked, str) and not _holds_certificates(checked):
        raise UsageError(f"--verify {shown(checked)} is not a file of certificates; write true, false or its path")
    return Endpoint(found.rstrip("/"), {name.strip(): value.strip() for name, _, value in pairs}, checked)


def _holds_certificates(path: str) -> bool:
    """Whether this is a regular file or a folder."""
    try:
        return bool(path) and (is_plain(Path(path)) or Path(path).is_dir())
    except ValueError:  # a NUL
        return False


def job_name(spec: JobSpec, store: Store) -> str:
    """Returns the job's name. It is the same for the same spec and store, which therefore have one job at a time."""
    return f"{spec.name}-{spec.digest[:12]}-{hashlib.sha256(store.root.encode()).hexdigest()[:8]}"


def entrypoint(store: Store, options: PlacementOptions, max_trials: int) -> str:
    """Returns the command line of the job; Ray passes it to a shell, so every word is quoted."""
    words = ["sumsquares", "run", "spec.toml", "--address", "auto", "--store", store.root, *options.arguments()]
    return shlex.join([*words, "--max-trials", str(max_trials)])


def submit(jobs: Jobs, spec: JobSpec, store: Store, options: PlacementOptions, max_trials: int) -> tuple[str, bool]:
    """Starts the run, or attaches to the job that does the same; returns its id and whether it is new."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "spec.toml").write_bytes(spec.stored_text)  # the cluster may not have its tables
        metadata = {"run": spec.name, "spec_digest": spec.digest}
        return jobs.submit(job_name(spec, store), entrypoint(store, options, max_trials), folder, metadata)


def exit_code_of(job: Job) -> int:
    """Returns the job's own exit code or, if Ray doesn't know it, the one that fits its status."""
    if job.exit_code is not None:
        return job.exit_code if job.exit_code >= 0 else 128 - job.exit_code
    by_message = re.search(r"exit code (\d+)", job.message)
    if by_message:
        return int(by_message.group(1))
    codes: dict[str, int] = {"SUCCEEDED": exits.OK, "STOPPED": 128 + signal.SIGTERM}
    return codes.get(job.status, exits.CLUSTER)
