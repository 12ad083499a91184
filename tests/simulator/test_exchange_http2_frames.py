"""HTTP/2 of the exchange: streams that are cancelled, and frames that are broken."""

from __future__ import annotations

import random
from struct import pack

import pytest
from h2.errors import ErrorCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.exchange_talk import Answering, Later
from tests.support.http2_talk import PREFACE, SETTINGS, Got, Talk2, frame, goaway
from vestbench.simulator.http.http2 import MAX_STREAMS, Http2Connection
from vestbench.simulator.http.http2_reader import FrameLengths
from vestbench.simulator.http.messages import Deferred, Response


def deferring() -> tuple[Talk2, Later, list[int]]:
    later, effects = Later(), list[int]()

    def finish(number: int) -> Response:
        effects.append(number)
        return Response(200, b"{}")

    talk = Talk2(background=later)
    talk.service.application = Answering(lambda _: Deferred(lambda: 42, finish))
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
