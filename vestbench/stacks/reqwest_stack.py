"""The reqwest stack, the bot's own, through pyreqwest: the whole call is timed.

reqwest shows neither phases nor connections. Which connection carried a request is
found out after the request, from the log and from the sockets of this process.
"""

from __future__ import annotations

import itertools
import json
import platform
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from importlib.metadata import distribution
from threading import Thread
from time import perf_counter_ns, sleep
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pyreqwest.client import SyncClient, SyncClientBuilder
from pyreqwest.exceptions import PyreqwestError

from vestbench._version import __version__
from vestbench.model.client import SessionPlan, StackFacts
from vestbench.model.lost import Lost
from vestbench.model.request import Failure, FailureKind, Outcome, RequestSpec, Slot
from vestbench.stacks.outcomes import Answer, Exchange
from vestbench.stacks.reqwest_failures import (
    TooLongError,
    building,
    classify,
    header_of,
    unmade,
)
from vestbench.stacks.reqwest_log import connection_log, tag
from vestbench.stacks.reqwest_proof import Watch
from vestbench.stacks.session import MAX_BODY_BYTES, UNSENT, USER_AGENT, TimedSession
from vestbench.stacks.wire.choosing import Choice
from vestbench.stacks.wire.connection import UNKNOWN, Carried, Opening
from vestbench.stacks.wire.failures import NameResolutionError
from vestbench.stacks.wire.keeping import Rules, Said

# hyper looks for connections that were idle for too long every 90 ms.
_CLOSED_WITHIN_S = 1.0
_LOOK_EVERY_S = 0.005

_PIECE = 2**18  # bytes that are read of a body at once
_BURN_IN_LIMIT = timedelta(seconds=5)

# A TLS session can be resumed only by the client that has it, and reqwest ends a
# connection of a living client only when it has been idle for too long.
_AT_ONCE = timedelta(microseconds=1)


class ReqwestStack:
    """Makes sessions of reqwest.

    Args:
        ca_pem: Certificates to trust besides the usual trust store; empty for none.
        origin_ns: When the run began, by CLOCK_MONOTONIC; None for now.
    """

    def __init__(self, ca_pem: str = "", origin_ns: int | None = None) -> None:
        self._ca_pem = ca_pem.encode()
        self._serials = itertools.count(1)
        self._choice = Choice("reqwest")
        with building():
            connection_log()
            first_handshake_ns = _burn_in()
        # encodings.idna: what `socket` imports when it first resolves a name.
        "localhost".encode("idna")
        self.facts = StackFacts(
            versions={
                "vestbench": __version__,
                **_versions(),
                "python": platform.python_version(),
            },
            tls_context_ns=None,  # each client has its own
            default_context_ns=None,
            first_handshake_ns=first_handshake_ns,
            origin_ns=perf_counter_ns() if origin_ns is None else origin_ns,
        )

    def open(self, plan: SessionPlan) -> ReqwestSession:
        """Build a client with a pool of its own."""
        return ReqwestSession(
            plan, self._ca_pem, self.facts.origin_ns, self._serials, self._choice
        )


class ReqwestSession(TimedSession):
    """One reqwest client and its pool; unpooled, one client for each request.

    A client that is used once cannot resume a TLS session, and a new one is built after
    the clock has stopped.
    """

    def __init__(
        self,
        plan: SessionPlan,
        ca_pem: bytes,
        origin_ns: int,
        serials: Iterator[int],
        choice: Choice,
    ) -> None:
        super().__init__(plan)
        self._choice = choice
        self.notes = choice.notes()
        self._target: tuple[str, int] | None = None  # host and port, once known
        self._address = ""  # of it, handed to the client; empty where that chooses
        self._used = False
        self._ca_pem = ca_pem
        self._origin_ns = origin_ns
        rules = Rules.of(plan.pool, plan.concurrency)
        self._watch = Watch(connection_log(), serials, rules)
        # Only a log of all that is written tells which of several requests at once used
        # which connection. With strategies that open one for each request, warm one up
        # or share one, there is no doubt.
        strategy = plan.strategy
        doubt = not (strategy.opens or strategy.warms or strategy.http2)
        self._verbose = plan.concurrency > 1 and doubt
        if self._verbose:
            self.notes += (
                "reqwest shows only in its verbose log which of several requests at "
                "once opened a connection; that log adds up to 0.2 ms to each",
            )
        begin = perf_counter_ns()
        self._client = self._build()
        self.build_ns = perf_counter_ns() - begin

    def _build(self) -> SyncClient:
        pool, resumed = self._plan.pool, self._plan.strategy.resumes
        idle = _AT_ONCE if resumed else timedelta(seconds=pool.idle_timeout_s)
        keepalive = timedelta(seconds=pool.tcp_keepalive_s)
        builder = (
            SyncClientBuilder()
            .user_agent(USER_AGENT)
            .no_proxy()
            .follow_redirects(False)
            .pool_max_idle_per_host(1 if resumed else pool.max_idle)
            .pool_idle_timeout(idle)
            .tcp_keepalive(keepalive or None)
            .connect_timeout(timedelta(seconds=pool.connect_timeout_s))
            .timeout(timedelta(seconds=pool.request_timeout_s))
            .http2(self._plan.http2)
            .connection_verbose(self._verbose)
        )
        if self._target is not None and self._address:
            host, port = self._target
            builder = builder.resolve(host, self._address, port)
        if self._ca_pem:
            builder = builder.add_root_certificate_pem(self._ca_pem)
        return builder.build()

    def _aim(self, spec: RequestSpec) -> None:
        """Choose an address before the first request, if there are several."""
        if self._target is not None:
            return
        self._target = _target(spec)
        limit_s, number = self._plan.pool.connect_timeout_s, self._plan.round or 0
        with suppress(NameResolutionError):  # as the client will find out
            self._address = self._choice.address(*self._target, number, limit_s)
        if self._address:
            self._client.close()
            self._client = self._build()

    def ask(self, spec: RequestSpec, slot: Slot) -> tuple[Outcome, bytes]:
        """Send one request and return its outcome, and the body of the answer."""
        self._aim(spec)
        self._watch.begin(_target(spec)[1])
        call = self._call(spec)
        exchange = self._exchange(spec, slot, call)
        if call.answer is None:
            outcome: Outcome = self._failure(exchange, call, alone=True)
        else:
            outcome = _answered(exchange, call, self._watch.end(tls=_is_tls(spec)))
        self._between()
        return outcome, call.body

    def burst(
        self, specs: Sequence[RequestSpec], slots: Sequence[Slot]
    ) -> list[Outcome]:
        """Send all requests at the same moment, each from a thread of its own."""
        if len(specs) == 1:
            return [self.send(specs[0], slots[0])]
        self._aim(specs[0])
        self._watch.begin(_target(specs[0])[1])
        calls = self._burst.run(
            [
                partial(self._call, spec, number if self._verbose else None)
                for number, spec in enumerate(specs)
            ]
        )
        numbers = [n for n, call in enumerate(calls) if call.answer is not None]
        carried = self._watch.end_burst(numbers, tls=_is_tls(specs[0]))
        outcomes: list[Outcome] = []
        each = zip(specs, slots, calls, strict=True)
        for number, (spec, slot, call) in enumerate(each):
            exchange = self._exchange(spec, slot, call)
            if call.answer is None:
                outcomes.append(self._failure(exchange, call, alone=False))
            else:
                outcomes.append(_answered(exchange, call, carried[number]))
        self._between()
        return outcomes

    def close(self) -> None:
        """Close the client and its connections."""
        self._burst.close()
        self._client.close()
        del self._client  # idle connections are closed with the last reference

    def _between(self) -> None:
        """Close what has to be closed, and collect garbage, outside the clock."""
        strategy = self._plan.strategy
        self._used = True
        if strategy.opens and not strategy.resumes:
            self._client.close()
            self._client = self._build()
        if strategy.opens:
            waited = 0.0
            while waited < _CLOSED_WITHIN_S and self._watch.is_open():
                sleep(_LOOK_EVERY_S)
                waited += _LOOK_EVERY_S
            self._watch.lose_none()
        self._collect()

    def _call(self, spec: RequestSpec, number: int | None = None) -> _Call:
        client, headers = self._client, list(spec.headers)
        if number is not None:
            headers.append(("user-agent", f"{USER_AGENT} {tag(number)}"))
        opens = self._plan.strategy.opens or not self._used
        answer = None
        begin = perf_counter_ns()
        try:
            if self._address and self._target and opens:
                self._choice.resolve(*self._target)
            builder = client.request(spec.method, spec.url).headers(headers)
            if spec.body:
                builder = builder.body_bytes(spec.body)
            with builder.build_streamed() as answer:
                body = _body(answer)
            if body is None:  # raised here, for a traceback keeps what it went through
                raise TooLongError
        # ValueError: a header or a URL that cannot be sent.
        except (
            PyreqwestError,
            NameResolutionError,
            TooLongError,
            ValueError,
        ) as error:
            elapsed = perf_counter_ns() - begin
            return _Call(begin, elapsed, None, b"", error, answer is not None)
        elapsed = perf_counter_ns() - begin
        return _Call(begin, elapsed, answer, bytes(body), None)

    def _exchange(self, spec: RequestSpec, slot: Slot, call: _Call) -> Exchange:
        return Exchange(spec, slot, call.begin - self._origin_ns, call.elapsed)

    def _failure(self, exchange: Exchange, call: _Call, *, alone: bool) -> Failure:
        if call.error is None:
            raise RuntimeError("a call has neither an answer nor an error")
        kind, detail, reached = classify(call.error)
        reused: bool | None = None
        opening = UNKNOWN
        if alone:
            seen = self._watch.opened()
            # A request that opened no connection had one. Of one that did, the log says
            # with TLS whether the connection was made.
            met = reached or (reached is None and (seen.tls13 or seen.full_tls12))
            if reached is not False and not seen.started:
                reused = True
            elif met:
                reused = False
            if met or kind is FailureKind.TLS or not seen.started:
                opening = Opening(seen.started)
            else:
                opening = unmade(kind, exchange.spec.url, reached)
            if reused and kind is FailureKind.RESET and not call.headed:
                opening = opening._replace(lost=self._watch.broke(Lost.RACE))
        return exchange.failed(kind, detail, reused=reused, opening=opening)


class _Call(NamedTuple):
    begin: int
    elapsed: int
    answer: Any  # None if there was none
    body: bytes
    error: Exception | None
    headed: bool = True  # the header of an answer came


def _body(answer: Any) -> Any:
    """Read a body; of one that is too long only a part, and return None.

    A length is that of the body that is returned: reqwest drops it where it decodes.
    To read in pieces takes 2 µs longer.
    """
    length = answer.get_header("content-length")
    if length is not None and int(length) <= MAX_BODY_BYTES:
        return answer.bytes()
    body, reader = bytearray(), answer.body_reader
    while (piece := reader.read(_PIECE)) is not None:
        body += piece
        if len(body) > MAX_BODY_BYTES:
            return None
    return body


def _answered(exchange: Exchange, call: _Call, carried: Carried | None) -> Outcome:
    if carried is None:
        return exchange.failed(FailureKind.PROTOCOL, UNSENT, reused=None)
    status, header = call.answer.status, header_of(call.answer)
    version = str(call.answer.version).removesuffix(".0")
    said = Said.of(status, str(call.answer.version), header)
    carried.connection.keeping.answered(call.begin + call.elapsed, said)
    answer = Answer(
        *(status, _reason(status), header("retry-after"), version),
        *(call.body, header("content-type")),
    )
    return exchange.answered(answer, carried)


def _is_tls(spec: RequestSpec) -> bool:
    return spec.url.startswith("https:")


def _target(spec: RequestSpec) -> tuple[str, int]:
    """Return host and port of a request; empty and 0 where it has no URL: it fails."""
    try:
        parts = urlsplit(spec.url)
        return parts.hostname or "", parts.port or (443 if _is_tls(spec) else 80)
    except ValueError:
        return "", 0


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _versions() -> dict[str, str]:
    """Return the versions of pyreqwest and of what is compiled into it."""
    wheel = distribution("pyreqwest")
    versions = {"pyreqwest": wheel.version, "reqwest": f"of pyreqwest {wheel.version}"}
    for file in wheel.files or ():
        if file.name.endswith(".cyclonedx.json"):
            for part in json.loads(file.read_text())["components"]:
                if part["name"] in ("reqwest", "hyper", "rustls"):
                    versions[part["name"]] = part["version"]
    return versions


def _burn_in() -> int | None:
    """Pay for the first TLS handshake of the process, and return what it cost.

    AWS-LC gathers entropy then, some 50 ms once in a process (aws-lc-rs #899). A client
    hello is enough for that, so the listener here closes each connection after it.

    Returns:
        The nanoseconds by which the first handshake took longer than the second; None
        without a loopback interface.
    """
    try:
        listener = socket.create_server(("127.0.0.1", 0))
    except OSError:
        return None
    taken = []
    with listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        Thread(target=_hang_up, args=(listener,), daemon=True).start()
        for _ in range(2):
            client = SyncClientBuilder().no_proxy().timeout(_BURN_IN_LIMIT).build()
            begin = perf_counter_ns()
            with suppress(PyreqwestError):
                client.get(url).build().send()
            taken.append(perf_counter_ns() - begin)
            client.close()
    connection_log().take()
    return max(0, taken[0] - taken[1])


def _hang_up(listener: socket.socket) -> None:
    with suppress(OSError):  # closed, when two have come
        while True:
            sock, _ = listener.accept()
            with sock:
                sock.recv(1 << 16)
