"""An S3 server on loopback for tests: moto's, in threads of this process, with scripted faults before it.

It is no fake of our own code: requests go through a socket, and any process of this machine may send them.
"""

import logging
import socket
import threading
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
_REFUSALS = {
    "busy": (
        "503 Slow Down",
        b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
    ),
    "denied": ("403 Forbidden", b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"),
}


class S3Server:
    """Serves until `stop()`.

    `faults` is a script: each request takes the first entry off it. "ok" lets it pass; "busy" answers 503 and
    "denied" 403; "reset" hangs up before the work, "lost" after it; "short" cuts the answer's body in half.
    """

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._app = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()  # moto's conditional put is not atomic by itself
        self.faults: deque[str] = deque()
        self.requests: list[str] = []
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=MotoRequestHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def send(self, method: str, path: str, data: bytes | None = None) -> None:
        """Sends a request that bypasses our clients: PUT a bucket or an object, DELETE one."""
        # moto refuses an object to the anonymous, checks no signature, and takes what has no type for a form
        headers = {"Authorization": "AWS a:b", "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"{self.url}/{path}", data, headers, method=method)  # noqa: S310  loopback
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310  the same

    def stop(self) -> None:
        """Stops serving and frees the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        with self._lock:
            fault = self.faults.popleft() if self.faults else "ok"
            self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {fault}")
            if fault in _REFUSALS:
                status, text = _REFUSALS[fault]
                start_response(status, [("Content-Length", str(len(text)))])
                return [text]
            if fault == "reset":
                return _hang_up(environ, start_response)
            body = b"".join(self._app(environ, start_response))
            if fault == "lost":
                return _hang_up(environ, start_response)
            return [body[: len(body) // 2] if fault == "short" else body]


def _hang_up(environ: Environ, start_response: StartResponse) -> list[bytes]:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    start_response("200 OK", [])  # goes nowhere; the server wants it all the same
    return [b"nowhere"]
