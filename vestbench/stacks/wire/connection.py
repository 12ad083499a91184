"""One connection: what stays the same in its life, and how it carried a request."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from vestbench.kernel.sockets import Address, address_text
from vestbench.kernel.tcp_info import TcpInfo, tcp_info
from vestbench.model.lost import LostConnection
from vestbench.stacks.wire.keeping import NO_RULES, Keeping, Rules


@dataclass(slots=True, kw_only=True)
class Connection:
    """What is known of one connection, and how often it was used."""

    serial: int
    local_port: int = 0  # 0 where it was closed before it could be looked at
    remote: str = ""
    tls_version: str = ""
    cipher: str = ""
    resumed: bool = False
    http2: bool = False
    uses: int = 0
    rtt_us: int | None = None  # when it was looked at last
    syn_rtt_us: int | None = None
    retransmits: int = 0  # seen until now
    keeping: Keeping = field(default_factory=Keeping)

    @classmethod
    def made(
        cls, serial: int, sock: socket.socket, peer: Address, rules: Rules = NO_RULES
    ) -> Self:
        """Return the connection of a socket that has just been connected to `peer`.

        The peer is not asked of the kernel, which forgets it when the peer resets.
        """
        info = tcp_info(sock)
        return cls(
            serial=serial,
            local_port=sock.getsockname()[1],
            remote=address_text(peer),
            # The connect phase is finer than whole milliseconds.
            syn_rtt_us=info.rtt_us if info and not info.whole_ms else None,
            keeping=Keeping(rules),
        )

    def lost(self) -> LostConnection:
        """Return why it could not be used again."""
        return self.keeping.lost(self.uses)

    def look(self, info: TcpInfo) -> int:
        """Take in the kernel's figures, and return how much was sent again since."""
        self.rtt_us = info.rtt_us
        again, self.retransmits = info.retransmits - self.retransmits, info.retransmits
        return again


class Opening(NamedTuple):
    """What one request did to open connections; None is what cannot be known."""

    connections: int | None = None  # that were made
    addresses: int | None = None  # that were tried for them
    unanswered: str | None = None  # those in vain; None as well where there was none
    lost: LostConnection | None = None  # the one that it could not use, if it had one


UNKNOWN = Opening()


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How one request was carried."""

    connection: Connection
    reused: bool  # proved
    use: int  # how many requests the connection has carried with this one
    rtt_us: int | None = None  # after the request
    retransmits: int | None = None  # segments sent again during the request
    opening: Opening = UNKNOWN
