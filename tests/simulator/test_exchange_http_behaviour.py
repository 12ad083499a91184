"""HTTP/1.1 of the exchange that behaves as it is told, and random input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.exchange_talk import GET, REFUSED, Talk, parse_answers
from vestbench.simulator.http.behaviour import Behaviour

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
