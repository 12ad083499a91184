"""A client of the exchange as an application: keys, bodies, signatures; no sockets.

Signatures are eth-account's, and hashes those of eth_abi and eth_utils, so they owe
nothing to the code under test.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

from tests.support.market_answers import finished
from vestbench.simulator.http.messages import Request
from vestbench.simulator.vest.application import Application
from vestbench.simulator.vest.market import Market

NOW_MS = 1_767_225_612_345
DAY_MS = 86_400_000
CONTRACTS = {
    "production": "0x919386306C47b2Fe1036e3B4F7C40D22D2461a23",
    "development": "0x8E4D87AEf4AC4D5415C35A12319013e34223825B",
}
MARKET = Market(seed=7)
# Throw-away keys, written down so that nothing here depends on chance.
PRIMARY = Account.from_key("0x" + "11" * 32)
SIGNING = Account.from_key("0x" + "22" * 32)
STRANGER = Account.from_key("0x" + "33" * 32)

ORDER_FIELDS = {
    "time": "uint256",
    "nonce": "uint256",
    "orderType": "string",
    "symbol": "string",
    "isBuy": "bool",
    "size": "string",
    "limitPrice": "string",
    "reduceOnly": "bool",
}
CANCEL_FIELDS = {"time": "uint256", "nonce": "uint256", "id": "string"}


def lower(account: Any) -> str:
    return str(account.address).lower()


def sign_values(account: Any, fields: Mapping[str, str], given: Any) -> str:
    """Sign as orders are signed."""
    values = [given[name] for name in fields]
    digest = keccak(encode(list(fields.values()), values))
    return "0x" + bytes(account.sign_message(encode_defunct(digest)).signature).hex()


def sign_proof(
    account: Any, signer: str, expiry_ms: int, contract: str = "development"
) -> str:
    """Sign as registrations are signed."""
    domain = {"name": "VestRouterV2", "version": "0.0.1"}
    signed = Account.sign_typed_data(
        account.key,
        {**domain, "verifyingContract": CONTRACTS[contract]},
        {
            "SignerProof": [
                {"name": "approvedSigner", "type": "address"},
                {"name": "signerExpiry", "type": "uint256"},
            ]
        },
        {"approvedSigner": signer, "signerExpiry": expiry_ms},
    )
    return "0x" + bytes(signed.signature).hex()


class Client:
    """A registered client of an application whose clock it holds."""

    def __init__(
        self,
        *,
        primary: Any = PRIMARY,
        signing: Any = SIGNING,
        application: Application | None = None,
        **options: Any,
    ) -> None:
        self.now_ms = NOW_MS
        self.primary, self.signing = primary, signing
        self.application = application or Application(
            MARKET, lambda: self.now_ms, **options
        )
        self.api_key = ""
        self.group = 0
        self._nonce = NOW_MS

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        group: int | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        peer: str = "",
        **query: Any,
    ) -> tuple[int, Any]:
        route = self.group if group is None else group
        sent = {"xrestservermm": f"restserver{route}"}
        if api_key := self.api_key if key is None else key:
            sent["x-api-key"] = api_key
        content = body if isinstance(body, bytes) else b""
        if body is not None and not isinstance(body, bytes):
            content = json.dumps(body).encode()
        texts = {name: str(value) for name, value in query.items()}
        request = Request(
            method, f"/v2{path}", texts, {**sent, **(headers or {})}, content, peer
        )
        response = finished(self.application.begin(request))
        return response.status, json.loads(response.body)

    def proof(self, **changes: Any) -> dict[str, Any]:
        """Return a valid registration, then changed, its signature not."""
        expiry = changes.get("expiryTime", self.now_ms + 7 * DAY_MS)
        by, contract = changes.pop("by", self.primary), changes.pop("contract", None)
        signature = sign_proof(
            by, lower(self.signing), expiry, contract or "development"
        )
        return {
            "signingAddr": lower(self.signing),
            "primaryAddr": lower(self.primary),
            "signature": signature,
            "expiryTime": expiry,
            "networkType": 0,
            **changes,
        }

    def register(self, **changes: Any) -> Client:
        status, body = self.ask("POST", "/register", self.proof(**changes))
        assert status == 200, body
        self.api_key, self.group = body["apiKey"], body["accGroup"]
        return self

    def next_nonce(self) -> int:
        self._nonce += 1
        return self._nonce

    def order(self, *, by: Any = None, **changes: Any) -> dict[str, Any]:
        """Return a valid order, changed before it is signed."""
        order = {
            "time": self.now_ms,
            "nonce": self.next_nonce(),
            "symbol": "BTC-PERP",
            "isBuy": True,
            "size": "0.0100",
            "orderType": "LIMIT",
            "limitPrice": "50000.00",
            "reduceOnly": False,
            **changes,
        }
        signature = sign_values(by or self.signing, ORDER_FIELDS, order)
        return {"order": order, "recvWindow": 5_000, "signature": signature}

    def cancellation(self, order_id: str, *, by: Any = None) -> dict[str, Any]:
        order = {"time": self.now_ms, "nonce": self.next_nonce(), "id": order_id}
        signature = sign_values(by or self.signing, CANCEL_FIELDS, order)
        return {"order": order, "signature": signature}

    def place(self, **changes: Any) -> dict[str, Any]:
        """Place an order and return it as it is listed."""
        status, body = self.ask("POST", "/orders", self.order(**changes))
        assert status == 200, body
        return self.listed(id=body["id"])[0]

    def listed(self, **query: Any) -> list[dict[str, Any]]:
        status, body = self.ask("GET", "/orders", time=self.now_ms, **query)
        assert status == 200, body
        return list(body)

    def account(self) -> dict[str, Any]:
        status, body = self.ask("GET", "/account", time=self.now_ms)
        assert status == 200, body
        return dict(body)


def code(answer: tuple[int, Any]) -> int:
    """Return the code of an error, which has the documented form and status."""
    status, body = answer
    assert set(body) == {"code", "msg"}, body
    assert isinstance(body["msg"], str)
    assert "\n" not in body["msg"]
    assert status == {1002: 401, 1003: 429}.get(body["code"], 400)
    return int(body["code"])
