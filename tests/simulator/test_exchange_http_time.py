"""HTTP/1.1 of the exchange: ends of connections, and when answers are due."""

from __future__ import annotations

import asyncio
import math
import statistics
import time

import pytest

from tests.support.exchange_talk import (
    GET,
    Answering,
    RecordedStream,
    Talk,
    parse_answers,
    request,
)
from tests.support.machine import demand
from vestbench.simulator.http.http11 import Http11Connection
from vestbench.simulator.http.loop import precise_loop
from vestbench.simulator.http.messages import Response
from vestbench.simulator.http.request_reader import (
    MAX_BODY_BYTES,
)
from vestbench.simulator.http.service import Service

# Staying open, and closing.


def test_idle_connection_is_closed_exactly_after_the_timeout() -> None:
    talk = Talk(idle_timeout_s=75.0)

    talk.timers.pass_s(74.9)
    talk.send(GET)
    talk.timers.pass_s(74.999)
    assert not talk.ended()
    talk.timers.pass_s(0.001)

    assert talk.ended() == "fin"
    assert talk.closes == {"idle": 1}
    assert talk.service.tally.open == 0


def test_idle_time_counts_from_the_response() -> None:
    talk = Talk(idle_timeout_s=1.0, processing_s=5.0)

    talk.send(GET)
    talk.timers.pass_s(5.9)
    assert not talk.ended()
    talk.timers.pass_s(0.1)

    assert talk.ended() == "fin"


def test_request_that_never_ends_is_answered_with_408() -> None:
    talk = Talk(idle_timeout_s=1.0)

    talk.send(GET[:-2])
    talk.timers.pass_s(1.0)

    assert [each.status for each in parse_answers(talk.stream.written)] == [408]
    assert talk.closes == {"error": 1}


@pytest.mark.parametrize(("requests", "limit"), [(10, 3), (9, 3), (1, 1), (5, 100)])
def test_connections_needed_follow_from_the_maximum(requests: int, limit: int) -> None:
    talk = Talk(max_requests=limit)
    for _ in range(requests):
        if talk.ended():
            talk.stream = RecordedStream()
            talk.connection = Http11Connection(talk.service, talk.stream, resumed=False)
        answer = talk.ask()
        # Announced exactly when it happens.
        assert answer.headers.get("connection") == ("close" if talk.ended() else None)

    assert len(talk.service.tally.per_connection) == math.ceil(requests / limit)
    assert talk.closes.get("max_requests", 0) == requests // limit


@pytest.mark.parametrize(
    ("version", "header", "told", "ended"),
    [
        ("1.1", "", None, ""),
        ("1.1", "Connection: keep-alive\r\n", None, ""),
        ("1.1", "Connection: close\r\n", "close", "fin"),
        ("1.1", "connection: x,  CLOSE\r\n", "close", "fin"),
        ("1.0", "", "close", "fin"),
        ("1.0", "Connection: Keep-Alive\r\n", "keep-alive", ""),
    ],
)
def test_connection_ends_when_the_client_asks_for_it(
    version: str, header: str, told: str | None, ended: str
) -> None:
    talk = Talk()

    answer = talk.ask(f"GET / HTTP/{version}\r\nHost: h\r\n{header}\r\n".encode())

    assert answer.headers.get("connection") == told
    assert talk.ended() == ended
    assert talk.closes == ({"asked": 1} if ended else {})


def test_nothing_is_read_after_the_connection_has_ended() -> None:
    talk = Talk()

    talk.send(request("Connection: close", method="GET") + GET)
    talk.connection.data_received(GET)

    assert len(talk.requests) == 1


def test_end_by_the_client_is_counted_once() -> None:
    talk = Talk(processing_s=1.0)

    talk.send(GET)
    talk.connection.connection_lost()
    talk.timers.pass_s(100.0)

    assert talk.closes == {"client": 1}
    assert (talk.service.tally.open, talk.service.ends) == (0, set())
    assert talk.stream.writes == []


def test_head_is_answered_without_a_body() -> None:
    talk = Talk()

    talk.connection.data_received(request(method="HEAD"))

    (answer,) = parse_answers(talk.stream.written, methods=("HEAD",))
    assert answer.headers["content-length"] == "7"


def test_client_that_does_not_read_is_not_answered_until_it_does() -> None:
    talk = Talk()
    talk.connection.pause_writing()

    talk.send(GET)
    assert talk.requests == []
    talk.connection.resume_writing()

    assert len(talk.requests) == 1


def test_client_that_pipelines_without_end_is_held_up() -> None:
    talk = Talk(processing_s=1.0)

    talk.send(GET * (MAX_BODY_BYTES // len(GET) + 2))
    assert talk.stream.paused
    talk.timers.pass_s(3.0)

    assert len(parse_answers(talk.stream.written)) == 3


# Service time.


def test_service_time_counts_from_the_whole_request() -> None:
    talk = Talk(processing_s=0.005)

    talk.send(GET[:-1])
    talk.timers.pass_s(1.0)
    talk.send(GET[-1:])
    talk.timers.pass_s(0.004_999)
    assert talk.stream.writes == []
    talk.timers.pass_s(0.000_001)

    assert len(talk.stream.writes) == 1


def test_service_time_is_kept_on_the_loop_of_the_process() -> None:
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        lateness = runner.run(_lateness_ms(processing_ms=2.4, count=60))

    # The median was 0.06 to 0.10 ms on the machine this was written on; asyncio's own
    # selector has 0.9 there: it rounds up to whole ones. The bound leaves room for a
    # machine that is busy.
    assert min(lateness) >= 0
    late = statistics.median(lateness)
    demand(late < 0.35, f"the service time is exceeded by {late:.2f} ms")


async def _lateness_ms(processing_ms: float, count: int) -> list[float]:
    answered = asyncio.Event()

    class Stamping(RecordedStream):
        def write(self, data: bytes) -> None:
            self.at_s = time.monotonic()
            answered.set()

    stream = Stamping()
    service = Service(
        application=Answering(lambda _: Response(200, b"{}")),
        timers=asyncio.get_running_loop(),
        processing_s=processing_ms / 1000,
    )
    connection = Http11Connection(service, stream, resumed=False)
    lateness = []
    for _ in range(count):
        answered.clear()
        start_s = time.monotonic()
        connection.data_received(GET)
        await answered.wait()
        lateness.append((stream.at_s - start_s) * 1000 - processing_ms)
    connection.connection_lost()
    return lateness
