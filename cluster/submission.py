"""Jobs on a cluster over Ray's Jobs API: submit, attach, follow, stop, list. Plain data in and out.

A job's id, `NAME.N`, consists of a name for its work and the number of the attempt. Ray rejects an id that it knows, so
two people who submit the same work at once end up with one job. Ray's client has no timeouts and prefers an address in
the environment to the one it is given; this module fixes both. As everywhere in Ray, the token comes from RAY_AUTH_MODE
and RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sumsquares.cluster.connect import check_answers
from sumsquares.cluster.workers import ClusterError

RECONNECTS = 30
"""Connections lost in a row, 2 s apart, before following a job is given up; the job itself continues."""
ANSWER_SECONDS = 20.0
"""Timeout of one request."""
IDLE_SECONDS = 30.0
"""Seconds without output until a log's connection is replaced: it may be dead without having been closed."""
NOT_READY = "No available agent"
"""Part of a head's answer in the first seconds after its own start."""
FINAL = ("SUCCEEDED", "FAILED", "STOPPED")


@dataclass(frozen=True)
class Endpoint:
    """The address of the Jobs API and how to connect to it."""

    address: str
    """http:// or https://, with a host and a port; behind a proxy also a path, which may contain a secret."""
    headers: Mapping[str, str]
    """Sent with every request."""
    verify: bool | str
    """Whether to check the server's certificate, or the file of certificate authorities to check it with."""

    @property
    def shown(self) -> str:
        """The address for messages, without its path."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}" + ("/..." if parts.path.strip("/") else "")

    def without_path(self, text: str) -> str:
        """Returns a text written by others, with the address's path removed."""
        path = urlsplit(self.address).path.rstrip("/")
        return text.replace(path, "/...") if path else text


@dataclass(frozen=True)
class Job:
    """A job as the cluster describes it."""

    id: str
    status: str
    """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
    message: str
    exit_code: int | None
    """Of the entry point, once it has ended."""
    started: float | None
    """Unix time."""
    ended: float | None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, successfully or not."""
        return self.status in FINAL


class Jobs:
    """The jobs of one cluster.

    Raises:
        ClusterError: it does not answer, rejects the token, or runs another version of Ray.

    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        parts = urlsplit(endpoint.address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        check_answers(endpoint.shown, parts.hostname or "", port)
        import ray
        import urllib3
        from ray.job_submission import JobSubmissionClient

        if endpoint.verify is False:  # the user asked for it; no warning with every request
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

        with _translated(endpoint), _without_addresses():
            headers = dict(endpoint.headers)
            self._client = _with_deadlines(JobSubmissionClient)(
                endpoint.address, headers=headers or None, verify=endpoint.verify
            )
            there = self._client._server_ray_version  # get_version() returns the version of the API
        if there != ray.__version__:
            raise ClusterError(
                f"the cluster at {endpoint.shown} runs Ray {there}, this machine Ray {ray.__version__}; "
                "install the same version on both"
            )

    def submit(self, name: str, entrypoint: str, folder: str | None, metadata: Mapping[str, str]) -> tuple[str, bool]:
        """Starts the next attempt of a job, or attaches to one that runs; returns its id and whether it is new.

        `folder` is uploaded and becomes the entry point's working directory.
        """
        for _ in range(RECONNECTS):
            known = sorted((job for job in self.list() if _name(job.id) == name), key=lambda job: _attempt(job.id))
            if known and not known[-1].is_over:
                return known[-1].id, False
            job_id = f"{name}.{_attempt(known[-1].id) + 1 if known else 1}"
            environment = {"working_dir": folder} if folder else {}
            try:
                with _translated(self._endpoint):
                    self._client.submit_job(
                        entrypoint=entrypoint, submission_id=job_id, runtime_env=environment, metadata=dict(metadata)
                    )
            except ClusterError as error:
                if NOT_READY in str(error):
                    time.sleep(1.0)
                elif not any(job.id == job_id for job in self.list()):
                    raise
                continue  # otherwise another client was faster: attach to its job
            return job_id, True
        raise ClusterError(f"{name} could not be submitted: the cluster accepts no jobs, or each attempt ends at once")

    def get(self, job_id: str) -> Job:
        """Returns one job; for `NAME` without a number, its last attempt."""
        found = [job for job in self.list() if job_id in (job.id, _name(job.id))]
        if not found:
            where = self._endpoint.shown
            raise ClusterError(f"the cluster at {where} has no job {job_id!r}; `sumsquares list` shows all jobs")
        return max(found, key=lambda job: _attempt(job.id))

    def list(self) -> list[Job]:
        """Returns all submitted jobs, the newest first."""
        with _translated(self._endpoint):
            found = self._client.list_jobs()
        jobs = [_job(details) for details in found if details.submission_id]
        return sorted(jobs, key=lambda job: -(job.started or 0.0))

    def stop(self, job_id: str) -> None:
        """Asks a job to stop."""
        with _translated(self._endpoint):
            self._client.stop_job(job_id)

    def logs(self, job_id: str) -> str:
        """Returns what a job has printed so far."""
        with _translated(self._endpoint):
            return str(self._client.get_job_logs(job_id))

    def follow(self, job_id: str, write: Callable[[str], object]) -> Job:
        """Writes a job's output until it has ended; reconnects when needed and writes nothing twice."""
        from aiohttp import ClientError

        written = failures = 0
        while True:
            try:
                for text in self._tail(job_id, written):
                    written, failures = written + len(text), 0
                    write(text)
                job = self.get(job_id)
                if job.is_over:
                    write(self.logs(job_id)[written:])
                    return job
            except (ClusterError, RuntimeError, OSError, ClientError) as error:
                failures += 1
                if failures > RECONNECTS:
                    raise ClusterError(
                        f"job {job_id} cannot be followed any longer: {error}; it may still run"
                    ) from error
            time.sleep(min(2.0, 0.2 * (failures + 1)))

    def _tail(self, job_id: str, skip: int) -> Iterator[str]:
        """Yields a job's output from character `skip` on, until the connection ends."""
        stream = self._client.tail_job_logs(job_id)
        loop = asyncio.new_event_loop()
        try:
            while True:
                try:
                    text = loop.run_until_complete(asyncio.wait_for(anext(stream), IDLE_SECONDS))
                except (StopAsyncIteration, TimeoutError):
                    return
                fresh, skip = text[skip:], max(0, skip - len(text))
                if fresh:
                    yield fresh
        finally:
            loop.run_until_complete(stream.aclose())
            loop.close()


def _with_deadlines(client: type[Any]) -> type[Any]:
    """Returns Ray's client class with a timeout on each request."""

    class Client(client):  # type: ignore[misc]
        def _do_request(self, *arguments: Any, **options: Any) -> Any:
            return super()._do_request(*arguments, **{"timeout": ANSWER_SECONDS, **options})

    return Client


def _name(job_id: str) -> str:
    return job_id.rpartition(".")[0] or job_id


def _attempt(job_id: str) -> int:
    number = job_id.rpartition(".")[2]
    return int(number) if number.isdecimal() else 0


def _job(details: Any) -> Job:
    return Job(
        id=details.submission_id,
        status=str(getattr(details.status, "value", details.status)),
        message=details.message or "",
        exit_code=details.driver_exit_code,
        started=details.start_time / 1000 if details.start_time else None,
        ended=details.end_time / 1000 if details.end_time else None,
    )


@contextmanager
def _translated(endpoint: Endpoint) -> Iterator[None]:
    import requests
    from ray.exceptions import AuthenticationError

    try:
        yield
    except ClusterError:
        raise
    except AuthenticationError as error:
        first = endpoint.without_path(str(error).strip().splitlines()[0])
        raise ClusterError(
            f"the cluster at {endpoint.shown} rejects the token: {first}; "
            "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's token"
        ) from error
    except requests.exceptions.Timeout as error:
        raise ClusterError(
            f"no answer within {ANSWER_SECONDS:.0f} s from {endpoint.shown}; "
            "check that this is the head's port for the Jobs API, 8265"
        ) from error
    except (RuntimeError, ConnectionError, OSError) as error:
        # For its first request Ray's client only reports that it failed; the reason is in the context.
        untrusted = next((e for e in (error, error.__context__) if isinstance(e, requests.exceptions.SSLError)), None)
        if untrusted:
            why = endpoint.without_path(str(untrusted))
            remedy = "pass the certificate of its authority with --verify"
            raise ClusterError(f"the certificate of {endpoint.shown} is not trusted: {why}; {remedy}") from error
        said = endpoint.without_path(" ".join(str(error).split()))
        raise ClusterError(f"the cluster at {endpoint.shown} failed: {said[:500]}") from error


@contextmanager
def _without_addresses() -> Iterator[None]:
    """Hides the environment's addresses, which Ray's client would prefer to the one it is given."""
    names = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
