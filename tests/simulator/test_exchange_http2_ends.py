"""HTTP/2 of the exchange: how its connections end, as told or by themselves."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from tests.support.http2_talk import Talk2, goaway
from vestbench.simulator.http.behaviour import Behaviour

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

    assert talk.service.ends == set()
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
