"""A client made of a socket and TLS alone: `python -m tests.bench.raw_socket FD`.

It is told what to do, one command at a time, as the measuring process of vestbench is,
and does the same on the wire, with nothing between the clock and the socket.
"""

from __future__ import annotations

import gc
import re
import socket
import ssl
import sys
from multiprocessing.connection import Connection
from time import perf_counter_ns
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from vestbench._version import __version__
from vestbench.model.request import RequestSpec

_CHUNK = 65_536


class Stamps(NamedTuple):
    """Readings of the clock, in nanoseconds; the first three absent where reused."""

    begin: int
    resolved: int | None
    connected: int | None
    secured: int | None
    first_write: int
    last_write: int
    first_read: int
    end: int


class RawClient:
    """One connection at a time, opened by `cold` and used again by `reused`."""

    def __init__(self, ca_pem: str, spec: RequestSpec) -> None:
        self._context = ssl.create_default_context(cadata=ca_pem)
        url = urlsplit(spec.url)
        self._host, self._port = url.hostname or "", url.port or 443
        self._request = request_bytes(spec)
        self._sock: ssl.SSLSocket | None = None

    def cold(self) -> Stamps:
        """Open a connection and send one request on it."""
        self.close()
        begin = perf_counter_ns()
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        resolved = perf_counter_ns()
        plain = socket.socket(family, socket.SOCK_STREAM)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.connect(address)
        connected = perf_counter_ns()
        self._sock = self._context.wrap_socket(
            plain, server_hostname=self._host, do_handshake_on_connect=False
        )
        wrapped = perf_counter_ns()
        self._sock.do_handshake()
        # Making the Python object belongs to no phase, here as in vestbench.
        secured = perf_counter_ns() - (wrapped - connected)
        stamps = self._exchange(self._sock, begin)
        return stamps._replace(resolved=resolved, connected=connected, secured=secured)

    def reused(self) -> Stamps:
        """Send one request on the connection that is open."""
        if self._sock is None:
            message = "nothing is open to be reused"
            raise RuntimeError(message)
        return self._exchange(self._sock, perf_counter_ns())

    def _exchange(self, sock: ssl.SSLSocket, begin: int) -> Stamps:
        first_write = perf_counter_ns()
        sock.sendall(self._request)
        last_write = perf_counter_ns()
        data = sock.recv(_CHUNK)
        first_read = perf_counter_ns()
        while data and (left := missing(data)) != 0:
            more = sock.recv(min(_CHUNK, left or _CHUNK))
            if not more:
                break
            data += more
        end = perf_counter_ns()
        if not data.startswith(b"HTTP/1.1 200 ") or missing(data) != 0:
            message = f"not the answer that was expected: {data[:40]!r}"
            raise ConnectionError(message)
        return Stamps(begin, None, None, None, first_write, last_write, first_read, end)

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def missing(data: bytes) -> int | None:
    """Return how many bytes of an answer are still to come; None if that is unknown."""
    head, mark, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(length[1]) - len(body) if mark and length else None


def request_bytes(spec: RequestSpec) -> bytes:
    """Return the request as httpx would write it, header for header."""
    url = urlsplit(spec.url)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    headers = [
        ("Host", url.netloc),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Connection", "keep-alive"),
        ("user-agent", f"vestbench/{__version__}"),
        *spec.headers,
    ]
    lines = [f"{spec.method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def main(argv: list[str]) -> int:
    """Serve commands on the descriptor named in `argv` until it closes."""
    parent: Connection[Any, Any] = Connection(int(argv[1]))
    with parent:
        ca_pem, spec = parent.recv()
        client = RawClient(ca_pem, spec)
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            while True:
                command = parent.recv()
                stamps = client.cold() if command == "cold" else client.reused()
                parent.send(tuple(stamps))  # here the class is one of __main__
        except EOFError:
            client.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
