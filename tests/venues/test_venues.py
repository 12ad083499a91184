"""What each venue wants on the wire."""

from __future__ import annotations

import pytest

from vestbench.errors import ExitCode, UsageError
from vestbench.model.request import RequestSpec
from vestbench.venues import find_venue, venue_names

NOW_MS = 1_772_360_100_000
ROUTED = (("xrestservermm", "restserver0"),)
PRODUCTION = "https://server-prod.hz.vestmarkets.com/v2"
DEVELOPMENT = "https://server-dev.hz.vestmarkets.com/v2"
PARADEX = "https://api.prod.paradex.trade/v1"
SIM = "https://10.99.0.2:8443/v2"


def request(venue: str, endpoint: str = "") -> RequestSpec:
    found = find_venue(venue, simulated_url=SIM)
    return found.request(found.endpoint(endpoint), now_ms=NOW_MS)


def test_the_known_venues_are_listed() -> None:
    assert venue_names() == ("sim", "vest", "vest-dev", "paradex")


@pytest.mark.parametrize(
    ("venue", "base"), [("vest", PRODUCTION), ("vest-dev", DEVELOPMENT), ("sim", SIM)]
)
@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("ticker", "/ticker/latest?symbols=BTC-PERP"),
        ("depth", "/depth?symbol=BTC-PERP&limit=20"),
        ("exchange-info", "/exchangeInfo"),
        ("account", f"/account?time={NOW_MS}"),
    ],
)
def test_vest_requests_are_routed_gets(
    venue: str, base: str, endpoint: str, path: str
) -> None:
    spec = request(venue, endpoint)

    assert spec.endpoint == endpoint
    assert spec.method == "GET"
    assert spec.url == base + path
    assert spec.headers == ROUTED
    assert spec.body == b""


def test_paradex_is_asked_for_its_time_without_vests_header() -> None:
    spec = request("paradex", "system-time")

    assert (spec.method, spec.url) == ("GET", f"{PARADEX}/system/time")
    assert spec.headers == ()


@pytest.mark.parametrize(
    ("venue", "endpoint"),
    [
        ("sim", "ticker"),
        ("vest", "ticker"),
        ("vest-dev", "ticker"),
        ("paradex", "system-time"),
    ],
)
def test_the_default_is_the_first_endpoint(venue: str, endpoint: str) -> None:
    assert request(venue) == request(venue, endpoint)


@pytest.mark.parametrize(
    ("venue", "endpoint"),
    [("sim", "account"), ("vest", "account"), ("paradex", "system-time")],
)
def test_each_venue_is_warmed_up_as_its_bots_do(venue: str, endpoint: str) -> None:
    assert find_venue(venue).warm_up.name == endpoint


def test_an_account_request_carries_the_moment_it_is_sent() -> None:
    venue = find_venue("vest")
    urls = [venue.request(venue.warm_up, now_ms=now).url for now in (1, 2)]

    assert urls == [f"{PRODUCTION}/account?time=1", f"{PRODUCTION}/account?time=2"]


@pytest.mark.parametrize(
    ("endpoint", "accepted"),
    [
        ("warm-up", {200: True, 401: True, 204: False, 403: False, 429: False}),
        ("account", {200: True, 204: True, 401: False, 403: False, 429: False}),
        ("ticker", {200: True, 204: True, 299: True, 401: False, 300: False}),
    ],
)
def test_an_unauthorised_warm_up_is_a_response_and_nothing_else_is(
    endpoint: str, accepted: dict[int, bool]
) -> None:
    venue = find_venue("vest")
    named = venue.warm_up if endpoint == "warm-up" else venue.endpoint(endpoint)
    spec = venue.request(named, now_ms=NOW_MS)

    assert {status: spec.accepts(status) for status in accepted} == accepted


def test_only_two_endpoints_can_move_money_and_want_an_account_for_it() -> None:
    endpoints = [
        endpoint
        for name in venue_names()
        for endpoint in find_venue(name).endpoints.values()
    ]
    moving = [endpoint for endpoint in endpoints if endpoint.moves_money]

    assert {endpoint.name for endpoint in moving} == {"order", "leverage"}
    assert all(endpoint.private for endpoint in moving)
    assert {e.name for e in endpoints if not e.private} == {
        *("ticker", "depth", "exchange-info", "system-time"),
    }


def test_what_wants_no_account_is_a_get_and_not_signed() -> None:
    for name in venue_names():
        for endpoint in find_venue(name).endpoints.values():
            if not endpoint.private:
                assert (endpoint.method, endpoint.signed) == ("GET", False)


def test_an_unknown_endpoint_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as refusal:
        find_venue("vest").endpoint("place")

    assert str(refusal.value) == (
        "venue vest has no endpoint 'place': use ticker, depth, exchange-info, "
        "account, nonce, listen-key, leverage, order, cancel, orders"
    )


@pytest.mark.parametrize("name", ["", "vest-prod", "VEST", "ftp://host/", "host.test"])
def test_an_unknown_venue_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError) as refusal:
        find_venue(name)

    assert str(refusal.value) == (
        f"unknown venue {name!r}: use sim, vest, vest-dev, paradex, or an https:// URL"
    )
    assert refusal.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.test/time?x=1&y=2", "example.test"),
        ("https://example.test", "example.test"),
        ("https://example.test:8443/a@b", "example.test:8443"),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
        ("https://[::1]:8443/", "[::1]:8443"),
    ],
)
def test_a_url_is_a_venue_of_one_plain_get(url: str, host: str) -> None:
    venue = find_venue(url)

    spec = venue.request(venue.endpoint(), now_ms=NOW_MS)

    assert (spec.method, spec.url, spec.headers) == ("GET", url, ())
    assert venue.host == host
    assert venue.warm_up is venue.endpoint("get")
    assert spec.accepts(200)
    assert not spec.accepts(401)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("HTTPS://127.0.0.1:8443/A?B=C", "https://127.0.0.1:8443/A?B=C"),
        ("Http://LOCALHOST/", "http://LOCALHOST/"),
        ("https://bücher.test:8443/", "https://xn--bcher-kva.test:8443/"),
        ("https://Bücher.Test", "https://xn--bcher-kva.test"),
        ("https://例え。テスト/", "https://xn--r8jz45g.xn--zckzah/"),
        ("https://host.test/é?q=ü&r=%20", "https://host.test/%C3%A9?q=%C3%BC&r=%20"),
    ],
)
def test_a_url_is_asked_for_as_browsers_would_write_it(url: str, sent: str) -> None:
    venue = find_venue(url)

    assert venue.request(venue.endpoint(), now_ms=NOW_MS).url == sent


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://", "names no host"),
        ("https:///path", "names no host"),
        ("https://:443/", "names no host"),
        ("https://host:port/", "is not a usable URL"),
        ("https://host:99999/", "is not a usable URL"),
        ("https://[::1/", "is not a usable URL"),
        ("https://ho st/", "a space"),
        ("https://host/\x1b[31m", "a control character"),
        ("https://host/a\nb", "a control character"),
        ("https://[fe80::1%25eth0]/", "without a zone"),
        ("https://[fe80::1%eth0]:8443/", "without a zone"),
        ("https://bü..cher.test/", "punycode"),
        ("https://[::ü]/", "punycode"),
        ("https://user@host/", "user name or password"),
    ],
)
def test_a_bad_url_is_refused_in_one_line(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refusal:
        find_venue(url)

    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hunter2@host/",
        "https://me:hunter2@host:bad/",
        "https://me:hunter2@[/",
    ],
)
def test_a_password_in_a_url_is_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as refusal:
        find_venue(url)

    assert "hunter2" not in str(refusal.value)


def test_headers_and_bodies_do_not_appear_in_messages() -> None:
    assert "restserver" not in repr(request("vest"))
