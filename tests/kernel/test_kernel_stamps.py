"""What the kernel stamps, and how it is read from sockets."""

from __future__ import annotations

import select
import socket
import struct
import time

import pytest

from tests.support.stamps import kernel, until
from vestbench.kernel.stamped import StampedSocket
from vestbench.kernel.timestamps import (
    KernelStamps,
    realtime_offset_ns,
    software_stamp_ns,
)
from vestbench.model.client import PoolSettings
from vestbench.stacks.wire.connection import Connection
from vestbench.stacks.wire.instrument import Instrument
from vestbench.stacks.wire.stream import TimedStream

SO_TIMESTAMPING = 37


def test_the_software_stamp_is_the_first_of_three() -> None:
    data = struct.pack("@6l", 1_700_000_000, 5, 0, 0, 9, 9)
    other = (socket.SOL_SOCKET, 29, bytes(48))

    found = software_stamp_ns([other, (socket.SOL_SOCKET, SO_TIMESTAMPING, data)])

    assert found == 1_700_000_000_000_000_005


@pytest.mark.parametrize(
    "ancillary", [[], [(socket.SOL_SOCKET, SO_TIMESTAMPING, b"short")]]
)
def test_no_stamp_is_none(ancillary: list[tuple[int, int, bytes]]) -> None:
    assert software_stamp_ns(ancillary) == 0


def test_the_tightest_of_five_brackets_converts_between_the_clocks() -> None:
    # Five brackets of 100, 40, 8, 60 and 100 ns; in each, the realtime clock is read
    # in the middle, but in the wide ones it had been interrupted there.
    readings = iter([0, 100, 200, 240, 300, 308, 400, 460, 500, 600])
    realtime = iter([9_000, 1_000_500, 1_000_304, 77, 1_234])

    ahead_ns = realtime_offset_ns(lambda: next(readings), lambda: next(realtime))

    assert ahead_ns == 1_000_000
    assert list(readings) == list(realtime) == []


def test_offsets_are_before_the_departure_and_after_the_arrival() -> None:
    stamps = KernelStamps()
    stamps.sent_ns, stamps.arrived_ns = 1_000_130, 1_000_900

    assert stamps.offsets(100, 1_250, 1_000_000) == (30, 350)


def test_a_stamp_that_is_missing_is_absent() -> None:
    stamps = KernelStamps()

    assert stamps.offsets(100, 1_250, 1_000_000) == (None, None)


@kernel
def test_a_departure_is_between_the_call_and_its_return(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    stamped, stamps = StampedSocket(ours), KernelStamps()

    before = time.time_ns()
    ours.sendall(b"hello")
    assert until(lambda: stamped.sent(stamps))
    after = time.time_ns()
    stamped.close()

    assert before <= stamps.sent_ns <= after
    assert theirs.recv(16) == b"hello"


@kernel
def test_the_first_of_several_departures_counts(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = pair
    stamped, stamps = StampedSocket(ours), KernelStamps()

    ours.sendall(b"one")
    assert until(lambda: stamped.sent(stamps))
    first, between = stamps.sent_ns, time.time_ns()
    ours.sendall(b"two")
    assert until(lambda: stamped.sent(stamps))
    stamped.close()

    assert stamps.sent_ns == first <= between


@kernel
def test_an_arrival_is_noted_and_nothing_is_taken_out_of_the_stream(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    stamped, stamps = StampedSocket(ours), KernelStamps()

    before = time.time_ns()
    theirs.sendall(b"answer")
    stamped.arrived(stamps, 10.0)
    after = time.time_ns()
    stamped.close()

    assert before <= stamps.arrived_ns <= after
    assert ours.recv(16) == b"answer"


@kernel
def test_a_departure_that_was_late_does_not_pass_for_an_answer(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = pair
    stamped, stamps = StampedSocket(ours), KernelStamps()
    ours.sendall(b"request")  # and its departure is left in the queue

    stamped.arrived(stamps, 0.2)
    stamped.close()

    assert stamps.arrived_ns == 0
    assert stamps.sent_ns > 0


@kernel
def test_the_queue_is_empty_afterwards_so_that_no_wait_returns_at_once(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = pair
    stamped = StampedSocket(ours)
    poller = select.poll()
    poller.register(ours.fileno(), select.POLLIN)
    ours.sendall(b"request")
    filled = until(lambda: bool(poller.poll(0)))

    stamped.sent(None)
    emptied = poller.poll(0)
    stamped.close()

    assert (filled, emptied) == (True, [])


@kernel
def test_a_departure_that_was_late_does_not_make_a_pool_think_of_an_end(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    connection = Connection.made(1, ours, ours.getpeername())
    stream = TimedStream(ours, connection, Instrument(PoolSettings()))
    stream._stamped = StampedSocket(ours)
    poller = select.poll()
    poller.register(ours.fileno(), select.POLLIN)
    ours.sendall(b"request")
    filled = until(lambda: bool(poller.poll(0)))

    readable = stream.is_readable()
    theirs.close()
    at_the_end = until(stream.is_readable)
    stream.close()

    assert (filled, readable, at_the_end) == (True, False, True)


@kernel
def test_the_end_of_the_stream_is_left_to_the_read(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    stamped, stamps = StampedSocket(ours), KernelStamps()

    theirs.close()
    stamped.arrived(stamps, 10.0)
    stamped.close()

    assert stamps.arrived_ns == 0
    assert ours.recv(1) == b""


@kernel
def test_a_reset_is_left_to_the_read(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    stamped, stamps = StampedSocket(ours), KernelStamps()

    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    stamped.arrived(stamps, 10.0)
    stamped.close()

    assert stamps.arrived_ns == 0
    with pytest.raises(ConnectionResetError):
        ours.recv(1)
