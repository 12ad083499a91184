"""What each accident on the wire is called, and what is said of it."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, cast

import httpcore
import httpx
import pytest

from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    Leaf,
    ScriptedServer,
    Visit,
    answer,
    failed,
    free_port,
    get,
    keep_alive,
    opened,
    post,
    sampled,
    tls_pair,
)
from vestbench.model.request import Failure, FailureKind, Sample
from vestbench.stacks.failures import Classifier
from vestbench.stacks.httpx_stack import HttpxSession, HttpxStack
from vestbench.stacks.timing import TlsError
from vestbench.stacks.wire.connecting import NameResolutionError
from vestbench.stacks.wire.timestamps import Timestamps

CLASSIFIER = Classifier(httpx, httpcore)

SECRET = "vest-api-key-4711"


@pytest.fixture(scope="module")
def stack() -> HttpxStack:
    return HttpxStack(tls_pair().ca_pem)


# --- exceptions ---


def leaves(kind: type[Exception]) -> Iterator[type[Exception]]:
    """Walk the subclasses of `kind` that are raised, not only caught."""
    below = kind.__subclasses__()
    if not below:
        yield kind
    for one in below:
        yield from leaves(one)


def public_errors(library: Any) -> list[type[Exception]]:
    return [
        value
        for name in library.__all__
        if isinstance(value := getattr(library, name), type)
        and issubclass(value, Exception)
    ]


def full_name(error: type[Exception]) -> str:
    return f"{error.__module__.partition('.')[0]}.{error.__qualname__}"


def request_errors() -> list[type[Exception]]:
    found: set[type[Exception]] = set()
    for base in (*public_errors(httpcore), httpx.RequestError):
        found.update(leaves(base))
    found |= {NameResolutionError, TlsError}
    found.remove(httpcore.ConnectionNotAvailable)  # never leaves the pool
    return sorted(found, key=full_name)


@pytest.mark.parametrize("error", request_errors(), ids=full_name)
def test_every_error_of_a_request_has_a_kind(error: type[Exception]) -> None:
    made = error("why")

    kind, detail = CLASSIFIER.classify(made, Timestamps(0))

    assert isinstance(made, CLASSIFIER.errors)
    assert isinstance(kind, FailureKind)
    assert detail == "why"


@pytest.mark.parametrize(
    "error",
    [
        error
        for error in public_errors(httpx)
        # Wrong use of the library, and statuses that only raise_for_status raises.
        if not issubclass(error, httpx.StreamError | httpx.CookieConflict)
        and error not in (httpx.HTTPError, httpx.HTTPStatusError)
        and error not in (httpx.RequestError, httpx.TransportError)
    ],
    ids=lambda error: error.__name__,
)
def test_every_public_error_of_httpx_is_caught(error: type[Exception]) -> None:
    assert issubclass(error, CLASSIFIER.errors)


def test_an_error_without_a_text_is_told_by_its_name() -> None:
    assert CLASSIFIER.classify(httpcore.ReadError(), Timestamps(0)) == (
        FailureKind.RESET,
        "ReadError",
    )


def test_details_are_one_short_line() -> None:
    _, detail = CLASSIFIER.classify(
        httpcore.ReadError("a\r\nb \t c" + "d" * 500), Timestamps(0)
    )

    assert detail.startswith("a b cddd")
    assert len(detail) == 200


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("illegal header line: bytearray(b'k: v')", "illegal header line"),
        ("illegal status line: bytearray(b'k')", "illegal status line"),
        ("Illegal header value b'k\\n'", "Illegal header value"),
        ('Illegal header name b"k\'"', "Illegal header name"),
        ("malformed chunk footer: b'k' (expected b'\\r\\n')", "malformed chunk footer"),
        ("can't handle event type Data", "can't handle event type Data"),
    ],
)
def test_what_h11_quotes_is_cut_from_the_detail(text: str, detail: str) -> None:
    assert (
        CLASSIFIER.classify(httpcore.RemoteProtocolError(text), Timestamps(0))[1]
        == detail
    )


# --- no connection ---


def test_a_refused_connection_is_connect(stack: HttpxStack) -> None:
    with opened(stack) as session:
        failure = failed(session, get(f"https://127.0.0.1:{free_port()}/"))

    assert failure.kind is FailureKind.CONNECT
    assert failure.detail == "connection refused"
    assert failure.reused is None


def test_an_unknown_host_is_dns(
    stack: HttpxStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with opened(stack) as session:
        failure = failed(session, get("https://nowhere.test/"))

    assert failure.kind is FailureKind.DNS
    assert failure.detail == "cannot resolve nowhere.test: name or service not known"
    assert failure.reused is None


@pytest.mark.parametrize("host", [f"{'x' * 64}.test", ".test", "a..test"])
def test_a_host_that_cannot_be_a_name_is_dns(stack: HttpxStack, host: str) -> None:
    with opened(stack) as session:
        failure = failed(session, get(f"https://{host}/"))

    assert failure.kind is FailureKind.DNS
    assert host in failure.detail


@pytest.mark.parametrize(
    "url", ["https://h\n/", "https://host:x/", "ftp://host/", "https://xn--/"]
)
def test_an_unusable_url_is_protocol(stack: HttpxStack, url: str) -> None:
    with opened(stack) as session:
        failure = failed(session, get(url))

    assert failure.kind is FailureKind.PROTOCOL
    assert failure.reused is None


# --- TLS ---


@pytest.mark.parametrize(
    ("leaf", "telling"),
    [
        ("unknown-ca", "unable to get local issuer certificate"),
        ("expired", "certificate has expired"),
        ("wrong-name", "not valid for '127.0.0.1'"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_tls_and_the_detail_says_why(
    stack: HttpxStack, leaf: Leaf, telling: str
) -> None:
    with (
        ScriptedServer(tls=tls_pair(leaf).server) as server,
        opened(stack) as session,
    ):
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.TLS
    assert failure.detail.startswith("certificate not trusted: ")
    assert telling in failure.detail
    assert (server.connections, server.requests) == (1, 0)
    assert failure.reused is None


def plain_answer(visit: Visit) -> None:
    visit.sock.recv(65536)  # the ClientHello
    visit.answer(status="400 Bad Request")


def alert(description: int) -> Callable[[Visit], None]:
    """Return a script that refuses a ClientHello with a fatal alert."""

    def refuse(visit: Visit) -> None:
        visit.sock.recv(65536)
        visit.send(bytes([21, 3, 3, 0, 2, 2, description]))

    return refuse


def hang_up(visit: Visit) -> None:
    visit.sock.recv(65536)


def slam(visit: Visit) -> None:
    visit.sock.recv(65536)
    visit.reset()


@pytest.mark.parametrize(
    ("script", "telling"),
    [
        pytest.param(plain_answer, "wrong version number", id="plain text"),
        pytest.param(alert(70), "protocol version", id="version refused"),
        pytest.param(alert(40), "handshake failure", id="handshake refused"),
        pytest.param(hang_up, "eof", id="closed"),
        pytest.param(slam, "reset", id="reset"),
    ],
)
def test_a_handshake_that_fails_is_tls(
    stack: HttpxStack, script: Callable[[Visit], None], telling: str
) -> None:
    with ScriptedServer(script) as server, opened(stack) as session:
        failure = failed(session, get(f"https://127.0.0.1:{server.port}/"))

    assert failure.kind is FailureKind.TLS
    assert telling in failure.detail
    assert server.connections == 1
    assert failure.reused is None


def test_a_server_that_speaks_only_a_newer_tls_is_tls() -> None:
    old = HttpxStack(tls_pair().ca_pem)
    old._context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        ScriptedServer(tls=tls_pair(version=ssl.TLSVersion.TLSv1_3).server) as server,
        opened(old) as session,
    ):
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.TLS
    assert "protocol version" in failure.detail


@pytest.mark.parametrize(
    "version",
    [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3],
    ids=["in the handshake", "after the handshake"],
)
def test_a_server_that_wants_a_client_certificate_is_tls(
    stack: HttpxStack, version: ssl.TLSVersion
) -> None:
    pair = tls_pair(version=version)
    pair.server.load_verify_locations(cadata=pair.ca_pem)
    pair.server.verify_mode = ssl.CERT_REQUIRED
    with ScriptedServer(tls=pair.server) as server, opened(stack) as session:
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.TLS
    assert "alert" in failure.detail
    assert server.requests == 0


# --- the end comes early ---


def reset_unanswered(visit: Visit) -> None:
    visit.request()
    visit.reset()


def close_unanswered(visit: Visit) -> None:
    visit.request()


def close_in_header(visit: Visit) -> None:
    visit.request()
    visit.send(b"HTTP/1.1 200 OK\r\nContent-Le")


def close_in_status(visit: Visit) -> None:
    visit.request()
    visit.send(b"HT")


def close_in_body(visit: Visit) -> None:
    visit.request()
    visit.send(answer(b"x" * 1000)[:-1])


def reset_in_body(visit: Visit) -> None:
    visit.request()
    visit.send(answer(b"x" * 1000)[:-1])
    visit.reset()


def close_in_chunk(visit: Visit) -> None:
    visit.request()
    visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")


# A FIN inside the header is `reset` too: what came was the beginning of an HTTP answer,
# so the peer spoke the protocol and went away, which is a matter of the connection.
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "script",
    [
        reset_unanswered,
        close_unanswered,
        close_in_status,
        close_in_header,
        close_in_body,
        reset_in_body,
        close_in_chunk,
    ],
)
def test_an_exchange_that_the_server_breaks_off_is_reset_and_not_retried(
    stack: HttpxStack, scheme: str, script: Callable[[Visit], None]
) -> None:
    def on_second_request(visit: Visit) -> None:
        visit.request()
        visit.answer()
        script(visit)

    tls = tls_pair().server if scheme == "https" else None
    with ScriptedServer(on_second_request, tls) as server, opened(stack) as session:
        sampled(session.send(server.get(), SLOT))
        failure = failed(session, server.get())
        connections, requests = server.connections, server.requests

    assert failure.kind is FailureKind.RESET
    assert failure.reused is True
    assert (connections, requests) == (1, 2)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("script", [reset_unanswered, close_unanswered])
def test_a_first_request_that_is_broken_off_is_reset_and_not_retried(
    stack: HttpxStack, scheme: str, method: str, script: Callable[[Visit], None]
) -> None:
    tls = tls_pair().server if scheme == "https" else None
    with ScriptedServer(script, tls) as server, opened(stack) as session:
        spec = post(server.url, b"{}") if method == "POST" else server.get()
        failure = failed(session, spec)
        connections, requests = server.connections, server.requests

    assert failure.kind is FailureKind.RESET
    assert failure.reused is False
    assert (connections, requests) == (1, 1)


@pytest.mark.parametrize(
    ("scheme", "kind"), [("http", FailureKind.RESET), ("https", FailureKind.TLS)]
)
def test_a_connection_reset_as_soon_as_it_is_made_is_a_failure_like_others(
    stack: HttpxStack,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    kind: FailureKind,
) -> None:
    connected = threading.Event()

    def slam_the_door(visit: Visit) -> None:
        connected.wait(PATIENCE_S)
        visit.reset()

    with ScriptedServer(slam_the_door) as server:

        class Late(socket.socket):
            def connect(self, address: Any) -> None:
                super().connect(address)
                connected.set()
                wait_until(lambda: bool(server.visits))
                server.visits[0].ended.wait(PATIENCE_S)

        with opened(stack) as session, monkeypatch.context() as patch:
            patch.setattr(socket, "socket", Late)
            failure = failed(session, get(f"{scheme}://127.0.0.1:{server.port}/"))

    assert failure.kind is kind
    assert failure.reused is not True


def test_a_stall_is_timeout(stack: HttpxStack) -> None:
    def stall(visit: Visit) -> None:
        visit.request()
        visit.stall()

    with (
        ScriptedServer(stall, tls_pair().server) as server,
        opened(stack, request_timeout_s=0.1) as session,
    ):
        failure = failed(session, server.get())
        requests = server.requests

    assert failure.kind is FailureKind.TIMEOUT
    assert failure.reused is False
    assert requests == 1


# --- answers that are none ---


def say(data: bytes, *, close: bool) -> Callable[[Visit], None]:
    def script(visit: Visit) -> None:
        visit.request()
        visit.send(data)
        if not close:
            visit.stall()

    return script


@pytest.mark.parametrize("close", [False, True], ids=["kept open", "closed"])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x46", id="TLS alert"),
        pytest.param(b"EHLO\r\nthere\r\n\r\n", id="other text"),
        pytest.param(b"HTTP/1.1 abc\r\n\r\n", id="bad status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", id="bad header"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            id="bad chunk",
        ),
        pytest.param(
            answer(b"plain", headers=["Content-Encoding: gzip"]), id="not gzip"
        ),
    ],
)
def test_an_answer_that_is_not_http_is_protocol(
    stack: HttpxStack, data: bytes, close: bool
) -> None:
    with (
        ScriptedServer(say(data, close=close)) as server,
        opened(stack) as session,
    ):
        failure = failed(session, server.get())
        requests = server.requests

    assert failure.kind is FailureKind.PROTOCOL
    assert failure.reused is False
    assert requests == 1


def test_a_banner_that_ends_before_it_could_be_http_is_protocol(
    stack: HttpxStack,
) -> None:
    script = say(b"SSH-2.0-OpenSSH_9.2\r\n", close=True)
    with ScriptedServer(script) as server, opened(stack) as session:
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.PROTOCOL


@pytest.mark.parametrize(
    "data",
    [
        f"HTTP/1.1 200 OK\r\n{SECRET}\r\n\r\n".encode(),
        f"{SECRET}\r\n\r\n".encode(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + f"{SECRET}\r\n".encode(),
        answer(SECRET.encode(), headers=["Content-Encoding: gzip"]),
    ],
    ids=["header", "status line", "chunk", "body"],
)
def test_details_hold_nothing_of_the_answer(stack: HttpxStack, data: bytes) -> None:
    with ScriptedServer(say(data, close=False)) as server, opened(stack) as session:
        failure = failed(session, server.get())

    assert SECRET not in repr(failure)


def test_details_hold_nothing_of_a_header_that_cannot_be_sent(
    stack: HttpxStack,
) -> None:
    with ScriptedServer() as server, opened(stack) as session:
        failure = failed(session, server.get(headers=(("x-api-key", SECRET + "\n"),)))

    assert failure.kind is FailureKind.PROTOCOL
    assert SECRET not in repr(failure)
    assert "header value" in failure.detail


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize(
    ("name", "value"), [("x-api-key", f"{SECRET}é"), ("x-api-kéy", SECRET)]
)
def test_a_header_that_is_not_ascii_is_protocol_and_the_session_goes_on(
    stack: HttpxStack, name: str, value: str, http2: bool
) -> None:
    with ScriptedServer() as server, opened(stack, http2=http2) as session:
        failure = failed(session, server.get(headers=((name, value),)))
        sampled(session.send(server.get(), SLOT))
        requests = server.requests

    assert failure.kind is FailureKind.PROTOCOL
    assert failure.detail == "a header or the URL is not valid"
    assert failure.reused is None
    assert requests == 1


# --- statuses ---


@pytest.mark.parametrize("status", [503, 500, 404, 401, 301])
def test_a_status_that_is_not_accepted_is_status(
    stack: HttpxStack, status: int
) -> None:
    def refuse(visit: Visit) -> None:
        while visit.request():
            visit.answer(status=f"{status} No", headers=["Location: /elsewhere"])

    with ScriptedServer(refuse) as server, opened(stack) as session:
        failures = [failed(session, server.get()) for _ in range(2)]
        accepted = sampled(session.send(server.get(accept=(200, status)), SLOT))

    assert {failure.kind for failure in failures} == {FailureKind.STATUS}
    assert {failure.status for failure in failures} == {status}
    assert {failure.detail for failure in failures} == {f"HTTP {status} No"}
    assert [failure.reused for failure in failures] == [False, True]
    assert {failure.retry_after_s for failure in failures} == {None}
    assert accepted.status == status
    assert (server.connections, server.requests) == (1, 3)  # no redirect is followed


def test_a_long_reason_is_cut(stack: HttpxStack) -> None:
    def refuse(visit: Visit) -> None:
        visit.request()
        visit.answer(status=f"503 {'why ' * 200}")

    with ScriptedServer(refuse) as server, opened(stack) as session:
        failure = failed(session, server.get())

    assert failure.detail.startswith("HTTP 503 why why")


def limited(stack: HttpxStack, *headers: str) -> Failure:
    def refuse(visit: Visit) -> None:
        visit.request()
        visit.answer(status="429 Too Many Requests", headers=headers)

    with ScriptedServer(refuse) as server, opened(stack) as session:
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.RATE_LIMITED
    assert failure.status == 429
    assert server.requests == 1
    return failure


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ([], None),
        (["Retry-After: 0"], 0.0),
        (["Retry-After: 120"], 120.0),
        (["Retry-After: soon"], 0.0),
        (["Retry-After: nan"], 0.0),
        (["Retry-After: -5"], 0.0),
        (["Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"], 0.0),
        (["Retry-After: Wed, 21 Oct 99999 07:28:00 GMT"], 0.0),
    ],
    ids=lambda value: str(value).removeprefix("['Retry-After: ").removesuffix("']"),
)
def test_a_429_says_for_how_long_it_asked(
    stack: HttpxStack, headers: list[str], wait_s: float | None
) -> None:
    assert limited(stack, *headers).retry_after_s == wait_s


def test_a_429_may_name_the_date_to_wait_for(stack: HttpxStack) -> None:
    date = datetime.now(UTC) + timedelta(hours=1)

    failure = limited(stack, f"Retry-After: {format_datetime(date, usegmt=True)}")

    assert failure.retry_after_s is not None
    assert 0 < failure.retry_after_s <= 3600


# --- connections that went stale ---


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.001)


def wait_for_the_end(session: HttpxSession) -> None:
    """Wait until the end of the connection in use has arrived at the client."""
    stream = session._backend.current().stream
    assert stream is not None
    sock = cast(socket.socket, stream.get_extra_info("socket"))
    assert select.select([sock], [], [], PATIENCE_S)[0]


def fin(visit: Visit) -> None:
    visit.sock.close()


def rst(visit: Visit) -> None:
    visit.reset()


def notify(visit: Visit) -> None:
    visit.close_notify()
    visit.stall()  # TCP stays open


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("leave", "scheme"),
    [
        pytest.param(fin, "http", id="FIN"),
        pytest.param(rst, "http", id="RST"),
        pytest.param(fin, "https", id="FIN in TLS"),
        pytest.param(rst, "https", id="RST in TLS"),
        pytest.param(notify, "https", id="close_notify"),
    ],
)
def test_after_a_close_while_idle_the_next_request_is_cold(
    stack: HttpxStack, leave: Callable[[Visit], None], scheme: str, method: str
) -> None:
    idle = threading.Event()

    def once(visit: Visit) -> None:
        if visit.number > 1:
            return keep_alive(visit)
        visit.request()
        visit.answer()
        idle.wait(PATIENCE_S)
        return leave(visit)

    tls = tls_pair().server if scheme == "https" else None
    with ScriptedServer(once, tls) as server, opened(stack) as session:
        spec = post(server.url, b"{}") if method == "POST" else server.get()
        samples = [sampled(session.send(spec, SLOT))]
        idle.set()
        wait_for_the_end(session)
        samples += [sampled(session.send(spec, SLOT)) for _ in range(2)]

    assert [sample.reused for sample in samples] == [False, False, True]
    assert [sample.connect_ns is None for sample in samples] == [False, False, True]
    assert [visit.requests for visit in server.visits] == [1, 2]
    assert samples[0].connection < samples[1].connection == samples[2].connection


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "left open"])
def test_after_connection_close_the_next_request_is_cold(
    stack: HttpxStack, closes: bool
) -> None:
    def leave(visit: Visit) -> None:
        visit.request()
        visit.answer(headers=["Connection: close"])
        if not closes:
            visit.stall()

    with ScriptedServer(leave, tls_pair().server) as server, opened(stack) as session:
        samples = [sampled(session.send(server.get(), SLOT)) for _ in range(3)]

    assert not any(sample.reused for sample in samples)
    assert all(sample.tls_ns for sample in samples)
    assert [visit.requests for visit in server.visits] == [1, 1, 1]


def test_the_request_after_a_failure_opens_a_connection_of_its_own(
    stack: HttpxStack,
) -> None:
    def fail_first(visit: Visit) -> None:
        visit.request()
        if visit.number > 1:
            visit.answer()
            keep_alive(visit)

    with ScriptedServer(fail_first) as server, opened(stack) as session:
        failed(session, server.get())
        samples = [sampled(session.send(server.get(), SLOT)) for _ in range(2)]

    assert [sample.reused for sample in samples] == [False, True]
    assert [visit.requests for visit in server.visits] == [1, 2]


def test_failures_of_a_burst_are_told_apart(stack: HttpxStack) -> None:
    def by_path(visit: Visit) -> None:
        if b"/slam" in visit.request():
            return visit.reset()
        return visit.answer()

    with (
        ScriptedServer(by_path) as server,
        opened(stack, concurrency=2) as session,
    ):
        outcomes = session.burst([server.get(), get(server.url + "slam")], [SLOT, SLOT])

    assert isinstance(outcomes[0], Sample)
    assert isinstance(outcomes[1], Failure)
    assert outcomes[1].kind is FailureKind.RESET
