"""What reqwest makes of accidents, and that its log holds no secret."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable

import pytest

from tests.support.addresses import silent
from tests.support.reuse import Together, telling
from tests.support.servers import (
    SLOT,
    Leaf,
    ScriptedServer,
    Visit,
    failed,
    free_port,
    get,
    keep_alive,
    opened,
    tls_pair,
)
from vestbench.model.request import Failure, FailureKind
from vestbench.stacks.reqwest_log import Seen, connection_log
from vestbench.stacks.reqwest_stack import ReqwestStack
from vestbench.stacks.wire.failures import TRUST

SECRET = "vest-api-key-4711"
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the stack is refused elsewhere"
)


@pytest.fixture(scope="module")
def stack() -> ReqwestStack:
    return ReqwestStack(tls_pair().ca_pem)


# --- failures ---


def test_a_refused_connection_is_connect(stack: ReqwestStack) -> None:
    port = free_port()
    with opened(stack) as session:
        failure = failed(session, get(f"http://127.0.0.1:{port}/"))

    assert failure.kind is FailureKind.CONNECT
    assert failure.reused is None
    assert failure.unanswered_by == f"127.0.0.1:{port}"
    assert "refused" in failure.detail


def test_an_address_that_answers_nobody_is_named(stack: ReqwestStack) -> None:
    port = free_port()
    with silent("127.0.0.1", port), opened(stack, connect_timeout_s=0.1) as session:
        failure = failed(session, get(f"https://127.0.0.1:{port}/"))

    assert failure.kind is FailureKind.TIMEOUT
    assert (failure.opened, failure.unanswered_by) == (None, f"127.0.0.1:{port}")


def test_a_name_that_is_none_is_dns(stack: ReqwestStack) -> None:
    # No resolver is asked for a label that is too long to be one.
    with opened(stack) as session:
        failure = failed(session, get(f"http://{'a' * 64}.test/"))

    assert failure.kind is FailureKind.DNS
    assert (failure.reused, failure.unanswered_by) == (None, None)


@pytest.mark.parametrize(
    ("leaf", "telling"),
    [
        ("expired", "certificate has expired"),
        ("not-yet", "certificate is not yet valid"),
        ("wrong-name", 'certificate not valid for name "127.0.0.1"'),
        ("unknown-ca", f"self-signed certificate, or issuer unknown{TRUST}"),
        ("ca-itself", "it is a CA's own, and so no server's"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_tls_in_the_words_of_other_stacks(
    stack: ReqwestStack, leaf: Leaf, telling: str
) -> None:
    with ScriptedServer(keep_alive, tls_pair(leaf).server) as server:
        with opened(stack) as session:
            failure = failed(session, server.get())

        assert server.requests == 0
    assert failure.kind is FailureKind.TLS
    assert failure.reused is None
    assert failure.detail.startswith(f"certificate not trusted: {telling}")


@pytest.mark.parametrize("leave", [Visit.reset, lambda visit: visit.sock.close()])
def test_a_handshake_that_is_cut_off_is_tls(
    stack: ReqwestStack, leave: Callable[[Visit], None]
) -> None:
    def hang_up(visit: Visit) -> None:
        visit.sock.recv(1 << 16)  # the client's hello
        leave(visit)

    with (
        ScriptedServer(keep_alive, tls_pair().server, greet=hang_up) as server,
        opened(stack) as session,
    ):
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.TLS
    assert failure.reused is None


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_server_that_does_not_answer_is_timeout(
    stack: ReqwestStack, encrypted: bool
) -> None:
    tls = tls_pair().server if encrypted else None
    with (
        ScriptedServer(Visit.stall, tls) as server,
        opened(stack, request_timeout_s=0.5) as session,
    ):
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.TIMEOUT
    assert failure.elapsed_ns >= 450_000_000


def test_a_body_that_does_not_come_is_timeout(stack: ReqwestStack) -> None:
    def half(visit: Visit) -> None:
        visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        visit.stall()

    with (
        ScriptedServer(half) as server,
        opened(stack, request_timeout_s=0.5) as session,
    ):
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.TIMEOUT
    assert failure.reused is False


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n"]
)
def test_what_is_no_http_is_protocol(stack: ReqwestStack, data: bytes) -> None:
    def nonsense(visit: Visit) -> None:
        visit.request()
        visit.send(data)
        visit.stall()

    with ScriptedServer(nonsense) as server, opened(stack) as session:
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.PROTOCOL


@pytest.mark.parametrize("url", ["http://[::", "nonsense", "ftp://127.0.0.1/"])
def test_an_unusable_url_is_protocol(stack: ReqwestStack, url: str) -> None:
    with opened(stack) as session:
        failure = failed(session, get(url))

    assert failure.kind is FailureKind.PROTOCOL
    assert failure.reused is None


def test_a_status_that_is_not_wanted_is_kept_with_its_pause(
    stack: ReqwestStack,
) -> None:
    def limited(visit: Visit) -> None:
        while visit.request():
            visit.answer(status="429 Too Many Requests", headers=["Retry-After: 7"])

    with ScriptedServer(limited) as server, opened(stack) as session:
        failures = [failed(session, server.get()) for _ in range(2)]

    assert [failure.kind for failure in failures] == [FailureKind.RATE_LIMITED] * 2
    assert [failure.retry_after_s for failure in failures] == [7.0, 7.0]
    assert [failure.reused for failure in failures] == [False, True]
    assert failures[0].detail == "HTTP 429 Too Many Requests"


@pytest.mark.parametrize("name", ["Content-Type", "Keep-Alive", "Retry-After"])
def test_a_header_beyond_ascii_is_part_of_an_answer(
    stack: ReqwestStack, name: str
) -> None:
    def foreign(visit: Visit) -> None:
        while visit.request():
            head = (
                f"HTTP/1.1 200 OK\r\n{name}: \x9b31m\xe9\r\nContent-Length: 0\r\n\r\n"
            )
            visit.send(head.encode("latin-1"))

    with ScriptedServer(foreign) as server, opened(stack) as session:
        outcomes = [session.ask(server.get(), SLOT)[0] for _ in range(2)]

    assert [outcome.reused for outcome in outcomes] == [False, True]
    assert not any(isinstance(outcome, Failure) for outcome in outcomes)


def test_a_redirect_is_not_followed(stack: ReqwestStack) -> None:
    def moved(visit: Visit) -> None:
        while visit.request():
            visit.answer(status="301 Moved Permanently", headers=["Location: /other"])

    with ScriptedServer(moved) as server:
        with opened(stack) as session:
            failure = failed(session, server.get())

        assert server.requests == 1
    assert failure.status == 301


def test_no_failure_holds_a_key_or_a_query(stack: ReqwestStack) -> None:
    dead = f"http://127.0.0.1:{free_port()}/?signature={SECRET}"
    headers = (("x-api-key", SECRET + "\n"),)
    with ScriptedServer(Visit.reset) as server, opened(stack) as session:
        failures = [
            failed(session, get(dead)),
            failed(session, server.get(headers=headers)),
            failed(session, get(f"{server.url}?signature={SECRET}")),
        ]

    assert SECRET not in repr(failures)


# --- secrets in the log ---


def test_nothing_of_a_record_is_kept_or_passed_on(
    stack: ReqwestStack, caplog: pytest.LogCaptureFixture
) -> None:
    shown: list[str] = []

    class Root(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            shown.append(record.getMessage())

    root = Root()
    logging.getLogger().addHandler(root)
    try:
        with ScriptedServer(Together(2)) as server:
            spec = server.post(SECRET.encode(), headers=(("x-api-key", SECRET),))
            with opened(stack, concurrency=2) as session:  # a verbose client
                session.burst([spec] * 2, [SLOT] * 2)
                gc.collect()
                kept = repr(connection_log().__dict__) + repr(session._watch)
            assert all(SECRET.encode() in visit.seen[0] for visit in server.visits)
    finally:
        logging.getLogger().removeHandler(root)

    assert SECRET not in kept
    assert not any("reqwest" in text or SECRET in text for text in shown)


def test_a_client_for_single_requests_does_not_log_what_it_sends(
    stack: ReqwestStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[tuple[str, str]] = []
    connection_log().take()
    monkeypatch.setattr(
        type(connection_log()),
        "emit",
        lambda _, record: logged.append((record.name, record.getMessage())),
    )
    with ScriptedServer(telling) as server, opened(stack) as session:
        session.send(server.get(), SLOT)

    assert "reqwest::connect" in {name for name, _ in logged}
    # A connection of another client may end meanwhile, and log that it does.
    assert [text for _, text in logged if "GET " in text or "write" in text] == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("reqwest::connect", "starting new connection 'x'", Seen(started=1)),
        ("rustls::client::tls13", "Resuming using PSK", Seen(resumed_tls13=1)),
        ("rustls::client::tls13", "Not resuming", Seen(full_tls13=1)),
        ("rustls::client::tls12", "Server cert is X", Seen(full_tls12=1)),
        (
            "reqwest::connect::verbose",
            'ab12 write (vectored): b"GET / x (request 7)"',
            Seen(carriers={7: "ab12"}),
        ),
        ("reqwest::connect::verbose", 'ab12 read: b"(request 7)"', Seen()),
        ("rustls::client::tls13", "something else", Seen()),
    ],
)
def test_what_a_record_says_is_counted(name: str, text: str, expected: Seen) -> None:
    log = connection_log()
    log.take()

    log.emit(logging.LogRecord(name, logging.DEBUG, "", 0, text, (), None))

    assert log.take() == expected
    assert log.take() == Seen()
