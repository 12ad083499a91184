"""A Vest client that knows nothing of vestbench, against `vestbench serve`.

It was written from the API's documentation alone, with the standard library and
eth-account (eth_abi and eth_utils are what eth-account itself is made of). It imports
nothing of the package: what it can do, any independent client can do.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

from tests.support.paths import ROOT

CONTRACT = "0x8E4D87AEf4AC4D5415C35A12319013e34223825B"  # development
DAY_MS = 86_400_000
ORDER_TYPES = ["uint256", "uint256", "string", "string", "bool"]
ORDER_TYPES += ["string", "string", "bool"]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def signed(account: Any, types: list[str], values: list[Any]) -> str:
    digest = keccak(encode(types, values))
    return "0x" + bytes(account.sign_message(encode_defunct(digest)).signature).hex()


class Outsider:
    """The client: one connection, two keys, and what the exchange has given it."""

    def __init__(self, base_url: str, ca_file: str) -> None:
        parts = urlsplit(base_url)
        self.prefix = parts.path
        context = ssl.create_default_context(cafile=ca_file)
        self.http = http.client.HTTPSConnection(
            str(parts.hostname), parts.port, context=context, timeout=10.0
        )
        self.primary, self.signing = Account.create(), Account.create()
        self.api_key = ""
        self.group = 0
        self.last_nonce = now_ms()

    def ask(
        self, method: str, path: str, body: Any = None, *, group: int | None = None
    ) -> tuple[int, Any]:
        route = self.group if group is None else group
        headers = {"xrestservermm": f"restserver{route}"}
        if self.api_key:
            headers["X-API-KEY"] = self.api_key
        content = None
        if body is not None:
            content = json.dumps(body)
            headers["Content-Type"] = "application/json"
        self.http.request(method, self.prefix + path, content, headers)
        answer = self.http.getresponse()
        return answer.status, json.loads(answer.read())

    def stamped(self, path: str, **query: Any) -> tuple[int, Any]:
        return self.ask("GET", f"{path}?{urlencode({'time': now_ms(), **query})}")

    def nonce(self) -> int:
        self.last_nonce = max(self.last_nonce + 1, now_ms())
        return self.last_nonce

    def proof(self, **changes: Any) -> dict[str, Any]:
        expiry = changes.pop("expiry", now_ms() + 7 * DAY_MS)
        typed = Account.sign_typed_data(
            self.primary.key,
            {"name": "VestRouterV2", "version": "0.0.1", "verifyingContract": CONTRACT},
            {
                "SignerProof": [
                    {"name": "approvedSigner", "type": "address"},
                    {"name": "signerExpiry", "type": "uint256"},
                ]
            },
            {
                "approvedSigner": self.signing.address.lower(),
                "signerExpiry": expiry,
            },
        )
        return {
            "signingAddr": self.signing.address.lower(),
            "primaryAddr": self.primary.address.lower(),
            "signature": "0x" + bytes(typed.signature).hex(),
            "expiryTime": expiry,
            "networkType": 0,
            **changes,
        }

    def register(self) -> None:
        status, answer = self.ask("POST", "/register", self.proof())
        assert status == 200, answer
        self.api_key, self.group = answer["apiKey"], answer["accGroup"]

    def order(self, *, recv_window: Any = 5_000, **changes: Any) -> dict[str, Any]:
        sent = now_ms()
        order = {
            "time": sent,
            "nonce": self.nonce(),
            "symbol": "BTC-PERP",
            "isBuy": True,
            "size": "0.0100",
            "orderType": "LIMIT",
            "limitPrice": "50000.00",
            "reduceOnly": False,
            "timeInForce": "GTC",
            **changes,
        }
        names = ["time", "nonce", "orderType", "symbol", "isBuy"]
        names += ["size", "limitPrice", "reduceOnly"]
        signature = signed(self.signing, ORDER_TYPES, [order[each] for each in names])
        return {"order": order, "recvWindow": recv_window, "signature": signature}

    def cancel(self, order_id: str) -> dict[str, Any]:
        order = {"time": now_ms(), "nonce": self.nonce(), "id": order_id}
        types = ["uint256", "uint256", "string"]
        signature = signed(self.signing, types, list(order.values()))
        return {"order": order, "recvWindow": 5_000, "signature": signature}


@pytest.fixture(scope="module")
def serving() -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "vestbench", "serve", "--port", "0", "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            os.kill(process.pid, signal.SIGINT)
            said = process.stdout.read() + process.stderr.read()
        # Nothing is logged, so no key is.
        assert b"Traceback" not in said
        assert re.search(rb"0x|[0-9a-f]{32}", said) is None


@pytest.fixture
def client(serving: dict[str, str]) -> Iterator[Outsider]:
    outsider = Outsider(serving["base_url"], serving["ca_file"])
    yield outsider
    outsider.http.close()


@pytest.fixture
def registered(client: Outsider) -> Outsider:
    client.register()
    return client


def test_a_bots_life(client: Outsider) -> None:
    """Warm up, register, listen, look, place, list, cancel."""
    assert client.stamped("/account")[0] == 401

    client.register()
    status, listening = client.ask("POST", "/account/listenKey")
    assert status == 200
    assert isinstance(listening["listenKey"], str)
    assert client.ask("POST", "/account/listenKey")[1] == listening
    assert client.ask("PUT", "/account/listenKey") == (200, listening)

    status, account = client.stamped("/account")
    assert status == 200
    assert account["address"] == client.primary.address.lower()
    assert account["positions"] == []
    chosen = {"time": now_ms(), "symbol": "BTC-PERP", "value": 20}
    answer = client.ask("POST", "/account/leverage", chosen)
    assert answer == (200, {"symbol": "BTC-PERP", "value": 20})

    resting = client.order()
    status, placed = client.ask("POST", "/orders", resting)
    assert status == 200
    assert placed["id"].startswith("0x")
    status, listed = client.stamped("/orders", status="NEW", symbol="BTC-PERP")
    assert [each["id"] for each in listed] == [placed["id"]]
    assert listed[0]["nonce"] == resting["order"]["nonce"]
    last = client.stamped("/account/nonce")[1]
    assert last == {"lastNonce": resting["order"]["nonce"]}

    assert client.ask("POST", "/orders/cancel", client.cancel(placed["id"])) == (
        200,
        placed,
    )
    (only,) = client.stamped("/orders", id=placed["id"])[1]
    assert only["status"] == "CANCELLED"
    assert client.ask("DELETE", "/account/listenKey") == (200, {})


def test_a_market_order_becomes_a_position(registered: Outsider) -> None:
    order = registered.order(
        orderType="MARKET", limitPrice="150000.00", timeInForce=None
    )

    placed = registered.ask("POST", "/orders", order)[1]

    (filled,) = registered.stamped("/orders", id=placed["id"])[1]
    assert filled["status"] == "FILLED"
    (position,) = registered.stamped("/account")[1]["positions"]
    assert position["symbol"] == "BTC-PERP"
    assert position["isLong"] is True
    assert position["size"] == "0.0100"


def test_an_order_far_from_the_market_is_killed(registered: Outsider) -> None:
    placed = registered.ask("POST", "/orders", registered.order(timeInForce="FOK"))[1]

    (killed,) = registered.stamped("/orders", id=placed["id"])[1]
    assert killed["status"] == "REJECTED"


def refused(answer: tuple[int, Any]) -> int:
    status, body = answer
    assert set(body) == {"code", "msg"}
    assert isinstance(body["msg"], str)
    assert status == {1002: 401, 1003: 429}.get(body["code"], 400)
    return int(body["code"])


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        pytest.param(1023, {"nonce": 0}, id="nonce"),
        pytest.param(1111, {"size": "0.01"}, id="decimals"),
        pytest.param(1116, {"orderType": "STOP"}, id="order type"),
        pytest.param(1121, {"symbol": "DOGE-PERP"}, id="symbol"),
        pytest.param(1131, {"recv_window": 0}, id="window"),
        pytest.param(1132, {"time": 1_700_000_000_000}, id="expired"),
        pytest.param(1133, {"timeInForce": "IOC"}, id="time in force"),
        pytest.param(3011, {"limitPrice": "0.00"}, id="limit price"),
    ],
)
def test_each_error_of_an_order(
    registered: Outsider, code: int, changes: dict[str, Any]
) -> None:
    answer = registered.ask("POST", "/orders", registered.order(**changes))

    assert refused(answer) == code


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        pytest.param(1022, {"primaryAddr": "0x" + 40 * "1"}, id="somebody else"),
        pytest.param(1024, {"networkType": 1}, id="network"),
        pytest.param(1099, {"primaryAddr": "0x" + 40 * "0"}, id="no account"),
        pytest.param(1130, {"expiry": 1_700_000_000_000}, id="expired"),
    ],
)
def test_each_error_of_a_registration(
    client: Outsider, code: int, changes: dict[str, Any]
) -> None:
    assert refused(client.ask("POST", "/register", client.proof(**changes))) == code


def test_each_error_of_an_account(registered: Outsider) -> None:
    outsider = registered
    other = (outsider.group + 1) % 10

    assert refused(outsider.ask("PUT", "/account/listenKey")) == 1125
    wrong = outsider.ask("GET", f"/account?time={now_ms()}", group=other)
    assert refused(wrong) == 1146
    unknown = outsider.cancel("0x" + 64 * "0")
    assert refused(outsider.ask("POST", "/orders/cancel", unknown)) == 3017
    order = outsider.order()
    assert outsider.ask("POST", "/orders", order)[0] == 200
    assert refused(outsider.ask("POST", "/orders", order)) == 3015
    stranger = outsider.order()
    stranger["signature"] = outsider.order()["signature"]
    assert refused(outsider.ask("POST", "/orders", stranger)) == 1022
    outsider.api_key = "0" * 64
    assert refused(outsider.stamped("/account")) == 1002


def test_too_many_requests() -> None:
    command = [sys.executable, "-m", "vestbench", "serve"]
    told = subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True)
    if b"--rate-limit" not in told.stdout:
        pytest.skip("serve has no --rate-limit")
    options = ["--port", "0", "--json", "--rate-limit", "3"]
    with subprocess.Popen(
        [*command, *options], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            said = json.loads(process.stdout.readline())
            outsider = Outsider(said["base_url"], said["ca_file"])
            answers = [outsider.ask("GET", "/exchangeInfo") for _ in range(6)]
            outsider.http.close()
        finally:
            os.kill(process.pid, signal.SIGINT)
            process.stdout.read()

    assert answers[0][0] == 200
    assert refused(answers[-1]) == 1003
