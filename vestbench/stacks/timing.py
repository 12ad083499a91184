"""A network backend for httpcore and httpcore2 that stamps phases and counts uses.

It resolves, connects and shakes hands itself, because httpcore's own trace events put
name resolution and TCP into one, and its window round a request is wider than the wire
by some 0.15 ms of parsing. The stamps of the exchange under way are kept per thread:
httpcore's synchronous pool does all the work of a request in the calling thread.
"""

from __future__ import annotations

import itertools
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter_ns
from types import ModuleType
from typing import Any

from vestbench.kernel.timestamps import KernelStamps, StampedSocket
from vestbench.model.client import PoolSettings
from vestbench.model.request import NS_PER_S
from vestbench.stacks.wire.connecting import (
    Resolver,
    SocketOption,
    addresses_of,
    connect_any,
    is_literal,
    keepalive_options,
    network_reason,
    system_resolver,
)
from vestbench.stacks.wire.timestamps import Connection, TcpInfo, Timestamps, tcp_info

TLS_1_3 = "TLSv1.3"  # as `SSLSocket.version` says it


class TlsError(Exception):
    """The TLS handshake failed, or an alert came in place of an answer.

    A server that refuses the client in TLS 1.3 says so after the handshake.
    """


class _PerThread(threading.local):
    stamps: Timestamps | None = None


class TimedBackend:
    """Opens connections for httpcore's pool and stamps what happens on them.

    It has the methods of `httpcore.NetworkBackend`, and raises the exceptions of
    whichever httpcore it serves.

    Args:
        settings: Gives the connect timeout and the TCP keep-alive.
        core: The module `httpcore` or `httpcore2`.
        resumes: Offer the last TLS session of a host to a new connection to it.
        clock: Nanoseconds, monotonic.
        resolve: Takes a host and a port and gives address families and addresses.
        serials: Numbers the connections; shared by backends whose connections must
            not have the same number.
        kernel_timestamps: Ask the kernel when each request left and its answer came.
    """

    def __init__(
        self,
        settings: PoolSettings,
        core: ModuleType,
        *,
        resumes: bool = False,
        clock: Callable[[], int] = perf_counter_ns,
        resolve: Resolver | None = None,
        serials: Iterator[int] | None = None,
        kernel_timestamps: bool = False,
    ) -> None:
        self.core = core
        self.sessions: dict[str | None, ssl.SSLSession] | None = {} if resumes else None
        self._settings = settings
        self.kernel_timestamps = kernel_timestamps
        self._clock = clock
        self._resolve = resolve or system_resolver
        self._options = keepalive_options(settings.tcp_keepalive_s)
        self._serials = itertools.count(1) if serials is None else serials
        self._thread = _PerThread()

    def begin(self, *, joins: bool = False) -> Timestamps:
        """Start the stamps of the next exchange of the calling thread.

        Args:
            joins: The request has a body, which is to leave together with its header,
                as hyper sends it; httpcore writes them one after the other, which
                makes two TCP segments.
        """
        limit_ns = int(self._settings.request_timeout_s * NS_PER_S)
        stamps = Timestamps(self._clock() + limit_ns, joins=joins)
        if self.kernel_timestamps:
            stamps.kernel = KernelStamps()
        self._thread.stamps = stamps
        return stamps

    def current(self) -> Timestamps:
        """Return the stamps of the exchange that this thread is in."""
        stamps = self._thread.stamps
        if stamps is None:  # something outside an exchange, such as closing the pool
            stamps = self.begin()
        return stamps

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the settings' budget is shared
        local_address: str | None = None,  # noqa: ARG002 - never asked for
        socket_options: Iterable[SocketOption] | None = None,  # noqa: ARG002
    ) -> TimedStream:
        """Resolve `host`, connect, and stamp both.

        Name resolution, TCP and TLS share the connect timeout. `getaddrinfo` cannot be
        interrupted: when it overruns, the timeout is raised after it returns.
        """
        stamps = self.current()
        stamps.opened += 1
        clock = self._clock
        begin = clock()
        budget_ns = int(self._settings.connect_timeout_s * NS_PER_S)
        stamps.connect_deadline_ns = min(begin + budget_ns, stamps.deadline_ns)
        addresses = addresses_of(host, port, self._resolve)
        resolved = clock()
        if not is_literal(host):
            stamps.dns_ns = (stamps.dns_ns or 0) + resolved - begin
        sock, peer, begun = connect_any(
            addresses, self._options, self.core, clock, stamps.connect_deadline_ns
        )
        stamps.connect_ns = (stamps.connect_ns or 0) + clock() - begun
        connection = Connection(next(self._serials), sock, peer)
        return TimedStream(sock, connection, self)

    def remaining_s(self, deadline_ns: int) -> float:
        """Return the seconds left until `deadline_ns`; zero or less when it passed."""
        return (deadline_ns - self._clock()) / NS_PER_S

    def now(self) -> int:
        """Read the clock."""
        return self._clock()


class TimedStream:
    """One TCP or TLS connection that stamps the reads and writes on it."""

    def __init__(
        self, sock: socket.socket, connection: Connection, backend: TimedBackend
    ) -> None:
        self._sock = sock
        self._connection = connection
        self._backend = backend
        self._core = backend.core
        self._host: str | None = None  # what the TLS session was made for
        self._last_marks: Timestamps | None = None
        self._held = b""  # what is to leave with the next write
        self._stamped: StampedSocket | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has arrived, within the time left for the exchange."""
        stamps = self._backend.current()
        if self._held:  # never wait for an answer to what has not left
            self.write(b"", timeout)
        limit_s = self._limit(timeout, stamps, self._core.ReadTimeout)
        self._sock.settimeout(limit_s)
        if self._stamped is not None:
            self._note_arrival(self._stamped, stamps, limit_s)
        try:
            data = self._sock.recv(max_bytes)
        except TimeoutError as error:
            raise self._core.ReadTimeout("no answer in time") from error
        except ssl.SSLError as error:
            raise TlsError(network_reason(error)) from error
        except OSError as error:
            raise self._core.ReadError(network_reason(error)) from error
        if data:
            stamp = self._backend.now()
            if not stamps.first_read:
                stamps.first_read = stamp
                stamps.head = data[:5]
            stamps.last_read = stamp
        else:
            stamps.peer_closed = True
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of `buffer`, within the time left for the exchange.

        Of a request with a body, hold the parts until the empty write by which httpcore
        ends it.
        """
        stamps = self._backend.current()
        if buffer and stamps.joins and not self._connection.http2:
            self._held += buffer
            return
        buffer, self._held = self._held + buffer, b""
        if not buffer:
            return
        self._last_marks = stamps
        if stamps.connection is not self._connection:
            self._connection.uses += 1
            stamps.carried_by(self, self._connection, self._connection.uses)
            # Sent again, where HTTP/2 has learnt that the first one was not looked at.
            stamps.first_write = stamps.first_read = 0
        self._sock.settimeout(self._limit(timeout, stamps, self._core.WriteTimeout))
        if not stamps.first_write:
            stamps.first_write = self._backend.now()
        try:
            self._sock.sendall(buffer)
        except TimeoutError as error:
            raise self._core.WriteTimeout("could not send in time") from error
        except OSError as error:
            raise self._core.WriteError(network_reason(error)) from error
        finally:  # httpcore still reads after an error: an answer may have come before
            stamps.last_write = self._backend.now()
        if self._stamped is not None:
            self._stamped.sent(stamps.kernel)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the connect budget is shared
    ) -> TimedStream:
        """Shake hands. The stamp leaves out the making of the Python object.

        To set a session takes 0.3 ms, and is no part of the handshake either.
        """
        stamps = self._backend.current()
        try:
            self._sock.getpeername()  # wrap_socket would lose the socket without one
        except OSError as error:
            self._sock.close()
            raise TlsError("connection reset before the handshake") from error
        try:
            sock = ssl_context.wrap_socket(
                self._sock,
                server_hostname=server_hostname,
                do_handshake_on_connect=False,
                session=(self._backend.sessions or {}).get(server_hostname),
            )
        except OSError as error:
            self._sock.close()
            raise TlsError(network_reason(error)) from error
        self._sock = sock
        try:
            left_s = self._backend.remaining_s(stamps.connect_deadline_ns)
            if left_s <= 0:
                raise TimeoutError
            sock.settimeout(left_s)
            begin = self._backend.now()
            sock.do_handshake()
            stamps.tls_ns = (stamps.tls_ns or 0) + self._backend.now() - begin
        except TimeoutError as error:
            sock.close()
            raise self._core.ConnectTimeout("TLS handshake timeout") from error
        except OSError as error:
            sock.close()
            raise TlsError(network_reason(error)) from error
        cipher = sock.cipher()
        self._connection.tls_version = sock.version() or ""
        self._connection.cipher = cipher[0] if cipher else ""
        self._connection.resumed = bool(sock.session_reused)
        self._connection.http2 = sock.selected_alpn_protocol() == "h2"
        self._host = server_hostname
        if self._backend.kernel_timestamps:
            self._stamped = StampedSocket(sock)
        return self

    def keep_session(self) -> None:
        """Keep the TLS session for the next connection; outside the clock.

        Only after a response: in TLS 1.3 the tickets arrive with it.
        """
        sessions = self._backend.sessions
        if sessions is None or not isinstance(self._sock, ssl.SSLSocket):
            return
        session = self._sock.session if self._sock.fileno() >= 0 else None
        old = self._connection.tls_version != TLS_1_3  # may know it by its number
        if session is not None and (session.has_ticket or old):
            sessions[self._host] = session

    def _note_arrival(
        self, stamped: StampedSocket, stamps: Timestamps, limit_s: float
    ) -> None:
        # What comes first on a connection of TLS 1.3 are its session tickets.
        tickets = self._connection.uses < 2 and self._connection.tls_version == TLS_1_3
        if stamps.kernel is not None and not stamps.first_read and not tickets:
            stamped.arrived(stamps.kernel, limit_s)

    def _limit(
        self,
        timeout: float | None,
        stamps: Timestamps,
        expired: type[Exception],
    ) -> float:
        left_s = self._backend.remaining_s(stamps.deadline_ns)
        if left_s <= 0:
            raise expired("the request timeout has passed")
        return left_s if timeout is None else min(timeout, left_s)

    def local_port(self) -> int:
        """Ask the kernel for the local port; 0 once the stream is closed."""
        try:
            port: int = self._sock.getsockname()[1]
        except OSError:  # another thread may close what the pool has too many of
            return 0
        return port

    def tcp_info(self) -> TcpInfo | None:
        """Read the kernel's view of the connection; None once it is closed."""
        return None if self._sock.fileno() < 0 else tcp_info(self._sock)

    def close(self) -> None:
        """Close the socket, and keep what the kernel knew of it."""
        if self._last_marks is not None and self._last_marks.info is None:
            self._last_marks.info = self.tcp_info()
        self._last_marks = None
        if self._stamped is not None:
            self._stamped.close()
        self._sock.close()

    def get_extra_info(self, info: str) -> Any:
        """Answer httpcore's questions about the stream."""
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        if info == "client_addr":
            return self._sock.getsockname()
        if info == "server_addr":
            return self._sock.getpeername()
        if info == "socket":
            return self._sock
        if info == "is_readable":
            if self._stamped is not None:
                self._stamped.sent(None)  # of a segment that was sent again
            return self._sock.fileno() < 0 or _is_readable(self._sock)
        return None


def _is_readable(sock: socket.socket) -> bool:
    if hasattr(select, "poll"):  # no limit on the descriptor's number
        poller = select.poll()
        poller.register(sock.fileno(), select.POLLIN)
        return bool(poller.poll(0))
    return bool(select.select([sock], (), (), 0)[0])
