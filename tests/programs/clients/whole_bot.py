"""A bot of Vest from its start to an order: whole_bot.py URL WEBSOCKET_URL ORDERS.

Warm-up, registration, listen key, WebSocket, account, then orders of which each is
waited for on the WebSocket. It sends with httpx, listens with `websockets` and signs
with eth-account. Its keys are thrown away. The last line is JSON: what it has sent, and
opened by Python's audit hook, and how long each order took to its answer and to its
event, in ms.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from typing import Any

import httpx
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak
from websockets import connect

CONTRACT = "0x8E4D87AEf4AC4D5415C35A12319013e34223825B"  # of the development exchange
WEEK_MS = 7 * 24 * 3_600_000
ORDER = ["uint256", "uint256", "string", "string", "bool", "string", "string", "bool"]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Bot:
    """One account, one pool of connections."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.primary, self.signing = Account.create(), Account.create()
        self.http = httpx.Client(timeout=10)
        self.http.headers["xrestservermm"] = "restserver0"
        self.requests = 0
        self.group = 0

    def ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self.http.request(method, self.url + path, **options)
        self.requests += 1
        return answer

    def start(self) -> str:
        """Warm up, register, and return the listen key."""
        warm = self.ask("GET", f"/account?time={now_ms()}")
        assert warm.status_code in (200, 401), warm.status_code
        registered = self.ask("POST", "/register", json=self._registration())
        registered.raise_for_status()
        self.group = registered.json()["accGroup"]
        self.http.headers["X-API-KEY"] = registered.json()["apiKey"]
        self.http.headers["xrestservermm"] = f"restserver{self.group}"
        key = self.ask("POST", "/account/listenKey").json()["listenKey"]
        self.ask("GET", f"/account?time={now_ms()}").raise_for_status()
        return str(key)

    def order(self) -> str:
        """Place an order far from the market, and return its id."""
        time_ms = now_ms()
        order = {
            "time": time_ms,
            "nonce": time_ms,
            "orderType": "LIMIT",
            "symbol": "BTC-PERP",
            "isBuy": True,
            "size": "0.0001",
            "limitPrice": "10.00",
            "reduceOnly": False,
        }
        digest = keccak(encode(ORDER, list(order.values())))
        signed = self.signing.sign_message(encode_defunct(digest))
        signature = "0x" + bytes(signed.signature).hex()
        answer = self.ask(
            "POST", "/orders", json={"order": order, "signature": signature}
        )
        answer.raise_for_status()
        return str(answer.json()["id"])

    def _registration(self) -> dict[str, Any]:
        signer, expiry_ms = self.signing.address.lower(), now_ms() + WEEK_MS
        domain = {"name": "VestRouterV2", "version": "0.0.1"}
        fields = [
            {"name": "approvedSigner", "type": "address"},
            {"name": "signerExpiry", "type": "uint256"},
        ]
        proof = Account.sign_typed_data(
            self.primary.key,
            {**domain, "verifyingContract": CONTRACT},
            {"SignerProof": fields},
            {"approvedSigner": signer, "signerExpiry": expiry_ms},
        )
        return {
            "signingAddr": signer,
            "primaryAddr": self.primary.address.lower(),
            "signature": "0x" + bytes(proof.signature).hex(),
            "expiryTime": expiry_ms,
            "networkType": 0,
        }


async def trade(bot: Bot, websocket_url: str, orders: int) -> list[dict[str, float]]:
    """Listen, place orders, and return how long each took."""
    key = bot.start()
    query = f"version=1.0&xwebsocketserver=restserver{bot.group}&listenKey={key}"
    taken = []
    async with connect(f"{websocket_url}?{query}", proxy=None) as listening:
        asked = {"method": "SUBSCRIBE", "params": ["account_private"], "id": 1}
        await listening.send(json.dumps(asked))
        assert json.loads(await listening.recv()) == {"result": None, "id": 1}
        for _ in range(orders):
            begin = time.perf_counter()
            order_id = await asyncio.to_thread(bot.order)
            answered = time.perf_counter()
            event = json.loads(await asyncio.wait_for(listening.recv(), 10))
            heard = time.perf_counter()
            assert event["data"]["args"]["id"] == order_id
            taken.append(
                {
                    "answered": round(1e3 * (answered - begin), 2),
                    "event": round(1e3 * (heard - begin), 2),
                }
            )
    return taken


def main(url: str, websocket_url: str, orders: str) -> None:
    """Trade, and print what was counted."""
    opened = []

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and arguments[0].family == socket.AF_INET:
            opened.append(arguments[1])

    sys.addaudithook(audit)
    bot = Bot(url)
    taken = asyncio.run(trade(bot, websocket_url, int(orders)))
    # The upgrade is a request too.
    counted = {"requests": bot.requests + 1, "connections": len(opened)}
    print(json.dumps({**counted, "orders": taken}))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main(*sys.argv[1:])
