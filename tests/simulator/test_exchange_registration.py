"""Registration and the keys that it gives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.exchange_client import (
    DAY_MS,
    NOW_MS,
    PRIMARY,
    SIGNING,
    STRANGER,
    Client,
    code,
    lower,
)
from tests.support.market_answers import finished
from vestbench.simulator.http.messages import Request

# Registration.


@pytest.mark.parametrize("contract", ["production", "development"])
def test_registration_gives_a_key_and_the_group_of_the_account(contract: str) -> None:
    client = Client(contract=contract)

    status, body = client.ask("POST", "/register", client.proof(contract=contract))

    assert status == 200
    assert set(body) == {"apiKey", "accGroup"}
    assert body["accGroup"] in range(10)
    assert isinstance(body["apiKey"], str)


@pytest.mark.parametrize(
    ("served", "signed"),
    [("production", "development"), ("development", "production")],
)
def test_proof_for_the_other_contract_is_1022(served: str, signed: str) -> None:
    client = Client(contract=served)

    answer = client.ask("POST", "/register", client.proof(contract=signed))

    assert code(answer) == 1022


def test_contract_that_does_not_exist_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="contract test is not one of"):
        Client(contract="test")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"by": STRANGER}, id="signed by a stranger"),
        pytest.param({"by": SIGNING}, id="signed by the signing key"),
        pytest.param({"primaryAddr": lower(STRANGER)}, id="another account"),
        pytest.param({"signingAddr": lower(STRANGER)}, id="another signing key"),
    ],
)
def test_proof_that_the_primary_key_has_not_signed_is_1022(changes: Any) -> None:
    client = Client()

    assert code(client.ask("POST", "/register", client.proof(**changes))) == 1022


def test_tampered_expiry_is_1022() -> None:
    client = Client()
    proof = client.proof()
    proof["expiryTime"] += 1

    assert code(client.ask("POST", "/register", proof)) == 1022


@pytest.mark.parametrize(
    ("expiry", "wanted"),
    [
        (NOW_MS - 1, 1130),
        (NOW_MS, 1130),
        (NOW_MS + 1, None),
        (NOW_MS + 365 * DAY_MS, None),
        (NOW_MS + 365 * DAY_MS + 1, 1130),
        (0, 1130),
    ],
)
def test_expiry_is_in_the_future_and_at_most_a_year_away(
    expiry: int, wanted: int | None
) -> None:
    client = Client()

    answer = client.ask("POST", "/register", client.proof(expiryTime=expiry))

    assert answer[0] == 200 if wanted is None else code(answer) == wanted


@pytest.mark.parametrize("name", ["signingAddr", "primaryAddr"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "0x",
        SIGNING.address,  # with upper-case letters
        lower(SIGNING)[2:],
        lower(SIGNING) + "0",
        lower(SIGNING)[:-1],
        lower(SIGNING)[:-1] + "g",
        lower(SIGNING)[:-1] + "٣",
        lower(SIGNING) + "\n",
    ],
)
def test_malformed_address_is_1130(name: str, value: Any) -> None:
    client = Client()

    assert code(client.ask("POST", "/register", client.proof(**{name: value}))) == 1130


@pytest.mark.parametrize("value", [1, -1, "0", False, None, 0.0])
def test_network_type_is_0_and_nothing_else(value: Any) -> None:
    client = Client()

    answer = client.ask("POST", "/register", client.proof(networkType=value))

    assert code(answer) == 1024


def test_nobody_has_the_account_of_the_zero_address() -> None:
    client = Client()
    nobody = "0x" + 40 * "0"

    wrong = client.proof(primaryAddr=nobody)
    assert code(client.ask("POST", "/register", wrong)) == 1099
    wrong = client.proof(signingAddr=nobody)
    assert code(client.ask("POST", "/register", wrong)) == 1130


@pytest.mark.parametrize("value", ["0x", "", "0x" + "00" * 65, "0x" + "11" * 64, "x"])
def test_malformed_signature_is_1022(value: str) -> None:
    client = Client()

    assert code(client.ask("POST", "/register", client.proof(signature=value))) == 1022


@pytest.mark.parametrize("value", [None, 7, [], {}])
def test_absent_signature_is_1130(value: Any) -> None:
    client = Client()

    assert code(client.ask("POST", "/register", client.proof(signature=value))) == 1130


def test_registering_again_replaces_the_key_of_that_signer(client: Client) -> None:
    first = client.api_key

    client.register()

    assert client.api_key != first
    assert client.account()["address"] == lower(PRIMARY)
    assert code(client.ask("GET", "/account", key=first, time=1)) == 1002


def test_another_signer_of_the_account_has_a_key_of_its_own(client: Client) -> None:
    other = Client(signing=STRANGER, application=client.application).register()

    assert other.api_key != client.api_key
    assert other.account() == client.account()
    # Each signs for itself.
    wrong = client.ask("POST", "/orders", client.order(by=STRANGER))
    assert code(wrong) == 1022
    assert other.ask("POST", "/orders", other.order())[0] == 200


# Keys and groups.


PRIVATE = [
    ("GET", "/account"),
    ("GET", "/account/nonce"),
    ("POST", "/account/leverage"),
    ("POST", "/account/listenKey"),
    ("PUT", "/account/listenKey"),
    ("DELETE", "/account/listenKey"),
    ("GET", "/orders"),
    ("POST", "/orders"),
    ("POST", "/orders/cancel"),
]


@pytest.mark.parametrize(("method", "path"), PRIVATE)
@pytest.mark.parametrize("key", ["", "x", "0" * 64, "é"])
def test_unknown_key_is_1002(client: Client, method: str, path: str, key: str) -> None:
    client.api_key = ""

    assert code(client.ask(method, path, key=key, time=NOW_MS)) == 1002


@pytest.mark.parametrize(("method", "path"), PRIVATE)
def test_every_other_group_is_1146(client: Client, method: str, path: str) -> None:
    others = [group for group in range(10) if group != client.group]

    for group in others:
        answer = client.ask(method, path, group=group, time=NOW_MS)
        assert code(answer) == 1146


@pytest.mark.parametrize(("method", "path"), PRIVATE)
def test_a_missing_routing_header_is_called_that(
    client: Client, method: str, path: str
) -> None:
    headers = {"x-api-key": client.api_key}
    request = Request(method, f"/v2{path}", {"time": str(NOW_MS)}, headers)

    response = finished(client.application.begin(request))

    body = json.loads(response.body)
    assert (response.status, body["code"]) == (400, 1146)
    assert "the header xrestservermm is missing" in body["msg"]
    assert "accGroup" in body["msg"]


def test_a_registration_needs_no_routing_header() -> None:
    client = Client()
    content = json.dumps(client.proof()).encode()
    request = Request("POST", "/v2/register", {}, {}, content)

    response = finished(client.application.begin(request))

    assert response.status == 200


def test_key_expires_with_the_approval_of_its_signer(client: Client) -> None:
    client.now_ms += 7 * DAY_MS - 1
    assert client.account()["address"] == lower(PRIMARY)
    client.now_ms += 1

    assert code(client.ask("GET", "/account", time=client.now_ms)) == 1002


def test_public_endpoints_ask_for_no_key(client: Client) -> None:
    for group in range(10):
        assert client.ask("GET", "/exchangeInfo", key="x", group=group)[0] == 200
