"""One TCP or TLS connection that stamps what happens on it."""

from __future__ import annotations

import select
import socket
import ssl
import sys
from typing import TYPE_CHECKING, Self

from vestbench.kernel.tcp_info import TcpInfo, tcp_info
from vestbench.model.lost import Lost
from vestbench.stacks.wire.connecting import (
    Limits,
    addresses_of,
    connect_any,
    is_literal,
)
from vestbench.stacks.wire.connection import Connection
from vestbench.stacks.wire.failures import (
    ReadError,
    TlsError,
    WireTimeoutError,
    WriteError,
    network_reason,
)
from vestbench.stacks.wire.instrument import Instrument
from vestbench.stacks.wire.keeping import Keeping, end_of
from vestbench.stacks.wire.timestamps import Timestamps

if TYPE_CHECKING:
    from vestbench.kernel.stamped import StampedSocket

_UNASKED = 2**16  # bytes that are looked at of what no request has asked for

TLS_1_3 = "TLSv1.3"  # as `SSLSocket.version` says it


class TimedStream:
    """One connection that stamps its handshakes, reads and writes."""

    def __init__(
        self, sock: socket.socket, connection: Connection, instrument: Instrument
    ) -> None:
        self.sock = sock
        self._connection = connection
        self._instrument = instrument
        self._host: str | None = None  # what the TLS session was made for
        self._last: Timestamps | None = None  # of the exchange that was written last
        self._held = b""  # what is to leave with the next write
        self._stamped: StampedSocket | None = None
        self._readable = False  # when it was asked last

    @classmethod
    def connect(cls, instrument: Instrument, host: str, port: int) -> Self:
        """Resolve `host`, connect, and stamp both.

        Name resolution, TCP and TLS share the connect timeout; after an address that
        does not answer, the next one has all of it again. `getaddrinfo` cannot be
        interrupted: when it overruns, the timeout is raised after it returns.

        Raises:
            WireError: The name has no address, or no address can be reached in time.
        """
        stamps, clock = instrument.current(), instrument.clock
        begin = clock()
        stamps.instead_of(instrument.lost)
        budget_ns = instrument.connect_budget_ns
        limits = Limits(begin + budget_ns, budget_ns, stamps.deadline_ns)
        addresses = addresses_of(host, port, instrument.resolve)
        resolved = clock()
        if not is_literal(host):
            stamps.dns_ns = (stamps.dns_ns or 0) + resolved - begin
        sock, stamps.connect_deadline_ns = connect_any(
            addresses, instrument.socket_options, clock, limits, stamps.attempts
        )
        peer, begun, ended, _ = stamps.attempts[-1]
        stamps.opened += 1
        stamps.connect_ns = (stamps.connect_ns or 0) + ended - begun
        serial = next(instrument.serials)
        connection = Connection.made(serial, sock, peer, instrument.rules)
        return cls(sock, connection, instrument)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has arrived, within the time left for the exchange.

        Raises:
            WireTimeoutError: Nothing has arrived in time.
            TlsError: An alert has arrived.
            ReadError: The connection is broken.
        """
        stamps = self._instrument.current()
        if self._held:  # never wait for an answer to what has not left
            self.write(b"", timeout)
        limit_s = self._limit(timeout, stamps)
        self.sock.settimeout(limit_s)
        if self._stamped is not None:
            self._note_arrival(self._stamped, stamps, limit_s)
        try:
            data = self.sock.recv(max_bytes)
        except TimeoutError as error:
            raise WireTimeoutError("no answer in time") from error
        except ssl.SSLError as error:
            raise TlsError(network_reason(error)) from error
        except OSError as error:
            raise ReadError(network_reason(error)) from error
        if data:
            stamp = self._instrument.clock()
            if not stamps.first_read:
                stamps.first_read = stamp
                stamps.head = data[:5]
            stamps.last_read = stamp
            stamps.keep(stamp, data)
        else:
            stamps.peer_closed = True
            self._connection.keeping.end = Lost.UNTIL_CLOSE
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of `buffer`, within the time left for the exchange.

        The parts of a request with a body are held until an empty write, by which its
        library ends it, or until the answer is read.

        Raises:
            WireTimeoutError: Not all could be written in time.
            WriteError: The connection is broken. An answer may have come before.
        """
        stamps = self._instrument.current()
        if buffer and stamps.joins and not self._connection.http2:
            self._held += buffer
            return
        buffer, self._held = self._held + buffer, b""
        if not buffer:
            return
        self._last = stamps
        if stamps.connection is not self._connection:
            self._connection.uses += 1
            stamps.carried_by(self, self._connection, self._connection.uses)
            # Sent again, where HTTP/2 has learnt that the first one was not looked at.
            stamps.first_write = stamps.first_read = 0
            stamps.reads.clear()
        self.sock.settimeout(self._limit(timeout, stamps))
        if not stamps.first_write:
            stamps.first_write = self._instrument.clock()
        try:
            self.sock.sendall(buffer)
        except TimeoutError as error:
            raise WireTimeoutError("could not send in time") from error
        except OSError as error:
            raise WriteError(network_reason(error)) from error
        finally:
            stamps.last_write = self._instrument.clock()
        if self._stamped is not None:
            self._stamped.sent(stamps.kernel)

    def start_tls(self, context: ssl.SSLContext, host: str | None) -> None:
        """Shake hands. The stamp leaves out the making of the Python object.

        To set a session takes 0.3 ms, and is no part of the handshake either.

        Args:
            context: With the certificates to trust.
            host: What the certificate of the peer has to be for.

        Raises:
            TlsError: The handshake failed.
            WireTimeoutError: The connect timeout passed first.
        """
        try:
            self.sock.getpeername()  # wrap_socket would lose the socket without one
        except OSError as error:
            self.sock.close()
            raise TlsError("connection reset before the handshake") from error
        try:
            sock = context.wrap_socket(
                self.sock,
                server_hostname=host,
                do_handshake_on_connect=False,
                session=(self._instrument.sessions or {}).get(host),
            )
        except OSError as error:
            self.sock.close()
            raise TlsError(network_reason(error)) from error
        self.sock, self._host = sock, host
        self._shake_hands(sock)
        cipher = sock.cipher()
        self._connection.tls_version = sock.version() or ""
        self._connection.cipher = cipher[0] if cipher else ""
        self._connection.resumed = bool(sock.session_reused)
        self._connection.http2 = sock.selected_alpn_protocol() == "h2"
        if self._instrument.kernel_timestamps:
            from vestbench.kernel.stamped import StampedSocket

            self._stamped = StampedSocket(sock)

    def _shake_hands(self, sock: ssl.SSLSocket) -> None:
        stamps, clock = self._instrument.current(), self._instrument.clock
        try:
            left_s = self._instrument.remaining_s(stamps.connect_deadline_ns)
            if left_s <= 0:
                raise TimeoutError
            sock.settimeout(left_s)
            begin = clock()
            sock.do_handshake()
            stamps.tls_ns = (stamps.tls_ns or 0) + clock() - begin
        except TimeoutError as error:
            sock.close()
            raise WireTimeoutError("TLS handshake timeout") from error
        except OSError as error:
            sock.close()
            raise TlsError(network_reason(error)) from error

    def keep_session(self) -> None:
        """Keep the TLS session for the next connection; outside the clock.

        Only after a response: in TLS 1.3 the tickets arrive with it.
        """
        sessions = self._instrument.sessions
        if sessions is None or not isinstance(self.sock, ssl.SSLSocket):
            return
        session = self.sock.session if self.sock.fileno() >= 0 else None
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

    def _limit(self, timeout: float | None, stamps: Timestamps) -> float:
        left_s = self._instrument.remaining_s(stamps.deadline_ns)
        if left_s <= 0:
            raise WireTimeoutError("the request timeout has passed")
        return left_s if timeout is None else min(timeout, left_s)

    def local_port(self) -> int:
        """Ask the kernel for the local port; 0 once the stream is closed."""
        try:
            port: int = self.sock.getsockname()[1]
        except OSError:  # another thread may close what the pool has too many of
            return 0
        return port

    def tcp_info(self) -> TcpInfo | None:
        """Read the kernel's figures of the connection; None once it is closed."""
        return None if self.sock.fileno() < 0 else tcp_info(self.sock)

    def is_readable(self) -> bool:
        """Say whether something has arrived, or the connection has ended."""
        if self._stamped is not None:
            self._stamped.sent(None)  # of a segment that was sent again
        if self.sock.fileno() < 0:
            return True
        self._readable = _is_readable(self.sock)
        return self._readable

    def close(self) -> None:
        """Close the socket, and keep what the kernel knew of it."""
        if self._last is not None and self._last.info is None:
            self._last.info = self.tcp_info()
        self._last = None
        if self._connection.uses and not self._connection.keeping.lost_ns:
            self._note_end(self._connection.keeping)
        if self._stamped is not None:
            self._stamped.close()
        self.sock.close()

    def _note_end(self, keeping: Keeping) -> None:
        keeping.lost_ns = self._instrument.clock()
        if self._connection.http2 and self._instrument.current().goes_away():
            keeping.end = Lost.GOAWAY
        elif self._readable and keeping.end is None:
            keeping.end, said = self._end_by_peer()
            keeping.said = said or keeping.said
        self._instrument.lost.append(self._connection)

    def _end_by_peer(self) -> tuple[Lost, str | None]:
        """Say what has arrived that nothing had asked for; it is read, for the last."""
        http2, data = self._connection.http2, b""
        try:
            self.sock.settimeout(0)
            socket.socket.recv(self.sock, 1, socket.MSG_PEEK)  # TLS hides a reset
            data = self.sock.recv(_UNASKED)
            found = end_of(data, http2=http2)
            while data and found[0] is not Lost.GOAWAY:
                data = self.sock.recv(_UNASKED)
        except (BlockingIOError, ssl.SSLWantReadError):
            return found if data else (Lost.UNASKED, None)
        except ConnectionError:
            return Lost.RESET, None
        except OSError:  # an alert of TLS
            return Lost.FIN, None
        return (Lost.FIN, found[1]) if not data else found


def _is_readable(sock: socket.socket) -> bool:
    if sys.platform == "win32":
        return bool(select.select([sock], (), (), 0)[0])
    poller = select.poll()  # no limit on the descriptor's number
    poller.register(sock.fileno(), select.POLLIN)
    return bool(poller.poll(0))
