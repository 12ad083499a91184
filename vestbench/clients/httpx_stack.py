"""The httpx stack: one timed exchange over httpx and httpcore."""

from __future__ import annotations

import gc
import importlib
import itertools
import platform
import ssl
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from threading import Barrier
from time import perf_counter_ns, time

import certifi
import httpcore
import httpx

from vestbench import __version__
from vestbench.clients.failures import REQUEST_ERRORS, classify, one_line
from vestbench.clients.kernel_stamps import realtime_offset_ns
from vestbench.clients.timing import Marks, TcpInfo, TimedBackend
from vestbench.models import (
    Failure,
    FailureKind,
    Outcome,
    RequestSpec,
    Sample,
    SessionPlan,
    Slot,
    StackFacts,
    Strategy,
)

# Loaded by httpx and httpcore on first use; loaded here so that no request pays for it.
_LATE_IMPORTS = ("encodings.idna", "stringprep", "h11", "httpcore._sync.http11")

# httpcore 1.0.9 compares all connections, not the idle ones, with its keep-alive
# limit: with three or more in flight it closes each one as it is done
# (encode/httpcore #1000, #1035).
_FAITHFUL_CONCURRENCY = 2

# A collection costs 0.2 ms between requests; one a request would be pacing.
_COLLECT_EVERY = 16


def preload() -> None:
    """Import all that a request imports on first use, and hold garbage collection."""
    for name in _LATE_IMPORTS:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    gc.disable()


class HttpxStack:
    """Makes sessions that share one TLS context, built once and outside the clock.

    Args:
        ca_pem: Certificates to trust instead of the usual trust store; empty for it.
    """

    def __init__(self, ca_pem: str = "") -> None:
        self._serials = itertools.count(1)
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
            self._context = httpx.create_ssl_context()
            context_ns = perf_counter_ns() - begin
        self.facts = StackFacts(
            stack="httpx",
            versions={
                "vestbench": __version__,
                "httpx": httpx.__version__,
                "httpcore": httpcore.__version__,
                "python": platform.python_version(),
                "openssl": ssl.OPENSSL_VERSION,
            },
            tls_context_ns=context_ns,
            default_context_ns=default_ns,
            origin_ns=perf_counter_ns(),
        )

    def open(self, plan: SessionPlan) -> HttpxSession:
        """Build a client with a pool of its own."""
        return HttpxSession(plan, self._context, self.facts.origin_ns, self._serials)


class HttpxSession:
    """One `httpx.Client` and its pool."""

    def __init__(
        self,
        plan: SessionPlan,
        context: ssl.SSLContext,
        origin_ns: int,
        serials: Iterator[int],
    ) -> None:
        self._plan = plan
        self._origin_ns = origin_ns
        self._exchanges = 0
        self.notes: tuple[str, ...] = ()
        begin = perf_counter_ns()
        self._backend = TimedBackend(
            plan.pool, serials=serials, kernel_timestamps=plan.kernel_timestamps
        )
        self._transport = _Transport(self._pool(context))
        self._client = httpx.Client(
            transport=self._transport,
            timeout=httpx.Timeout(
                plan.pool.request_timeout_s, connect=plan.pool.connect_timeout_s
            ),
            headers={"user-agent": f"vestbench/{__version__}"},
            # Like reqwest, keep none: a cookie would make the subsequent requests
            # longer than the cold one.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
        )
        self.build_ns = perf_counter_ns() - begin
        self._threads: ThreadPoolExecutor | None = None
        self._width = 0  # of `_threads`: all of a burst must be able to start

    def _pool(self, context: ssl.SSLContext) -> httpcore.ConnectionPool:
        pool = self._plan.pool
        keep, wanted = pool.max_idle, self._plan.concurrency
        if 0 < keep < wanted and wanted > _FAITHFUL_CONCURRENCY:
            keep = wanted
            self.notes = (
                f"httpx {httpx.__version__} closes idle connections it should keep "
                f"above {_FAITHFUL_CONCURRENCY} concurrent requests: "
                f"pool_max_idle raised from {pool.max_idle} to {keep}",
            )
        return httpcore.ConnectionPool(
            ssl_context=context,
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
        answered = self._exchange(spec, slot)
        self._between()
        return answered

    def burst(
        self, specs: Sequence[RequestSpec], slots: Sequence[Slot]
    ) -> list[Outcome]:
        """Send all requests at the same moment, each from a thread of its own."""
        if len(specs) == 1:
            return [self.send(specs[0], slots[0])]
        if self._threads is None or len(specs) > self._width:
            if self._threads is not None:
                self._threads.shutdown()
            self._width = max(len(specs), self._plan.concurrency)
            self._threads = ThreadPoolExecutor(self._width)
        start = Barrier(len(specs))

        def one(spec: RequestSpec, slot: Slot) -> Outcome:
            start.wait()
            return self._exchange(spec, slot)[0]

        outcomes = list(self._threads.map(one, specs, slots))
        self._between()
        return outcomes

    def close(self) -> None:
        """Close the client and its connections."""
        if self._threads is not None:
            self._threads.shutdown()
        self._client.close()

    def _between(self) -> None:
        """Do, after the clock has stopped, what must not happen while it runs."""
        if self._plan.strategy is Strategy.UNPOOLED:
            self._transport.pool.close()
        self._exchanges += 1
        if self._exchanges % _COLLECT_EVERY == 0:
            gc.collect()

    def _exchange(self, spec: RequestSpec, slot: Slot) -> tuple[Outcome, bytes]:
        content = spec.body or None
        headers = list(spec.headers)
        marks = self._backend.begin(joins=content is not None)
        begin = perf_counter_ns()
        try:
            response = self._client.request(
                spec.method, spec.url, headers=headers, content=content
            )
        except REQUEST_ERRORS as error:
            elapsed = perf_counter_ns() - begin
            kind, detail = classify(error, marks)
            return self._failure(slot, begin, elapsed, marks, kind, detail), b""
        elapsed = perf_counter_ns() - begin
        accepted = spec.accepts(response.status_code)
        outcome = self._sample if accepted else self._refused
        return outcome(slot, begin, elapsed, marks, response), response.content

    def _sample(
        self,
        slot: Slot,
        begin: int,
        elapsed: int,
        marks: Marks,
        response: httpx.Response,
    ) -> Sample:
        connection = marks.connection
        if connection is None:
            raise RuntimeError("a response came over no connection of ours")
        info, retransmits = _kernel_view(marks)
        kernel_send_ns, kernel_receive_ns = _host_offsets(marks)
        return Sample(
            slot=slot,
            start_ns=begin - self._origin_ns,
            latency_ns=elapsed,
            dns_ns=marks.dns_ns,
            connect_ns=marks.connect_ns,
            tls_ns=marks.tls_ns,
            send_ns=marks.last_write - marks.first_write,
            wait_ns=marks.first_read - marks.last_write,
            receive_ns=marks.last_read - marks.first_read,
            status=response.status_code,
            reused=marks.reused(),
            connection=connection.serial,
            use=connection.uses,
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
        marks: Marks,
        kind: FailureKind,
        detail: str,
    ) -> Failure:
        return Failure(
            slot=slot,
            start_ns=begin - self._origin_ns,
            elapsed_ns=elapsed,
            kind=kind,
            detail=detail,
            reused=marks.reused() if marks.connection is not None else None,
        )

    def _refused(
        self,
        slot: Slot,
        begin: int,
        elapsed: int,
        marks: Marks,
        response: httpx.Response,
    ) -> Failure:
        status = response.status_code
        limited = status == httpx.codes.TOO_MANY_REQUESTS
        _kernel_view(marks)  # what was sent again here is not the next sample's
        return Failure(
            slot=slot,
            start_ns=begin - self._origin_ns,
            elapsed_ns=elapsed,
            kind=FailureKind.RATE_LIMITED if limited else FailureKind.STATUS,
            detail=one_line(f"HTTP {status} {response.reason_phrase}"),
            status=status,
            reused=marks.reused(),
            retry_after_s=_seconds(response.headers.get("retry-after")),
        )


class _Transport(httpx.BaseTransport):
    """Hands requests of an `httpx.Client` to a pool that has our network backend."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self.pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        response = self.pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme,
                    host=url.raw_host,
                    port=url.port,
                    target=url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    def close(self) -> None:
        self.pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


def _kernel_view(marks: Marks) -> tuple[TcpInfo | None, int | None]:
    """Return the kernel's view after the exchange, and the retransmissions in it."""
    info = marks.info
    if info is None and marks.stream is not None:
        info = marks.stream.tcp_info()
    if info is None or marks.connection is None:
        return None, None
    retransmits = info.retransmits - marks.connection.retransmits_seen
    marks.connection.retransmits_seen = info.retransmits
    return info, retransmits


def _host_offsets(marks: Marks) -> tuple[int | None, int | None]:
    """Return what the host added before and after the wire, where that is asked for."""
    if marks.kernel is None:
        return None, None
    ahead_ns = realtime_offset_ns()
    return marks.kernel.offsets(marks.first_write, marks.first_read, ahead_ns)


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After header, seconds or a date (RFC 9110, 10.2.3).

    One that is neither asked for a wait all the same: 0.
    """
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time())
    except (ValueError, OverflowError):
        return 0.0
