"""The account of traffic of a program, from what the exchange and the link have seen.

Phases are those of the packets at the program's end of the link: connect is SYN to
SYN-ACK, tls from there until the last flight of the handshake, wait the last packet of
a request to the first of its answer. What lies between is the program's own time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from vestbench.model.simulated import LinkReport, LinkSpec
from vestbench.model.traffic import Connection, Program, Request, Traffic
from vestbench.programs.flows import Flow, flows_of
from vestbench.programs.wanted import ProgramRun
from vestbench.simulator.exchange_messages import Seen
from vestbench.simulator.http.seen import SeenConnection, SeenRequest
from vestbench.simulator.link.messages import Packets

_RETRY_BYTES = 250  # a HelloRetryRequest has fewer, the first flight with keys has more
_SMALL = 1_000  # bytes of a packet that Nagle's algorithm may hold back


def traffic_of(runs: Sequence[ProgramRun]) -> Traffic:
    """Return the account of one run of a program, or of several in their order."""
    zero = runs[0].began_ns if runs else 0
    parts = [_Part(run, number, zero) for number, run in enumerate(runs)]
    connections: list[Connection] = []
    requests: list[Request] = []
    names: dict[str, int] = {}
    for part in parts:
        found, sent = part.numbered(len(connections))
        connections += found
        requests += sent
        for name, count in part.run.seen.names.items():
            names[name] = names.get(name, 0) + count
    return Traffic(
        programs=tuple(part.program() for part in parts),
        connections=tuple(connections),
        requests=tuple(requests),
        names=names,
        omitted_connections=sum(run.seen.omitted_connections for run in runs),
        omitted_requests=sum(run.seen.omitted_requests for run in runs),
        omitted_packets=sum(run.packets.omitted for run in runs),
        no_route=sum(run.no_route for run in runs),
        others=sum(run.packets.others for run in runs),
    )


def served_traffic(seen: Seen, *, began_ns: int, ended_ns: int) -> Traffic:
    """Return the account of an exchange that served clients from outside.

    Args:
        seen: What it has seen.
        began_ns: From when all times are counted.
        ended_ns: Until when; what was closed later was open.
    """
    nobody = ProgramRun(
        name="",
        status=0,
        ended_by="itself",
        signal=0,
        began_ns=began_ns,
        ended_ns=ended_ns,
        left=0,
        seen=seen,
        packets=Packets(columns=b"", omitted=0, others=0),
        no_route=0,
        link=LinkReport(engine="relay", spec=LinkSpec(rtt_ms=0.0)),
        setup_s=0.0,
    )
    return traffic_of([nobody]).changed(programs=())


class _Part:
    """One run of the program.

    Args:
        run: What is known of it.
        number: Which run it is.
        zero: The time from which all are counted.
    """

    def __init__(self, run: ProgramRun, number: int, zero: int) -> None:
        self.run, self._number, self._zero = run, number, zero
        self._flows = flows_of(run.packets)

    def program(self) -> Program:
        return Program.like(
            self.run,
            began_ns=self._since(self.run.began_ns),
            ended_ns=self._since(self.run.ended_ns),
        )

    def numbered(self, first: int) -> tuple[list[Connection], list[Request]]:
        """Return connections, numbered from `first` on, and requests."""
        seen = self.run.seen
        sent: dict[int, list[SeenRequest]] = {}
        for request in seen.requests:
            sent.setdefault(request.connection, []).append(request)
        flows = {each.serial: self._flow(each) for each in seen.connections}

        def opened(each: SeenConnection) -> int:
            flow = flows[each.serial]
            return each.opened_ns if flow is None else flow.opened_ns

        connections: list[Connection] = []
        requests: list[Request] = []
        for number, each in enumerate(sorted(seen.connections, key=opened), first):
            flow = flows[each.serial]
            one = self._connection(number, each, flow)
            connections.append(one)
            requests += self._requests(one, each, sent.get(each.serial, []), flows)
        requests.sort(key=lambda request: request.arrived_ns)
        return connections, requests

    def _flow(self, seen: SeenConnection) -> Flow | None:
        """Return the packets of a connection: the last flow that began before it."""
        known = self._flows.get((seen.dialled, seen.port), ())
        begun = [flow for flow in known if flow.opened_ns <= seen.opened_ns]
        return begun[-1] if begun else None

    def _connection(
        self, serial: int, seen: SeenConnection, flow: Flow | None
    ) -> Connection:
        found = Connection(
            serial=serial,
            run=self._number,
            host=seen.host,
            address=seen.dialled,
            port=0 if flow is None else flow.port,
            client_port=seen.port,
            opened_ns=self._since(seen.opened_ns),
            accepted_ns=self._since(seen.opened_ns),
            ready_ns=self._maybe(seen.ready_ns),
            tls=seen.tls,
            cipher=seen.cipher,
            alpn=seen.alpn,
            speech=seen.speech,
            resumed=seen.resumed,
            refusal=seen.refusal,
            **self._end(seen, flow),
        )
        if flow is None:
            return found
        return found.changed(
            opened_ns=self._since(flow.opened_ns),
            connected_ns=self._maybe(flow.connected_ns),
            **self._handshake(seen, flow),
        )

    def _end(self, seen: SeenConnection, flow: Flow | None) -> dict[str, Any]:
        """Return how a connection ended, if it did before the program."""
        if seen.closed_ns is None or seen.reason == "stop":
            return {}
        at_ns, how = seen.closed_ns, seen.how
        if flow is not None:
            end = flow.client_end if seen.closed_by == "client" else flow.server_end
            if end is not None:
                at_ns, how = end[0], "rst" if end[1] else how
        if at_ns >= self.run.ended_ns:
            return {}
        closed = {"closed_ns": self._since(at_ns), "closed_by": seen.closed_by}
        return {**closed, "how": how, "reason": seen.reason}

    def _handshake(self, seen: SeenConnection, flow: Flow) -> dict[str, Any]:
        if not seen.tls:
            return {}
        full_12 = seen.tls == "1.2" and not seen.resumed
        at_ns = flow.secured(seen.ready_up, answered=full_12)
        if at_ns is None:
            return {}
        trips, first = flow.round_trips(at_ns)
        retried = seen.tls == "1.3" and trips > 1 and first < _RETRY_BYTES
        secured = self._since(at_ns)
        return {"secured_ns": secured, "round_trips": trips, "retried": retried}

    def _requests(
        self,
        connection: Connection,
        seen: SeenConnection,
        sent: Sequence[SeenRequest],
        flows: Mapping[int, Flow | None],
    ) -> list[Request]:
        found, flow = [], flows[seen.serial]
        before = seen.ready_up
        for place, each in enumerate(sorted(sent, key=lambda one: one.up)):
            request = Request(
                connection=connection.serial,
                arrived_ns=self._since(each.arrived_ns),
                method=each.method,
                path=each.path,
                host=each.host if each.host != connection.host else "",
                agent=each.agent,
                status=each.status,
                answered_ns=self._maybe(each.answered_ns),
                event_ns=self._event(each, flows),
                up_bytes=max(0, each.up - before),
                down_bytes=max(0, each.down_to - each.down_from),
            )
            if flow is not None:
                times = self._times(each, before, flow, multiplexed=seen.speech == "h2")
                request = request.changed(**times)
                if not place:
                    request = self._held(request, connection, flow)
            found.append(request)
            before = max(before, each.up)
        return found

    def _event(self, seen: SeenRequest, flows: Mapping[int, Flow | None]) -> int | None:
        """Return when a WebSocket had told what became of a request."""
        if seen.told_ns is None:
            return None
        flow = flows.get(seen.told_by)
        came_ns = None if flow is None else flow.down.reached(seen.told_to)
        return self._since(seen.told_ns if came_ns is None else came_ns)

    def _times(
        self, seen: SeenRequest, before: int, flow: Flow, *, multiplexed: bool
    ) -> dict[str, Any]:
        packets = flow.up.between(before, seen.up)
        if not packets:
            return {}
        # What belongs to no request, such as a window, stands between those of HTTP/2.
        packets = packets[-1:] if multiplexed else packets
        found = {
            "began_ns": self._since(packets[0][0]),
            "sent_ns": self._since(packets[-1][0]),
            "ack_ns": _waited(packets, flow),
        }
        if seen.answered_ns is None or not seen.down_to:
            return found
        return {
            **found,
            "first_ns": self._maybe(flow.down.beyond(seen.down_from)),
            "ended_ns": self._maybe(flow.down.reached(seen.down_to)),
        }

    def _held(self, request: Request, connection: Connection, flow: Flow) -> Request:
        """Return a first request with what Nagle's algorithm held it back."""
        began, secured = request.began_ns, connection.secured_ns
        answered = connection.tls == "1.2" and not connection.resumed
        if began is None or secured is None or answered:
            return request
        zero = self._zero
        if not flow.waited_for_ack(secured + zero, began + zero):
            return request
        return request.changed(nagle_ns=began - secured)

    def _since(self, at_ns: int) -> int:
        return at_ns - self._zero

    def _maybe(self, at_ns: int | None) -> int | None:
        return None if at_ns is None else at_ns - self._zero


def _waited(packets: Sequence[tuple[int, int]], flow: Flow) -> int:
    """Return how long parts of a request were held back until others had arrived."""
    return sum(
        later[0] - earlier[0]
        for earlier, later in pairwise(packets)
        if later[1] < _SMALL and flow.waited_for_ack(earlier[0], later[0])
    )
