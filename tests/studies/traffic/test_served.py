"""The account of clients to which an exchange was served."""

from __future__ import annotations

from tests.support.records import STARTED
from vestbench.model.request import NS_PER_MS
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.report.terminal import as_text
from vestbench.simulator.exchange_messages import Seen
from vestbench.simulator.http.seen import SeenConnection, SeenRequest
from vestbench.studies.shown import show_run
from vestbench.studies.traffic.plan import TrafficPlan, TrafficRun
from vestbench.studies.traffic.served import Served, served_run
from vestbench.studies.traffic.sheet import timeline_of

BEGAN = 5_000 * NS_PER_MS


def at(ms: float) -> int:
    return BEGAN + round(ms * NS_PER_MS)


def run(link: LinkSpec | None = None) -> TrafficRun:
    """Return a run of one connection with two requests, open at the end."""
    connection = SeenConnection(
        serial=0,
        dialled="127.0.0.1",
        port=40_000,
        opened_ns=at(100),
        host="127.0.0.1",
        tls="1.3",
        speech="http/1.1",
        ready_ns=at(103),
    )
    requests = [
        SeenRequest(
            connection=0,
            arrived_ns=at(begin),
            method="GET",
            path="/v2/ticker/latest",
            host="127.0.0.1",
            agent="bot/1",
            up=up,
            answered_ns=at(begin + 5),
            status=200,
        )
        for begin, up in ((104, 700), (200, 800))
    ]
    seen = Seen(
        connections=[connection],
        requests=requests,
        omitted_connections=0,
        omitted_requests=0,
        names={},
    )
    spec = ExchangeSpec()
    served = Served(seen, BEGAN, at(1000), STARTED, spec, link)
    return served_run(served, TrafficPlan(program="clients"))


def test_latencies_are_those_that_the_exchange_saw() -> None:
    cold, later = run().samples

    assert (cold.reused, cold.latency_ms) == (False, 9.0)
    assert (later.reused, later.latency_ms) == (True, 5.0)
    assert cold.wait_ns is None  # no packet has told it


def test_the_report_says_whose_times_they_are_and_whose_requests() -> None:
    shown = as_text(show_run(run()), 200)

    assert "Clients sent 2 requests over 1 connection" in shown
    assert "accepted the connection" in shown
    assert "Your program" not in shown


def test_a_connection_that_is_open_lasts_until_the_end_of_the_picture() -> None:
    (lane,) = timeline_of(run()).lanes

    assert (lane.begin_ms, lane.end_ms) == (100, 1000)


def test_a_relay_is_a_condition() -> None:
    link = run(LinkSpec(rtt_ms=30.0)).conditions.link

    assert link is not None
    assert (link.engine, link.rtt_ms) == ("relay", 30)
