"""HTTP/2 of the exchange: scripted time, and python-h2 as the client in memory.

The last part goes over sockets: httpx and curl, which speak HTTP/2 by libraries that
owe nothing to one another.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import Any

import httpx
import pytest
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.test_exchange_faults import Later
from tests.support.command import vestbench
from tests.support.exchange_talk import RecordedStream, ScriptedTimers
from vestbench.errors import UsageError
from vestbench.model.simulated import ExchangeSpec
from vestbench.running.facts import exchange_facts
from vestbench.simulator import exchange_process
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.simulator.http.http2 import MAX_STREAMS, Http2Connection
from vestbench.simulator.http.http2_reader import FrameLengths, read_head
from vestbench.simulator.http.messages import Deferred, Request, Response
from vestbench.simulator.http.request_reader import (
    MAX_BODY_BYTES,
    MAX_HEADERS,
    RefusedError,
)
from vestbench.simulator.http.served import LINGER_S
from vestbench.simulator.http.service import Service

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW = 65_535  # of a connection and of each stream at first (RFC 9113, 6.9.2)


class Got:
    """What the client has got on one stream."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""
        self.ended = False
        self.reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.headers.get(":status", 0))


class Talk2:
    """A client in memory, and one connection to a service that answers everything."""

    def __init__(self, service: Service | None = None, **options: Any) -> None:
        self.timers = ScriptedTimers()
        self.requests: list[Request] = []
        self.body = b'{"n":1}'
        self.service = service or Service(
            respond=self.respond, timers=self.timers, **options
        )
        self.stream = RecordedStream()
        self.connection = Http2Connection(self.service, self.stream, resumed=False)
        self.client = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.client.initiate_connection()
        self.got: dict[int, Got] = {}
        self.goodbyes: list[events.ConnectionTerminated] = []
        self._read = 0
        self.move()

    def respond(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, self.body)

    def move(self, *, acknowledge: bool = True) -> None:
        """Carry bytes both ways until nothing moves any more."""
        while True:
            data = self.client.data_to_send()
            if data:
                self.connection.data_received(data)
            back = self.stream.written[self._read :]
            self._read += len(back)
            if not data and not back:
                return
            for event in self.client.receive_data(back):
                self._notice(event, acknowledge)

    def _notice(self, event: events.Event, acknowledge: bool) -> None:
        if isinstance(event, events.ConnectionTerminated):
            self.goodbyes.append(event)
            return
        number = getattr(event, "stream_id", None)
        if not number:
            return
        got = self.got.setdefault(number, Got())
        match event:
            case events.ResponseReceived():
                got.headers = {str(k): str(v) for k, v in event.headers}
            case events.DataReceived():
                got.body += event.data
                if acknowledge:
                    length = event.flow_controlled_length
                    self.client.acknowledge_received_data(length, number)
            case events.StreamEnded():
                got.ended = True
            case events.StreamReset():
                got.reset = event.error_code

    def send(
        self, *more: tuple[str, str], method: str = "GET", body: bytes | None = None
    ) -> int:
        """Write a request; return the number of its stream."""
        number = self.client.get_next_available_stream_id()
        path = "/v2/orders" if method == "POST" else "/v2/x?a=1"
        head = [(":method", method), (":path", path), (":scheme", "https")]
        head += [(":authority", "h"), *more]
        self.client.send_headers(number, head, end_stream=body is None)
        if body is not None:
            self.client.send_data(number, body, end_stream=True)
        return number

    def ask(self, *more: tuple[str, str], **request: Any) -> Got:
        """Send a request and return what is there at once."""
        number = self.send(*more, **request)
        self.move()
        return self.got.get(number, Got())

    @property
    def closes(self) -> dict[str, int]:
        return self.service.tally.closes


# Requests and answers.


def test_request_arrives_as_over_http_1_1() -> None:
    talk = Talk2()

    talk.ask(("x-api-key", "k"), ("cookie", "a=1"), ("cookie", "b=2"), ("x", "1"))
    talk.ask(method="POST", body=b"{}")

    first, second = talk.requests
    assert (first.method, first.path, first.query) == ("GET", "/v2/x", {"a": "1"})
    assert first.headers["host"] == "h"
    assert first.headers["x-api-key"] == "k"
    assert first.headers["cookie"] == "a=1; b=2"
    assert not [name for name in first.headers if name.startswith(":")]
    assert (second.method, second.body) == ("POST", b"{}")


def test_answers_say_connection_and_request_as_over_http_1_1() -> None:
    talk = Talk2()

    answers = [talk.ask() for _ in range(3)]

    assert [each.status for each in answers] == [200, 200, 200]
    assert [each.headers["x-vestbench-request"] for each in answers] == ["1", "2", "3"]
    assert {each.headers["x-vestbench-connection"] for each in answers} == {"1"}
    assert {each.headers["x-vestbench-resumed"] for each in answers} == {"0"}
    assert answers[0].headers["content-length"] == "7"
    assert "connection" not in answers[0].headers
    assert talk.service.tally.per_connection == [3]


def test_head_and_body_of_an_answer_go_out_in_one_write() -> None:
    talk = Talk2()
    before = len(talk.stream.writes)

    talk.send()
    talk.connection.data_received(talk.client.data_to_send())

    assert len(talk.stream.writes) == before + 1


def test_head_is_answered_without_a_body() -> None:
    answer = Talk2().ask(method="HEAD")

    assert (answer.headers["content-length"], answer.body) == ("7", b"")
    assert answer.ended


def test_requests_are_answered_when_each_is_due_and_not_in_order() -> None:
    talk = Talk2(processing_s=0.005, order_processing_s=0.002)

    slow = talk.send()
    fast = talk.send(method="POST", body=b"{}")
    talk.move()
    talk.timers.pass_s(0.002)
    talk.move()

    assert talk.got[fast].ended
    assert slow not in talk.got
    talk.timers.pass_s(0.003)
    talk.move()
    assert talk.got[slow].ended


def test_a_hundred_requests_at_once_are_all_answered() -> None:
    talk = Talk2(processing_s=0.005)

    numbers = [talk.send() for _ in range(MAX_STREAMS)]
    talk.move()
    talk.timers.pass_s(0.005)
    talk.move()

    assert [talk.got[each].body for each in numbers] == [talk.body] * MAX_STREAMS
    uses = [int(talk.got[each].headers["x-vestbench-request"]) for each in numbers]
    assert uses == list(range(1, MAX_STREAMS + 1))


def test_client_that_expects_100_continue_is_told() -> None:
    talk = Talk2()
    number = talk.client.get_next_available_stream_id()
    head = [(":method", "POST"), (":path", "/"), (":scheme", "https")]
    head += [(":authority", "h"), ("expect", "100-continue")]
    seen: list[str] = []
    talk.client.send_headers(number, head)
    talk.connection.data_received(talk.client.data_to_send())
    for event in talk.client.receive_data(talk.stream.written[talk._read :]):
        seen.append(type(event).__name__)

    assert seen == ["InformationalResponseReceived"]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({":path": "nowhere"}, 400),
        ({":path": "/\x00"}, 400),
        ({":method": "GE T"}, 400),
        ({f"x-{n}": "1" for n in range(MAX_HEADERS)}, 431),
    ],
    ids=["relative", "control", "method", "many"],
)
def test_head_that_cannot_be_served_is_refused(
    changed: dict[str, str], status: int
) -> None:
    head = {":method": "GET", ":path": "/", ":scheme": "https", ":authority": "h"}
    fields = [(k.encode(), v.encode()) for k, v in {**head, **changed}.items()]

    with pytest.raises(RefusedError) as caught:
        read_head(fields)

    assert caught.value.status == status


def test_refused_request_is_answered_and_the_others_go_on() -> None:
    talk = Talk2()

    refused = talk.ask(*((f"x-{n}", "1") for n in range(MAX_HEADERS)))
    served = talk.ask()

    assert (refused.status, refused.reset) == (431, None)
    assert json.loads(refused.body)["code"] == 431
    assert served.status == 200
    assert talk.service.tally.per_connection == [2]


def upload(talk: Talk2, size: int) -> tuple[int, int]:
    """Send a body as fast as the windows allow; return its stream and what is left."""
    number = talk.client.get_next_available_stream_id()
    head = [(":method", "POST"), (":path", "/v2/orders"), (":scheme", "https")]
    talk.client.send_headers(number, [*head, (":authority", "h")])
    while size:
        room = talk.client.local_flow_control_window(number)
        step = min(size, room, talk.client.max_outbound_frame_size)
        if step <= 0:
            break
        size -= step
        talk.client.send_data(number, bytes(step), end_stream=not size)
        talk.move()
        if talk.got.get(number, Got()).reset is not None:
            break
    return number, size


def test_largest_body_is_read_whatever_the_window() -> None:
    talk = Talk2()

    number, left = upload(talk, MAX_BODY_BYTES)

    assert left == 0
    assert talk.got[number].status == 200
    assert len(talk.requests[0].body) == MAX_BODY_BYTES > WINDOW


def test_larger_body_is_refused_and_may_be_sent_to_its_end() -> None:
    talk = Talk2()

    number, left = upload(talk, 2 * MAX_BODY_BYTES)

    assert left == 0  # all of it is taken, and thrown away
    assert (talk.got[number].status, talk.got[number].reset) == (413, None)
    assert talk.requests == []
    assert talk.ask().status == 200


def test_refused_upload_that_goes_on_is_cut_off() -> None:
    talk = Talk2()
    number = talk.client.get_next_available_stream_id()
    head = [(":method", "POST"), (":path", "/"), (":scheme", "https")]
    talk.client.send_headers(number, [*head, (":authority", "h")])
    sent = 0
    while sent <= MAX_BODY_BYTES:
        talk.client.send_data(number, bytes(16_384))
        sent += 16_384
        talk.move()

    assert (talk.got[number].status, talk.got[number].reset) == (413, None)
    talk.timers.pass_s(LINGER_S)
    talk.move()
    assert talk.got[number].reset == ErrorCodes.NO_ERROR


def test_bodies_of_a_connection_are_bounded_together() -> None:
    talk = Talk2()
    head = [(":method", "POST"), (":path", "/"), (":scheme", "https")]
    numbers = []
    for _ in range(6):
        number = talk.client.get_next_available_stream_id()
        numbers.append(number)
        talk.client.send_headers(number, [*head, (":authority", "h")])
        for _ in range(MAX_BODY_BYTES // 16_384):
            talk.client.send_data(number, bytes(16_384))
            talk.move()

    refused = [n for n in numbers if n in talk.got and talk.got[n].status == 413]
    assert refused == numbers[4:]


# Flow control.


def test_answer_waits_for_the_window_of_the_client() -> None:
    talk = Talk2()
    talk.body = bytes(3 * WINDOW)

    number = talk.send()
    talk.move(acknowledge=False)
    sent = len(talk.got[number].body)
    talk.client.acknowledge_received_data(sent, number)
    talk.move()

    assert sent == WINDOW
    assert talk.got[number].body == talk.body


def test_small_answer_overtakes_one_that_waits_for_its_window() -> None:
    talk = Talk2()
    talk.body = bytes(2 * WINDOW)
    large = talk.send()
    talk.move(acknowledge=False)
    # Room on the connection, none on the stream.
    talk.client.increment_flow_control_window(WINDOW)
    talk.body = b"{}"

    small = talk.ask()

    assert small.ended
    assert not talk.got[large].ended


def test_client_that_does_not_read_is_neither_answered_nor_heard() -> None:
    talk = Talk2()
    talk.body = bytes(WINDOW)
    talk.connection.pause_writing()

    number = talk.send()
    talk.move()
    held = talk.got[number].body
    paused = talk.stream.paused
    talk.connection.resume_writing()
    talk.move()

    assert (held, paused) == (b"", True)
    assert not talk.stream.paused
    assert talk.got[number].body == talk.body


def test_answer_that_the_client_has_no_room_for_ends_with_the_idle_timeout() -> None:
    talk = Talk2(idle_timeout_s=5.0)
    talk.body = bytes(2 * WINDOW)
    talk.send()
    talk.move(acknowledge=False)

    talk.timers.pass_s(5.0)

    assert (talk.stream.ended, talk.closes) == ("fin", {"error": 1})


# Ends.


def test_idle_connection_says_goodbye_exactly_after_the_timeout() -> None:
    talk = Talk2(idle_timeout_s=5.0)
    talk.timers.pass_s(3.0)
    talk.ask()
    talk.timers.pass_s(4.999)
    before = talk.stream.ended

    talk.timers.pass_s(0.001)
    talk.move()

    assert (before, talk.stream.ended) == ("", "fin")
    (goodbye,) = talk.goodbyes
    assert (goodbye.error_code, goodbye.last_stream_id) == (0, 1)
    assert talk.closes == {"idle": 1}


def test_pings_do_not_keep_an_idle_connection_open() -> None:
    talk = Talk2(idle_timeout_s=5.0)
    talk.timers.pass_s(3.0)
    talk.client.ping(b"12345678")
    talk.move()

    talk.timers.pass_s(2.0)

    assert talk.closes == {"idle": 1}


def test_request_that_takes_longer_than_the_idle_timeout_is_answered() -> None:
    talk = Talk2(idle_timeout_s=1.0, processing_s=3.0)
    number = talk.send()
    talk.move()

    talk.timers.pass_s(3.0)
    talk.move()

    assert talk.got[number].ended
    assert talk.stream.ended == ""


def test_half_a_request_ends_with_the_idle_timeout() -> None:
    talk = Talk2(idle_timeout_s=5.0)
    number = talk.client.get_next_available_stream_id()
    head = [(":method", "POST"), (":path", "/"), (":scheme", "https")]
    talk.client.send_headers(number, [*head, (":authority", "h")])
    talk.move()

    talk.timers.pass_s(5.0)

    assert talk.closes == {"error": 1}


def test_maximum_of_requests_is_told_by_goaway_with_the_last_answer() -> None:
    talk = Talk2(max_requests=2)

    first, second = talk.ask(), talk.ask()

    assert (first.status, second.status, second.ended) == (200, 200, True)
    (goodbye,) = talk.goodbyes
    assert goodbye.last_stream_id == 3
    assert (talk.stream.ended, talk.closes) == ("fin", {"max_requests": 1})


def test_requests_under_way_are_answered_after_the_goaway() -> None:
    talk = Talk2(max_requests=1, processing_s=0.005, order_processing_s=0.001)
    slow = talk.send()
    fast = talk.send(method="POST", body=b"{}")
    talk.connection.data_received(talk.client.data_to_send())

    talk.timers.pass_s(0.001)
    written = talk.stream.written
    ended = talk.stream.ended
    talk.timers.pass_s(0.004)

    assert ended == ""  # one is under way
    assert talk.stream.ended == "fin"
    # The client's library forgets all streams with the GOAWAY, so look at the bytes.
    assert goaway(last=fast) in written
    after = talk.stream.written[len(written) :]
    assert slow.to_bytes(4) in after
    assert talk.service.tally.requests == 2


def goaway(*, last: int) -> bytes:
    return pack(">HBBBLLL", 0, 8, 7, 0, 0, last, 0)


def test_request_after_the_goaway_is_refused_so_that_it_can_be_repeated() -> None:
    talk = Talk2(max_requests=1, processing_s=0.005, order_processing_s=0.001)
    talk.send()
    talk.send(method="POST", body=b"{}")
    talk.connection.data_received(talk.client.data_to_send())
    talk.timers.pass_s(0.001)
    before = len(talk.stream.written)

    talk.send()
    talk.connection.data_received(talk.client.data_to_send())

    reset = pack(">HBBBLL", 0, 4, 3, 0, 5, ErrorCodes.REFUSED_STREAM)
    assert talk.stream.written[before:] == reset
    assert talk.service.tally.requests == 2


def test_client_that_says_goodbye_is_let_go() -> None:
    talk = Talk2()

    talk.client.close_connection()
    talk.move()

    assert (talk.stream.ended, talk.closes) == ("fin", {"client": 1})


def test_exchange_that_ends_says_goodbye() -> None:
    talk = Talk2()
    talk.ask()

    talk.connection.shut_down()
    talk.move()

    assert [each.error_code for each in talk.goodbyes] == [0]
    assert talk.closes == {"stop": 1}


def test_nothing_is_kept_of_a_lost_connection() -> None:
    talk = Talk2(processing_s=0.005)
    talk.send()
    talk.move()

    talk.connection.connection_lost()
    talk.timers.pass_s(1.0)

    assert talk.service.connections == set()
    assert (talk.service.tally.open, talk.closes) == (0, {"client": 1})


# Misbehaviour.


def behaving(**options: Any) -> Talk2:
    return Talk2(behaviour=Behaviour(**options))


@pytest.mark.parametrize("announce", [True, False])
def test_close_after_every_nth_response(announce: bool) -> None:
    talk = behaving(after_response="fin", close_every=2, announce=announce)

    first, second = talk.ask(), talk.ask()

    assert (first.ended, second.ended) == (True, True)
    assert len(talk.goodbyes) == announce
    assert (talk.stream.ended, talk.closes) == ("fin", {"behaviour": 1})


@pytest.mark.parametrize("how", ["bare-fin", "rst"])
def test_other_ends_are_never_announced(how: Any) -> None:
    talk = behaving(after_response=how)

    answer = talk.ask()

    assert (answer.ended, talk.goodbyes, talk.stream.ended) == (True, [], how)


@pytest.mark.parametrize("how", ["fin", "bare-fin", "rst"])
def test_idle_connection_ends_as_told(how: Any) -> None:
    talk = behaving(idle_close=how)

    talk.timers.pass_s(75.0)
    talk.move()

    assert (talk.stream.ended, len(talk.goodbyes)) == (how, how == "fin")


def test_request_in_the_race_with_the_end_is_not_answered() -> None:
    talk = behaving(after_response="fin", announce=False, close_delay_ms=50.0)
    talk.ask()
    talk.timers.pass_s(0.049)

    late = talk.ask()
    open_yet = talk.stream.ended
    talk.timers.pass_s(0.001)

    assert (late.headers, open_yet, talk.stream.ended) == ({}, "", "fin")
    assert talk.service.tally.requests == 1


def test_answers_under_way_are_given_before_a_delayed_end() -> None:
    talk = Talk2(
        behaviour=Behaviour(
            after_response="fin", announce=False, close_every=2, close_delay_ms=50.0
        ),
        processing_s=0.030,
        order_processing_s=0.001,
    )
    slow = talk.send()
    fast = talk.send(method="POST", body=b"{}")  # the second, which ends it
    talk.move()

    talk.timers.pass_s(0.001)
    talk.move()
    talk.timers.pass_s(0.029)
    talk.move()
    open_yet = talk.stream.ended
    talk.timers.pass_s(0.021)

    assert (talk.got[fast].ended, talk.got[slow].ended) == (True, True)
    # 50 ms after the answer that ends it, whatever was answered since.
    assert (open_yet, talk.stream.ended) == ("", "fin")


def test_close_instead_of_an_answer() -> None:
    talk = behaving(after_response="close-unanswered")

    answer = talk.ask()

    assert (answer.headers, talk.goodbyes) == ({}, [])
    assert (talk.stream.ended, talk.requests) == ("fin", [])


def test_server_errors_and_limits_come_instead_of_the_answer() -> None:
    assert behaving(fault_5xx=1.0).ask().status in (500, 502, 503, 504)
    limited = behaving(fault_429=1.0).ask()
    assert (limited.status, limited.headers["retry-after"]) == (429, "1")


def test_reset_and_garbage_end_the_connection() -> None:
    reset, garbage = behaving(fault_reset=1.0), behaving(garbage=True)

    reset.ask()
    garbage.send()
    garbage.connection.data_received(garbage.client.data_to_send())

    assert reset.stream.ended == "rst"
    assert garbage.stream.ended == "fin"
    with pytest.raises(ProtocolError):
        garbage.move()


def test_stalled_request_is_never_answered_and_others_are() -> None:
    talk = behaving(stall=True)
    stalled = talk.send()
    talk.move()
    talk.service.behaviour = Behaviour()

    answered = talk.ask()
    talk.timers.pass_s(1_000.0)

    assert answered.status == 200
    assert stalled not in talk.got
    assert talk.stream.ended == ""


def test_fault_close_is_not_announced() -> None:
    talk = behaving(fault_close=1.0)

    answer = talk.ask()

    assert (answer.ended, talk.goodbyes, talk.stream.ended) == (True, [], "fin")


def test_body_trickles_byte_by_byte() -> None:
    talk = behaving(trickle_ms=10.0)
    number = talk.send()
    talk.move()
    seen = [talk.got[number].body]

    for _ in range(6):
        talk.timers.pass_s(0.010)
        talk.move()
        seen.append(talk.got[number].body)

    assert seen == [talk.body[: n + 1] for n in range(7)]
    assert talk.got[number].ended


# Computed elsewhere.


def deferring() -> tuple[Talk2, Later, list[int]]:
    later, effects = Later(), list[int]()

    def finish(number: int) -> Response:
        effects.append(number)
        return Response(200, b"{}")

    talk = Talk2(background=later)
    talk.service.respond = lambda _: Deferred(lambda: 42, finish)
    return talk, later, effects


def test_cancelled_request_has_its_effect_and_no_answer() -> None:
    talk, later, effects = deferring()
    number = talk.send()
    talk.move()
    talk.client.reset_stream(number)
    talk.move()

    later.run()
    talk.move()

    assert effects == [42]
    assert number not in talk.got


def test_client_that_cancels_and_asks_again_does_not_pile_up_work() -> None:
    talk, later, _ = deferring()
    for _ in range(3 * MAX_STREAMS):
        number = talk.send()
        talk.move()
        if talk.got.get(number, Got()).reset is None:
            talk.client.reset_stream(number)
            talk.move()

    assert len(later.jobs) == MAX_STREAMS
    assert talk.got[number].reset == ErrorCodes.ENHANCE_YOUR_CALM
    assert talk.stream.ended == ""


def test_request_cancelled_by_what_came_with_it_is_not_taken_up() -> None:
    talk = Talk2()
    number = talk.send()
    talk.client.reset_stream(number)
    talk.move()

    assert talk.requests == []
    assert talk.ask().status == 200


# Broken frames.


def frame(kind: int, payload: bytes, *, flags: int = 0, stream: int = 0) -> bytes:
    head = len(payload).to_bytes(3) + bytes([kind, flags])
    return head + stream.to_bytes(4) + payload


SETTINGS = frame(4, b"")
BROKEN = {
    "preface": b"GET / HTTP/1.1\r\n\r\n" + bytes(20),
    "data first": PREFACE + frame(0, b"x", stream=1),
    "data on no stream": PREFACE + SETTINGS + frame(0, b"x"),
    "data of a request that is not there": PREFACE
    + SETTINGS
    + frame(0, b"x", stream=9),
    "settings of 5 bytes": PREFACE + frame(4, b"12345"),
    "settings on a stream": PREFACE + frame(4, b"", stream=1),
    "ping of 7 bytes": PREFACE + SETTINGS + frame(6, b"1234567"),
    "window by 0": PREFACE + SETTINGS + frame(8, bytes(4)),
    "window too large": PREFACE + SETTINGS + frame(8, b"\x7f\xff\xff\xff") * 2,
    "headers of an even stream": PREFACE + SETTINGS + frame(1, b"", flags=5, stream=2),
    "headers without fields": PREFACE + SETTINGS + frame(1, b"", flags=5, stream=1),
    "headers not packed": PREFACE
    + SETTINGS
    + frame(1, b"\xff\xff\xff\xff\xff\xff\xff", flags=5, stream=1),
    "continuation of nothing": PREFACE + SETTINGS + frame(9, b"", flags=4, stream=1),
    "continuations without end": PREFACE
    + SETTINGS
    + frame(1, b"", stream=1)
    + frame(9, b"", stream=1) * 200,
    "padding longer than the frame": PREFACE
    + SETTINGS
    + frame(1, b"\x05\x82", flags=13, stream=1),
    "reset of a request that is not there": PREFACE
    + SETTINGS
    + frame(3, bytes(4), stream=7),
    "push from a client": PREFACE + SETTINGS + frame(5, bytes(4), flags=4, stream=1),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_broken_frames_end_the_connection_with_a_goaway(data: bytes) -> None:
    talk = Talk2()
    connection = Http2Connection(talk.service, talk.stream, resumed=False)

    connection.data_received(data)
    connection.data_received(data)  # what follows is not looked at

    assert talk.stream.ended == "fin"
    assert talk.closes == {"error": 1}
    if not data.startswith(b"GET"):
        assert talk.stream.writes[-1][-17:-8] == goaway(last=0)[:9]


def test_frame_that_is_too_long_is_refused_before_it_has_come() -> None:
    talk = Talk2()

    talk.connection.data_received(b"\xff\xff\xff\x00\x00\x00\x00\x00\x01")

    assert (talk.stream.ended, talk.closes) == ("fin", {"error": 1})
    assert talk.stream.written.endswith(
        pack(">HBBBLLL", 0, 8, 7, 0, 0, 0, ErrorCodes.FRAME_SIZE_ERROR)
    )


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_lengths_are_seen_however_the_bytes_are_cut(data: st.DataObject) -> None:
    good = PREFACE + SETTINGS + frame(0, bytes(16_384), stream=1) + frame(6, bytes(8))
    bad = good + (16_385).to_bytes(3) + bytes(6)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(bad)), max_size=8)))

    lengths = FrameLengths()
    ends = [*cuts, len(bad)]
    said = [lengths.fits(bad[a:b]) for a, b in zip([0, *cuts], ends, strict=True)]

    assert said.index(False) == next(
        i for i, end in enumerate(ends) if end >= len(good) + 9
    )


def test_more_streams_than_allowed_end_the_connection() -> None:
    talk = Talk2(processing_s=1.0)
    talk.client.remote_settings.update({3: 10 * MAX_STREAMS})
    talk.client.remote_settings.acknowledge()
    for _ in range(MAX_STREAMS + 1):
        talk.send()

    talk.move()

    assert talk.closes == {"error": 1}


def test_header_block_that_unpacks_to_much_ends_the_connection() -> None:
    talk = Talk2()
    talk.ask(("x-large", "x" * 2_000))  # is in the table of both from now on

    talk.ask(*[("x-large", "x" * 2_000)] * 40)

    assert talk.closes == {"error": 1}


def test_random_frames_are_answered_or_end_the_connection() -> None:
    rng = random.Random(20_261_125)
    for _ in range(400):
        talk = Talk2()
        for _ in range(rng.randrange(1, 5)):
            talk.send(method="POST", body=rng.randbytes(rng.randrange(200)))
        data = bytearray(talk.client.data_to_send())
        for _ in range(rng.randrange(1, 6)):
            place = rng.randrange(len(data))
            choice = rng.randrange(4)
            if choice == 0:
                data[place] = rng.randrange(256)
            elif choice == 1:
                del data[place : place + rng.randrange(1, 12)]
            elif choice == 2:
                payload = rng.randbytes(rng.randrange(12))
                kind, flags = rng.randrange(12), rng.randrange(256)
                data[place:place] = frame(
                    kind, payload, flags=flags, stream=rng.randrange(6)
                )
            else:
                data[place:place] = rng.randbytes(rng.randrange(1, 20))
            data += b"\x00" * (not data)
        for begin in range(0, len(data), 97):
            talk.connection.data_received(bytes(data[begin : begin + 97]))
        talk.timers.pass_s(1_000.0)
        talk.connection.connection_lost()

        assert talk.service.tally.open == 0
        assert sum(talk.closes.values()) == 1
        assert [a for a in talk.timers.alarms if not a.cancelled] == []


# Over sockets.


@pytest.fixture(scope="module")
def shared() -> Iterator[ExchangeProcess]:
    with ExchangeProcess(ExchangeSpec(processing_ms=0.0, http2=True)) as process:
        yield process


@pytest.fixture
def exchange(shared: ExchangeProcess) -> Iterator[ExchangeProcess]:
    yield shared
    shared.behave(Behaviour())


def client_context(exchange: ExchangeProcess) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=exchange.ca_pem)


def client(exchange: ExchangeProcess, **options: Any) -> httpx.Client:
    options = {"http2": True, "timeout": 20.0, **options}
    return httpx.Client(verify=client_context(exchange), trust_env=False, **options)


def test_httpx_speaks_http_2_over_one_connection(exchange: ExchangeProcess) -> None:
    before = exchange.counters()
    url = exchange.base_url("/v1/system/time")

    with client(exchange) as session:
        answers = [session.get(url) for _ in range(20)]
    after = exchange.counters()

    assert {each.http_version for each in answers} == {"HTTP/2"}
    assert [each.extensions["stream_id"] for each in answers] == list(range(1, 41, 2))
    assert [each.headers["x-vestbench-request"] for each in answers] == [
        str(n) for n in range(1, 21)
    ]
    assert after.connections - before.connections == 1
    assert after.requests_per_connection[-1] == 20


def test_client_that_offers_http_1_1_only_gets_it(exchange: ExchangeProcess) -> None:
    with client(exchange, http2=False) as session:
        answer = session.get(exchange.base_url("/v1/system/time"))

    assert answer.http_version == "HTTP/1.1"


def test_maximum_of_requests_gives_the_connections_that_arithmetic_says() -> None:
    spec = ExchangeSpec(processing_ms=0.0, http2=True, max_requests=4)
    with ExchangeProcess(spec) as process:
        with client(process) as session:
            url = process.base_url("/v1/system/time")
            assert {session.get(url).status_code for _ in range(10)} == {200}
        counters = process.counters()

    assert counters.requests_per_connection == (4, 4, 2)
    assert counters.closes["max_requests"] == 2


def test_routing_header_and_rate_limit_are_those_of_http_1_1() -> None:
    spec = ExchangeSpec(processing_ms=0.0, http2=True, rate_limit=2.0)
    with ExchangeProcess(spec) as process, client(process) as session:
        url = process.base_url("/v2/exchangeInfo")
        answers = [session.get(url) for _ in range(20)]

    assert (answers[0].status_code, answers[0].json()["code"]) == (400, 1146)
    limited = [each for each in answers if each.status_code == 429]
    assert limited
    assert {each.json()["code"] for each in limited} == {1003}
    assert {each.headers["retry-after"] for each in limited} == {"1"}


def test_large_refused_body_still_gets_its_answer(exchange: ExchangeProcess) -> None:
    body = b"x" * (MAX_BODY_BYTES + 100_000)

    with client(exchange) as session:
        answer = session.post(exchange.base_url("/v2/orders"), content=body)

    assert (answer.status_code, answer.json()["code"]) == (413, 413)


def curl_with_http_2() -> str:
    """Return the path of a curl that has HTTP/2; skip the test without one."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    said = subprocess.run([curl, "-V"], capture_output=True, text=True, check=True)
    if "HTTP2" not in said.stdout:
        pytest.skip("this curl has no HTTP/2")
    return curl


def test_curl_speaks_http_2_over_one_connection(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    trusted = tmp_path / "ca.pem"
    trusted.write_text(exchange.ca_pem)
    url = exchange.base_url("/v1/system/time")
    before = exchange.counters()

    options = ["-sS", "--http2", "--cacert", str(trusted), "--max-time", "20"]
    shown = ["-w", "%{http_version} %{http_code} %header{x-vestbench-request}\n"]
    thrice = ["-o", "/dev/null", url] * 3
    done = subprocess.run(
        [curl_with_http_2(), *options, *shown, *thrice],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split("\n")[:3] == ["2 200 1", "2 200 2", "2 200 3"]
    after = exchange.counters()
    assert after.connections - before.connections == 1
    assert after.requests_per_connection[-1] == 3


def test_garbage_after_the_handshake_harms_nobody(exchange: ExchangeProcess) -> None:
    context = client_context(exchange)
    context.set_alpn_protocols(["h2"])
    rng = random.Random(7)

    for _ in range(10):
        tcp = socket.create_connection((exchange.host, exchange.port), timeout=10.0)
        with context.wrap_socket(tcp, server_hostname="127.0.0.1") as stream:
            stream.sendall(PREFACE + rng.randbytes(300))
            while stream.recv(65_536):
                pass

    with client(exchange) as session:
        url = exchange.base_url("/v1/system/time")
        assert session.get(url).http_version == "HTTP/2"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_sessions_resume_with_http_2(version: str) -> None:
    spec = ExchangeSpec(processing_ms=0.0, http2=True, tls=version)
    with ExchangeProcess(spec) as process:
        context = client_context(process)
        context.set_alpn_protocols(["h2"])

        def handshake(session: ssl.SSLSession | None) -> ssl.SSLSession | None:
            tcp = socket.create_connection((process.host, process.port), 10.0)
            with context.wrap_socket(
                tcp, server_hostname="127.0.0.1", session=session
            ) as stream:
                assert stream.selected_alpn_protocol() == "h2"
                stream.sendall(PREFACE + SETTINGS)
                stream.recv(65_536)  # and, of TLS 1.3, the tickets
                return stream.session

        handshake(handshake(None))
        counters = process.counters()

    assert (counters.handshakes, counters.resumed) == (2, 1)


def test_exchange_without_http_2_does_not_import_its_library() -> None:
    script = (
        "import sys, vestbench.simulator.http.server, "
        "vestbench.simulator.exchange_process; "
        "print([n for n in ('h2', 'hpack', 'hyperframe') if n in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_missing_extra_is_one_line_that_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange_process, "find_spec", lambda name: None)

    with pytest.raises(UsageError, match=r"pip install 'vestbench\[http2\]'") as caught:
        ExchangeProcess(ExchangeSpec(http2=True))

    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_missing_extra_is_refused_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange_process, "find_spec", lambda name: None)

    result = vestbench("serve", "--port", "0", "--rtt", "10ms", "--http2")

    assert result.exit_code == 2
    assert "vestbench[http2]" in result.stderr
    assert result.stderr.count("\n") == 1


def test_serve_offers_http_2() -> None:
    command = [sys.executable, "-m", "vestbench", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--processing", "0ms", "--http2", "--json"], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            context = ssl.create_default_context(cafile=said["ca_file"])
            with httpx.Client(verify=context, http2=True, trust_env=False) as session:
                url = said["base_url"].replace("/v2", "/v1/system/time")
                answer = session.get(url, timeout=20.0)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)

    assert (answer.http_version, answer.status_code) == ("HTTP/2", 200)
    assert process.returncode == 0


def test_stored_facts_tell_exchanges_apart_and_fit_older_runs() -> None:
    plain = exchange_facts(ExchangeSpec()).stored()

    assert set(plain) == {"tls", "processing_ms", "idle_timeout_s", "max_requests"}
    assert exchange_facts(ExchangeSpec(http2=True)).stored() == {**plain, "http2": True}
    without = exchange_facts(ExchangeSpec(tickets=False)).stored()
    assert without == {**plain, "tickets": False}
