"""Phases and delays of a connection, from packets that are written down by hand."""

from __future__ import annotations

import array
import socket
from collections.abc import Iterable

from vestbench.model.request import NS_PER_MS
from vestbench.model.simulated import LinkReport, LinkSpec
from vestbench.model.traffic import Connection, Request, Traffic
from vestbench.programs.account import traffic_of
from vestbench.programs.wanted import ProgramRun
from vestbench.simulator.exchange_messages import Seen
from vestbench.simulator.http.seen import SeenConnection, SeenRequest
from vestbench.simulator.link.messages import Packets
from vestbench.studies.traffic.delays import DelayKind, delays_of

ADDRESS, PORT = "10.99.1.0", 40_000
FIN, SYN, RST, ACK = 1, 2, 4, 16
ISN_UP, ISN_DOWN = 2**32 - 300, 7  # the program's numbers wrap while it sends
HELLO, FINISHED, ASKED = 517, 80, 150  # bytes
RTT = 30.0

# When, from the program or to it, flags, place in the stream, bytes.
Packet = tuple[float, str, int, int, int]
OPENED: tuple[Packet, ...] = (
    (0.0, "up", SYN, -1, 0),
    (30.0, "down", SYN | ACK, -1, 0),
    (30.1, "up", ACK, 0, 0),
    (31.0, "up", ACK, 0, HELLO),
    (61.5, "down", ACK, 0, 1400),
    (61.6, "down", ACK, 1400, 600),
    (62.0, "up", ACK, HELLO, FINISHED),
)
READY = HELLO + FINISHED


def packets(*found: Packet) -> Packets:
    number = int.from_bytes(socket.inet_aton(ADDRESS), "big") << 32
    columns = array.array("Q")
    for at, way, flags, place, length in found:
        up = way == "up"
        seq = ((ISN_UP if up else ISN_DOWN) + 1 + place) % 2**32
        ns = round((1000 + at) * NS_PER_MS)
        columns.extend((ns, number | 443 << 16 | PORT, up, flags, seq, length))
    return Packets(columns=columns.tobytes(), omitted=0, others=0)


def at(ms: float) -> int:
    return round((1000 + ms) * NS_PER_MS)


def account(
    *found: Packet,
    requests: Iterable[SeenRequest] = (),
    tls: str = "1.3",
    ready: int = READY,
    resumed: bool = False,
) -> Traffic:
    """Return the account of a program that began at 0 ms, with one connection."""
    seen = SeenConnection(0, ADDRESS, PORT, at(15), "x", tls=tls, resumed=resumed)
    seen.speech, seen.ready_up, seen.ready_ns = "http/1.1", ready, at(77)
    run = ProgramRun(
        name="bot",
        status=0,
        ended_by="itself",
        signal=0,
        began_ns=at(0),
        ended_ns=at(10_000),
        left=0,
        seen=Seen(
            connections=[seen],
            requests=list(requests),
            omitted_connections=0,
            omitted_requests=0,
            names={},
        ),
        packets=packets(*found),
        no_route=0,
        link=LinkReport(engine="packet", spec=LinkSpec(rtt_ms=RTT)),
        setup_s=0.1,
    )
    return traffic_of([run])


def asked(up: int = READY + ASKED, **fields: int) -> SeenRequest:
    """Return a request of which the exchange has seen so many bytes and its answer."""
    found = SeenRequest(0, at(80), "GET", "/", "x", "bot/1", up)
    found.status, found.answered_ns = 200, at(81)
    found.down_from, found.down_to = 2000, 2300
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def only(found: Traffic) -> tuple[Connection, Request]:
    (connection,), (request,) = found.connections, found.requests
    return connection, request


def ms(ns: int | None) -> float | None:
    return None if ns is None else ns / NS_PER_MS


AT_ONCE: tuple[Packet, ...] = (
    (62.1, "up", ACK, READY, ASKED),
    (97.0, "down", ACK, 2000, 200),
    (97.4, "down", ACK, 2200, 100),
)


def kinds(found: Traffic) -> list[DelayKind]:
    return [delay.kind for delay in delays_of(found)]


def test_phases_are_those_of_the_packets() -> None:
    found = account(*OPENED, *AT_ONCE, requests=[asked()])
    connection, request = only(found)

    assert ms(connection.connect_ns) == 30.0
    assert ms(connection.tls_ns) == 32.0
    assert (connection.round_trips, connection.retried) == (1, False)
    assert (connection.port, connection.client_port) == (443, PORT)
    assert ms(request.began_ns) == 62.1
    assert ms(request.wait_ns) == 34.9
    assert ms(request.receive_ns) == 0.4
    assert (request.up_bytes, request.down_bytes) == (ASKED, 300)
    assert kinds(found) == []


def test_a_second_request_begins_after_the_bytes_of_the_first() -> None:
    more: tuple[Packet, ...] = (
        (200.0, "up", ACK, READY + ASKED, ASKED),
        (235.0, "down", ACK, 2300, 300),
    )
    second = asked(READY + 2 * ASKED, down_from=2300, down_to=2600, arrived_ns=at(215))

    found = account(*OPENED, *AT_ONCE, *more, requests=[asked(), second])

    assert [ms(request.began_ns) for request in found.requests] == [62.1, 200.0]
    assert ms(found.requests[1].wait_ns) == 35.0


def test_what_was_lost_and_sent_again_began_when_it_was_first_sent() -> None:
    again: Packet = (262.1, "up", ACK, READY, ASKED)
    late: tuple[Packet, ...] = (
        (297.0, "down", ACK, 2200, 100),  # the one before it was lost on its way
        (497.0, "down", ACK, 2000, 200),
    )

    _, request = only(account(*OPENED, AT_ONCE[0], again, *late, requests=[asked()]))

    assert ms(request.sent_ns) == 62.1
    assert (ms(request.first_ns), ms(request.ended_ns)) == (497.0, 497.0)


def test_a_port_that_is_used_again_begins_a_new_connection() -> None:
    other: tuple[Packet, ...] = ((-900.0, "up", SYN, 5_000, 0),)

    connection, _ = only(account(*other, *OPENED, *AT_ONCE, requests=[asked()]))

    assert ms(connection.opened_ns) == 0.0


def test_nagle_between_finished_and_request_is_named() -> None:
    held: tuple[Packet, ...] = (
        (92.2, "down", ACK, 2000, 0),  # the acknowledgement of Finished
        (92.3, "up", ACK, READY, ASKED),
        (127.5, "down", ACK, 2000, 300),
    )

    found = account(*OPENED, *held, requests=[asked()])

    assert kinds(found) == [DelayKind.NAGLE]
    assert ms(found.requests[0].nagle_ns) == 30.3


def test_a_program_that_computes_for_a_round_trip_is_not_held_back() -> None:
    slow: tuple[Packet, ...] = (
        (92.2, "down", ACK, 2000, 0),
        (99.0, "up", ACK, READY, ASKED),
    )

    assert kinds(account(*OPENED, *slow, requests=[asked()])) == []


def test_a_request_in_two_writes_waits_for_an_acknowledgement() -> None:
    split: tuple[Packet, ...] = (
        (62.1, "up", ACK, READY, ASKED),
        (92.4, "down", ACK, 2000, 0),
        (92.5, "up", ACK, READY + ASKED, 40),
    )

    found = account(*OPENED, *split, requests=[asked(READY + ASKED + 40)])

    assert kinds(found) == [DelayKind.SPLIT]
    assert ms(found.requests[0].ack_ns) == 30.4


def test_an_acknowledgement_that_comes_late_is_a_delayed_one() -> None:
    split: tuple[Packet, ...] = (
        (62.1, "up", ACK, READY, ASKED),
        (132.4, "down", ACK, 2000, 0),
        (132.5, "up", ACK, READY + ASKED, 40),
    )

    found = account(*OPENED, *split, requests=[asked(READY + ASKED + 40)])

    assert kinds(found) == [DelayKind.DELAYED_ACK]
    assert ms(found.requests[0].ack_ns) == 70.4


def test_a_large_request_is_not_taken_for_one_that_is_held_back() -> None:
    body: tuple[Packet, ...] = (
        (62.1, "up", ACK, READY, 1400),
        (92.4, "down", ACK, 2000, 0),
        (92.5, "up", ACK, READY + 1400, 1400),
    )

    assert kinds(account(*OPENED, *body, requests=[asked(READY + 2800)])) == []


RETRIED: tuple[Packet, ...] = (
    *OPENED[:4],
    (61.5, "down", ACK, 0, 99),
    (61.9, "up", ACK, HELLO, HELLO),
    (92.5, "down", ACK, 99, 1400),
    (93.0, "up", ACK, 2 * HELLO, FINISHED),
)


def test_a_hello_retry_request_is_named() -> None:
    connection, _ = only(
        found := account(
            *RETRIED, requests=[asked(2 * READY)], ready=2 * HELLO + FINISHED
        )
    )

    assert (connection.round_trips, connection.retried) == (2, True)
    assert kinds(found) == [DelayKind.RETRY]


def test_a_handshake_in_more_round_trips_than_its_version_needs_is_named() -> None:
    split = tuple(
        (when, way, flags, place, 1400 if (way, length) == ("down", 99) else length)
        for when, way, flags, place, length in RETRIED
    )

    found = account(*split, requests=[asked(2 * READY)], ready=2 * HELLO + FINISHED)

    assert found.connections[0].round_trips == 2
    assert kinds(found) == [DelayKind.ROUND_TRIPS]


TWELVE: tuple[Packet, ...] = (
    *OPENED,
    (93.0, "down", ACK, 2000, 51),
    (93.2, "up", ACK, READY, ASKED),
)


def test_tls_1_2_needs_two_round_trips_and_its_answer_ends_it() -> None:
    found = account(*TWELVE, requests=[asked(down_from=2051)], tls="1.2")

    connection, request = only(found)
    assert (connection.round_trips, ms(connection.tls_ns)) == (2, 63.0)
    assert ms(request.began_ns) == 93.2
    assert kinds(found) == []


def test_tls_1_2_that_is_resumed_needs_one() -> None:
    found = account(*OPENED, *AT_ONCE, requests=[asked()], tls="1.2", resumed=True)

    assert (found.connections[0].round_trips, kinds(found)) == (1, [])
