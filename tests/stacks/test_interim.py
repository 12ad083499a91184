"""Where the final answer begins, whatever comes before it and however it is read."""

from __future__ import annotations

import pytest

from tests.support.http2_talk import frame, goaway
from vestbench.stacks.wire.interim import (
    Reads,
    end_of_http1,
    interim_of_http1,
    interim_of_http2,
)
from vestbench.stacks.wire.keeping import goes_away
from vestbench.stacks.wire.timestamps import Timestamps

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def read_in(*pieces: bytes) -> Reads:
    """Return reads of these pieces, the first at 10 ns, each 10 ns after the other."""
    return [(10 * number, piece) for number, piece in enumerate(pieces, 1)]


@pytest.mark.parametrize(
    ("reads", "final_ns"),
    [
        (read_in(HINTS, FINAL), 20),
        (read_in(HINTS + FINAL), 10),
        (read_in(HINTS + FINAL[:1], FINAL[1:]), 10),
        (read_in(HINTS[:3], HINTS[3:], FINAL), 30),
        (read_in(HINTS[:-1], HINTS[-1:] + FINAL), 20),
        (read_in(*(bytes([each]) for each in HINTS), FINAL), 10 * len(HINTS) + 10),
    ],
)
def test_the_final_answer_begins_after_the_last_interim_one(
    reads: Reads, final_ns: int
) -> None:
    found = interim_of_http1(reads)

    assert found is not None
    assert (found.statuses, found.final_ns) == (("103",), final_ns)


def test_several_interim_answers_are_all_counted() -> None:
    found = interim_of_http1(read_in(HINTS, HINTS.replace(b"103", b"102"), FINAL))

    assert found is not None
    assert (found.statuses, found.final_ns) == (("103", "102"), 30)


@pytest.mark.parametrize(
    "data", [FINAL, SWITCHED, b"", b"HTTP/1.1 1", HINTS, b"x" * 99]
)
def test_an_answer_without_an_interim_one_begins_at_once(data: bytes) -> None:
    assert interim_of_http1(read_in(data)) is None


@pytest.mark.parametrize("before", [b"", HINTS])
def test_the_end_of_an_answer_counts_what_came_before_it(before: bytes) -> None:
    assert end_of_http1(read_in(before + FINAL), 2) == len(before + FINAL)
    assert end_of_http1(read_in(before + FINAL), None) is None


SETTINGS, PING = frame(4, b"12" * 3), frame(6, b"8" * 8)
HEADERS = frame(1, b"abc", flags=4, stream=3)
LAST_HEADERS = frame(1, b"abc", flags=5, stream=3)
DATA = frame(0, b"{}", flags=1, stream=3)
BEFORE = frame(1, b"abc", flags=5, stream=1)  # of the request before


@pytest.mark.parametrize(
    ("frames", "count"),
    [
        (SETTINGS + HEADERS + DATA, 0),
        (HEADERS + PING + HEADERS + DATA, 1),
        (HEADERS + HEADERS + LAST_HEADERS, 2),
        (LAST_HEADERS, 0),
        (HEADERS + DATA + LAST_HEADERS, 0),  # trailers
        (SETTINGS, 0),
        (BEFORE + HEADERS + HEADERS + DATA, 1),
    ],
)
def test_interim_answers_of_http2_are_the_header_blocks_before_the_last(
    frames: bytes, count: int
) -> None:
    assert interim_of_http2(read_in(frames[:5], frames[5:])) == count


def test_a_goaway_is_found_among_other_frames() -> None:
    assert goes_away(PING + goaway(last=1))
    assert not goes_away(PING + DATA + frame(0, bytes([7]) * 7, stream=3) * 7)
    assert not goes_away(PING + goaway(last=1)[:8])


def test_wait_lasts_until_the_final_answer_begins() -> None:
    stamps = Timestamps(
        0, first_write=90, last_write=100, first_read=200, last_read=600
    )
    stamps.keep(200, HINTS)
    stamps.keep(500, FINAL)

    phases = stamps.phases()

    assert (phases.wait_ns, phases.receive_ns, phases.interim) == (400, 100, "103")
