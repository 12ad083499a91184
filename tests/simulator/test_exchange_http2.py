"""HTTP/2 of the exchange: what it reads, what it answers, and its windows."""

from __future__ import annotations

import json

import pytest
from h2.errors import ErrorCodes

from tests.support.http2_talk import Got, Talk2
from vestbench.simulator.http.http2 import MAX_STREAMS
from vestbench.simulator.http.http2_reader import read_head
from vestbench.simulator.http.request_reader import (
    MAX_BODY_BYTES,
    MAX_HEADERS,
    RefusedError,
)
from vestbench.simulator.http.served import LINGER_S

WINDOW = 65_535  # of a connection and of each stream at first (RFC 9113, 6.9.2)


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
