"""What an answer that ends early, is none, or is refused is called."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    ScriptedServer,
    Visit,
    answer,
    failed,
    get,
    opened,
    post,
    sampled,
    tls_pair,
)
from vestbench.model.request import Failure, FailureKind
from vestbench.stacks.httpx_stack import HttpxStack

SECRET = "vest-api-key-4711"


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


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"HTTP", FailureKind.RESET),
        (b"HTTP/", FailureKind.RESET),
        (b"HTTP/1", FailureKind.RESET),
        (b"HTTP-", FailureKind.PROTOCOL),
        (b"HTTPS", FailureKind.PROTOCOL),
    ],
)
def test_five_bytes_tell_an_answer_that_was_cut_off_from_other_text(
    stack: HttpxStack, data: bytes, kind: FailureKind
) -> None:
    with ScriptedServer(say(data, close=True)) as server, opened(stack) as session:
        failure = failed(session, server.get())

    assert failure.kind is kind


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
