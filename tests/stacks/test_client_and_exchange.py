"""What `venues` sends is what the simulated exchange, written apart from it, accepts.

The two share no code: one signs with `eth_account`, the other recovers by itself.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.support.answering import MARKET, NOW_MS, VENUE, respond
from vestbench.simulator.vest.application import Application
from vestbench.venues import find_venue
from vestbench.venues.secret import Secret
from vestbench.venues.vest import answers as vest_answers
from vestbench.venues.vest.credentials import Credentials, random_credentials
from vestbench.venues.vest.orders import ORDER_NOT_FOUND, far_limit_order
from vestbench.venues.vest.private import (
    ACCOUNT,
    CANCEL,
    PRIVATE_ENDPOINTS,
    REGISTER,
    REGISTRATION_MS,
    VestRequests,
)
from vestbench.venues.vest.signing import PRODUCTION_CONTRACT


def registered(exchange: Application) -> VestRequests:
    credentials = random_credentials()
    spec = VestRequests(venue=VENUE, credentials=credentials).request(
        REGISTER, now_ms=NOW_MS
    )
    answer = respond(exchange, spec)
    assert answer.status == 200, answer.body
    return VestRequests(
        venue=VENUE, credentials=vest_answers.registration(answer.body, credentials)
    )


@pytest.fixture
def exchange() -> Application:
    return Application(MARKET, lambda: NOW_MS)


@pytest.mark.parametrize("name", ["account", "nonce", "listen-key", "orders"])
def test_requests_with_a_key_are_answered(exchange: Application, name: str) -> None:
    requests = registered(exchange)
    spec = requests.request(PRIVATE_ENDPOINTS[name], now_ms=NOW_MS)

    answer = respond(exchange, spec)

    assert (answer.status, spec.accepts(answer.status)) == (200, True), answer.body


def test_the_listen_key_lives_from_post_over_put_to_delete(
    exchange: Application,
) -> None:
    requests = registered(exchange)
    post = requests.request(PRIVATE_ENDPOINTS["listen-key"], now_ms=NOW_MS)
    answers = [
        respond(exchange, replace(post, method=method))
        for method in ("POST", "PUT", "DELETE", "PUT")
    ]

    assert [each.status for each in answers] == [200, 200, 200, 400]
    assert len(vest_answers.listen_key(answers[0].body).reveal()) > 0
    assert vest_answers.error_code(answers[3].body) == 1125


def test_the_safe_cancel_is_answered_that_there_is_no_such_order(
    exchange: Application,
) -> None:
    requests = registered(exchange)

    for _ in range(3):  # the same time: only the nonces differ
        spec = requests.request(CANCEL, now_ms=NOW_MS)
        answer = respond(exchange, spec)

        assert vest_answers.error_code(answer.body) == ORDER_NOT_FOUND
        assert spec.accepts(answer.status)


@pytest.mark.parametrize("symbol", ["BTC-PERP", "SOL-PERP", "AAPL-USD-PERP"])
def test_a_far_order_is_taken_and_never_filled(
    exchange: Application, symbol: str
) -> None:
    requests = registered(exchange)
    routed = replace(
        VENUE.request(VENUE.endpoint(), now_ms=NOW_MS), url="https://sim.test/v2"
    )
    info = respond(exchange, replace(routed, url=routed.url + "/exchangeInfo"))
    ticker = respond(exchange, replace(routed, url=routed.url + "/ticker/latest"))
    order = far_limit_order(
        vest_answers.instrument(info.body, symbol),
        vest_answers.ticker_price(ticker.body, symbol),
        time_ms=NOW_MS,
        nonce=NOW_MS,
    )

    placed = respond(exchange, requests.order(order))

    assert placed.status == 200, placed.body
    order_id = vest_answers.order_id(placed.body)
    looked_up = respond(exchange, requests.order_of(NOW_MS, now_ms=NOW_MS))
    (listed,) = json.loads(looked_up.body)
    assert listed["id"] == order_id
    assert listed["status"] in ("CANCELLED", "REJECTED")
    assert listed["size"] == order.size


def test_a_leverage_is_set(exchange: Application) -> None:
    requests = registered(exchange)

    answer = respond(exchange, requests.leverage("BTC-PERP", 7, now_ms=NOW_MS))

    assert (answer.status, json.loads(answer.body)) == (
        200,
        {"symbol": "BTC-PERP", "value": 7},
    )


def test_an_order_by_a_key_that_is_not_registered_is_refused(
    exchange: Application,
) -> None:
    credentials = random_credentials()
    spec = VestRequests(venue=VENUE, credentials=credentials).request(
        REGISTER, now_ms=NOW_MS
    )
    full = vest_answers.registration(respond(exchange, spec).body, credentials)
    other = replace(full, signing_key=random_credentials().signing_key)

    answer = respond(
        exchange,
        VestRequests(venue=VENUE, credentials=other).request(CANCEL, now_ms=NOW_MS),
    )

    assert vest_answers.error_code(answer.body) == 1022


def test_a_wrong_api_key_is_refused_and_is_no_response(exchange: Application) -> None:
    wrong = Credentials(signing_key=random_credentials().signing_key).over(
        Credentials(api_key=Secret("wrong"), account_group=0)
    )
    requests = VestRequests(venue=VENUE, credentials=wrong)

    for endpoint in (ACCOUNT, CANCEL):
        spec = requests.request(endpoint, now_ms=NOW_MS)
        answer = respond(exchange, spec)
        assert answer.status == 401
        assert not spec.accepts(answer.status)


def test_a_proof_for_the_simulator_is_refused_by_production() -> None:
    production = Application(MARKET, lambda: NOW_MS, contract="production")
    sim = random_credentials()
    real = replace(sim, contract=PRODUCTION_CONTRACT)
    vest = find_venue("vest")

    refused = respond(
        production,
        VestRequests(venue=VENUE, credentials=sim).request(REGISTER, now_ms=NOW_MS),
    )
    taken = respond(
        production,
        VestRequests(venue=vest, credentials=real).request(REGISTER, now_ms=NOW_MS),
    )

    assert vest_answers.error_code(refused.body) == 1022
    assert taken.status == 200


def test_an_expired_proof_is_refused(exchange: Application) -> None:
    spec = VestRequests(venue=VENUE, credentials=random_credentials()).request(
        REGISTER, now_ms=NOW_MS - REGISTRATION_MS - 1
    )

    assert respond(exchange, spec).status == 400
