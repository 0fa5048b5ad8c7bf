"""The webhook against a real receiver with every kind of fault: what is delivered, retried, said, and never said."""

from __future__ import annotations

import json
import logging
import socket
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from night_world import START, Moved
from proxy import authority
from receiver import CLOSE, DRIP, HANG, OK, RESET, Receiver, answer

from sumsquares.jobs.night import webhook as sending
from sumsquares.jobs.night.webhook import LONGEST_PAUSE, Webhook, post
from sumsquares.jobs.night.webhook_answer import answer_of, seconds_of

SECRET = "hunter2hunter2"  # noqa: S105  it is one in tests alone
FACTS = {"night": "2026-11-01-0123456789ab", "date": "2026-11-01", "message": "as good as the champion"}


@pytest.fixture(autouse=True)
def _direct(monkeypatch):
    """No proxy, no authorities of the machine's own; everything is logged."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Timed(Moved):
    """A clock that keeps the pauses."""

    def __init__(self):
        super().__init__()
        self.pauses = []

    def pass_(self, seconds):
        self.pauses.append(seconds)
        super().pass_(seconds)


def address(port, scheme="http"):
    """Returns an address with a secret in every part that can hold one."""
    return f"{scheme}://{SECRET}:{SECRET}@127.0.0.1:{port}/services/{SECRET}?key={SECRET}"


def posted(receiver, time=None, scheme="http", seconds=60.0):
    """Posts an event; returns what went wrong."""
    return post(Webhook(address(receiver.port, scheme), seconds=seconds), "success", FACTS, (time or Timed()).clock)


def test_an_event_is_posted_once_as_json_to_the_whole_address():
    """Its user and password become an Authorization header. Only the head of the answer is read."""
    with Receiver([b"HTTP/1.1 204 No Content\r\nContent-Length: 99999999\r\n\r\n"]) as receiver:
        assert posted(receiver) is None
        assert receiver.bodies == [{"event": "success", **FACTS}]
    head = receiver.requests[0].decode()
    assert head.startswith(f"POST /services/{SECRET}?key={SECRET} HTTP/1.1\r\n")
    assert "Content-Type: application/json\r\n" in head
    assert "Authorization: Basic " in head


def test_a_password_of_netrc_is_not_sent(tmp_path, monkeypatch):
    """It is another program's."""
    (tmp_path / ".netrc").write_text(f"default login me password {SECRET}\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with Receiver() as receiver:
        assert post(Webhook(f"http://127.0.0.1:{receiver.port}/"), "success", FACTS, Timed().clock) is None
    assert b"Authorization" not in receiver.requests[0]


@pytest.mark.parametrize("fault", [RESET, CLOSE, b"SSH-2.0-x\r\n", answer(500), answer(503), answer(429), answer(408)])
def test_what_may_pass_is_tried_again_until_it_is_delivered(fault):
    """Connections that break, receivers that are busy or broken. The pauses grow, and are none of equal length."""
    time = Timed()
    with Receiver([fault] * 4 + [OK]) as receiver:
        assert posted(receiver, time) is None
        assert len(receiver.requests) == 5
    for attempt, pause in enumerate(time.pauses):
        assert 0.5 * 2**attempt <= pause <= 2**attempt
    assert len(set(time.pauses)) == 4


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (answer(404), "the receiver answered 404 Not Found"),
        (answer(403), "the receiver answered 403 Forbidden"),
        (answer(450), "the receiver answered 450"),
        (answer(302, Location="http://127.0.0.1:1/"), "the receiver answered 302 Found, a redirect"),
        (answer(308, Location="/other"), "the receiver answered 308 Permanent Redirect, a redirect"),
    ],
)
def test_what_does_not_pass_is_tried_once(fault, said):
    """Redirects are not followed, wherever they lead."""
    with Receiver([fault, OK]) as receiver:
        trouble = posted(receiver, time := Timed())
    assert said in trouble
    assert (len(receiver.requests), time.pauses) == (1, [])


def test_tries_end_with_the_time_limit():
    """The last trouble is told, with the number of tries; no pause exceeds its limit."""
    with Receiver([answer(502)]) as receiver:
        trouble = posted(receiver, time := Timed(), seconds=300.0)
    assert "the receiver answered 502 Bad Gateway" in trouble
    assert f"({len(receiver.requests)} tries)" in trouble
    assert sum(time.pauses) < 300.0
    assert max(time.pauses) <= LONGEST_PAUSE
    assert len(receiver.requests) > 300 / LONGEST_PAUSE


def test_a_pause_that_the_receiver_asks_for_is_kept_unless_it_is_too_long():
    """In seconds or as a date; if there is no time for it, nothing more is sent."""
    date = format_datetime(datetime.fromtimestamp(START + 20, UTC), usegmt=True)
    for wish in ("20", date):
        time = Timed()
        with Receiver([answer(429, Retry_After=wish), OK]) as receiver:
            assert posted(receiver, time) is None
            assert time.pauses == [pytest.approx(20.0)]
    with Receiver([answer(429, Retry_After="3600"), OK]) as receiver:
        trouble = posted(receiver, time := Timed())
    assert "429 Too Many Requests and asks for a pause of 3600 s" in trouble
    assert (len(receiver.requests), time.pauses) == (1, [])


@given(st.text(max_size=30) | st.integers().map(str) | st.dates().map(str) | st.just("9" * 5000))
def test_any_retry_after_is_a_bounded_number_of_seconds(text):
    """Nonsense asks for no pause, and the back-off is kept."""
    pause = seconds_of(text, START)
    assert 0.0 <= pause < 1e12
    assert answer_of(503, text, START).again


@pytest.mark.parametrize("fault", [HANG, DRIP])
def test_a_receiver_that_never_ends_its_answer_is_left_behind(fault):
    """One that is silent, and one that sends a byte now and then, which no time limit of sockets covers."""
    with Receiver([fault]) as receiver:
        trouble = posted(receiver, seconds=0.3)
    assert trouble.startswith("the webhook for success failed: no answer ")


def test_a_port_without_a_receiver_is_told():
    """As a broken connection is, and it is tried again for as long as there is time."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    trouble = post(Webhook(address(port)), "failure", FACTS, (time := Timed()).clock)
    assert "the webhook for failure failed: no connection" in trouble
    assert len(time.pauses) > 3


def test_a_certificate_must_be_trusted(tmp_path, monkeypatch):
    """An unknown authority ends it at once. One of the environment is trusted."""
    context, trusted = authority(tmp_path)
    with Receiver([OK], context) as receiver:
        trouble = posted(receiver, time := Timed(), "https")
        assert "certificate isn't trusted" in trouble
        assert time.pauses == []
    assert SECRET.encode() not in b"".join(receiver.requests)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    with Receiver([OK], context) as receiver:
        assert posted(receiver, scheme="https") is None
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone"))
        assert "$REQUESTS_CA_BUNDLE" in posted(receiver, scheme="https")


def test_the_proxy_of_the_environment_is_used(monkeypatch):
    """And its absence is told as such."""
    with Receiver() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        assert post(Webhook("http://receiver.invalid/x"), "success", FACTS, Timed().clock) is None
        assert proxy.requests[0].startswith(b"POST http://receiver.invalid/x ")
    assert "the proxy of the environment" in post(Webhook("http://receiver.invalid/x"), "success", FACTS, Timed().clock)


FAULTS = {
    "a refusal": answer(404, X=SECRET),
    "a redirect": answer(301, Location=f"http://127.0.0.1:1/{SECRET}"),
    "a wrong header": b"HTTP/1.1 500 " + SECRET.encode() + b"\r\nno header " + SECRET.encode() + b"\r\n\r\n",
    "garbage": SECRET.encode() * 1000,
    "a reset": RESET,
    "silence": HANG,
    "success": OK,
    "a wish": answer(429, Retry_After=SECRET),
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"X: " + SECRET.encode() + b"\r\n" + b"Y: 1\r\n" * 200 + b"\r\n",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_part_of_the_address_is_told_or_logged(fault, scheme, caplog, capfd):
    """Whatever happens, at any level of logging, also by the libraries; nor is what the receiver says."""
    for name in (None, "urllib3.connectionpool", "urllib3.util.retry"):
        caplog.set_level(logging.DEBUG, logger=name)
    with Receiver([FAULTS[fault]]) as receiver:
        trouble = posted(receiver, seconds=0.4, scheme=scheme)
    said = f"{trouble}{caplog.text}{''.join(capfd.readouterr())}{Webhook(address(1))!r}"
    assert SECRET not in said
    assert "/services" not in said


def test_other_threads_log_as_before(caplog):
    """Only what is logged of a delivery is dropped."""
    caplog.set_level(logging.DEBUG)
    with Receiver() as receiver:
        posted(receiver)
        import requests

        requests.get(f"http://127.0.0.1:{receiver.port}/seen", timeout=10)
    assert "/seen" in caplog.text


def test_an_error_that_nobody_expects_is_told_by_its_name(monkeypatch):
    """Its words may have the address."""

    def fails(*_):
        raise RuntimeError(f"https://{SECRET}")

    monkeypatch.setattr(sending, "answer_of", fails)
    with Receiver() as receiver:
        assert posted(receiver) == "the webhook for success failed: it could not be sent (RuntimeError)"


def test_the_posted_json_is_one_line():
    """A receiver may append it to a log."""
    with Receiver() as receiver:
        posted(receiver)
    body = receiver.requests[0].partition(b"\r\n\r\n")[2]
    assert body.endswith(b"}\n")
    assert json.loads(body) == receiver.bodies[0]


def test_a_process_without_room_for_a_thread_posts_nothing(monkeypatch):
    """That is a warning too."""

    def fails(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(sending.threading.Thread, "start", fails)
    assert "no more threads" in post(Webhook("http://127.0.0.1:1/"), "success", FACTS, Timed().clock)
