"""HTTP/1.1 of the exchange: scripted time and a stream that records, no sockets.

What needs sockets, TLS or a process is in `test_exchange_process.py`; the precision of
the service time is measured here, on the loop that the process uses.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.machine import demand
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.simulator.http.http11 import Http11Connection
from vestbench.simulator.http.loop import precise_loop
from vestbench.simulator.http.messages import Request, Response
from vestbench.simulator.http.request_reader import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
)
from vestbench.simulator.http.served import LINGER_S
from vestbench.simulator.http.service import Service

GET = b"GET /v2/x HTTP/1.1\r\nHost: h\r\n\r\n"


@dataclass
class Alarm:
    when: float
    call: Callable[[], Any]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class ScriptedTimers:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.alarms: list[Alarm] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Alarm:
        alarm = Alarm(when, lambda: callback(*args))
        self.alarms.append(alarm)
        return alarm

    def pass_until(self, end: float) -> None:
        while due := [a for a in self.alarms if not a.cancelled and a.when <= end]:
            alarm = min(due, key=lambda each: each.when)
            self.alarms.remove(alarm)
            self.now = alarm.when
            alarm.call()
        self.now = end

    def pass_s(self, seconds: float) -> None:
        self.pass_until(self.now + seconds)


@dataclass
class RecordedStream:
    writes: list[bytes] = field(default_factory=list)
    ended: str = ""
    paused: bool = False

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)

    def write(self, data: bytes) -> None:
        assert not self.ended, "written after the end"
        if data:
            self.writes.append(data)

    def close(self, *, notify: bool = True) -> None:
        self.ended = "fin" if notify else "bare-fin"

    def reset(self) -> None:
        self.ended = "rst"

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> Any:
        return json.loads(self.body)


def parse_answers(data: bytes, *, methods: tuple[str, ...] = ()) -> list[Answer]:
    """Take apart what was written; fail if it is not a sequence of responses."""
    answers: list[Answer] = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, f"no end of head: {head!r}"
        first, *lines = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 ([1-5][0-9]{2}) [A-Za-z' -]*", first)
        assert match, first
        headers = {}
        for line in lines:
            name, colon, value = line.partition(": ")
            assert colon, line
            assert name.lower() not in headers, line
            headers[name.lower()] = value
        status = int(match[1])
        if status == 100:
            answers.append(Answer(status, headers, b""))
            continue
        finals = [each for each in answers if each.status != 100]
        bodiless = len(finals) < len(methods) and methods[len(finals)] == "HEAD"
        length = 0 if bodiless else int(headers["content-length"])
        assert len(data) >= length
        answers.append(Answer(status, headers, data[:length]))
        data = data[length:]
    return answers


class Talk:
    """One connection to a service that answers every request with what it got."""

    def __init__(self, service: Service | None = None, **options: Any) -> None:
        self.timers = ScriptedTimers()
        self.requests: list[Request] = []
        self.service = service or Service(
            respond=self.respond, timers=self.timers, **options
        )
        self.stream = RecordedStream()
        self.connection = Http11Connection(self.service, self.stream, resumed=False)

    def respond(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, b'{"n":%d}' % len(self.requests))

    def send(self, data: bytes) -> list[Answer]:
        """Deliver bytes; return the responses since the last call."""
        before = len(self.stream.written)
        self.connection.data_received(data)
        return parse_answers(self.stream.written[before:])

    def ask(self, data: bytes = GET) -> Answer:
        (only,) = self.send(data)
        return only

    def ended(self) -> str:
        return self.stream.ended

    @property
    def closes(self) -> dict[str, int]:
        return self.service.tally.closes


def request(*lines: str, body: bytes = b"", method: str = "POST") -> bytes:
    head = [f"{method} /v2/x HTTP/1.1", "Host: h", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


# Reading.


def test_request_is_taken_apart() -> None:
    talk = Talk()

    talk.send(
        b"POST /v2/a%20b?x=1&y=%2C&z= HTTP/1.1\r\nHost: h\r\nX-API-KEY:  k \r\n"
        b"Accept: a\r\naccept: b\r\nContent-Length: 3\r\n\r\nabc"
    )

    (got,) = talk.requests
    assert (got.method, got.path, got.body) == ("POST", "/v2/a b", b"abc")
    assert got.query == {"x": "1", "y": ",", "z": ""}
    assert got.headers["x-api-key"] == "k"
    assert got.headers["accept"] == "a, b"


def test_absolute_target_means_the_same_as_its_path() -> None:
    talk = Talk()

    talk.send(b"GET https://h:1/v2/x?a=b HTTP/1.1\r\nHost: h:1\r\n\r\n")
    talk.send(b"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n")

    assert [(r.path, r.query) for r in talk.requests] == [
        ("/v2/x", {"a": "b"}),
        ("/", {}),
    ]


def test_requests_share_a_connection_and_are_counted() -> None:
    talk = Talk()

    answers = [talk.ask() for _ in range(5)]

    assert [each.headers["x-vestbench-request"] for each in answers] == list("12345")
    assert {each.headers["x-vestbench-connection"] for each in answers} == {"1"}
    assert {each.headers["x-vestbench-resumed"] for each in answers} == {"0"}
    assert all("connection" not in each.headers for each in answers)
    assert talk.service.tally.per_connection == [5]
    assert talk.service.tally.open == 1
    assert not talk.ended()


def test_head_and_body_go_out_in_one_write() -> None:
    talk = Talk()

    talk.send(GET)

    assert len(talk.stream.writes) == 1
    assert talk.stream.writes[0].endswith(b'\r\n\r\n{"n":1}')


def test_pipelined_requests_are_answered_in_order() -> None:
    talk = Talk(processing_s=0.005)
    paths = [b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(4)]

    assert talk.send(b"".join(paths)) == []
    talk.timers.pass_s(0.020)

    assert [each.path for each in talk.requests] == ["/0", "/1", "/2", "/3"]
    bodies = [each.body for each in parse_answers(talk.stream.written)]
    assert bodies == [b'{"n":%d}' % n for n in (1, 2, 3, 4)]


def test_chunked_body_is_put_together() -> None:
    talk = Talk()
    body = b"3;name=value\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"

    talk.send(request("Transfer-Encoding: Chunked", body=body) + GET)

    assert [each.body for each in talk.requests] == [b"abc0123456789", b""]


def test_empty_lines_before_a_request_are_ignored() -> None:
    talk = Talk()

    talk.send(b"\r")
    talk.send(b"\n\r\n" + GET)

    assert len(talk.requests) == 1


def test_client_that_expects_100_continue_is_told_once() -> None:
    talk = Talk()
    head = request("Expect: 100-continue", "Content-Length: 4")

    assert [each.status for each in talk.send(head)] == [100]
    assert talk.send(b"ab") == []
    assert [each.status for each in talk.send(b"cd")] == [200]
    assert [each.status for each in talk.send(head)] == [100]


def test_client_that_did_not_wait_for_100_continue_is_not_told() -> None:
    talk = Talk()
    whole = request("Expect: 100-continue", "Content-Length: 2", body=b"ab")

    assert [each.status for each in talk.send(whole)] == [200]


REFUSED = {
    "no request line": (b"hello\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "relative target": (b"GET x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "connect": (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "not ASCII": (b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (request("Host: i"), 400),
    "space before colon": (request("A : b"), 400),
    "folded header": (request("A: b", " c"), 400),
    "header without name": (request(": b"), 400),
    "NUL in a header": (request("A: b\0c"), 400),
    "bare line feed": (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    "negative length": (request("Content-Length: -1"), 400),
    "signed length": (request("Content-Length: +1"), 400),
    "two lengths": (request("Content-Length: 1", "Content-Length: 2"), 400),
    "length and chunked": (
        request("Content-Length: 1", "Transfer-Encoding: chunked"),
        400,
    ),
    "chunked in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    "unknown coding": (request("Transfer-Encoding: gzip, chunked"), 501),
    "unknown expectation": (request("Expect: 200-ok"), 417),
    "chunk size": (request("Transfer-Encoding: chunked", body=b"x\r\n"), 400),
    "endless chunk size": (
        request("Transfer-Encoding: chunked", body=b"1;" + b"x" * 2_000),
        400,
    ),
    "chunk end": (request("Transfer-Encoding: chunked", body=b"1\r\nabc"), 400),
    "trailer": (
        request("Transfer-Encoding: chunked", body=b"0\r\nbad line\r\n\r\n"),
        400,
    ),
    "endless trailer": (
        request("Transfer-Encoding: chunked", body=b"0\r\nA:" + b"x" * 17_000),
        431,
    ),
    "large header": (request("A: " + "x" * MAX_HEAD_BYTES), 431),
    "endless header": (b"GET / HTTP/1.1\r\nA: " + b"x" * (MAX_HEAD_BYTES + 1), 431),
    "many headers": (request(*["A: b"] * MAX_HEADERS), 431),
    "large body": (request(f"Content-Length: {MAX_BODY_BYTES + 1}"), 413),
    "large chunk": (
        request("Transfer-Encoding: chunked", body=b"%x\r\n" % (MAX_BODY_BYTES + 1)),
        413,
    ),
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
def test_request_that_cannot_be_served_is_refused_and_the_connection_ends(
    data: bytes, status: int
) -> None:
    talk = Talk()

    answer = talk.ask(data)
    talk.timers.pass_s(LINGER_S)

    assert answer.status == status
    assert answer.error["code"] == status
    assert isinstance(answer.error["msg"], str)
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/json"
    assert (talk.ended(), talk.requests) == ("fin", [])
    assert talk.closes == {"error": 1}


def test_equal_lengths_given_twice_are_one() -> None:
    talk = Talk()

    talk.send(request("Content-Length: 2", "Content-Length: 2", body=b"ab"))

    assert talk.requests[0].body == b"ab"


def test_a_refusal_comes_after_the_answers_to_earlier_requests() -> None:
    talk = Talk(processing_s=0.005)

    talk.send(GET + b"nonsense\r\n\r\n" + GET)
    talk.timers.pass_s(0.005)

    assert [each.status for each in parse_answers(talk.stream.written)] == [200, 400]
    assert talk.ended() == "fin"


def test_refused_body_is_read_for_a_while_so_that_the_answer_arrives() -> None:
    talk = Talk()

    talk.send(request(f"Content-Length: {MAX_BODY_BYTES + 1}"))
    assert talk.send(b"x" * 1_000) == []
    talk.timers.pass_s(LINGER_S - 0.01)
    assert not talk.ended()
    talk.timers.pass_s(0.01)

    assert talk.ended() == "fin"


def test_largest_head_and_body_are_served() -> None:
    talk = Talk()
    start = request(f"Content-Length: {MAX_BODY_BYTES}")[:-2]
    padding = b"A: " + b"x" * (MAX_HEAD_BYTES - len(start) - 3)

    talk.send(start + padding + b"\r\n\r\n" + b"b" * MAX_BODY_BYTES)

    assert len(talk.requests[0].body) == MAX_BODY_BYTES


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
    assert (talk.service.tally.open, talk.service.connections) == (0, set())
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
        respond=lambda _: Response(200, b"{}"),
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


# Misbehaviour.


def behaving(**options: Any) -> Talk:
    return Talk(behaviour=Behaviour(**options))


@pytest.mark.parametrize("announce", [True, False])
def test_close_after_every_nth_response(announce: bool) -> None:
    talk = behaving(after_response="fin", close_every=2, announce=announce)

    first, second = talk.ask(), talk.ask()

    assert "connection" not in first.headers
    assert second.headers.get("connection") == ("close" if announce else None)
    assert (talk.ended(), talk.closes) == ("fin", {"behaviour": 1})


def test_reset_after_a_response_is_never_announced() -> None:
    talk = behaving(after_response="rst")

    answer = talk.ask()

    assert (answer.status, answer.headers.get("connection")) == (200, None)
    assert talk.ended() == "rst"


def test_bare_end_after_a_response_is_never_announced() -> None:
    talk = behaving(after_response="bare-fin")

    answer = talk.ask()

    assert (answer.status, answer.headers.get("connection")) == (200, None)
    assert (talk.ended(), talk.closes) == ("bare-fin", {"behaviour": 1})


@pytest.mark.parametrize("how", ["fin", "bare-fin", "rst"])
def test_idle_connection_ends_as_told(how: Any) -> None:
    talk = behaving(idle_close=how)
    talk.ask()

    talk.timers.pass_s(75.0)

    assert (talk.ended(), talk.closes) == (how, {"idle": 1})


@pytest.mark.parametrize("how", ["fin", "bare-fin", "rst"])
def test_request_in_the_race_with_the_end_is_not_answered(how: Any) -> None:
    talk = behaving(
        after_response=how, close_every=2, announce=False, close_delay_ms=50.0
    )
    talk.ask()
    talk.ask()
    talk.timers.pass_s(0.049)

    late = talk.send(GET)
    open_yet = talk.ended()
    talk.timers.pass_s(0.001)

    assert (late, open_yet) == ([], "")
    assert (talk.ended(), talk.closes) == (how, {"behaviour": 1})
    assert len(talk.requests) == 2


def test_pipelined_request_in_the_race_is_not_answered_either() -> None:
    talk = behaving(after_response="fin", announce=False, close_delay_ms=50.0)

    answers = talk.send(GET + GET)
    talk.timers.pass_s(0.050)

    assert len(answers) == len(talk.requests) == 1
    assert talk.ended() == "fin"


def test_client_that_leaves_during_the_delay_is_counted_as_such() -> None:
    talk = behaving(after_response="fin", announce=False, close_delay_ms=50.0)
    talk.ask()

    talk.connection.connection_lost()
    talk.timers.pass_s(1.0)

    assert (talk.ended(), talk.closes) == ("", {"client": 1})


def test_close_instead_of_an_answer() -> None:
    talk = behaving(after_response="close-unanswered", close_every=2)

    assert len(talk.send(GET)) == 1
    assert talk.send(GET) == []

    assert (talk.ended(), len(talk.requests)) == ("fin", 1)


def test_status_of_every_nth_request_of_all_connections() -> None:
    talk = behaving(status=429, status_every=3, retry_after_s=7)
    other = Talk(talk.service)

    answers = [talk.ask(), other.ask(), talk.ask(), other.ask()]

    assert [each.status for each in answers] == [200, 200, 429, 200]
    assert answers[2].headers["retry-after"] == "7"
    assert answers[2].error["code"] == 1003
    assert not talk.ended()


def test_status_without_a_name_is_still_http() -> None:
    answer = behaving(status=599).ask()

    assert (answer.status, answer.error["code"]) == (599, 599)


def test_stalled_request_is_never_answered() -> None:
    talk = behaving(stall=True)

    talk.send(GET + GET)
    talk.timers.pass_s(10_000)

    assert (talk.stream.writes, talk.ended()) == ([], "")
    assert talk.service.tally.requests == 1


def test_body_trickles_byte_by_byte() -> None:
    talk = behaving(trickle_ms=10)

    talk.connection.data_received(GET + GET)
    before = len(talk.stream.writes)
    talk.timers.pass_s(0.069)
    assert len(talk.stream.writes) == before + 6
    talk.timers.pass_s(0.001)

    rest = talk.stream.written.partition(b'{"n":1}')[2]
    assert before == 1
    assert rest.startswith(b"HTTP/1.1 200")
    talk.timers.pass_s(0.070)
    assert len(parse_answers(talk.stream.written)) == 2


def test_garbage_is_not_http_and_ends_the_connection() -> None:
    talk = behaving(garbage=True)

    talk.connection.data_received(GET)

    assert not talk.stream.written.startswith(b"HTTP/")
    assert talk.ended() == "fin"


def test_chunked_response_has_no_length_and_adds_up() -> None:
    talk = behaving(chunked=True)

    talk.connection.data_received(GET)

    head, _, body = talk.stream.written.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"Content-Length" not in head
    assert body == b'3\r\n{"n\r\n4\r\n":1}\r\n0\r\n\r\n'


def test_http_1_0_is_not_answered_in_chunks() -> None:
    assert behaving(chunked=True).ask(b"GET / HTTP/1.0\r\n\r\n").body == b'{"n":1}'


def test_behaviour_may_change_between_requests() -> None:
    talk = Talk()

    talk.ask()
    talk.service.behaviour = replace(talk.service.behaviour, status=503)

    assert talk.ask().status == 503


@pytest.mark.parametrize(
    "wrong", [{"close_every": 0}, {"status_every": 0}, {"status": 99}, {"status": 600}]
)
def test_impossible_behaviour_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"at least 1|between"):
        Behaviour(**wrong)  # type: ignore[arg-type]


# Anything at all.

FUZZ = settings(max_examples=150, deadline=None)
NAMES = st.sampled_from(
    ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "X", ""]
) | st.text(st.characters(max_codepoint=255), max_size=8)
VALUES = st.sampled_from(
    ["h", "0", "3", "close", "keep-alive", "chunked", "100-continue", "1, 1", "-1"]
) | st.text(st.characters(max_codepoint=255), max_size=12)
FIRST_LINES = st.sampled_from(
    [
        "GET / HTTP/1.1",
        "POST /v2/x HTTP/1.0",
        "PUT * HTTP/1.1",
        "GET /?a=%ff&&= HTTP/1.1",
    ]
) | st.text(st.characters(max_codepoint=255), max_size=30)
LINE_ENDS = st.sampled_from(["\r\n"] * 8 + ["\n", "\r"])


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    lines = [draw(FIRST_LINES), "Host: h"]
    lines += [f"{draw(NAMES)}: {draw(VALUES)}" for _ in range(draw(st.integers(0, 5)))]
    head = "".join(line + draw(LINE_ENDS) for line in lines).encode("latin-1")
    return head + b"\r\n" + draw(st.binary(max_size=20))


def check_outcome(talk: Talk) -> None:
    """What was written is HTTP, and sooner or later the connection has ended."""
    assume(all(each.method != "HEAD" for each in talk.requests))
    answers = parse_answers(talk.stream.written)
    assert {each.status for each in answers} <= {100, 200, 400, 413, 417, 431, 501, 505}
    talk.timers.pass_s(1_000)
    assert talk.ended() == "fin"
    assert sum(talk.closes.values()) == 1
    assert talk.service.tally.open == 0


@FUZZ
@given(pieces=st.lists(st.binary(max_size=60), max_size=8))
def test_random_bytes_are_answered_or_closed(pieces: list[bytes]) -> None:
    talk = Talk()

    for piece in pieces:
        talk.connection.data_received(piece)

    check_outcome(talk)


@FUZZ
@given(requests=st.lists(blocks(), min_size=1, max_size=3))
def test_random_header_blocks_are_answered_or_closed(requests: list[bytes]) -> None:
    talk = Talk()

    talk.connection.data_received(b"".join(requests))

    check_outcome(talk)


@FUZZ
@given(data=st.data())
def test_it_does_not_matter_how_the_bytes_are_cut(data: st.DataObject) -> None:
    parts = st.sampled_from([GET, *(each for each, _ in REFUSED.values())]) | blocks()
    sent = b"".join(data.draw(st.lists(parts, min_size=1, max_size=3)))[:4_000]
    assume(b"xpect" not in sent)  # whether 100 is said depends on the cut
    cuts = data.draw(st.lists(st.integers(0, len(sent)), max_size=6).map(sorted))
    whole, cut = Talk(), Talk()

    whole.connection.data_received(sent)
    for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        cut.connection.data_received(sent[start:end])

    assert cut.requests == whole.requests
    assert [a.status for a in parse_answers(cut.stream.written)] == [
        a.status for a in parse_answers(whole.stream.written)
    ]
    assert cut.ended() == whole.ended()
