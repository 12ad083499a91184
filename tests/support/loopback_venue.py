"""An exchange on loopback that the code takes for a real venue.

Its certificate is trusted as those of real venues are, by way of `SSL_CERT_FILE`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.servers import ScriptedServer, Visit, tls_pair
from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.venues import find_venue
from vestbench.venues.vest.public import vest

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of every WebSocket (RFC 6455, 1.3)
_TOLD = b"".join(
    b"\x81" + bytes([len(text)]) + text
    for text in (b'{"result":null,"id":1}', b'{"channel":"tickers","data":[]}')
)

PRIMARY = "0x" + "a1" * 32
SIGNING = "0x" + "b2" * 32


def pretend(monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    """Let `vest-dev` be at `base_url`, and nothing else be anywhere."""
    assert base_url.startswith("https://127.0.0.1:")
    venue = replace(vest("vest-dev", base_url))
    monkeypatch.setattr("vestbench.venues._VENUES", {"vest-dev": venue})
    assert find_venue("vest-dev").base_url == base_url


def trust(monkeypatch: pytest.MonkeyPatch, folder: Path, ca_pem: str) -> None:
    path = folder / "ca.pem"
    path.write_text(ca_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


def give_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEST_PRIMARY_KEY", PRIMARY)
    monkeypatch.setenv("VEST_SIGNING_KEY", SIGNING)


@contextmanager
def exchange_as_real(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Iterator[ExchangeProcess]:
    """Run the simulated exchange in the place of `vest-dev`, with keys for it."""
    with ExchangeProcess(ExchangeSpec(processing_ms=0.0)) as exchange:
        pretend(monkeypatch, exchange.base_url())
        trust(monkeypatch, folder, exchange.ca_pem)
        give_keys(monkeypatch)
        yield exchange


class Paths:
    """Answers by path, and keeps what was asked."""

    def __init__(self, answers: dict[str, tuple[str, bytes]]) -> None:
        self.answers = {
            "/register": ("200 OK", b'{"apiKey":"api-key-4711","accGroup":3}'),
            "/account/listenKey": ("200 OK", b'{"listenKey":"listen-key-4711"}'),
            "/account": ("200 OK", b'{"leverages":[{"symbol":"BTC-PERP","value":5}]}'),
            "/exchangeInfo": (
                "200 OK",
                b'{"symbols":[{"symbol":"BTC-PERP","sizeDecimals":4,'
                b'"priceDecimals":2}]}',
            ),
            "/ticker/latest": (
                "200 OK",
                b'{"tickers":[{"symbol":"BTC-PERP","markPrice":"100.00"}]}',
            ),
            "/orders/cancel": ("400 Bad Request", b'{"code":3017,"msg":"no"}'),
            "POST /orders": ("200 OK", b'{"id":"0xab"}'),
            "/orders": ("200 OK", b'[{"status":"REJECTED"}]'),
            **answers,
        }
        self.asked: list[tuple[str, str]] = []

    def __call__(self, visit: Visit) -> None:
        while request := visit.request():
            method, target, _ = request.decode().split(" ", 2)
            path = target.removeprefix("/v2").partition("?")[0]
            self.asked.append((method, path))
            if path == "/ws-api":
                be_websocket(visit, request, _TOLD)
                return
            named = f"{method} {path}"
            status, body = self.answers.get(named) or self.answers[path]
            visit.answer(body, status, ["Content-Type: application/json"])

    def count(self, method: str, path: str) -> int:
        return self.asked.count((method, path))


def be_websocket(visit: Visit, request: bytes, told: bytes) -> None:
    """Upgrade, take what is said, send `told`, and listen until the end."""
    key = re.search(rb"(?i)\r\nsec-websocket-key: *([^\r]+)", request)
    assert key is not None
    digest = hashlib.sha1(key[1] + _GUID, usedforsecurity=False).digest()
    visit.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
        % base64.b64encode(digest)
    )
    visit.sock.recv(1 << 16)
    visit.send(told)
    while visit.sock.recv(1 << 16):
        pass


@contextmanager
def script_as_real(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    answers: dict[str, tuple[str, bytes]] | None = None,
) -> Iterator[Paths]:
    """Run a server whose answers a test decides in the place of `vest-dev`."""
    paths = Paths(answers or {})
    pair = tls_pair()
    with ScriptedServer(paths, pair.server) as server:
        pretend(monkeypatch, f"https://127.0.0.1:{server.port}/v2")
        trust(monkeypatch, folder, pair.ca_pem)
        give_keys(monkeypatch)
        yield paths
