"""Names with several addresses, and addresses that do not answer."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.support.servers import (
    ScriptedServer,
)
from vestbench.kernel.sockets import Address
from vestbench.model.request import RequestSpec
from vestbench.stacks.wire.connecting import Resolver

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs 127.0.0.2 and /proc")
NAME = "several.test"
LIMIT_S = 0.3


def answering(*hosts: str) -> Resolver:
    """Return a resolver that knows one name, and these addresses of it."""

    def resolve(host: str, port: int) -> list[tuple[int, Address]]:
        assert host == NAME
        return [(socket.AF_INET, (each, port)) for each in hosts]

    return resolve


@contextmanager
def silent(host: str, port: int) -> Iterator[None]:
    """Have an address that answers nobody: its queue is full, so a SYN is dropped."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket(family))
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(3):
            waiting = sockets.enter_context(socket.socket(family))
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect((host, port))
        time.sleep(0.05)
        yield


def ask(server: ScriptedServer) -> RequestSpec:
    return RequestSpec(endpoint="test", method="GET", url=server.url_of(NAME))


class Rotating:
    """Answers as a name server does that has its addresses in turn."""

    def __init__(self, *hosts: str) -> None:
        self._hosts = list(hosts)
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[tuple[int, Address]]:
        assert host == NAME
        self.asked += 1
        self._hosts.append(self._hosts.pop(0))
        return [(socket.AF_INET, (each, port)) for each in self._hosts]
