"""What breaks the WebSocket's protocol, and upgrades that are none; over real sockets.

What no library would send is written by hand.
"""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from tests.support.exchange_sockets import ask, connect
from tests.support.websocket_talk import (
    BINARY,
    CLOSE,
    PING,
    TEXT,
    UPGRADE,
    closed_with,
    frame,
    frames_of,
    rest_of,
    upgraded,
)
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.simulator.websocket import handshake
from vestbench.simulator.websocket.connection import MAX_FRAGMENTS, MAX_MESSAGE_BYTES

# What breaks the protocol.

FRAMES = {
    "not masked": (frame(TEXT, b"{}", masked=False), 1002),
    "reserved bit": (frame(TEXT, b"{}", first=0xC0), 1002),
    "unknown opcode": (frame(3, b"{}"), 1002),
    "large ping": (frame(PING, bytes(126)), 1002),
    "ping in parts": (frame(PING, first=0), 1002),
    "part of nothing": (frame(0, b"{}"), 1002),
    "message in a message": (frame(TEXT, b"{", first=0) + frame(TEXT, b"}"), 1002),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "close with a forbidden code": (frame(CLOSE, b"\x03\xed"), 1002),
    "length beyond all bounds": (frame(TEXT, length=2**63), 1002),
    "wrong UTF-8": (frame(TEXT, b"\xc3\x28"), 1007),
    "UTF-8 that ends too soon": (frame(TEXT, b"{\xe2\x82"), 1007),
    "wrong UTF-8 in a close": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "binary": (frame(BINARY, b"{}"), 1003),
    "large message": (frame(TEXT, b" " * (MAX_MESSAGE_BYTES + 1)), 1009),
    "first part of a huge message": (
        frame(TEXT, b" " * (MAX_MESSAGE_BYTES + 1), length=2**40),
        1009,
    ),
    "endless parts": (
        frame(TEXT, b" ", first=0) + frame(0, b"", first=0) * MAX_FRAGMENTS,
        1009,
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_broken_frame_is_answered_with_the_code_of_the_standard(
    exchange: ExchangeProcess, name: str
) -> None:
    sent, code = FRAMES[name]
    with upgraded(exchange) as stream:
        stream.sendall(sent)
        stream.sendall(frame(CLOSE, code.to_bytes(2, "big")))
        said = rest_of(stream)

    assert closed_with(said) == code
    with connect(exchange) as another:  # it goes on serving
        assert ask(another)[0] == "HTTP/1.1 200 OK"


def test_frames_that_come_with_the_upgrade_are_not_lost(
    exchange: ExchangeProcess,
) -> None:
    ping = json.dumps({"method": "PING", "params": [], "id": 0}).encode()
    begun = UPGRADE + frame(TEXT, ping) + frame(CLOSE, b"\x03\xe8")
    with connect(exchange) as stream:
        stream.sendall(begun)
        data = rest_of(stream)

    frames = list(frames_of(data.partition(b"\r\n\r\n")[2]))
    assert frames == [(TEXT, b'{"data":"PONG"}'), (CLOSE, b"\x03\xe8")]


def test_bytes_one_by_one_are_understood(exchange: ExchangeProcess) -> None:
    with upgraded(exchange) as stream:
        for byte in frame(TEXT, b'{"method": "PING"}') + frame(CLOSE):
            stream.sendall(bytes([byte]))
        frames = list(frames_of(rest_of(stream)))

    assert frames == [(TEXT, b'{"data":"PONG"}'), (CLOSE, b"")]


# Upgrades that are none.

UPGRADES = {
    "no key": (UPGRADE.replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
    "short key": (UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl"), 400),
    "key of no base64": (UPGRADE.replace(b"dGhlIH", b"\xff\xfe!IH"), 400),
    "no version": (UPGRADE.replace(b"Sec-WebSocket-Version", b"X-Version"), 400),
    "old version": (UPGRADE.replace(b"Version: 13", b"Version: 8"), 426),
    "no Connection": (UPGRADE.replace(b"Connection: Upgrade", b"X: y"), 400),
    "not ASCII": (UPGRADE.replace(b"Connection: ", b"Connection: \xff, "), 400),
    "another protocol": (UPGRADE.replace(b": websocket", b": h2c"), 400),
    "plain request": (b"GET /ws-api HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "post": (UPGRADE.replace(b"GET", b"POST"), 405),
}


@pytest.mark.parametrize("name", UPGRADES)
def test_request_that_is_no_upgrade_is_answered_and_keeps_its_connection(
    exchange: ExchangeProcess, name: str
) -> None:
    request, status = UPGRADES[name]
    with connect(exchange) as stream:
        first, headers = ask(stream, request)
        again, _ = ask(stream)

    assert first.split()[1] == str(status)
    assert again == "HTTP/1.1 200 OK"
    if status == 426:
        assert headers["sec-websocket-version"] == "13"


def test_host_of_another_alphabet_upgrades(exchange: ExchangeProcess) -> None:
    # wsproto reads the host as IDNA, which this is not.
    request = UPGRADE.replace(b"Host: h", b"Host: " + b"\xff" * 80)
    with upgraded(exchange, request) as stream:
        stream.sendall(frame(CLOSE))
        assert list(frames_of(rest_of(stream))) == [(CLOSE, b"")]


def test_upgrade_without_the_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> object:
        return None if name == "wsproto" else find_spec(name)

    monkeypatch.setattr(handshake, "find_spec", missing)
    with pytest.raises(handshake.RefusedUpgradeError) as refused:
        handshake.accepted({"upgrade": "websocket"})

    assert refused.value.status == 501
    assert "pip install 'vestbench[ws]'" in str(refused.value)


def test_fault_meets_an_upgrade_as_any_request(exchange: ExchangeProcess) -> None:
    exchange.behave(Behaviour(status=503))
    with connect(exchange) as stream:
        first, _ = ask(stream, UPGRADE)

    assert first.startswith("HTTP/1.1 503")
