"""Clients of the exchange's WebSocket: a real one, and one that owes it no manners."""

from __future__ import annotations

import json
import ssl
import struct
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from tests.support.exchange_sockets import connect
from vestbench.simulator.exchange_process import ExchangeProcess

QUERY = "version=1.0&xwebsocketserver=restserver0"
UPGRADE = (
    f"GET /ws-api?{QUERY} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
).encode()
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def url(exchange: ExchangeProcess, query: str = QUERY) -> str:
    return exchange.base_url(f"/ws-api?{query}").replace("https", "wss")


class SocketClient:
    """A client of the library `websockets`, over a socket of ours.

    Its own client of threads waits for a socket whose data TLS has read already.
    """

    def __init__(self, exchange: ExchangeProcess, query: str) -> None:
        self._stream = connect(exchange)
        self._protocol = ClientProtocol(parse_uri(url(exchange, query)))
        self._protocol.send_request(self._protocol.connect())
        self._heard: deque[Frame] = deque()
        self._flush()
        while self._protocol.state is State.CONNECTING:
            self._receive()
        assert self._protocol.handshake_exc is None

    def send(self, text: str) -> None:
        self._protocol.send_text(text.encode())
        self._flush()

    def hear(self) -> Any:
        """Return the next message; a `TimeoutError` says that there is none."""
        while not self._heard:
            assert self._receive(), "the exchange has ended it"
        return json.loads(bytes(self._heard.popleft().data))

    def is_silent(self, seconds: float) -> bool:
        """Say whether the exchange says nothing for so long."""
        self._stream.settimeout(seconds)
        try:
            self.hear()
        except TimeoutError:
            return True
        finally:
            self._stream.settimeout(10.0)
        return False

    def hear_close(self) -> tuple[int, str]:
        """Read to the end, and return with which code and reason it was closed."""
        while self._receive():
            pass
        closed = self._protocol.close_rcvd
        assert closed is not None
        return closed.code, closed.reason

    def close(self) -> None:
        """Close in good order."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()
        while self._protocol.state is not State.CLOSED and self._receive():
            pass
        self._stream.close()

    def _receive(self) -> bool:
        data = self._stream.recv(65_536)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        events = self._protocol.events_received()
        self._heard += (
            each
            for each in events
            if isinstance(each, Frame) and each.opcode is Opcode.TEXT
        )
        self._flush()
        return bool(data)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:  # nothing stands for an end of the stream
                self._stream.sendall(data)


@contextmanager
def listening(exchange: ExchangeProcess, query: str = QUERY) -> Iterator[SocketClient]:
    """Be a client of the exchange, and leave in good order."""
    with closing(SocketClient(exchange, query)) as client:
        yield client


def tell(client: SocketClient, method: str, *params: str, number: int = 1) -> None:
    client.send(json.dumps({"method": method, "params": params, "id": number}))


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    first: int = 0x80,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """Return one frame as a client sends it, or as none should.

    Args:
        opcode: What it is.
        payload: What it holds.
        first: The flags of its first byte; 0x80 says that the message ends with it.
        masked: As every frame of a client must be.
        length: What its head says that it holds, where that is not true.
    """
    size = len(payload) if length is None else length
    flag = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first | opcode, flag | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first | opcode, flag | 126, size)
    else:
        head = struct.pack("!BBQ", first | opcode, flag | 127, size)
    return head + (bytes(4) if masked else b"") + payload  # masked with zeros


def frames_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield opcode and payload of each frame that a server has written."""
    while data:
        size, at = data[1], 2
        if size == 126:
            size, at = struct.unpack("!H", data[2:4])[0], 4
        elif size == 127:
            size, at = struct.unpack("!Q", data[2:10])[0], 10
        yield data[0] & 15, data[at : at + size]
        data = data[at + size :]


def closed_with(data: bytes) -> int:
    """Return the code of the close among frames that a server has written."""
    (payload,) = [payload for opcode, payload in frames_of(data) if opcode == CLOSE]
    return int(struct.unpack("!H", payload[:2])[0])


def upgraded(exchange: ExchangeProcess, request: bytes = UPGRADE) -> ssl.SSLSocket:
    """Return a socket on which a WebSocket has begun."""
    stream = connect(exchange)
    stream.sendall(request)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += stream.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    return stream


def rest_of(stream: ssl.SSLSocket) -> bytes:
    """Read to the end of the stream, which must come in good order."""
    data = b""
    while received := stream.recv(65_536):
        data += received
    return data


class Listening:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[Mapping[str, Any]] = []
        self.closed: int | None = None

    def say(self, text: str) -> None:
        assert self.closed is None, "said after the close"
        self.heard.append(json.loads(text))

    def close(self, code: int, reason: str = "") -> None:
        assert len(reason.encode()) <= 123  # what a close has room for
        self.closed = self.closed or int(code)

    def mark(self) -> None:
        return None
