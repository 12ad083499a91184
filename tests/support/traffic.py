"""Traffic of programs, written down by hand: times in ms, at the program's end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.support.records import STARTED, conclusion_of, conditions_of
from vestbench.model.request import NS_PER_MS, Failure, Sample
from vestbench.model.run import RunOf
from vestbench.model.traffic import Connection, Program, Request, Traffic
from vestbench.results.checking import validated
from vestbench.studies.traffic.outcomes import outcomes_of
from vestbench.studies.traffic.plan import TrafficPlan, TrafficRun

HOST = "server-prod.hz.vestmarkets.com"
CONNECT, TLS = 30.0, 32.0
END = 100_000.0  # of the program


def ns(ms: float) -> int:
    return round(ms * NS_PER_MS)


def request(begin: float, end: float | None = None, **fields: Any) -> Request:
    """Return a request that was answered, by default 35 ms after it began."""
    end = begin + 35.0 if end is None else end
    defaults: dict[str, Any] = {
        "connection": 0,
        "arrived_ns": ns(begin + 15.0),
        "method": "GET",
        "path": "/v2/ticker/latest?symbols",
        "agent": "python-requests/2.32",
        "status": 200,
        "answered_ns": ns(end - 15.0),
        "began_ns": ns(begin),
        "sent_ns": ns(begin),
        "first_ns": ns(end),
        "ended_ns": ns(end),
        "up_bytes": 150,
        "down_bytes": 300,
    }
    return Request(**{**defaults, **fields})


def unanswered(begin: float) -> Request:
    return request(begin, status=None, answered_ns=None, first_ns=None, ended_ns=None)


class Opened:
    """A connection to be, and its requests.

    Args:
        at: When its SYN left.
        requests: On it; by default one, as soon as it is open.
        closed: When it was closed; None is open at the end of the program.
        by: Who closed it.
        fields: Of the record, changed.
    """

    def __init__(
        self,
        at: float,
        *requests: Request,
        closed: float | None = None,
        by: str = "client",
        used: bool = True,
        **fields: Any,
    ) -> None:
        first = [request(at + CONNECT + TLS)] if used else []
        self.requests = list(requests) or first
        ended = {} if closed is None else {"closed_ns": ns(closed), "closed_by": by}
        how = {"how": "fin"} if ended else {}
        self.fields: dict[str, Any] = {
            "host": HOST,
            "address": "10.99.1.0",
            "port": 443,
            "opened_ns": ns(at),
            "connected_ns": ns(at + CONNECT),
            "secured_ns": ns(at + CONNECT + TLS),
            "accepted_ns": ns(at + CONNECT / 2),
            "ready_ns": ns(at + CONNECT + TLS + 15),
            "tls": "1.3",
            "alpn": "http/1.1",
            "speech": "http/1.1",
            "round_trips": 1,
            **ended,
            **how,
            **fields,
        }


def traffic(*opened: Opened, **fields: Any) -> Traffic:
    """Return the traffic of one run of a program, which ends at `END`."""
    program = Program(
        name="bot", status=0, ended_by="itself", began_ns=0, ended_ns=ns(END)
    )
    connections, requests = [], []
    for serial, each in enumerate(opened):
        connections.append(
            Connection(serial=serial, client_port=40_000 + serial, **each.fields)
        )
        requests += [r.changed(connection=serial) for r in each.requests]
    found: dict[str, Any] = {
        "programs": (program,),
        "connections": tuple(connections),
        "requests": tuple(sorted(requests, key=lambda r: r.arrived_ns)),
        "names": {HOST: 1},
    }
    return Traffic(**{**found, **fields})


def closing(count: int, *, every: float = 100.0) -> list[Opened]:
    """Return connections that the program closes after the one answer on each."""
    return [
        Opened(number * every, closed=number * every + 97.5) for number in range(count)
    ]


def traffic_run(
    found: Traffic,
    *,
    plan: Mapping[str, Any] | None = None,
    assertions: Iterable[str] = (),
) -> TrafficRun:
    """Return a run of a program with this traffic."""
    outcomes = outcomes_of(found)
    asked = {"program": "bot", "assertions": list(assertions), **(plan or {})}
    known = {"stack": "python-requests/2.32", "strategy": "as the program connects"}
    return RunOf(
        command="exec",
        label="bot",
        started=STARTED,
        plan=validated(asked, TrafficPlan, "plan"),
        conditions=conditions_of(known),
        samples=tuple(each for each in outcomes if isinstance(each, Sample)),
        failures=tuple(each for each in outcomes if isinstance(each, Failure)),
        conclusion=conclusion_of(
            {"client_build_ms": None, "notes": None, "traffic": found.stored()}
        ),
    )


def needless_run() -> TrafficRun:
    """Return the run of a program that closes after most of its answers."""
    found = traffic(
        *closing(12),
        Opened(1_300, request(1_362), request(1_400)),
        Opened(1_500, host="other.example", tls="", used=False),
    )
    return traffic_run(found, assertions=["needless == 0", "reused >= 5%"])


RUNS = {
    "traffic-needless": needless_run,
    "traffic-none": lambda: traffic_run(traffic()),
}
