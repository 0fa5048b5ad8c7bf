"""Fixtures shared by several test files: an S3 server on loopback and a fresh bucket on it; a Ray cluster."""

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from ray_cluster import RayCluster
    from s3_server import S3Server

_numbers = count()
hypothesis.settings.register_profile("ours", deadline=None)  # no test depends on time
hypothesis.settings.load_profile("ours")


@pytest.fixture(autouse=True)
def _no_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--debug` of a command that ran in this process says nothing to the next test."""
    monkeypatch.setenv("SUMSQUARES_DEBUG", "")


@pytest.fixture(scope="session")
def _s3_process_wide() -> "Iterator[S3Server]":
    from s3_server import S3Server  # half a second to import, for those who ask alone

    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def s3_server(_s3_process_wide: "S3Server", monkeypatch: pytest.MonkeyPatch) -> "S3Server":
    """The server, with an environment that leads here and nowhere else, in child processes too."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", _s3_process_wide.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key-that-is-not-to-be-shown")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-is-not-to-be-shown")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    _s3_process_wide.faults.clear()
    _s3_process_wide.requests.clear()
    return _s3_process_wide


@pytest.fixture
def s3_root(s3_server: "S3Server") -> str:
    """The address of an empty prefix in a bucket of its own."""
    bucket = f"bucket-{next(_numbers)}"
    s3_server.send("PUT", bucket)
    s3_server.requests.clear()
    return f"s3://{bucket}/some/prefix"


@pytest.fixture(scope="module")
def cluster() -> "Iterator[RayCluster]":
    """A cluster of three raylets for all tests of a file; it takes some ten seconds to start."""
    from ray_cluster import RayCluster  # its client for HTTP, for those who ask alone

    found = RayCluster()
    yield found
    found.stop()
