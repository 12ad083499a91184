"""Connections of the exchange without sockets: scripted time, and recorded bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vestbench.simulator.http.http11 import Http11Connection
from vestbench.simulator.http.messages import Deferred, Request, Response
from vestbench.simulator.http.request_reader import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
)
from vestbench.simulator.http.service import Service
from vestbench.simulator.vest.application import Application


class Answering(Application):
    """Answers as a test says, and has the exchange's words for all else."""

    def __init__(self, respond: Callable[[Request], Response | Deferred]) -> None:
        self._respond = respond

    def begin(self, request: Request) -> Response | Deferred:
        return self._respond(request)


GET = b"GET /v2/x HTTP/1.1\r\nHost: h\r\n\r\n"


@dataclass
class Alarm:
    when: float
    call: Callable[[], Any]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class ScriptedTimers:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.alarms: list[Alarm] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Alarm:
        alarm = Alarm(when, lambda: callback(*args))
        self.alarms.append(alarm)
        return alarm

    def pass_until(self, end: float) -> None:
        while due := [a for a in self.alarms if not a.cancelled and a.when <= end]:
            alarm = min(due, key=lambda each: each.when)
            self.alarms.remove(alarm)
            self.now = alarm.when
            alarm.call()
        self.now = end

    def pass_s(self, seconds: float) -> None:
        self.pass_until(self.now + seconds)


@dataclass
class RecordedStream:
    writes: list[bytes] = field(default_factory=list)
    ended: str = ""
    paused: bool = False

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)

    def write(self, data: bytes) -> None:
        assert not self.ended, "written after the end"
        if data:
            self.writes.append(data)

    def close(self, *, notify: bool = True) -> None:
        self.ended = "fin" if notify else "bare-fin"

    def reset(self) -> None:
        self.ended = "rst"

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> Any:
        return json.loads(self.body)


def parse_answers(data: bytes, *, methods: tuple[str, ...] = ()) -> list[Answer]:
    """Take apart what was written; fail if it is not a sequence of responses."""
    answers: list[Answer] = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, f"no end of head: {head!r}"
        first, *lines = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 ([1-5][0-9]{2}) [A-Za-z' -]*", first)
        assert match, first
        headers = {}
        for line in lines:
            name, colon, value = line.partition(": ")
            assert colon, line
            assert name.lower() not in headers, line
            headers[name.lower()] = value
        status = int(match[1])
        if status == 100:
            answers.append(Answer(status, headers, b""))
            continue
        finals = [each for each in answers if each.status != 100]
        bodiless = len(finals) < len(methods) and methods[len(finals)] == "HEAD"
        length = 0 if bodiless else int(headers["content-length"])
        assert len(data) >= length
        answers.append(Answer(status, headers, data[:length]))
        data = data[length:]
    return answers


class Talk:
    """One connection to a service that answers every request with what it got."""

    def __init__(self, service: Service | None = None, **options: Any) -> None:
        self.timers = ScriptedTimers()
        self.requests: list[Request] = []
        self.service = service or Service(
            application=Answering(self.respond), timers=self.timers, **options
        )
        self.stream = RecordedStream()
        self.connection = Http11Connection(self.service, self.stream, resumed=False)

    def respond(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, b'{"n":%d}' % len(self.requests))

    def send(self, data: bytes) -> list[Answer]:
        """Deliver bytes; return the responses since the last call."""
        before = len(self.stream.written)
        self.connection.data_received(data)
        return parse_answers(self.stream.written[before:])

    def ask(self, data: bytes = GET) -> Answer:
        (only,) = self.send(data)
        return only

    def ended(self) -> str:
        return self.stream.ended

    @property
    def closes(self) -> dict[str, int]:
        return self.service.tally.closes


def request(*lines: str, body: bytes = b"", method: str = "POST") -> bytes:
    head = [f"{method} /v2/x HTTP/1.1", "Host: h", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


REFUSED = {
    "no request line": (b"hello\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "relative target": (b"GET x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "connect": (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "not ASCII": (b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (request("Host: i"), 400),
    "space before colon": (request("A : b"), 400),
    "folded header": (request("A: b", " c"), 400),
    "header without name": (request(": b"), 400),
    "NUL in a header": (request("A: b\0c"), 400),
    "bare line feed": (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    "negative length": (request("Content-Length: -1"), 400),
    "signed length": (request("Content-Length: +1"), 400),
    "two lengths": (request("Content-Length: 1", "Content-Length: 2"), 400),
    "length and chunked": (
        request("Content-Length: 1", "Transfer-Encoding: chunked"),
        400,
    ),
    "chunked in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    "unknown coding": (request("Transfer-Encoding: gzip, chunked"), 501),
    "unknown expectation": (request("Expect: 200-ok"), 417),
    "chunk size": (request("Transfer-Encoding: chunked", body=b"x\r\n"), 400),
    "endless chunk size": (
        request("Transfer-Encoding: chunked", body=b"1;" + b"x" * 2_000),
        400,
    ),
    "chunk end": (request("Transfer-Encoding: chunked", body=b"1\r\nabc"), 400),
    "trailer": (
        request("Transfer-Encoding: chunked", body=b"0\r\nbad line\r\n\r\n"),
        400,
    ),
    "endless trailer": (
        request("Transfer-Encoding: chunked", body=b"0\r\nA:" + b"x" * 17_000),
        431,
    ),
    "large header": (request("A: " + "x" * MAX_HEAD_BYTES), 431),
    "endless header": (b"GET / HTTP/1.1\r\nA: " + b"x" * (MAX_HEAD_BYTES + 1), 431),
    "many headers": (request(*["A: b"] * MAX_HEADERS), 431),
    "large body": (request(f"Content-Length: {MAX_BODY_BYTES + 1}"), 413),
    "large chunk": (
        request("Transfer-Encoding: chunked", body=b"%x\r\n" % (MAX_BODY_BYTES + 1)),
        413,
    ),
}


class Later:
    """A background that computes when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []

    def __call__(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self.jobs.append((work, done))

    def run(self) -> None:
        work, done = self.jobs.pop(0)
        done(work())
