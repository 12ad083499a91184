"""Nonces, and what the answers of Vest's private endpoints hold."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.private_requests import CREDENTIALS
from vestbench.errors import VenueError
from vestbench.venues import find_venue
from vestbench.venues.secret import Secret
from vestbench.venues.vest import answers as vest_answers
from vestbench.venues.vest.credentials import Credentials
from vestbench.venues.vest.orders import Instrument
from vestbench.venues.vest.private import CANCEL, Nonces, VestRequests


def requests(
    credentials: Credentials = CREDENTIALS, venue: str = "vest", **options: Any
) -> VestRequests:
    there = find_venue(venue, simulated_url="https://10.99.0.2/v2")
    return VestRequests(venue=there, credentials=credentials, **options)


# Nonces.


def test_the_nonce_is_the_time_where_the_clock_advances() -> None:
    nonces = Nonces()

    assert [nonces.next(now) for now in (10, 11, 15)] == [10, 11, 15]


def test_the_nonce_grows_where_the_clock_does_not() -> None:
    nonces = Nonces(after=100)

    assert [nonces.next(now) for now in (5, 100, 101, 200, 200, 150)] == [
        *(101, 102, 103, 200, 201, 202)
    ]


@given(st.lists(st.integers(0, 10**13)), st.integers(-1, 10**13))
def test_nonces_always_grow(clock: list[int], after: int) -> None:
    nonces = Nonces(after=after)
    found = [after, *(nonces.next(now) for now in clock)]

    assert all(b > a for a, b in pairwise(found))
    assert all(n >= now for n, now in zip(found[1:], clock, strict=True))


def test_threads_share_nonces_without_repeating_one() -> None:
    nonces = Nonces()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(nonces.next, [1000] * 2000))

    assert sorted(found) == list(range(1000, 3000))


def test_orders_and_cancels_share_their_nonces() -> None:
    nonces = Nonces(after=41)
    made = requests(nonces=nonces)
    first = nonces.next(42)
    body = json.loads(made.request(CANCEL, now_ms=42).body)

    assert (first, body["order"]["nonce"], body["order"]["time"]) == (42, 43, 42)


# Answers.


def test_the_answer_to_the_registration_completes_the_credentials() -> None:
    bare = replace(CREDENTIALS, api_key=None, account_group=None)

    full = vest_answers.registration(b'{"apiKey":"k-1","accGroup":7}', bare)

    assert full == replace(CREDENTIALS, api_key=Secret("k-1"), account_group=7)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"[" * 10_000,
        b"\xff",
        b'{"apiKey":"hunter2"}',
        b'{"accGroup":1}',
        b'{"apiKey":7,"accGroup":1}',
        b'{"apiKey":"hunter2","accGroup":"1"}',
        b'{"apiKey":"hunter2","accGroup":true}',
        b'{"apiKey":"hunter2","accGroup":10}',
        b'{"apiKey":"hunter2","accGroup":-1}',
        b'{"apiKey":"","accGroup":1}',
        b'{"apiKey":"hunter2\\r\\nx: y","accGroup":1}',
        b'{"apiKey":"hunter2 \\u00e9","accGroup":1}',
    ],
)
def test_an_unusable_registration_is_refused_without_being_repeated(
    body: bytes,
) -> None:
    with pytest.raises(VenueError, match=r"^the answer to /register ") as refusal:
        vest_answers.registration(body, CREDENTIALS)

    assert "hunter2" not in str(refusal.value)
    assert str(refusal.value).isprintable()


def test_answers_are_read() -> None:
    assert vest_answers.listen_key(b'{"listenKey":"abc"}').reveal() == "abc"
    assert vest_answers.order_id(b'{"id":"0xab"}') == "0xab"
    assert vest_answers.order_id(b'{"code":1022,"msg":""}') is None


@pytest.mark.parametrize("body", [b"{}", b'{"listenKey":""}', b'{"listenKey":1}'])
def test_a_missing_listen_key_is_said(body: bytes) -> None:
    with pytest.raises(VenueError, match="no listen key"):
        vest_answers.listen_key(body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"code":3017,"msg":"order not found"}', 3017),
        (b'{"detail":{"code":1022,"msg":""}}', 1022),
        (b'{"detail":"no"}', None),
        (b'{"code":"3017"}', None),
        (b'{"code":true}', None),
        (b'{"id":"0x0"}', None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_an_error_code_is_found_flat_or_nested(body: bytes, code: int | None) -> None:
    assert vest_answers.error_code(body) == code


INFO = b'{"symbols":[1,{"symbol":"A","sizeDecimals":4,"priceDecimals":2}]}'


def test_an_instrument_is_read_from_the_exchange_info() -> None:
    assert vest_answers.instrument(INFO, "A") == Instrument(
        symbol="A", price_decimals=2, size_decimals=4
    )


@pytest.mark.parametrize(
    ("body", "symbol"),
    [
        (INFO, "B"),
        (b"{}", "A"),
        (INFO.replace(b"4", b"99"), "A"),
        (INFO.replace(b"4", b'"4"'), "A"),
        (INFO.replace(b"4", b"-4"), "A"),
    ],
)
def test_a_symbol_without_decimals_is_said(body: bytes, symbol: str) -> None:
    with pytest.raises(VenueError, match=f"no usable decimals for {symbol}"):
        vest_answers.instrument(body, symbol)


def test_a_price_is_read_from_the_ticker() -> None:
    body = b'{"tickers":[{"symbol":"A","markPrice":"34000.1"}]}'

    assert str(vest_answers.ticker_price(body, "A")) == "34000.1"


@pytest.mark.parametrize("price", [b"1", b'"NaN"', b'"1e9"', b'""', b"null", b'"-1"'])
def test_a_ticker_without_a_price_is_said(price: bytes) -> None:
    body = b'{"tickers":[{"symbol":"A","markPrice":%s}]}' % price

    with pytest.raises(VenueError, match="no price for A"):
        vest_answers.ticker_price(body, "A")
