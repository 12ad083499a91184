"""An account as a run uses it, against the exchange as an application."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.answering import MARKET, NOW_MS, VENUE, respond
from vestbench.errors import UsageError, VenueError
from vestbench.model.request import RequestSpec
from vestbench.simulator.http.messages import Response
from vestbench.simulator.vest.application import Application
from vestbench.venues import find_venue
from vestbench.venues.base import Endpoint
from vestbench.venues.secret import Secret
from vestbench.venues.vest.account import SYMBOL, Account
from vestbench.venues.vest.answers import error_code, order_id, order_states
from vestbench.venues.vest.credentials import Credentials, random_credentials
from vestbench.venues.vest.orders import NO_SUCH_ORDER
from vestbench.venues.vest.private import PRIVATE_ENDPOINTS


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def exchange(time: Time) -> Application:
    return Application(MARKET, time)


def an_account(time: Time, **options: Any) -> Account:
    return Account(VENUE, random_credentials(), now_ms=time, **options)


def asked(account: Account, endpoint: str, exchange: Application) -> list[RequestSpec]:
    """Ask the exchange all that `endpoint` needs, and return what was asked."""
    specs = []
    for spec, take in account.questions(PRIVATE_ENDPOINTS[endpoint]):
        specs.append(spec)
        answer = respond(exchange, spec)
        assert answer.status == 200, answer.body
        take(answer.body)
    return specs


def send(account: Account, endpoint: str, exchange: Application) -> Response:
    return respond(exchange, account.request(PRIVATE_ENDPOINTS[endpoint]))


@pytest.mark.parametrize(
    ("endpoint", "questions"),
    [
        ("account", ["register"]),
        ("nonce", ["register"]),
        ("listen-key", ["register"]),
        ("orders", ["register"]),
        ("cancel", ["register"]),
        ("order", ["register", "exchange-info", "ticker"]),
        ("leverage", ["register", "account"]),
    ],
)
def test_each_endpoint_asks_for_what_it_needs_and_is_then_answered(
    time: Time, exchange: Application, endpoint: str, questions: list[str]
) -> None:
    account = an_account(time)

    specs = asked(account, endpoint, exchange)
    answer = send(account, endpoint, exchange)

    assert [spec.endpoint for spec in specs] == questions
    wanted = 400 if endpoint == "cancel" else 200
    assert answer.status == wanted, answer.body


def test_an_api_key_that_is_given_is_used_and_nothing_is_registered(
    time: Time, exchange: Application
) -> None:
    first = an_account(time)
    asked(first, "account", exchange)
    key = dict(first.request(PRIVATE_ENDPOINTS["account"]).headers)["X-API-KEY"]
    given = Credentials(api_key=Secret(key), account_group=first.group)
    account = Account(VENUE, given, now_ms=time)

    assert asked(account, "account", exchange) == []
    assert send(account, "account", exchange).status == 200


def test_the_cancel_is_of_an_order_that_cannot_exist(
    time: Time, exchange: Application
) -> None:
    account = an_account(time)
    asked(account, "cancel", exchange)

    spec = account.request(PRIVATE_ENDPOINTS["cancel"])

    assert json.loads(spec.body)["order"]["id"] == NO_SUCH_ORDER
    assert error_code(respond(exchange, spec).body) == 3017


def test_an_order_is_the_smallest_at_half_the_price_and_is_killed(
    time: Time, exchange: Application
) -> None:
    account = an_account(time)
    asked(account, "order", exchange)

    spec = account.request(PRIVATE_ENDPOINTS["order"])
    order = json.loads(spec.body)["order"]
    ticker = VENUE.request(VENUE.endpoint("ticker"), now_ms=time.ms)
    (found,) = json.loads(respond(exchange, ticker).body)["tickers"]
    price = float(found["markPrice"])

    assert (order["orderType"], order["timeInForce"]) == ("LIMIT", "FOK")
    assert order["isBuy"] is True
    assert order["size"] == "0.0001"
    assert float(order["limitPrice"]) == pytest.approx(price / 2, rel=1e-4)
    assert order_id(respond(exchange, spec).body) is not None
    looked_up = respond(exchange, account.last_order())
    assert order_states(looked_up.body) == ("REJECTED",)


def test_a_leverage_is_set_to_what_it_is(time: Time, exchange: Application) -> None:
    account = an_account(time)
    asked(account, "leverage", exchange)
    before = respond(exchange, account.request(PRIVATE_ENDPOINTS["account"]))

    answer = json.loads(send(account, "leverage", exchange).body)
    after = respond(exchange, account.request(PRIVATE_ENDPOINTS["account"]))

    assert answer["symbol"] == SYMBOL
    assert answer in json.loads(before.body)["leverages"]
    assert json.loads(after.body)["leverages"] == json.loads(before.body)["leverages"]


def test_orders_beyond_the_most_are_never_built(
    time: Time, exchange: Application
) -> None:
    account = an_account(time, max_orders=2)
    asked(account, "order", exchange)
    specs = [account.request(PRIVATE_ENDPOINTS["order"]) for _ in range(2)]

    with pytest.raises(UsageError, match="--max-orders 2"):
        account.request(PRIVATE_ENDPOINTS["order"])

    assert (len(specs), account.orders) == (2, 2)


@pytest.mark.parametrize(
    ("later_ms", "outdated"), [(0, False), (60_000, False), (60_001, True), (-1, True)]
)
def test_a_price_is_good_for_a_minute(
    time: Time, exchange: Application, later_ms: int, outdated: bool
) -> None:
    account = an_account(time)
    order = PRIVATE_ENDPOINTS["order"]
    assert account.outdated(order)
    asked(account, "order", exchange)

    time.ms += later_ms

    assert account.outdated(order) is outdated
    assert not account.outdated(PRIVATE_ENDPOINTS["cancel"])


@pytest.mark.parametrize(
    ("timeout_s", "window_ms"), [(1.0, 5_000), (10.0, 10_000), (600.0, 60_000)]
)
def test_a_signature_is_good_for_as_long_as_a_request_may_take(
    time: Time, exchange: Application, timeout_s: float, window_ms: int
) -> None:
    account = an_account(time, request_timeout_s=timeout_s)
    asked(account, "cancel", exchange)
    spec = account.request(PRIVATE_ENDPOINTS["cancel"])
    assert json.loads(spec.body)["recvWindow"] == window_ms

    time.ms += window_ms
    in_time = error_code(respond(exchange, spec).body)
    time.ms += 1
    too_late = error_code(respond(exchange, spec).body)

    assert (in_time, too_late) == (3017, 1132)


def test_what_signing_takes_is_kept_for_each_request_that_is_signed(
    time: Time, exchange: Application
) -> None:
    clock: Iterator[int] = iter([0, 9, 100, 105, 200, 207])
    account = an_account(time, clock=lambda: next(clock))
    asked(account, "cancel", exchange)  # signs the registration

    for endpoint in ("cancel", "account", "cancel", "listen-key"):
        account.request(PRIVATE_ENDPOINTS[endpoint])

    assert account.sign_ns == [9, 5, 7]


def test_a_start_that_is_forgotten_registers_again(
    time: Time, exchange: Application
) -> None:
    account = an_account(time)
    asked(account, "account", exchange)
    known = account.group

    account.forget()

    assert (known is None, account.group) == (False, None)
    assert [spec.endpoint for spec in asked(account, "account", exchange)] == [
        "register"
    ]
    assert send(account, "account", exchange).status == 200


@pytest.mark.parametrize("endpoint", ["order", "leverage"])
def test_what_was_not_asked_for_is_no_guess(
    time: Time, exchange: Application, endpoint: str
) -> None:
    account = an_account(time)
    asked(account, "account", exchange)

    with pytest.raises(RuntimeError, match="has not been asked for"):
        account.request(PRIVATE_ENDPOINTS[endpoint])


def test_an_account_without_the_symbol_has_no_leverage_to_set(time: Time) -> None:
    given = replace(random_credentials(), api_key=Secret("k"), account_group=0)
    account = Account(VENUE, given, now_ms=time)
    ((_, take),) = account.questions(PRIVATE_ENDPOINTS["leverage"])

    with pytest.raises(VenueError, match="no leverage for BTC-PERP"):
        take(b'{"leverages":[]}')


def test_left_to_the_path_orders_and_cancels_are_unsigned(
    time: Time, exchange: Application
) -> None:
    account = an_account(time, on_path=True)
    asked(account, "order", exchange)
    signer = account.signer()

    for endpoint in ("order", "cancel"):
        spec = account.request(PRIVATE_ENDPOINTS[endpoint])
        assert (spec.body, spec.unsigned is None) == (b"", False)
        complete = signer.complete(spec)
        assert complete.unsigned is None
        answer = respond(exchange, complete)
        assert error_code(answer.body) in (None, 3017)
    with pytest.raises(TypeError, match="nothing to sign"):
        signer.complete(account.request(PRIVATE_ENDPOINTS["account"]))


def test_public_requests_need_no_account(time: Time) -> None:
    vest = find_venue("vest-dev")
    account = Account(vest, Credentials(), now_ms=time)
    ticker: Endpoint = vest.endpoint("ticker")

    assert list(account.questions(ticker)) == []
    assert account.request(ticker) == vest.request(ticker, now_ms=NOW_MS)
