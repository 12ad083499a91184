"""Which connection of reqwest carried a request: by its log and by its sockets.

A request opened a connection if the log says that one was started. The socket that has
sent more than before is the one that carried the request. Both are read between two
requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import cycle
from time import perf_counter_ns

from vestbench.kernel.sockets import SocketState, closed_first, scan
from vestbench.model.lost import Lost, LostConnection
from vestbench.stacks.reqwest_log import ConnectionLog, Seen
from vestbench.stacks.wire.connection import Carried, Connection, Opening
from vestbench.stacks.wire.keeping import NO_RULES, Keeping, Rules

# Bytes: to close TLS or HTTP/2 takes fewer, every request takes more.
_LEAST_REQUEST = 40
_MOST_LOST = 256


@dataclass(slots=True)
class Watch:
    """The connections of one client.

    Args:
        log: That of the process.
        serials: Numbers connections; shared by all clients of a stack.
        rules: When the client itself does not keep a connection.
        clock: Nanoseconds, monotonic.
    """

    log: ConnectionLog
    serials: Iterator[int]
    rules: Rules = NO_RULES
    clock: Callable[[], int] = perf_counter_ns
    _known: dict[int, Connection] = field(default_factory=dict)  # by inode
    _named: dict[str, Connection] = field(default_factory=dict)  # by name in the log
    _before: dict[int, SocketState] = field(default_factory=dict)
    _tls_version: str = ""
    _port: int = 0
    _begun: int = 0
    # Connections that had served and are gone; a request that opens one opens it in
    # place of the first of them.
    _lost: deque[Connection] = field(default_factory=lambda: deque(maxlen=_MOST_LOST))

    def begin(self, port: int) -> None:
        """Look before a request to that port."""
        self._port = port
        self.log.take()
        self._before = scan(port)
        self._forget(self._before)
        self._begun = self.clock()

    def end(self, *, tls: bool) -> Carried | None:
        """Look after a single request and say what carried it; None if nothing did."""
        seen, now = self.log.take(), scan(self._port)
        new = self._meet(now, seen, tls=tls)
        found: Connection | None
        if seen.started:
            inode = max(new, key=lambda each: now[each].bytes_sent, default=0)
            found = new.get(inode)
        elif self._sent_nothing(now):
            return None
        else:
            inode, found = self._carrier(now)
        connection = found or self._new(seen, tls=tls)
        again = _look(connection, now[inode]) if inode else None
        reused = not seen.started and connection.uses > 0
        carried = _use(connection, reused=reused, retransmits=again)
        self._forget(now)
        lost = self._instead_of(connection) if seen.started else None
        if not inode and connection not in self._lost:
            self._lose(connection)
        return replace(carried, opening=Opening(seen.started, lost=lost))

    def end_burst(self, numbers: Sequence[int], *, tls: bool) -> dict[int, Carried]:
        """Look after requests that were sent together, and say what carried each.

        The log of a verbose client tells, except with HTTP/2: its headers are
        compressed.
        """
        seen, now = self.log.take(), scan(self._port)
        new = self._meet(now, seen, tls=tls)
        names = len(self._named)
        if not seen.carriers:
            found = self._untold(numbers, seen, new, now, tls=tls)
            return _with_openings(found, seen.started)
        # In the order in which they were written: the first on a connection opened it.
        carried = {}
        sockets = iter(new)
        for number, name in seen.carriers.items():
            if name not in self._named:
                opened = self._named[name] = self._new(seen, tls=tls)
                inode = next(sockets, 0)  # any of those that were opened now
                opened.syn_rtt_us = now[inode].info.min_rtt_us if inode else None
            connection = self._named[name]
            carried[number] = _use(connection, reused=connection.uses > 0)
        # Otherwise one of the new connections has carried nothing yet.
        if len(self._named) - names == seen.started:
            for connection in new.values():
                connection.uses += 1
        self._forget(now)
        return _with_openings(carried, seen.started)

    def _untold(
        self,
        numbers: Sequence[int],
        seen: Seen,
        new: dict[int, Connection],
        now: dict[int, SocketState],
        *,
        tls: bool,
    ) -> dict[int, Carried]:
        """Say what carried requests that the log does not tell apart.

        Where no connection was opened, every request has reused one. Where some were,
        no request is proved to have reused one, so all count as cold. Which request
        gets which connection is arbitrary.
        """
        found = new
        if not seen.started:
            grown = self._growth(now, self._known.keys())
            found = {inode: self._known[inode] for inode in grown} or found
        carriers = cycle(found.items())
        carried = {}
        for number in numbers:
            inode, connection = next(carriers, (0, self._new(seen, tls=tls)))
            again = _look(connection, now[inode]) if inode else None
            reused = not seen.started and connection.uses > 0
            carried[number] = _use(connection, reused=reused, retransmits=again)
        self._forget(now)
        return carried

    def opened(self) -> Seen:
        """Return what was logged of a request that failed."""
        seen = self.log.take()
        self._meet(scan(self._port), seen, tls=True)
        return seen

    def broke(self, failed: Lost) -> LostConnection | None:
        """Say on which connection a request has failed, if it is only one."""
        now = scan(self._port)
        connection = self._gone(now)
        self._forget(now)
        if connection is None:
            return None
        keeping = connection.keeping
        keeping.failed = failed
        idle_ns = self._begun - keeping.last_ns if keeping.last_ns else None
        return LostConnection(failed, idle_ns, connection.uses, keeping.said)

    def lose_none(self) -> None:
        """Forget what was closed as it was asked for."""
        self._lost.clear()

    def is_open(self) -> bool:
        """Say whether any connection of this client is still there."""
        now = scan(self._port)
        self._forget(now)
        return bool(self._known)

    def _new(self, seen: Seen, *, tls: bool) -> Connection:
        if tls and seen.started:
            self._tls_version = "TLSv1.3" if seen.tls13 else "TLSv1.2"
        return Connection(
            serial=next(self.serials),
            tls_version=self._tls_version if tls else "",
            resumed=bool(tls and seen.started and not seen.full),
            keeping=Keeping(self.rules),
        )

    def _meet(
        self, now: dict[int, SocketState], seen: Seen, *, tls: bool
    ) -> dict[int, Connection]:
        """Take note of the sockets that came since `begin`: they are this client's."""
        new = {}
        if seen.started:
            for inode in sorted(now.keys() - self._before.keys()):
                new[inode] = self._known[inode] = self._new(seen, tls=tls)
        return new

    def _growth(self, now: dict[int, SocketState], inodes: Set[int]) -> dict[int, int]:
        """Return those sockets that have sent a request since `begin`, and how much."""
        growth = {
            inode: now[inode].bytes_sent - self._before[inode].bytes_sent
            for inode in inodes & now.keys() & self._before.keys()
        }
        return {inode: sent for inode, sent in growth.items() if sent >= _LEAST_REQUEST}

    def _sent_nothing(self, now: dict[int, SocketState]) -> bool:
        """Say whether connections are there, and all are as they were at `begin`."""
        known, before = self._known.keys(), self._before
        return bool(known) and all(
            inode in now and now[inode].bytes_sent == state.bytes_sent
            for inode, state in before.items()
        )

    def _carrier(self, now: dict[int, SocketState]) -> tuple[int, Connection | None]:
        """Return the socket that has sent a request since `begin`, or 0, and of whom.

        A client may use the connection of another one, which then has opened it.
        """
        known = self._known.keys()
        if inode := self._grown(now, known):
            return inode, self._known[inode]
        if inode := self._grown(now, now.keys() - known):
            return inode, Connection(serial=next(self.serials), uses=1)
        return 0, self._gone(now)

    def _grown(self, now: dict[int, SocketState], inodes: Set[int]) -> int:
        """Return that of these sockets that has sent a request since `begin`, or 0."""
        growth = self._growth(now, inodes)
        return max(growth, key=lambda each: growth[each], default=0)

    def _gone(self, now: dict[int, SocketState]) -> Connection | None:
        """Return the connection that is no longer there, if it is only one."""
        gone = [c for inode, c in self._known.items() if inode not in now]
        return gone[0] if len(gone) == 1 else None

    def _forget(self, now: dict[int, SocketState]) -> None:
        for inode in sorted(self._known.keys() - now.keys()):
            self._lose(self._known.pop(inode))

    def _lose(self, connection: Connection) -> None:
        keeping, port = connection.keeping, connection.local_port
        keeping.lost_ns = self.clock()
        if not connection.uses:
            return
        self._lost.append(connection)
        # With TLS, who ends TCP first may answer the end of TLS, which is not seen.
        seen = port and not connection.tls_version
        if not (seen and closed_first(port, self._port)):
            keeping.end = Lost.GONE

    def _instead_of(self, connection: Connection) -> LostConnection | None:
        """Return what a new connection was opened in place of."""
        before = next((each for each in self._lost if each is not connection), None)
        if before is None:
            return None
        self._lost.remove(before)
        return before.lost()


def _use(
    connection: Connection, *, reused: bool, retransmits: int | None = None
) -> Carried:
    connection.uses += 1
    return Carried(
        connection=connection,
        reused=reused,
        use=connection.uses,
        rtt_us=connection.rtt_us,
        retransmits=retransmits,
    )


def _with_openings(carried: dict[int, Carried], started: int) -> dict[int, Carried]:
    """Share the connections that were opened out, to requests that reused none first.

    What is left over, which hyper opened and did not need, is the first request's.
    """
    order = sorted(carried, key=lambda number: carried[number].reused)
    spread = {number: int(place < started) for place, number in enumerate(order)}
    if order:
        spread[order[0]] += max(0, started - len(order))
    return {
        number: replace(each, opening=Opening(spread[number]))
        for number, each in carried.items()
    }


def _look(connection: Connection, state: SocketState) -> int:
    """Take in what its socket says, and return how much was sent again since."""
    connection.local_port = state.local_port
    connection.remote = state.remote or connection.remote
    if connection.syn_rtt_us is None:
        connection.syn_rtt_us = state.info.min_rtt_us
    return connection.look(state.info)
