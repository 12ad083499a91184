"""The httpx and httpx2 stacks: one timed exchange over either, and its httpcore.

Both libraries have the same interface, so they are handed in as modules.
"""

from __future__ import annotations

import gc
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
from vestbench.kernel.timestamps import realtime_offset_ns
from vestbench.model.client import SessionPlan, StackFacts
from vestbench.model.request import (
    Failure,
    FailureKind,
    Outcome,
    RequestSpec,
    Sample,
    Slot,
)
from vestbench.stacks.bursts import Burst
from vestbench.stacks.failures import Classifier, refusal
from vestbench.stacks.registry import find_stack
from vestbench.stacks.timing import TimedBackend
from vestbench.stacks.transport import Library, library, transport
from vestbench.stacks.wire.timestamps import TcpInfo, Timestamps

# A collection costs 0.2 ms between requests; one a request would be pacing.
_COLLECT_EVERY = 16


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
        name: `httpx` or `httpx2`.
    """

    def __init__(
        self, ca_pem: str = "", origin_ns: int | None = None, name: str = "httpx"
    ) -> None:
        self._serials = itertools.count(1)
        self._library = library(name)
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
            stack=name,
            versions={
                "vestbench": __version__,
                name: client.__version__,
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
            plan, self._library, self._context, self.facts.origin_ns, self._serials
        )


class HttpxSession:
    """One `httpx.Client` and its pool."""

    def __init__(
        self,
        plan: SessionPlan,
        used: Library,
        context: ssl.SSLContext,
        origin_ns: int,
        serials: Iterator[int],
    ) -> None:
        self._plan = plan
        self._library = used
        self._failures = _classifier(used)
        self._origin_ns = origin_ns
        self._exchanges = 0
        self.notes = _sequence_notes(plan, used)
        client = used.client
        begin = perf_counter_ns()
        self._backend = TimedBackend(
            plan.pool,
            used.core,
            resumes=plan.strategy.resumes,
            serials=serials,
            kernel_timestamps=plan.kernel_timestamps,
        )
        self._transport = transport(used)(self._pool(context))
        self._client = client.Client(
            transport=self._transport,
            timeout=client.Timeout(
                plan.pool.request_timeout_s, connect=plan.pool.connect_timeout_s
            ),
            headers={"user-agent": f"vestbench/{__version__}"},
            # Like reqwest, keep none: a cookie would make the subsequent requests
            # longer than the cold one.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
        )
        # The library would offer what decoders happen to be installed, and the same run
        # elsewhere would get another answer.
        self._client.headers["Accept-Encoding"] = "gzip, deflate"
        self.build_ns = perf_counter_ns() - begin
        self._burst = Burst(plan.concurrency)

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
            network_backend=self._backend,
        )

    def send(self, spec: RequestSpec, slot: Slot) -> Outcome:
        """Send one request and return its sample, or how it failed."""
        return self.ask(spec, slot)[0]

    def ask(self, spec: RequestSpec, slot: Slot) -> tuple[Outcome, bytes]:
        """Send one request and return its outcome, and the body of the answer."""
        exchange = self._exchange(spec, slot)
        self._between(exchange.stamps)
        return exchange.outcome, exchange.body

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
        exchanges = self._burst.run(tasks)
        self._between(*(exchange.stamps for exchange in exchanges))
        return [exchange.outcome for exchange in exchanges]

    def close(self) -> None:
        """Close the client and its connections."""
        self._burst.close()
        self._client.close()

    def _between(self, *exchanges: Timestamps) -> None:
        """Do, after the clock has stopped, what must not happen while it runs."""
        if self._plan.strategy.opens:
            for stamps in exchanges:
                if stamps.stream is not None:
                    stamps.stream.keep_session()
            self._transport.pool.close()
        self._exchanges += 1
        if self._exchanges % _COLLECT_EVERY == 0:
            gc.collect()

    def _exchange(self, spec: RequestSpec, slot: Slot) -> _Exchange:
        content = spec.body or None
        headers = list(spec.headers)
        stamps = self._backend.begin(joins=content is not None)
        extensions = {"trace": stamps.trace} if self._plan.http2 else None
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
            failure = self._failure(slot, begin, elapsed, stamps, kind, detail)
            return _Exchange(stamps, failure, b"")
        elapsed = perf_counter_ns() - begin
        if stamps.stream is not None and not stamps.first_read:
            stamps.stream.close()  # it is one answer ahead, and would stay so
            kind, detail = FailureKind.PROTOCOL, "it was answered before it was sent"
            failure = self._failure(slot, begin, elapsed, stamps, kind, detail)
            return _Exchange(stamps, failure, b"")
        outcome: Outcome
        if spec.accepts(response.status_code):
            outcome = self._sample(slot, begin, elapsed, stamps, response)
        else:
            _kernel_view(stamps)  # what was sent again here is not the next sample's
            outcome = refusal(
                slot,
                start_ns=begin - self._origin_ns,
                elapsed_ns=elapsed,
                status=response.status_code,
                reason=response.reason_phrase,
                retry_after=response.headers.get("retry-after"),
                reused=stamps.reused(),
            )
        return _Exchange(stamps, outcome, response.content)

    def _sample(
        self,
        slot: Slot,
        begin: int,
        elapsed: int,
        stamps: Timestamps,
        response: Any,
    ) -> Sample:
        connection = stamps.connection
        if connection is None:
            raise RuntimeError("a response came over no connection of ours")
        info, retransmits = _kernel_view(stamps)
        send_ns, wait_ns, receive_ns = stamps.phases()
        kernel_send_ns, kernel_receive_ns = _host_offsets(stamps)
        return Sample(
            slot=slot,
            start_ns=begin - self._origin_ns,
            latency_ns=elapsed,
            dns_ns=stamps.dns_ns,
            connect_ns=stamps.connect_ns,
            tls_ns=stamps.tls_ns,
            send_ns=send_ns,
            wait_ns=wait_ns,
            receive_ns=receive_ns,
            status=response.status_code,
            reused=stamps.reused(),
            connection=connection.serial,
            use=stamps.use,
            local_port=connection.local_port,
            resumed=connection.resumed,
            http_version=response.http_version,
            tls_version=connection.tls_version,
            cipher=connection.cipher,
            remote=connection.remote,
            rtt_us=info.rtt_us if info else None,
            syn_rtt_us=connection.syn_rtt_us,
            retransmits=retransmits,
            body_bytes=len(response.content),
            kernel_send_ns=kernel_send_ns,
            kernel_receive_ns=kernel_receive_ns,
        )

    def _failure(
        self,
        slot: Slot,
        begin: int,
        elapsed: int,
        stamps: Timestamps,
        kind: FailureKind,
        detail: str,
    ) -> Failure:
        return Failure(
            slot=slot,
            start_ns=begin - self._origin_ns,
            elapsed_ns=elapsed,
            kind=kind,
            detail=detail,
            reused=stamps.reused() if stamps.connection is not None else None,
        )


@cache
def _classifier(used: Library) -> Classifier:
    return Classifier(used.client, used.core)


def _sequence_notes(plan: SessionPlan, used: Library) -> tuple[str, ...]:
    if not (plan.http2 and plan.strategy.warms):
        return ()
    return (
        f"the requests of a warm-up follow each other: the HTTP/2 of {used.name} "
        f"{used.client.__version__} is not safe with several threads",
    )


class _Exchange(NamedTuple):
    stamps: Timestamps
    outcome: Outcome
    body: bytes  # empty without an answer


def _kernel_view(stamps: Timestamps) -> tuple[TcpInfo | None, int | None]:
    """Return the kernel's view after the exchange, and the retransmissions in it."""
    info = stamps.info
    if info is None and stamps.stream is not None:
        info = stamps.stream.tcp_info()
    if info is None or stamps.connection is None:
        return None, None
    retransmits = info.retransmits - stamps.connection.retransmits_seen
    stamps.connection.retransmits_seen = info.retransmits
    return info, retransmits


def _host_offsets(stamps: Timestamps) -> tuple[int | None, int | None]:
    """Return what the host added before and after the wire, where that is asked for."""
    if stamps.kernel is None:
        return None, None
    ahead_ns = realtime_offset_ns()
    return stamps.kernel.offsets(stamps.first_write, stamps.first_read, ahead_ns)
