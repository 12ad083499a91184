"""Requests to the endpoints of Vest that need an account."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import Any

import pytest

from tests.support.order_requests import FOK
from tests.support.private_requests import API_KEY, CREDENTIALS
from tests.support.signed import (
    EXPIRY_MS,
    PRIMARY,
    PRIMARY_ADDRESS,
    SIGNING,
    SIGNING_ADDRESS,
    TIME_MS,
)
from vestbench.errors import UsageError
from vestbench.model.request import RequestSpec
from vestbench.venues import find_venue
from vestbench.venues.vest.credentials import Credentials
from vestbench.venues.vest.orders import Unsigned
from vestbench.venues.vest.private import PRIVATE_ENDPOINTS, REGISTER, VestRequests

PRODUCTION = "https://server-prod.hz.vestmarkets.com/v2"
KEYED = (("xrestservermm", "restserver3"), ("X-API-KEY", API_KEY))
JSON = ("content-type", "application/json")
PROOF = (
    "0x50d4d8ff2a4e0b9dc86022f858f354b9fabb8427adf5eee9e8c4bcc1ecd8e034"
    "51adedbfc9bbdd2bd806b759da97eae333083b039e8da6ccb94d7d1c6f99f1d61b"
)


def requests(
    credentials: Credentials = CREDENTIALS, venue: str = "vest", **options: Any
) -> VestRequests:
    there = find_venue(venue, simulated_url="https://10.99.0.2/v2")
    return VestRequests(venue=there, credentials=credentials, **options)


def built(name: str, *, now_ms: int) -> RequestSpec:
    return requests().request(PRIVATE_ENDPOINTS[name], now_ms=now_ms)


# Endpoints.


@pytest.mark.parametrize(
    ("name", "method", "path", "signed", "moves_money"),
    [
        ("account", "GET", "/account", False, False),
        ("nonce", "GET", "/account/nonce", False, False),
        ("listen-key", "POST", "/account/listenKey", False, False),
        ("leverage", "POST", "/account/leverage", False, True),
        ("order", "POST", "/orders", True, True),
        ("cancel", "POST", "/orders/cancel", True, False),
        ("orders", "GET", "/orders", False, False),
    ],
)
def test_each_endpoint_knows_its_method_and_its_danger(
    name: str, method: str, path: str, signed: bool, moves_money: bool
) -> None:
    endpoint = PRIVATE_ENDPOINTS[name]

    assert (endpoint.method, endpoint.path) == (method, path)
    assert (endpoint.signed, endpoint.moves_money) == (signed, moves_money)


def test_an_account_without_a_valid_key_is_no_response() -> None:
    spec = built("account", now_ms=1)

    assert spec.accepts(200)
    assert not spec.accepts(401)


def test_not_found_is_the_answer_wanted_from_the_safe_cancel() -> None:
    spec = built("cancel", now_ms=1)
    accepted = [s for s in (200, 400, 401, 403, 404, 429, 500, 503) if spec.accepts(s)]

    assert accepted == [200, 400, 404]


# Requests, exactly.


def test_a_registration_is_exact() -> None:
    made = requests(replace(CREDENTIALS, api_key=None))

    assert made.request(REGISTER, now_ms=TIME_MS) == RequestSpec(
        endpoint="register",
        method="POST",
        url=PRODUCTION + "/register",
        headers=(KEYED[0], JSON),
        body=(
            f'{{"signingAddr":"{SIGNING_ADDRESS}","primaryAddr":"{PRIMARY_ADDRESS}",'
            f'"signature":"{PROOF}","expiryTime":{EXPIRY_MS},"networkType":0}}'
        ).encode(),
    )


def test_each_environment_has_its_own_proof() -> None:
    proofs = [
        json.loads(requests(venue=venue).request(REGISTER, now_ms=TIME_MS).body)[
            "signature"
        ]
        for venue in ("vest", "vest-dev", "sim")
    ]

    assert proofs[0] == PROOF
    assert proofs[1] == proofs[2] != PROOF


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("account", "GET", "/account?time=42"),
        ("nonce", "GET", "/account/nonce?time=42"),
        ("listen-key", "POST", "/account/listenKey"),
        ("orders", "GET", "/orders?time=42"),
    ],
)
def test_requests_with_a_key_are_exact(name: str, method: str, path: str) -> None:
    assert requests().request(PRIVATE_ENDPOINTS[name], now_ms=42) == RequestSpec(
        endpoint=name, method=method, url=PRODUCTION + path, headers=KEYED
    )


def test_a_leverage_is_exact() -> None:
    spec = requests().leverage("BTC-PERP", 10, now_ms=42)

    assert (spec.method, spec.url) == ("POST", PRODUCTION + "/account/leverage")
    assert spec.headers == (*KEYED, JSON)
    assert spec.body == b'{"time":42,"symbol":"BTC-PERP","value":10}'


def test_an_order_is_exact() -> None:
    assert requests().order(FOK) == RequestSpec(
        endpoint="order",
        method="POST",
        url=PRODUCTION + "/orders",
        headers=(*KEYED, JSON),
        body=Unsigned(order=FOK).signed(SIGNING),
    )


def test_a_cancel_is_of_no_order() -> None:
    spec = requests(recv_window_ms=9000).request(PRIVATE_ENDPOINTS["cancel"], now_ms=42)
    body = json.loads(spec.body)

    assert (spec.method, spec.url) == ("POST", PRODUCTION + "/orders/cancel")
    assert spec.headers == (*KEYED, JSON)
    assert body["order"] == {"time": 42, "nonce": 42, "id": "0x" + "0" * 64}
    assert body["recvWindow"] == 9000


def test_an_order_is_looked_up_by_its_nonce() -> None:
    spec = requests().order_of(7, now_ms=42)

    assert (spec.method, spec.url) == ("GET", PRODUCTION + "/orders?nonce=7&time=42")
    assert (spec.headers, spec.body) == (KEYED, b"")


@pytest.mark.parametrize("name", ["leverage", "order"])
def test_what_wants_more_than_an_account_is_not_built_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="wants more than an account"):
        requests().request(PRIVATE_ENDPOINTS[name], now_ms=42)


def test_before_the_registration_the_venue_decides_the_route() -> None:
    spec = requests(replace(CREDENTIALS, account_group=None)).request(
        REGISTER, now_ms=1
    )

    assert spec.headers == (("xrestservermm", "restserver0"), JSON)


# What is missing, and what must not be seen.


@pytest.mark.parametrize(
    ("missing", "endpoint", "variable"),
    [
        ("api_key", "account", "VEST_API_KEY"),
        ("api_key", "cancel", "VEST_API_KEY"),
        ("signing_key", "cancel", "VEST_SIGNING_KEY"),
    ],
)
def test_a_missing_key_is_named_with_its_variable(
    missing: str, endpoint: str, variable: str
) -> None:
    lacking: dict[str, Any] = {missing: None}
    made = requests(replace(CREDENTIALS, **lacking))

    with pytest.raises(UsageError, match=f"set {variable}, or name a file"):
        made.request(PRIVATE_ENDPOINTS[endpoint], now_ms=1)


@pytest.mark.parametrize("missing", ["primary_key", "signing_key"])
def test_both_keys_are_needed_to_register(missing: str) -> None:
    lacking: dict[str, Any] = {missing: None}

    with pytest.raises(UsageError, match=f"no {missing.replace('_', ' ')}"):
        requests(replace(CREDENTIALS, **lacking)).request(REGISTER, now_ms=1)


def test_a_venue_without_accounts_is_refused() -> None:
    with pytest.raises(UsageError, match="venue paradex has no account here"):
        requests(venue="paradex")


def test_a_request_shows_no_key_and_travels_with_it() -> None:
    made = requests()
    cancel = PRIVATE_ENDPOINTS["cancel"]
    for spec in (
        made.request(REGISTER, now_ms=1),
        made.request(cancel, now_ms=1),
        made.order(FOK),
    ):
        signature = json.loads(spec.body)["signature"]

        assert signature[2:] not in repr(spec)
        assert API_KEY not in repr(spec)
        assert PRIMARY.reveal()[2:].encode() not in pickle.dumps(spec)
        assert SIGNING.reveal()[2:].encode() not in pickle.dumps(spec)
        assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 - our own
