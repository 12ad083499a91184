"""One address of a name, for a library that chooses by itself and cannot be watched.

Such a library connects to whichever address answers its own question first, so two
requests that are compared would meet different servers, and what it loses on an address
that does not answer cannot be told from the handshake. It is handed one address
instead, and the name is resolved beside it, inside the clock.
"""

from __future__ import annotations

import socket

from vestbench.kernel.sockets import Address, address_text
from vestbench.stacks.wire.connecting import (
    Resolver,
    addresses_of,
    in_turn,
    is_literal,
    system_resolver,
)

# A SYN that was lost is sent again after 1 s, and after 2 s more.
_PATIENCE_S = 3.0


class Choice:
    """Chooses among the addresses of names; shared by all sessions of a stack.

    Args:
        library: Its name, for notes.
        resolve: Takes a host and a port and gives address families and addresses.
    """

    def __init__(self, library: str, resolve: Resolver = system_resolver) -> None:
        self._library = library
        self._ask = resolve
        # In the order in which they were first seen: the family is the system's choice.
        self._found: dict[tuple[str, int], dict[tuple[int, Address], None]] = {}
        self._answers: dict[Address, bool] = {}  # of those that were tried

    def resolve(self, host: str, port: int) -> None:
        """Resolve a name, and remember what is new.

        Raises:
            NameResolutionError: It has no address.
        """
        found = addresses_of(host, port, self._ask)
        self._found.setdefault((host, port), {}).update(dict.fromkeys(found))

    def address(self, host: str, port: int, number: int, limit_s: float) -> str:
        """Return the address for a round; empty where there is nothing to choose.

        Call this outside the clock: each address is tried once, by a connection that
        sends nothing.

        Args:
            host: A name, or an address.
            port: To connect to.
            number: Of the round.
            limit_s: How long an address is waited for at most.

        Raises:
            NameResolutionError: The name has no address.
        """
        if is_literal(host):
            return ""
        if (host, port) not in self._found:
            self.resolve(host, port)
        found = list(self._found[host, port])
        if len(found) < 2:
            return ""
        for family, address in in_turn(found, number):
            if address not in self._answers:
                self._answers[address] = _answers(family, address, limit_s)
            if self._answers[address]:
                return str(address[0])
        return ""

    def notes(self) -> tuple[str, ...]:
        """Say what was chosen from, and which addresses were left out."""
        if not self._answers:
            return ()
        silent = [
            address_text(a) for a, answered in self._answers.items() if not answered
        ]
        notes = [
            f"the name has several addresses, of which {self._library} is handed one "
            "for each round; the name is resolved beside it, inside the clock"
        ]
        if silent:
            notes.append(
                f"{', '.join(silent)} did not answer, or refused, and was left out: "
                f"what {self._library} by itself loses on it is in no figure; repair "
                "it, or take it out of what the name stands for (DNS, the hosts file)"
            )
        return tuple(notes)


def _answers(family: int, address: Address, limit_s: float) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(min(limit_s, _PATIENCE_S))
            sock.connect(address)
    except OSError:
        return False
    return True
