"""Servers that end connections, and what a request tells of the one it lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.servers import PATIENCE_S, Visit
from vestbench.model.request import Outcome

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
KEPT = b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=9\r\nContent-Length: 2\r\n\r\n{}"
CLOSES = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
OLD = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n{}"
EMPTY = b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}"
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\n\r\n"


class Ends:
    """Answers one request of each connection, and ends it when it is told to."""

    def __init__(self, answer: bytes, end: Callable[[Visit], None]) -> None:
        self._answer, self._end = answer, end
        self.told, self.ended = threading.Event(), threading.Event()

    def __call__(self, visit: Visit) -> None:
        visit.request()
        visit.send(self._answer)
        self.told.wait(PATIENCE_S)
        self._end(visit)
        self.ended.set()


def stays(answer: bytes) -> Callable[[Visit], None]:
    def script(visit: Visit) -> None:
        while visit.request():
            visit.send(answer)

    return script


def notify(visit: Visit) -> None:
    visit.close_notify()


def unasked(visit: Visit) -> None:
    visit.send(TIMED_OUT)
    visit.sock.close()


def lost(outcome: Outcome) -> Mapping[str, Any]:
    return dict(outcome.extra or {})
