import pickle
from typing import Any

import pytest
from s3_server import S3Server

from sumsquares.jobs.storage import bucket
from sumsquares.jobs.storage.store import StorageError, Store

FILES = {"a": b"", "x/a": b"1", "x/y/b": bytes(range(256)) * 4000, "xy": b"3"}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "_LONGEST_PAUSE", 0.01)


def filled(root: str) -> Store:
    store = Store(root)
    for path, data in FILES.items():
        store.put(path, data)
    return store


def test_what_is_put_is_what_is_read_listed_and_measured(s3_root: str) -> None:
    """Round trips over a socket, and a listing that stays inside its folder."""
    store = pickle.loads(pickle.dumps(filled(s3_root)))  # noqa: S301  our own bytes
    assert store.list() == sorted(FILES)
    assert store.list("x") == ["x/a", "x/y/b"]
    assert store.list("none") == []
    assert {path: store.get(path) for path in store.list()} == FILES
    assert all(store.exists(path) for path in FILES)
    assert store.sizes() == {path: len(data) for path, data in FILES.items()}
    assert not store.exists("x")
    store.probe(10**15)
    assert store.list() == sorted(FILES)


def test_a_missing_object_is_not_a_missing_bucket(s3_root: str) -> None:
    """A missing object and a missing bucket are different errors."""
    store = Store(s3_root)
    with pytest.raises(FileNotFoundError, match="some/prefix/x"):
        store.get("x")
    store.delete("x")
    assert not store.exists("x")


def test_a_missing_bucket_is_an_error_of_every_use(s3_server: S3Server) -> None:
    """A mistyped bucket never looks like an empty store."""
    store = Store("s3://no-such-bucket/prefix")
    uses: list[Any] = [
        store.probe,
        store.list,
        lambda: store.get("a"),
        lambda: store.put("a", b""),
        lambda: store.exists("a"),
        lambda: store.sizes("a"),
        lambda: store.delete("a"),
    ]
    for use in uses:
        with pytest.raises(StorageError, match=r"there is no bucket 'no-such-bucket'; create it"):
            use()


def test_a_listing_is_never_stale(s3_root: str, s3_server: S3Server) -> None:
    """Another process's puts and deletes are seen at once, after any number of listings and reads."""
    stores, folder = [Store(s3_root), Store(s3_root)], s3_root.removeprefix("s3://")
    for round_ in range(2):
        path = f"x/{round_}"
        for content in (b"1", b"22"):
            s3_server.send("PUT", f"{folder}/{path}", content)
            for store in stores * 2:
                assert (store.sizes("x"), store.exists(path)) == ({path: len(content)}, True)
                assert store.get(path) == content
        s3_server.send("DELETE", f"{folder}/{path}")
        for store in stores * 2:
            assert (store.list("x"), store.exists(path)) == ([], False)


def test_a_burst_of_faults_is_outlasted(s3_root: str, s3_server: S3Server) -> None:
    """After a 503, a reset, or a lost or truncated answer each call ends as if nothing had happened."""
    store = filled(s3_root)
    reads: list[Any] = [
        lambda: store.get("x/y/b") == FILES["x/y/b"],
        lambda: store.list() == sorted(FILES),
    ]
    bodiless: list[Any] = [
        lambda: store.sizes("x/y") == {"x/y/b": len(FILES["x/y/b"])},
        lambda: store.put("new", b"new" * 1000) is None,
        lambda: store.delete("new") is None,
    ]
    for use in reads + bodiless:
        s3_server.faults.extend(["busy", "reset", "lost"] + ["short"] * (use in reads))
        assert use()
        assert not s3_server.faults
    assert {path: store.get(path) for path in store.list()} == FILES


def test_access_denied_fails_at_once(s3_root: str, s3_server: S3Server) -> None:
    """Denied access is not retried, and the message says to check the credentials without showing them."""
    store = filled(s3_root)
    s3_server.faults.append("denied")
    with pytest.raises(StorageError, match=r"access denied .*check the credentials") as caught:
        store.put("new", b"new")
    assert "not-to-be-shown" not in str(caught.value)
    assert store.list() == sorted(FILES)


def test_a_bucket_whose_listing_is_denied_is_still_used(s3_root: str, s3_server: S3Server) -> None:
    """With a policy that allows objects but not the bucket itself, a missing object is simply missing."""
    s3_server.faults.extend(["ok", "denied"])
    with pytest.raises(FileNotFoundError):
        Store(s3_root).get("a")
    assert not s3_server.faults


def test_faults_without_end_are_given_up_at_the_deadline(
    s3_root: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the deadline there is one error with the number of attempts and no secret."""
    store = filled(s3_root)
    monkeypatch.setattr(bucket, "PATIENCE", 0.5)
    s3_server.faults.extend(["busy"] * 1000)
    with pytest.raises(StorageError, match=r"\(\d+ attempts\); check the address and the network") as caught:
        store.put("new", b"new")
    s3_server.faults.clear()
    assert store.list() == sorted(FILES)
    assert "not-to-be-shown" not in str(caught.value)


def test_an_endpoint_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, s3_server: S3Server) -> None:
    """If no server listens there is an error within the deadline, with the address."""
    monkeypatch.setattr(bucket, "PATIENCE", 0.5)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match=r"127\.0\.0\.1:9"):
        Store("s3://bucket/x").probe()


def test_missing_credentials_fail_at_once(monkeypatch: pytest.MonkeyPatch, s3_server: S3Server) -> None:
    """Missing credentials are reported at once."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(StorageError, match=r"access denied .*check the credentials"):
        Store("s3://bucket/x").probe()
