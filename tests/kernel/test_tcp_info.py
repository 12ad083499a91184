"""The kernel's figures of a connection, decoded from bytes as each system lays them."""

from __future__ import annotations

import socket
import struct
import sys

import pytest

from vestbench.kernel.tcp_info import of_linux, of_macos, tcp_info
from vestbench.stacks.wire.connection import Connection

# struct tcp_connection_info of XNU's bsd/netinet/tcp.h: four bytes, twelve words, a
# word of bits, and seven counters.
MACOS = struct.Struct("=4B 12I I 7Q")
RETRANSMITTED = 3


def of_a_mac(srtt_ms: int = 27) -> bytes:
    words = [0, 0, 230, 1448, 1 << 30, 14480, 131072, 0, 131072, 31, srtt_ms, 4]
    counters = [11, 4321, 2896, 12, 9876, 0, RETRANSMITTED]
    return MACOS.pack(4, 7, 6, 0, *words, 0, *counters)


def test_macos_tells_round_trip_bytes_and_what_was_sent_again() -> None:
    found = of_macos(of_a_mac())

    assert found is not None
    assert (found.rtt_us, found.bytes_sent) == (27_000, 4321)
    assert (found.retransmits, found.min_rtt_us) == (RETRANSMITTED, None)
    assert found.whole_ms


def test_a_round_trip_of_less_than_a_millisecond_is_not_known() -> None:
    assert of_macos(of_a_mac(srtt_ms=0)) is None


def test_what_is_too_short_says_nothing() -> None:
    assert of_macos(of_a_mac()[:100]) is None
    assert of_linux(bytes(50)) is None


def test_a_mac_is_asked_by_its_own_option(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []

    class Mac(socket.socket):
        def getsockopt(self, *words: int) -> bytes:  # type: ignore[override]
            asked.append((words[0], words[1], words[2]))
            return of_a_mac()

    monkeypatch.setattr(sys, "platform", "darwin")
    with Mac() as sock:
        found = tcp_info(sock)
        made = Connection.made(1, sock, ("127.0.0.1", 1))

    assert asked[0] == (socket.IPPROTO_TCP, 0x106, MACOS.size)
    assert found is not None
    assert found.rtt_us == 27_000
    assert made.syn_rtt_us is None  # the connect phase is finer


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_what_a_system_does_not_have_is_not_known(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with socket.socket() as sock:
        assert tcp_info(sock) is None
