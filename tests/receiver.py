"""A receiver of webhooks on loopback whose answers are scripted: statuses, raw bytes, or faults of the connection."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
RESET, HANG, CLOSE, DRIP = b"reset", b"hang", b"close", b"drip"


def answer(status: int, **headers: str) -> bytes:
    """Returns an answer without a body."""
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode()


class Receiver:
    """Gives one answer after the other, the last one for ever, each on a connection of its own."""

    def __init__(self, answers: Sequence[bytes] = (OK,), context: ssl.SSLContext | None = None) -> None:
        self._answers, self._context = list(answers), context
        self._closed = threading.Event()
        self.requests: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def bodies(self) -> list[Any]:
        """What was posted, parsed."""
        return [json.loads(each.partition(b"\r\n\r\n")[2]) for each in self.requests]

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(timeout=10)

    def _serve(self) -> None:
        while not self._closed.is_set():
            with suppress(OSError):
                plain, _ = self._server.accept()
                with plain:
                    self._answer(plain)

    def _answer(self, plain: socket.socket) -> None:
        plain.settimeout(10)
        with self._context.wrap_socket(plain, server_side=True) if self._context else plain as client:
            self.requests.append(_request(client))
            said = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if said == RESET:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif said == HANG:
                self._closed.wait(10)
            elif said == DRIP:
                client.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not self._closed.wait(0.01):
                    client.sendall(b"x")
            elif said != CLOSE:
                client.sendall(said)


def _request(client: socket.socket) -> bytes:
    """Reads a whole request."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(65536) or b"\r\n\r\n"
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0].partition(b":")[2]):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body
