"""Exactly what goes over the wire, and what is made of exactly what comes back.

The server is pytest-httpserver's, which knows nothing of vestbench.
"""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from pytest_httpserver import HTTPServer

from tests.support.command import vestbench
from tests.support.exact import (
    CLOSED,
    FEW,
    QUICK,
    VEST,
    Received,
    always,
    exact_headers,
    received,
)
from tests.support.servers import SLOT, free_port, get, opened
from vestbench.model.request import Failure, FailureKind, RequestSpec, Sample
from vestbench.model.strategy import UNPOOLED
from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.venues import find_venue
from vestbench.venues.paradex import paradex
from vestbench.venues.vest.public import vest

NOW_MS = 1_772_360_100_000


pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture(scope="module")
def stack() -> HttpxStack:
    return HttpxStack()


def outcome(stack: HttpxStack, spec: RequestSpec) -> Sample | Failure:
    with opened(stack) as session:
        return session.send(spec, SLOT)


def only(httpserver: HTTPServer) -> Received:
    (request,) = received(httpserver)
    return request


def test_no_endpoint_without_an_account_is_forgotten_here() -> None:
    # Those with one are exact in test_vest_private.
    public = {e.name for e in find_venue("vest").endpoints.values() if not e.private}
    assert public == set(VEST)
    assert set(find_venue("paradex").endpoints) == {"system-time"}


@pytest.mark.parametrize("name", ["vest", "vest-dev", "sim"])
@pytest.mark.parametrize(("endpoint", "target"), VEST.items())
def test_a_vest_request_is_exact_and_routed(
    httpserver: HTTPServer, stack: HttpxStack, name: str, endpoint: str, target: str
) -> None:
    always(httpserver)
    found = find_venue(name)
    venue = replace(found, base_url=httpserver.url_for("/v2"))

    sample = outcome(stack, venue.request(venue.endpoint(endpoint), now_ms=NOW_MS))

    assert isinstance(sample, Sample)
    assert only(httpserver) == Received(
        "GET", target, exact_headers(httpserver, xrestservermm="restserver0"), b""
    )


def test_the_account_group_decides_the_route(
    httpserver: HTTPServer, stack: HttpxStack
) -> None:
    always(httpserver)
    venue = vest("vest", httpserver.url_for("/v2"), account_group=7)

    outcome(stack, venue.request(venue.endpoint(), now_ms=NOW_MS))

    assert only(httpserver).headers["xrestservermm"] == "restserver7"


def test_a_paradex_request_is_exact(httpserver: HTTPServer, stack: HttpxStack) -> None:
    always(httpserver)
    venue = paradex(httpserver.url_for("/v1"))

    outcome(stack, venue.request(venue.endpoint(), now_ms=NOW_MS))

    assert only(httpserver) == Received(
        "GET", "/v1/system/time", exact_headers(httpserver), b""
    )


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("", "/"),
        ("/", "/"),
        ("/health", "/health"),
        ("/a//b/", "/a//b/"),
        ("/a%20b/%C3%A9", "/a%20b/%C3%A9"),
        ("?x=1", "/?x=1"),
        ("/p?x=a+b&y=%2F&x=2&z=", "/p?x=a+b&y=%2F&x=2&z="),
        ("/p?at=me@home", "/p?at=me@home"),
        ("?at=me@home", "/?at=me@home"),
        ("/p#part", "/p"),
    ],
)
def test_the_url_of_a_venue_is_sent_as_it_was_given(
    httpserver: HTTPServer, stack: HttpxStack, given: str, target: str
) -> None:
    always(httpserver)
    venue = find_venue(f"http://127.0.0.1:{httpserver.port}{given}")

    outcome(stack, venue.request(venue.endpoint(), now_ms=NOW_MS))

    assert only(httpserver) == Received("GET", target, exact_headers(httpserver), b"")


def test_an_unpooled_request_looks_the_same(
    httpserver: HTTPServer, stack: HttpxStack
) -> None:
    always(httpserver)

    with opened(stack, strategy=UNPOOLED) as session:
        session.send(get(httpserver.url_for("/")), SLOT)

    assert only(httpserver).headers == exact_headers(httpserver)


def test_no_cookie_is_sent_back(httpserver: HTTPServer, stack: HttpxStack) -> None:
    always(httpserver, Set_Cookie="session=1; Path=/")

    with opened(stack) as session:
        for _ in range(3):
            session.send(get(httpserver.url_for("/")), SLOT)

    assert [r.headers for r in received(httpserver)] == 3 * [exact_headers(httpserver)]


# --- what is made of the answer ---


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, FailureKind.STATUS),
        (304, FailureKind.STATUS),
        (401, FailureKind.STATUS),
        (404, FailureKind.STATUS),
        (429, FailureKind.RATE_LIMITED),
        (500, FailureKind.STATUS),
        (503, FailureKind.STATUS),
    ],
)
def test_a_status_that_is_no_success_is_a_failure(
    httpserver: HTTPServer, stack: HttpxStack, status: int, kind: FailureKind
) -> None:
    always(httpserver, status)

    failure = outcome(stack, get(httpserver.url_for("/")))

    assert isinstance(failure, Failure)
    assert (failure.kind, failure.status) == (kind, status)
    assert failure.detail.startswith(f"HTTP {status} ")
    assert len(received(httpserver)) == 1


@pytest.mark.parametrize(
    ("status", "accepted"), [(200, True), (401, True), (403, False)]
)
def test_an_account_may_be_unauthorised(
    httpserver: HTTPServer, stack: HttpxStack, status: int, accepted: bool
) -> None:
    always(httpserver, status)
    venue = vest("vest", httpserver.url_for("/v2"))

    found = outcome(stack, venue.request(venue.warm_up, now_ms=NOW_MS))

    assert isinstance(found, Sample) is accepted
    assert found.status == status


def test_a_redirection_is_not_followed(
    httpserver: HTTPServer, stack: HttpxStack
) -> None:
    always(httpserver, 301, Location=httpserver.url_for("/elsewhere"))

    outcome(stack, get(httpserver.url_for("/here")))

    assert only(httpserver).target == "/here"


# --- proxies ---


PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY")


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    for name in PROXIES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")


@pytest.mark.usefixtures("dead_proxy")
def test_proxy_variables_are_ignored(httpserver: HTTPServer, stack: HttpxStack) -> None:
    always(httpserver)
    url = httpserver.url_for("/here")
    with pytest.raises(httpx.ConnectError):  # whoever obeys them gets nowhere
        httpx.get(url)

    sample = outcome(stack, get(url))

    assert isinstance(sample, Sample)
    assert only(httpserver).target == "/here"


@pytest.mark.usefixtures("dead_proxy")
def test_the_measuring_process_ignores_proxy_variables_too(
    httpserver: HTTPServer,
) -> None:
    always(httpserver)

    result = vestbench("bench", "--venue", httpserver.url_for("/here"), *QUICK, *FEW)

    assert result.exit_code == CLOSED, result.output
    assert {r.target for r in received(httpserver)} == {"/here"}
