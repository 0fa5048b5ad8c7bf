"""A proxy of one port for tests: it can cut or freeze its connections, speak TLS, and require a header."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Proxy:
    """Forwards to a port of this host until it is closed."""

    def __init__(self, target: int, context: ssl.SSLContext | None = None, header: bytes = b"") -> None:
        self._target, self._context, self._header = target, context, header
        self._sockets: list[socket.socket] = []
        self._thawed = threading.Event()
        self._frozen: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self._closed = threading.Event()
        self.port = int(self._server.getsockname()[1])
        self.connections = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> None:
        """Closes all connections."""
        for each in list(self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """Makes existing connections silent but keeps them open; new ones work."""
        self._frozen = list(self._sockets)

    def close(self) -> None:
        """Ends the proxy and its connections."""
        self._closed.set()
        self._thawed.set()
        self.cut()
        for thread in self._threads:
            thread.join(timeout=10)

    def _accept(self) -> None:
        with self._server:
            while not self._closed.is_set():
                with suppress(OSError):
                    client, _ = self._server.accept()
                    client.settimeout(None)
                    self.connections += 1
                    self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
                    self._threads[-1].start()

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), plain, self._wrapped(plain) as client:
            first = client.recv(65536)
            if self._header.lower() not in first.lower():
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\nConnection: close\r\n\r\nno key")
                return
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                self._sockets += [client, server]
                server.sendall(first)
                back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
                back.start()
                self._pump(client, server)
                back.join()

    def _wrapped(self, plain: socket.socket) -> socket.socket:
        return self._context.wrap_socket(plain, server_side=True) if self._context else plain

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if source in self._frozen:
                    self._thawed.wait()
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def authority(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Returns a TLS context for 127.0.0.1 with a self-signed certificate, and the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "proxy of a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "authority.pem", folder / "key.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted
