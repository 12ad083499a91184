"""Listen keys, nonces, bounds, and what an account says of itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from eth_account import Account

from tests.support.exchange_client import (
    MARKET,
    NOW_MS,
    PRIMARY,
    SIGNING,
    Client,
    code,
    lower,
    sign_proof,
)
from vestbench.simulator.http.messages import Request
from vestbench.simulator.vest.accounts import (
    LISTEN_KEY_MS,
    MAX_ACCOUNTS,
    MAX_SIGNERS,
    Accounts,
    Nonces,
)
from vestbench.simulator.vest.answers import ApiError
from vestbench.simulator.vest.portfolio import Portfolio

HOUR_MS = 3_600_000


# Listen keys.


def test_listen_key_stays_the_same_while_it_lives(client: Client) -> None:
    first = client.ask("POST", "/account/listenKey")
    client.now_ms += LISTEN_KEY_MS - 1
    second = client.ask("POST", "/account/listenKey")
    client.now_ms += LISTEN_KEY_MS - 1
    third = client.ask("POST", "/account/listenKey")

    assert first == second == third
    assert set(first[1]) == {"listenKey"}


def test_listen_key_lives_for_60_minutes_from_its_last_extension(
    client: Client,
) -> None:
    first = client.ask("POST", "/account/listenKey")[1]
    client.now_ms += HOUR_MS - 1
    assert client.ask("PUT", "/account/listenKey") == (200, first)
    client.now_ms += HOUR_MS - 1
    assert client.ask("PUT", "/account/listenKey") == (200, first)
    client.now_ms += HOUR_MS

    assert code(client.ask("PUT", "/account/listenKey")) == 1125
    assert client.ask("POST", "/account/listenKey")[1] != first


def test_closed_or_absent_listen_key_is_1125(client: Client) -> None:
    assert code(client.ask("PUT", "/account/listenKey")) == 1125
    assert code(client.ask("DELETE", "/account/listenKey")) == 1125
    first = client.ask("POST", "/account/listenKey")[1]
    assert client.ask("DELETE", "/account/listenKey") == (200, {})

    assert code(client.ask("PUT", "/account/listenKey")) == 1125
    assert client.ask("POST", "/account/listenKey")[1] != first


# The account.


def test_account_has_the_documented_fields(client: Client) -> None:
    account = client.account()

    assert set(account) == {
        "address",
        "balances",
        "collateral",
        "withdrawable",
        "totalAccountValue",
        "openOrderMargin",
        "totalMaintMargin",
        "positions",
        "leverages",
        "lp",
        "time",
        "twitterUsername",
        "discordUsername",
    }
    assert account["address"] == lower(PRIMARY)
    assert account["time"] == NOW_MS
    (balance,) = account["balances"]
    assert set(balance) == {"asset", "total", "locked"}
    assert Decimal(balance["total"]) == Decimal(account["withdrawable"]) > 0
    assert set(account["lp"]) == {"balance", "shares", "unrealizedPnl"}


@pytest.mark.parametrize("path", ["/account", "/account/nonce", "/orders"])
@pytest.mark.parametrize("query", [{}, {"time": "now"}, {"time": "-1"}, {"time": ""}])
def test_time_is_required_and_an_integer(
    client: Client, path: str, query: dict[str, Any]
) -> None:
    assert code(client.ask("GET", path, **query)) == 1130


def test_leverage_is_set_and_shown(client: Client) -> None:
    body = {"time": NOW_MS, "symbol": "ETH-PERP", "value": 50}

    answer = client.ask("POST", "/account/leverage", body)

    assert answer == (200, {"symbol": "ETH-PERP", "value": 50})
    shown = {each["symbol"]: each["value"] for each in client.account()["leverages"]}
    assert shown["ETH-PERP"] == 50
    assert shown["BTC-PERP"] == 10


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"symbol": "X"}, 1121),
        ({"symbol": None}, 1121),
        ({"symbol": ["BTC-PERP"]}, 1121),
        ({"value": 0}, 1130),
        ({"value": 51}, 1130),
        ({"value": "10"}, 1130),
        ({"value": True}, 1130),
        ({"value": 10.0}, 1130),
        ({"time": None}, 1130),
    ],
)
def test_wrong_leverage_is_refused(client: Client, changes: Any, wanted: int) -> None:
    body = {"time": NOW_MS, "symbol": "BTC-PERP", "value": 10, **changes}

    assert code(client.ask("POST", "/account/leverage", body)) == wanted


# Nonces.


def test_last_nonce_is_the_highest(client: Client) -> None:
    def last() -> Any:
        return client.ask("GET", "/account/nonce", time=NOW_MS)[1]

    assert last() == {"lastNonce": 0}
    client.place(nonce=NOW_MS + 3)
    client.place(nonce=NOW_MS + 5)
    assert last() == {"lastNonce": NOW_MS + 5}


def refused(nonces: Nonces, nonce: int) -> int:
    with pytest.raises(ApiError) as caught:
        nonces.use(nonce)
    return int(caught.value.response.body.split(b":")[1].split(b",")[0])


def test_each_nonce_is_higher_than_the_last() -> None:
    nonces = Nonces()
    nonces.use(30)

    assert refused(nonces, 30) == 3015
    assert refused(nonces, 29) == 1023
    nonces.use(31)
    assert nonces.last == 31


# Bounds, and nothing shown.


def test_accounts_and_signers_are_bounded() -> None:
    accounts, keys = Accounts(), []
    for number in range(MAX_ACCOUNTS + 5):
        address = f"0x{number + 1:040x}"
        key, group = accounts.register(address, address, NOW_MS, Portfolio(MARKET))
        keys.append(key)
        assert group == (number + 1) % 10
        accounts.credential(keys[0], 0)  # in use, so it stays

    assert len(accounts) == MAX_ACCOUNTS
    assert accounts.credential(keys[0], 0) is not None
    assert [accounts.credential(key, 0) for key in keys[1:6]] == [None] * 5
    assert accounts.credential(keys[6], 0) is not None

    # The account has one signer already, which is the first to go.
    address = f"0x{1:040x}"
    for number in range(MAX_SIGNERS):
        signer = f"0x{number + 5_000:040x}"
        last, _ = accounts.register(address, signer, NOW_MS, Portfolio(MARKET))
    assert accounts.credential(keys[0], 0) is None
    assert accounts.credential(last, 0) is not None
    assert len(accounts._credentials) == MAX_ACCOUNTS - 1 + MAX_SIGNERS


def test_nothing_shows_a_key_or_a_signature(client: Client) -> None:
    listen_key = client.ask("POST", "/account/listenKey")[1]["listenKey"]
    order = client.order()
    request = Request(
        "POST", "/v2/orders", {}, {"x-api-key": client.api_key}, str(order).encode()
    )
    credential = client.application._private.accounts.credential(client.api_key, 0)
    assert credential is not None

    shown = f"{request!r} {credential!r} {credential.account!r}"

    assert client.api_key not in shown
    assert listen_key not in shown
    assert order["signature"] not in shown


def test_a_refusal_repeats_nothing_of_the_request(client: Client) -> None:
    secret = Account.create()
    proof = client.proof(by=secret, expiryTime=NOW_MS + 1)
    answers = [
        client.ask("POST", "/register", proof),
        client.ask("GET", "/account", key=proof["signature"], time=1),
        client.ask("POST", "/orders", client.order(symbol=proof["signature"])),
        client.ask("POST", "/orders", {**client.order(), "signature": "0xsecret"}),
    ]

    for answer in answers:
        assert code(answer)
        assert proof["signature"] not in str(answer)
        assert "secret" not in str(answer)


def test_proof_helper_signs_what_it_says() -> None:
    # Guards the tests above: a helper that signed nonsense would pass all refusals.
    proof = Client().proof()

    known = sign_proof(PRIMARY, lower(SIGNING), proof["expiryTime"])

    assert proof["signature"] == known
