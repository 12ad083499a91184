"""The httpx and httpx2 stacks: one timed exchange over either, and its httpcore.

Both libraries have the same interface, so they are handed in as modules.
"""

from __future__ import annotations

import importlib
import itertools
import platform
import ssl
from collections.abc import Iterator, Sequence
from functools import cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.util import find_spec
from time import perf_counter_ns
from typing import Any, NamedTuple

import certifi

from vestbench._version import __version__
from vestbench.model.client import SessionPlan, StackFacts
from vestbench.model.request import (
    FailureKind,
    Outcome,
    RequestSpec,
    Sample,
    Slot,
    Subscription,
)
from vestbench.stacks.httpcore_backend import TimedBackend, trace_http2
from vestbench.stacks.httpx_failures import Classifier
from vestbench.stacks.httpx_transport import Library, library, transport
from vestbench.stacks.outcomes import Answer, Exchange
from vestbench.stacks.registry import find_stack
from vestbench.stacks.session import UNSENT, USER_AGENT, TimedSession
from vestbench.stacks.websocket import WebSocketClient
from vestbench.stacks.wire.connecting import (
    Resolver,
    SharedAnswers,
    system_resolver,
)
from vestbench.stacks.wire.instrument import Instrument
from vestbench.stacks.wire.keeping import Said
from vestbench.stacks.wire.timestamps import Timestamps


def preload(used: Library) -> None:
    """Import all that a request imports on first use."""
    core = used.core.__name__
    names = ["encodings.idna", "stringprep", "h11", f"{core}._sync.http11"]
    if find_spec("h2") is not None:
        names += ["h2.connection", f"{core}._sync.http2"]
    for name in names:
        importlib.import_module(name)


class HttpxStack:
    """Makes sessions that share one TLS context, built once and outside the clock.

    Args:
        ca_pem: Certificates to trust instead of the usual trust store; empty for it.
        origin_ns: When the run began, by CLOCK_MONOTONIC; None for now.
    """

    library_name = "httpx"  # as it is imported

    def __init__(self, ca_pem: str = "", origin_ns: int | None = None) -> None:
        self._serials = itertools.count(1)
        self._names = SharedAnswers(system_resolver)
        self._library = library(self.library_name)
        client, core = self._library.client, self._library.core
        begin = perf_counter_ns()
        default_ns: int | None = None
        if ca_pem:
            self._context = ssl.create_default_context(cadata=ca_pem)
            context_ns = perf_counter_ns() - begin
            # What the client would have cost to build with its own defaults: not part
            # of any request here, but of one that builds a client for each request.
            begin = perf_counter_ns()
            ssl.create_default_context(cafile=certifi.where())
            default_ns = perf_counter_ns() - begin
        else:
            # Honours SSL_CERT_FILE and SSL_CERT_DIR, as the library does by itself.
            self._context = client.create_ssl_context()
            context_ns = perf_counter_ns() - begin
        preload(self._library)
        self.facts = StackFacts(
            versions={
                "vestbench": __version__,
                self.library_name: client.__version__,
                core.__name__: core.__version__,
                "python": platform.python_version(),
                "openssl": ssl.OPENSSL_VERSION,
            },
            tls_context_ns=context_ns,
            default_context_ns=default_ns,
            origin_ns=perf_counter_ns() if origin_ns is None else origin_ns,
        )

    def open(self, plan: SessionPlan) -> HttpxSession:
        """Build a client with a pool of its own."""
        return HttpxSession(
            plan,
            self._library,
            self._context,
            self.facts.origin_ns,
            self._serials,
            self._names.of(plan.round),
        )


class Httpx2Stack(HttpxStack):
    """Makes sessions of httpx2; everything else is as with httpx."""

    library_name = "httpx2"


class HttpxSession(TimedSession):
    """One `httpx.Client` and its pool."""

    def __init__(
        self,
        plan: SessionPlan,
        used: Library,
        context: ssl.SSLContext,
        origin_ns: int,
        serials: Iterator[int],
        resolve: Resolver,
    ) -> None:
        super().__init__(plan)
        self._library = used
        self._failures = _classifier(used)
        self._origin_ns = origin_ns
        self.notes = _sequence_notes(plan, used)
        client = used.client
        begin = perf_counter_ns()
        self._instrument = Instrument(
            plan.pool,
            resumes=plan.strategy.resumes,
            serials=serials,
            resolve=resolve,
            concurrency=plan.concurrency,
            kernel_timestamps=plan.kernel_timestamps,
        )
        beside = Instrument(plan.pool, serials=serials, resolve=resolve)
        self._websocket = WebSocketClient(beside, context, origin_ns)
        self._event = ""  # what an event of a request holds
        self._transport = transport(used)(self._pool(context))
        self._client = client.Client(
            transport=self._transport,
            timeout=client.Timeout(
                plan.pool.request_timeout_s, connect=plan.pool.connect_timeout_s
            ),
            headers={"user-agent": USER_AGENT},
            # Like reqwest, keep none: a cookie would make the subsequent requests
            # longer than the cold one.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
        )
        # The library would offer what decoders happen to be installed, and the same run
        # elsewhere would get another answer.
        self._client.headers["Accept-Encoding"] = "gzip, deflate"
        self.build_ns = perf_counter_ns() - begin

    def _pool(self, context: ssl.SSLContext) -> Any:
        pool, used = self._plan.pool, self._library
        stack = find_stack(used.name)
        keep = stack.kept_idle(pool, self._plan.concurrency)
        if keep != pool.max_idle:
            self.notes += (
                f"{used.name} {used.client.__version__} closes idle connections it "
                f"should keep above {stack.faithful_concurrency} concurrent requests: "
                f"pool_max_idle raised from {pool.max_idle} to {keep}",
            )
        return used.core.ConnectionPool(
            ssl_context=context,
            http2=self._plan.http2,
            max_connections=None,
            max_keepalive_connections=keep,
            keepalive_expiry=pool.idle_timeout_s,
            network_backend=TimedBackend(self._instrument, used.core),
        )

    def ask(self, spec: RequestSpec, slot: Slot) -> tuple[Outcome, bytes]:
        """Send one request and return its outcome, and the body of the answer."""
        result = self._exchange(spec, slot)
        self._between(result.stamps)
        return result.outcome, result.body

    def listen(
        self, spec: RequestSpec, slot: Slot, wanted: Subscription
    ) -> tuple[Outcome, bytes]:
        """Open a WebSocket beside the pool; return its outcome and the first event."""
        self._event = wanted.event
        found = self._websocket.open(spec, slot, wanted)
        self._collect()
        return found

    def ask_and_hear(
        self, spec: RequestSpec, slot: Slot
    ) -> tuple[Outcome, bytes, bytes]:
        """Send one request that leads to an event on the WebSocket.

        One that comes before the answer is read after it, and has the time of that.
        """
        result = self._exchange(spec, slot)
        outcome, event = result.outcome, b""
        if isinstance(outcome, Sample):
            begun = result.stamps.first_write
            outcome, event = self._websocket.hear(outcome, begun, self._event)
        self._between(result.stamps)
        return outcome, result.body, event

    def burst(
        self, specs: Sequence[RequestSpec], slots: Sequence[Slot]
    ) -> list[Outcome]:
        """Send all requests at the same moment, each from a thread of its own.

        Where HTTP/2 is offered they follow each other: threads mix up its streams.
        """
        each = zip(specs, slots, strict=True)
        if len(specs) == 1 or self._plan.http2:
            return [self.send(spec, slot) for spec, slot in each]
        tasks = [partial(self._exchange, spec, slot) for spec, slot in each]
        results = self._burst.run(tasks)
        self._between(*(result.stamps for result in results))
        return [result.outcome for result in results]

    def close(self) -> None:
        """Close the client and its connections."""
        self._burst.close()
        self._websocket.close()
        self._client.close()

    def _between(self, *exchanges: Timestamps) -> None:
        """Close what has to be closed, and collect garbage, outside the clock."""
        if self._plan.strategy.opens:
            for stamps in exchanges:
                if stamps.stream is not None:
                    stamps.stream.keep_session()
            self._transport.pool.close()
            self._instrument.lost.clear()  # as asked
        self._collect()

    def _exchange(self, spec: RequestSpec, slot: Slot) -> _Result:
        content = spec.body or None
        headers = list(spec.headers)
        stamps = self._instrument.begin(joins=content is not None)
        extensions = None
        if self._plan.http2:
            extensions = {"trace": lambda event, _: trace_http2(stamps, event)}
        begin = perf_counter_ns()
        try:
            response = self._client.request(
                spec.method,
                spec.url,
                headers=headers,
                content=content,
                extensions=extensions,
            )
        except self._failures.errors as error:
            elapsed = perf_counter_ns() - begin
            kind, detail = self._failures.classify(error, stamps)
        else:
            elapsed = perf_counter_ns() - begin
            if stamps.first_read:
                exchange = Exchange(spec, slot, begin - self._origin_ns, elapsed)
                return _Result.of(exchange, stamps, response)
            kind, detail = FailureKind.PROTOCOL, UNSENT
            if stamps.stream is not None:
                stamps.stream.close()  # it is one answer ahead, and would stay so
                detail = "it was answered before it was sent"
        exchange = Exchange(spec, slot, begin - self._origin_ns, elapsed)
        reused = stamps.reused() if stamps.connection is not None else None
        opening = stamps.failed(kind)
        failure = exchange.failed(kind, detail, reused=reused, opening=opening)
        return _Result(stamps, failure, b"")


class _Result(NamedTuple):
    stamps: Timestamps
    outcome: Outcome
    body: bytes  # empty without an answer

    @classmethod
    def of(cls, exchange: Exchange, stamps: Timestamps, response: Any) -> _Result:
        answer = Answer(
            response.status_code,
            response.reason_phrase,
            response.headers.get("retry-after"),
            response.http_version,
            response.content,
            response.headers.get("content-type"),
        )
        stamps.answered(
            Said.of(answer.status, answer.http_version, response.headers.get)
        )
        outcome = exchange.answered(answer, stamps.carried(), stamps.phases())
        return cls(stamps, outcome, answer.body)


@cache
def _classifier(used: Library) -> Classifier:
    return Classifier(used)


def _sequence_notes(plan: SessionPlan, used: Library) -> tuple[str, ...]:
    if not (plan.http2 and plan.strategy.warms):
        return ()
    return (
        f"the requests of a warm-up follow each other: the HTTP/2 of {used.name} "
        f"{used.client.__version__} is not safe with several threads",
    )
