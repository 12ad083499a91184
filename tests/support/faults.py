"""What a server can do wrong, as scripts for `tests.support.servers.ScriptedServer`."""

from __future__ import annotations

import gzip
import socket
import time

from tests.support.servers import Script, Visit, answer

PIECE_S = 0.01  # between two bytes of an answer that trickles
WHOLE = answer(b"x" * 1000)
HEAD, BODY = WHOLE[:-1000], WHOLE[-1000:]

# 20 KiB that become 20 MiB when they are decoded.
BOMB = gzip.compress(bytes(20 * 2**20), 9)


def always(fault: Script) -> Script:
    """Return a script that does it to the first request of each connection."""

    def script(visit: Visit) -> None:
        visit.request()
        fault(visit)

    return script


def unread(fault: Script) -> Script:
    """Return a script that does it as soon as a request is there to be read."""

    def script(visit: Visit) -> None:
        # Of TCP, whatever is above it; any earlier, and it might meet the connect.
        socket.socket.recv(visit.sock, 1, socket.MSG_PEEK)
        fault(visit)

    return script


def to_the_second(fault: Script) -> Script:
    """Return a script that does it to the second request of each connection."""

    def script(visit: Visit) -> None:
        visit.request()
        visit.answer()
        if visit.request():
            fault(visit)

    return script


def fin(visit: Visit) -> None:
    """End TCP in good order; with TLS, without a close_notify."""
    visit.sock.close()


def rst(visit: Visit) -> None:
    visit.reset()


def notify(visit: Visit) -> None:
    visit.close_notify()
    visit.stall()


def stall(visit: Visit) -> None:
    visit.stall()


def after(data: bytes, then: Script) -> Script:
    """Return a script that sends `data` before it goes on with `then`."""

    def script(visit: Visit) -> None:
        visit.send(data)
        then(visit)

    return script


def trickle(start: bytes, rest: bytes) -> Script:
    """Return a script that sends `rest` byte by byte, without an end."""

    def script(visit: Visit) -> None:
        visit.send(start)
        while not visit.closing.is_set():
            for byte in rest:
                visit.send(bytes([byte]))
                time.sleep(PIECE_S)

    return script


def endless(start: bytes, piece: bytes) -> Script:
    """Return a script that sends `piece` for as long as the client takes it."""

    def script(visit: Visit) -> None:
        visit.send(start)
        while not visit.closing.is_set():
            visit.send(piece)

    return script


def status(line: str, *headers: str) -> Script:
    """Return a script that answers every request so, for `always`."""

    def script(visit: Visit) -> None:
        visit.answer(status=line, headers=headers)
        while visit.request():
            visit.answer(status=line, headers=headers)

    return script


def hello_then(fault: Script) -> Script:
    """Return a script that does it in place of answering a ClientHello."""

    def script(visit: Visit) -> None:
        visit.sock.recv(1 << 16)
        fault(visit)

    return script


def alert(description: int, *, fatal: bool = True) -> Script:
    """Return a script that sends an alert in place of a ServerHello (RFC 8446)."""

    def script(visit: Visit) -> None:
        visit.send(bytes([21, 3, 3, 0, 2, 2 if fatal else 1, description]))

    return script
