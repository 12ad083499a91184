"""Ports of this machine's loopback, made reachable inside: for a program's database.

The relay is a process that stays outside. It is given listening sockets that were made
inside, and what connects to one of them it connects to the same port outside.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress

from vestbench.kernel.process import name_process
from vestbench.simulator.link import netns
from vestbench.simulator.link.machine import refusing

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Sequence

LOOPBACK = "127.0.0.1"
_READ_BYTES = 1 << 16


class Relay:
    """The relay process, as the keeper sees it; made before the keeper goes inside.

    Args:
        ports: Which ports of the outer loopback can be reached.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self._ours, there = socket.socketpair()
        keeper = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _be_relay(there, self._ports, keeper)
        there.close()

    def open(self) -> None:
        """Listen inside, where the keeper is now, and let the relay serve it.

        Raises:
            LinkRefusedError: A port cannot be listened on.
        """
        with refusing("local-port", "port-refused"):
            made = [socket.create_server((LOOPBACK, port)) for port in self._ports]
        numbers = [each.fileno() for each in made]
        socket.send_fds(self._ours, [b"x"], numbers)
        for each in made:
            each.close()


def _be_relay(there: socket.socket, ports: Sequence[int], keeper: int) -> None:
    """Relay what connects to any of the listeners, until the keeper ends."""
    from threading import Thread

    try:
        netns.die_with_parent(keeper)
        name_process("vestbench-local")
        _, numbers, _, _ = socket.recv_fds(there, 1, len(ports))
        workers = [
            Thread(target=_serve, args=(socket.socket(fileno=number), port))
            for number, port in zip(numbers, ports, strict=False)
        ]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
    finally:
        os._exit(0)


def _serve(listener: socket.socket, port: int) -> None:
    from threading import Thread

    while True:
        inside, _ = listener.accept()
        try:
            outside = socket.create_connection((LOOPBACK, port), timeout=5.0)
        except OSError:
            inside.close()  # as a port that nobody listens on would
            continue
        outside.settimeout(None)
        for source, target in ((inside, outside), (outside, inside)):
            Thread(target=_copy, args=(source, target), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_READ_BYTES):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
