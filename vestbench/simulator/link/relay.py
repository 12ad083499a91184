"""A loopback relay that stands in for the link where no namespace can be had.

It delays what it reads, holds the first bytes of a new connection for the round trip
that the TCP handshake would have taken, and models slow start. Totals of small bodies
come out as over the link (within 1.2 ms at the median, bodies up to 10 kB); connect
and TLS times do not, because the kernel answers the handshake at once. It works on
every system and needs no rights.
"""

from __future__ import annotations

import gc
import heapq
import selectors
import socket
import struct
import sys
import time
from collections import deque
from contextlib import closing, suppress

from vestbench.ipc import (
    Channel,
    ChannelClosedError,
    FailedError,
    leave_signals_to_the_parent,
)
from vestbench.kernel.process import COARSE_NS, name_process, sharpen_timers
from vestbench.simulator.link.line import NS_PER_MS, SPIN_NS, Account, Line, obey
from vestbench.simulator.link.messages import (
    GiveAccount,
    Listen,
    Listening,
    StartLink,
)

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from typing import Literal

    from vestbench.ipc import Answers

    Ending = Literal["fin", "reset"]

LOOPBACK = "127.0.0.1"
INITIAL_WINDOW = 10 * 1448  # bytes; RFC 6928, with the MSS of an Ethernet path
FULL = 4 << 20  # bytes a flow may store before its source is not read any more
NAP_NS = 200_000
# Of `struct linger`, whose two members are short on Windows.
LINGER = "hh" if sys.platform == "win32" else "ii"


class Flow:
    """One direction of one relayed connection."""

    def __init__(
        self, source: socket.socket, target: socket.socket, line: Line
    ) -> None:
        self.source = source
        self.target = target
        self.line = line
        self.reverse = self
        self.not_before = 0
        self.window = INITIAL_WINDOW
        self.in_flight = 0  # bytes that the other side has not acknowledged
        self.stored = 0  # bytes read and not yet written
        self.backlog: deque[bytes | Ending] = deque()  # waits for the window
        self.outgoing: deque[bytes | Ending] = deque()  # due; waits for the target
        self.ended = False  # nothing more is read
        self.finished = False  # nothing more is written


class Relay:
    """The loop of the relay process.

    Args:
        wanted: Each direction delays by half of its round trip. The jitter is as for
            `Line`, per flight of a connection.
        control: Where the parent says what it wants.
    """

    def __init__(self, wanted: StartLink, control: Channel) -> None:
        self._half = round(wanted.rtt_ms * 1e6 / 2)
        self._wanted = wanted
        self._control = control
        self._account = Account()
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._listeners: dict[int, socket.socket] = {}  # by port of the upstream
        self._upstream: dict[int, int] = {}  # port of the upstream by descriptor
        self._flows: dict[int, Flow] = {}  # by descriptor of the source
        self._events: list[tuple[int, int, Flow, bytes | int | Ending]] = []
        self._serial = 0
        self._connections = 0
        self._start: int | None = None  # of the drift

    def serve(self) -> None:
        """Relay for as long as the parent lives."""
        gc.collect()
        gc.freeze()
        gc.disable()
        control = self._control
        answers: Answers = {
            Listen: self._listen,
            GiveAccount: lambda _: self._account.record(),
        }
        while True:
            for key, mask in self._wait():
                if key.fileobj is control:
                    if not obey(control, answers):
                        return
                elif key.fd in self._upstream:
                    self._accept(key.fd)
                else:
                    self._serve_socket(key.fd, mask)
            self._run_due()

    def _wait(self) -> list[tuple[selectors.SelectorKey, int]]:
        if not self._events:
            return self._selector.select()
        wait = self._events[0][0] - time.perf_counter_ns() - SPIN_NS
        # A selector wakes up late, so the rest is slept in short naps.
        if wait > COARSE_NS + NS_PER_MS:
            return self._selector.select((wait - COARSE_NS) / 1e9)
        ready = self._selector.select(0)
        if not ready and wait > 0:
            time.sleep(min(wait, NAP_NS) / 1e9)
        return ready

    def _listen(self, wanted: Listen) -> Listening:
        listener = self._listeners.get(wanted.port)
        if listener is None:
            address = (wanted.host, wanted.at)
            try:
                family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
                listener = socket.create_server(address, family=family, backlog=512)
            except OSError as error:
                where = f"port {wanted.at} of {wanted.host}"
                why = f"cannot listen on {where}: {error.strerror}"
                raise FailedError(why) from error
            listener.setblocking(False)
            self._listeners[wanted.port] = listener
            self._upstream[listener.fileno()] = wanted.port
            self._selector.register(listener, selectors.EVENT_READ)
        return Listening(port=int(listener.getsockname()[1]))

    def _accept(self, listener: int) -> None:
        port = self._upstream[listener]
        try:
            near, _ = self._listeners[port].accept()
        except OSError:
            return  # gone again before it was accepted
        now = time.perf_counter_ns()
        if self._start is None:
            self._start = now
        far = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        far.settimeout(1.0)  # instant on loopback, unless the backlog is full
        refused = far.connect_ex((LOOPBACK, port)) != 0
        for handle in (near, far):
            handle.setblocking(False)
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections += 1
        up = Flow(near, far, self._line("up"))
        down = Flow(far, near, self._line("down"))
        up.reverse, down.reverse = down, up
        # The SYN and its answer, which the kernel has exchanged already.
        up.not_before = self._delayed(down, self._delayed(up, now))
        if refused:
            self._schedule(up.not_before, down, "reset")
            return
        for flow in (up, down):
            self._flows[flow.source.fileno()] = flow
            self._watch(flow.source)

    def _line(self, direction: str) -> Line:
        wanted = self._wanted
        return Line(
            wanted.rtt_ms / 2,
            jitter_ms=wanted.jitter_ms,
            drift_ms_per_s=wanted.drift_ms_per_s / 2,
            seed=f"{wanted.seed}/{self._connections}/{direction}",
            start_ns=self._start,
        )

    @staticmethod
    def _delayed(flow: Flow, time_ns: int) -> int:
        due = flow.line.due(max(time_ns, flow.not_before))
        if due is None:
            raise AssertionError("a relay loses nothing")
        return due

    def _schedule(self, due: int, flow: Flow, what: bytes | int | Ending) -> None:
        self._serial += 1
        heapq.heappush(self._events, (due, self._serial, flow, what))

    def _watch(self, handle: socket.socket) -> None:
        """Watch a socket for exactly what its two flows can use."""
        incoming = self._flows.get(handle.fileno())
        if incoming is None:
            return
        mask = 0
        if not incoming.ended and incoming.stored < FULL:
            mask |= selectors.EVENT_READ
        if incoming.reverse.outgoing:
            mask |= selectors.EVENT_WRITE
        key = self._selector.get_map().get(handle)
        if key is None:
            if mask:
                self._selector.register(handle, mask)
        elif not mask:
            self._selector.unregister(handle)
        elif key.events != mask:
            self._selector.modify(handle, mask)

    def _serve_socket(self, descriptor: int, mask: int) -> None:
        flow = self._flows.get(descriptor)
        if flow is not None and mask & selectors.EVENT_WRITE:
            self._write(flow.reverse)
        flow = self._flows.get(descriptor)
        if flow is not None and mask & selectors.EVENT_READ:
            self._read(flow)

    def _read(self, flow: Flow) -> None:
        now = time.perf_counter_ns()
        try:
            data = flow.source.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            flow.ended = True
            self._schedule(self._delayed(flow, now), flow, "reset")
        else:
            flow.ended = not data
            flow.stored += len(data)
            flow.backlog.append(data or "fin")
            self._launch(flow, now)
        self._watch(flow.source)

    def _launch(self, flow: Flow, now: int) -> None:
        """Put as much of the backlog on the way as the congestion window allows."""
        while flow.backlog:
            head = flow.backlog[0]
            if isinstance(head, str):
                flow.backlog.popleft()
                self._schedule(self._delayed(flow, now), flow, head)
                continue
            room = flow.window - flow.in_flight
            if room <= 0:
                return
            part = head[:room]
            if len(part) < len(head):
                flow.backlog[0] = head[room:]
            else:
                flow.backlog.popleft()
            flow.in_flight += len(part)
            due = self._delayed(flow, now)
            self._schedule(due, flow, part)
            self._schedule(due + self._half, flow, len(part))  # acknowledged

    def _run_due(self) -> None:
        while self._events:
            now = time.perf_counter_ns()
            due, _, flow, what = self._events[0]
            if due > now:
                return
            heapq.heappop(self._events)
            if isinstance(what, int):
                flow.in_flight -= what
                flow.window += what
                self._launch(flow, due)
                continue
            if what == "reset":
                self._abort(flow)
                continue
            self._account.note(now, due)
            if not flow.finished:
                flow.outgoing.append(what)
                self._write(flow)

    def _write(self, flow: Flow) -> None:
        """Write what is due, as far as the target takes it."""
        try:
            while flow.outgoing:
                head = flow.outgoing[0]
                if isinstance(head, str):
                    flow.target.shutdown(socket.SHUT_WR)
                    flow.finished = True
                    flow.outgoing.clear()
                    break
                sent = flow.target.send(head)
                flow.stored -= sent
                if sent < len(head):
                    flow.outgoing[0] = head[sent:]
                else:
                    flow.outgoing.popleft()
            # A reset is reported by the next read, but there will be none any more.
            broken = flow.reverse.ended and flow.target.getsockopt(
                socket.SOL_SOCKET, socket.SO_ERROR
            )
        except BlockingIOError:
            broken = 0
        except OSError:
            broken = 1
        if broken:
            flow.finished = True
            flow.outgoing.clear()
            now = time.perf_counter_ns()
            self._schedule(self._delayed(flow.reverse, now), flow.reverse, "reset")
        elif flow.finished and flow.reverse.finished:
            self._close(flow)
        self._watch(flow.target)
        self._watch(flow.source)

    def _abort(self, flow: Flow) -> None:
        """Reset the target of a flow, and end the connection."""
        if flow.target.fileno() >= 0:
            linger = struct.pack(LINGER, 1, 0)
            flow.target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._close(flow)

    def _close(self, flow: Flow) -> None:
        for one in (flow, flow.reverse):
            one.finished = one.ended = True
            one.outgoing.clear()
            one.backlog.clear()
            if one.source.fileno() < 0:
                continue
            if one.source in self._selector.get_map():
                self._selector.unregister(one.source)
            self._flows.pop(one.source.fileno(), None)
            one.source.close()


def main(argv: list[str]) -> None:
    """Relay as the parent at the other end of the channel that `argv` names wants."""
    leave_signals_to_the_parent()
    name_process("vestbench-relay")
    sharpen_timers()
    with closing(Channel.inherited(argv[1])) as control, suppress(ChannelClosedError):
        wanted: list[StartLink] = []
        control.reply({StartLink: wanted.append})
        Relay(wanted[0], control).serve()
