"""HTTP/1.1 of the exchange: what it reads, what it answers, and when it ends."""

from __future__ import annotations

import pytest

from tests.support.exchange_talk import GET, REFUSED, Talk, parse_answers, request
from vestbench.simulator.http.request_reader import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
)
from vestbench.simulator.http.served import LINGER_S


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
