"""Jobs on a cluster over Ray's Jobs API: submit, attach, follow, stop, list. Plain data in and out.

A job's id is made of what it does and a number for its attempt, `NAME.N`: Ray refuses an id that it knows, so two that
submit the same at once end with one job. Ray's client has no time-outs and reads the address from the environment
first; both are mended here. The token for authentication comes from RAY_AUTH_MODE and RAY_AUTH_TOKEN (or
RAY_AUTH_TOKEN_PATH), as everywhere in Ray.
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
"""Connections lost in a row, 2 s apart, before following a job is given up; the job goes on."""
ANSWER_SECONDS = 20.0
"""Until an answer of the cluster must have come."""
IDLE_SECONDS = 30.0
"""Without a word of the log, its connection may be dead without having been closed: another one is made."""
NOT_READY = "No available agent"
"""What a head says of a job in the first seconds after its own start."""
FINAL = ("SUCCEEDED", "FAILED", "STOPPED")


@dataclass(frozen=True)
class Endpoint:
    """Where the Jobs API is, and how to speak to it."""

    address: str
    """http:// or https://, with a host and a port; a proxy may want a path, which may hold a secret."""
    headers: Mapping[str, str]
    """Sent with every request."""
    verify: bool | str
    """Whether the server's certificate is checked, or the file of authorities to check it with."""

    @property
    def shown(self) -> str:
        """The address as messages show it, without its path."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}" + ("/..." if parts.path.strip("/") else "")

    def without_path(self, text: str) -> str:
        """A text of somebody else's, without the address's path."""
        path = urlsplit(self.address).path.rstrip("/")
        return text.replace(path, "/...") if path else text


@dataclass(frozen=True)
class Job:
    """What the cluster says of a job."""

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
        """Whether it has ended, one way or the other."""
        return self.status in FINAL


class Jobs:
    """The jobs of one cluster.

    Raises:
        ClusterError: it does not answer, refuses the token, or runs another version of Ray.

    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        parts = urlsplit(endpoint.address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        check_answers(endpoint.shown, parts.hostname or "", port)
        import ray
        import urllib3
        from ray.job_submission import JobSubmissionClient

        if endpoint.verify is False:  # asked for, and not to be told of with every request
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

        with _translated(endpoint), _without_addresses():
            headers = dict(endpoint.headers)
            self._client = _with_deadlines(JobSubmissionClient)(
                endpoint.address, headers=headers or None, verify=endpoint.verify
            )
            there = self._client._server_ray_version  # get_version() is that of the API
        if there != ray.__version__:
            raise ClusterError(
                f"the cluster at {endpoint.shown} runs Ray {there}, this is Ray {ray.__version__}; "
                "install the same version here and there"
            )

    def submit(self, name: str, entrypoint: str, folder: str | None, metadata: Mapping[str, str]) -> tuple[str, bool]:
        """Starts the next attempt of a job, or attaches to the one that runs; its id, and whether it is a new one.

        `folder` is sent along and is the entry point's working directory.
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
                continue  # or somebody else was faster: attach to theirs
            return job_id, True
        raise ClusterError(f"{name} could not be submitted: the cluster takes no jobs, or its attempts end at once")

    def get(self, job_id: str) -> Job:
        """What the cluster says of one job; `NAME` without a number is its last attempt."""
        found = [job for job in self.list() if job_id in (job.id, _name(job.id))]
        if not found:
            where = self._endpoint.shown
            raise ClusterError(f"the cluster at {where} has no job {job_id!r}; `sumsquares list` shows all")
        return max(found, key=lambda job: _attempt(job.id))

    def list(self) -> list[Job]:
        """All jobs that were submitted, the newest first."""
        with _translated(self._endpoint):
            found = self._client.list_jobs()
        jobs = [_job(details) for details in found if details.submission_id]
        return sorted(jobs, key=lambda job: -(job.started or 0.0))

    def stop(self, job_id: str) -> None:
        """Asks a job to stop."""
        with _translated(self._endpoint):
            self._client.stop_job(job_id)

    def logs(self, job_id: str) -> str:
        """What a job has printed so far."""
        with _translated(self._endpoint):
            return str(self._client.get_job_logs(job_id))

    def follow(self, job_id: str, write: Callable[[str], object]) -> Job:
        """Writes what a job prints until it has ended; lost connections are made again and nothing is written twice."""
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
                    raise ClusterError(f"job {job_id} can't be followed any more: {error}; it may still run") from error
            time.sleep(min(2.0, 0.2 * (failures + 1)))

    def _tail(self, job_id: str, skip: int) -> Iterator[str]:
        """What a job prints, from character `skip` on, until the connection ends."""
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
    """Ray's client with an end of its patience: its own requests have none."""

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
            f"the cluster at {endpoint.shown} refuses: {first}; "
            "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's token"
        ) from error
    except requests.exceptions.Timeout as error:
        raise ClusterError(
            f"no answer within {ANSWER_SECONDS:.0f} s from {endpoint.shown}; "
            "check that it is the head's port for jobs, 8265"
        ) from error
    except (RuntimeError, ConnectionError, OSError) as error:
        # Ray's client says of its first request only that it failed.
        untrusted = next((e for e in (error, error.__context__) if isinstance(e, requests.exceptions.SSLError)), None)
        if untrusted:
            why = endpoint.without_path(str(untrusted))
            remedy = "give --verify with its authority"
            raise ClusterError(f"the certificate of {endpoint.shown} is not trusted: {why}; {remedy}") from error
        said = endpoint.without_path(" ".join(str(error).split()))
        raise ClusterError(f"the cluster at {endpoint.shown} failed: {said[:500]}") from error


@contextmanager
def _without_addresses() -> Iterator[None]:
    """Hides the environment's addresses: Ray's client would use them in place of the one it is given."""
    names = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
