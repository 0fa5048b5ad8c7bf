"""Fixtures shared by several test files: an S3 server on loopback and a fresh bucket on it; a Ray cluster; a GPU.

Also which tests are slow (slow.txt) and which files take longest, those first (long.txt): `make list-slow` writes both.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from ray_cluster import RayCluster
    from s3_server import S3Server

    from sumsquares.jobs.engines.cuda.driver import Device

SLOW = Path(__file__).parent / "slow.txt"
LONG = Path(__file__).parent / "long.txt"
REST_SECONDS = 380.0
"""What `make test` may take on one core: the files that take longest are left to `make test-long`."""
SLOW_SECONDS = 0.03
"""From here on the cases of a test are slow, on average."""
SLOW_SETUP_SECONDS = 1.0
"""From here on what a test sets up makes its whole file slow: the next test would have to do it."""
_numbers = count()
os.environ.setdefault("MKL_CBWR", "AVX2")  # read at the first tensor of a process, whichever test makes it
hypothesis.settings.register_profile("ours", deadline=None)  # no test depends on time
hypothesis.settings.load_profile("ours")


def _test_of(case: str) -> str:
    """A test's file and name, without the parameters of a case."""
    return case.partition("[")[0].rpartition("/")[2]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is slow or long; a test that is in no list, such as a new one, is neither."""
    slow, long = set(SLOW.read_text().split()), set(LONG.read_text().split())
    for item in items:
        test = _test_of(item.nodeid)
        if test.partition("::")[0] in long:
            item.add_marker("long")
        if not slow.isdisjoint((test, test.partition("::")[0])):
            item.add_marker("slow")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Rewrites the lists on request."""
    if os.environ.get("LIST_SLOW"):
        reports = [each for some in terminalreporter.stats.values() for each in some if hasattr(each, "duration")]
        seconds: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for each in reports:
            seconds[_test_of(each.nodeid)][each.nodeid] += each.duration
        setups = {
            _test_of(each.nodeid) for each in reports if each.when == "setup" and each.duration > SLOW_SETUP_SECONDS
        }
        files = {test.partition("::")[0] for test in setups}
        slow = {test for test, cases in seconds.items() if mean(cases.values()) > SLOW_SECONDS}
        listed = files | {test for test in slow if test.partition("::")[0] not in files}
        SLOW.write_text("\n".join(sorted(listed)) + "\n")
        LONG.write_text("\n".join(_longest(seconds)) + "\n")


def _longest(seconds: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yields the files that take longest, until the rest takes REST_SECONDS."""
    totals: dict[str, float] = defaultdict(float)
    for test, cases in seconds.items():
        totals[test.partition("::")[0]] += sum(cases.values())
    left = sum(totals.values())
    for file in sorted(totals, key=lambda each: -totals[each]):
        if left <= REST_SECONDS:
            return
        left -= totals[file]
        yield file


@pytest.fixture(autouse=True)
def _no_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undoes `--debug` of a command that ran in this process before the next test."""
    monkeypatch.setenv("SUMSQUARES_DEBUG", "")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "Iterator[Device]":
    """An emulated GPU, as if the process were a new one, with an empty cache of compiled kernels."""
    import emulated_gpu

    from sumsquares.jobs.engines.cuda import driver

    _use_emulated(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    emulated_gpu.reset()
    yield driver.Device()
    emulated_gpu.reset()


@pytest.fixture(scope="module")
def emulated() -> "Iterator[None]":
    """The cuda engine of a file's tests has an emulated GPU, which runs each launch in both orders of its threads."""
    import emulated_gpu

    with pytest.MonkeyPatch.context() as patch:
        _use_emulated(patch)
        patch.setenv("EMULATED_ORDER", "both")
        emulated_gpu.reset()
        emulated_gpu.forget()
        yield
        emulated_gpu.forget()


def _use_emulated(patch: pytest.MonkeyPatch) -> None:
    import emulated_gpu

    from sumsquares.jobs.engines.cuda import compiler, driver

    if reason := emulated_gpu.reason():
        pytest.skip(reason)
    for module, library in zip((driver, compiler), emulated_gpu.libraries(), strict=True):
        patch.setattr(module, "LIBRARY", library)
    for name, value in emulated_gpu.variables().items():
        patch.setenv(name, value)


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
