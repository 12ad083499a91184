"""Packets led to one server, and what is kept of them."""

from __future__ import annotations

import socket
import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestbench.simulator.link.catching import MAX_PACKETS, Catcher
from vestbench.simulator.link.messages import COLUMNS

LOCAL = "10.99.0.1"
SERVER = 4443
SYN, ACK = 2, 16


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(
    source: tuple[str, int],
    target: tuple[str, int],
    *,
    flags: int = ACK,
    body: bytes = b"",
    sequence: int = 1000,
    protocol: int = 6,
) -> bytes:
    """Return an IPv4 packet with right checksums."""
    hosts = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    ports = struct.pack("!HH", source[1], target[1])
    start = ports + struct.pack("!IIBBHHH", sequence, 0, 5 << 4, flags, 512, 0, 0)
    pseudo = hosts + struct.pack("!HH", 6, len(start) + len(body))
    total = checksum(pseudo + start + body)
    segment = start[:16] + struct.pack("!H", total) + start[18:] + body
    head = struct.pack(
        "!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0x4000, 64, protocol, 0
    )
    over = struct.pack("!H", checksum(head + hosts))
    return head[:10] + over + hosts + segment


def is_sound(frame: bytes) -> bool:
    pseudo = frame[12:20] + struct.pack("!HH", 6, len(frame) - 20)
    return checksum(frame[:20]) == 0 and checksum(pseudo + frame[20:]) == 0


def ends(frame: bytes) -> tuple[str, int, str, int]:
    source, target = frame[12:16], frame[16:20]
    ports = struct.unpack_from("!HH", frame, 20)
    return socket.inet_ntoa(source), ports[0], socket.inet_ntoa(target), ports[1]


hosts = st.ip_addresses(v=4).map(str)
ports = st.integers(1, 65535).filter(lambda port: port != SERVER)


@given(hosts, ports, ports, st.binary(max_size=60))
def test_a_packet_goes_there_and_back_whole(
    host: str, port: int, own: int, body: bytes
) -> None:
    catcher = Catcher(SERVER, 0)
    sent = packet((LOCAL, own), (host, port), flags=SYN, body=body)

    up = catcher.translated(sent)
    answer = packet((LOCAL, SERVER), (host, own), body=body)
    down = catcher.translated(answer)

    assert up is not None
    assert down is not None
    assert (ends(up[0]), up[1]) == ((host, own, LOCAL, SERVER), True)
    assert (ends(down[0]), down[1]) == ((host, port, LOCAL, own), False)
    assert is_sound(up[0])
    assert is_sound(down[0])
    number = int.from_bytes(socket.inet_aton(host)) << 32 | port << 16 | own
    assert up[2] == (number, 1, SYN, 1000, len(body))
    assert down[2] == (number, 0, ACK, 1000, len(body))


@pytest.mark.parametrize(
    "frame",
    [
        packet((LOCAL, 5), ("192.0.2.1", 53), protocol=17),
        packet((LOCAL, SERVER), ("192.0.2.1", 77)),  # to nobody who has asked
    ],
    ids=["another protocol", "an answer to nothing"],
)
def test_what_leads_nowhere_is_counted(frame: bytes) -> None:
    catcher = Catcher(SERVER, 0)

    assert catcher.translated(frame) is None
    assert catcher.packets().others == 1


def test_memory_is_bounded_and_what_is_left_out_is_counted() -> None:
    catcher = Catcher(SERVER, 0)
    for number in range(MAX_PACKETS + 3):
        catcher.keep(number, (1, 1, 1, 1, 1))

    kept = catcher.packets()

    assert len(array("Q", kept.columns)) == COLUMNS * MAX_PACKETS
    assert kept.omitted == 3
