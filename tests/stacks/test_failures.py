"""What each accident before an answer is called, and what is said of it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpcore
import httpx
import pytest

from tests.support.servers import (
    Leaf,
    ScriptedServer,
    Visit,
    failed,
    free_port,
    get,
    opened,
    tls_pair,
)
from vestbench.model.request import FailureKind
from vestbench.stacks.httpx_failures import Classifier
from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.stacks.httpx_transport import library
from vestbench.stacks.wire.failures import WireError
from vestbench.stacks.wire.timestamps import Timestamps

CLASSIFIER = Classifier(library("httpx"))


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
    for base in (*public_errors(httpcore), httpx.RequestError, WireError):
        found.update(leaves(base))
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
