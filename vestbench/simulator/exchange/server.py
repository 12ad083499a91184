"""The process of the simulated exchange: a specification in, a TLS server out.

It is told what to be by one line of JSON on its control socket, answers with one line
when it is ready or cannot be, and then serves until it is told to stop or the socket
closes, which is how it learns that its parent is gone, however that ended.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import select
import selectors
import signal
import socket
import ssl
import struct
import sys
import time
from contextlib import suppress
from dataclasses import fields
from typing import Any, cast

from vestbench.models import ExchangeSpec
from vestbench.simulator.exchange.application import Application
from vestbench.simulator.exchange.certificates import server_context
from vestbench.simulator.exchange.http11 import Behaviour, Connection, Service
from vestbench.simulator.exchange.market import Market

_HANDSHAKE_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0  # for the peer to close after the exchange has
_STOP_TIMEOUT_S = 0.5
_BACKLOG = 1_024
_POLLED_S = 0.000_5
_COLLECT_EVERY = 32  # connections closed
_PR_SET_TIMERSLACK = 29
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 s


class PreciseSelector(selectors.EpollSelector):
    """An epoll selector that waits to the microsecond, not to the next millisecond.

    `select` takes microseconds. It waits for the epoll descriptor only, which becomes
    readable when anything registered does, so there may be any number of those. A
    virtual machine still wakes up late, by 0.1 to 0.5 ms here, the later the longer it
    slept: the last half millisecond before a timer is spent polling. Without a timer
    that is about to ring, nothing is polled.
    """

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until something is ready or the time is over."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        end = time.monotonic() + timeout
        if timeout > _POLLED_S:
            select.select((self,), (), (), timeout - _POLLED_S)
        while not (ready := super().select(0)) and time.monotonic() < end:
            pass
        return ready


def precise_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop whose timers are late by tens of microseconds only."""
    # The kernel may delay each timer by 50 us to save wake-ups. Linux only; where it
    # does not work the service time is that much longer.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    return asyncio.SelectorEventLoop(PreciseSelector())


class TlsProtocol(asyncio.Protocol):
    """TLS of one connection, between its TCP transport and its HTTP `Connection`.

    asyncio's own TLS transport waits for the client's close_notify, up to 30 s, before
    it sends FIN. Real servers send both at once, and whether a pooled client notices
    is one of the things to measure.
    """

    def __init__(self, service: Service, context: ssl.SSLContext) -> None:
        self._service = service
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._connection: Connection | None = None
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._closing = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client to begin the handshake."""
        self._transport = cast(asyncio.Transport, transport)
        # asyncio sets it too, but only on sockets that it has made itself. With Nagle
        # the first answer would wait 40 ms for the ACK of the session tickets.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._service.tally.accepted += 1
        self._abort_after(_HANDSHAKE_TIMEOUT_S)

    def data_received(self, data: bytes) -> None:
        """Decrypt what has arrived and pass it on."""
        if self._closing:
            return
        self._incoming.write(data)
        try:
            if self._connection is None:
                self._shake_hands()
            while self._connection is not None and not self._closing:
                received = self._tls.read(65_536)
                if not received:
                    break
                self._connection.data_received(received)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLZeroReturnError:
            self.close()  # close_notify is answered with the same
        except ssl.SSLError:
            self._flush()  # the alert
            self._live.abort()

    def eof_received(self) -> bool:
        """Let the transport close: nobody would read an answer."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up after the end, whoever wanted it."""
        del exc  # a reset is one of the client's ways to close
        self._closing = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._connection is not None:
            self._connection.connection_lost()
            self._connection = None
        _collect_sometimes(self._service)

    def pause_writing(self) -> None:
        """Tell the connection that the client does not read."""
        if self._connection is not None:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Tell it that the client does again."""
        if self._connection is not None:
            self._connection.resume_writing()

    # What the connection calls: it sees a `Stream`.

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if not self._closing:
            self._tls.write(data)
            self._flush()

    def close(self) -> None:
        """Send close_notify and FIN, and give the client some time to do the same."""
        if self._closing:
            return
        self._closing = True
        with suppress(ssl.SSLError):  # the client has not sent its close_notify yet
            self._tls.unwrap()
        self._flush()
        if not self._live.is_closing():
            # Unlike `close`, it goes on reading, and unread bytes would make a reset.
            self._live.write_eof()
            self._live.resume_reading()
            self._abort_after(_CLOSE_TIMEOUT_S)

    def reset(self) -> None:
        """Make the kernel send RST."""
        self._closing = True
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._live.abort()

    def pause_reading(self) -> None:
        """Leave what the client sends in the kernel."""
        self._live.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._live.resume_reading()

    # Its own.

    @property
    def _live(self) -> asyncio.Transport:
        if self._transport is None:
            raise RuntimeError("there is no connection yet")
        return self._transport

    @property
    def _socket(self) -> Any:
        return self._live.get_extra_info("socket")

    def _shake_hands(self) -> None:
        self._tls.do_handshake()
        # The session tickets go out here, in a write of their own.
        self._flush()
        if self._deadline is not None:
            self._deadline.cancel()
        resumed = bool(self._tls.session_reused)
        self._service.tally.handshakes += 1
        self._service.tally.resumed += resumed
        self._connection = Connection(self._service, self, resumed=resumed)

    def _flush(self) -> None:
        if self._outgoing.pending and not self._live.is_closing():
            self._live.write(self._outgoing.read())

    def _abort_after(self, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(delay_s, self._live.abort)


def _collect_sometimes(service: Service) -> None:
    """Collect the cycles that closed connections leave: 7 objects each, 0.2 ms here."""
    if service.tally.accepted % _COLLECT_EVERY == 0:
        gc.collect()


class Exchange:
    """The server: where it listens, and what its parent asks of it."""

    def __init__(self, spec: ExchangeSpec, behaviour: Behaviour) -> None:
        self._loop = asyncio.get_running_loop()
        self._spec = spec
        self._context, self.ca_pem = server_context(spec.tls, spec.names)
        self._service = Service(
            respond=Application(Market()).respond,
            timers=self._loop,
            idle_timeout_s=spec.idle_timeout_s,
            max_requests=spec.max_requests,
            processing_s=spec.processing_ms / 1000,
        )
        self._behave(behaviour)
        self._server: asyncio.Server | None = None
        self.ended = asyncio.Event()

    async def listen(self) -> int:
        """Begin to accept connections; return the port."""
        self._server = await self._loop.create_server(
            lambda: TlsProtocol(self._service, self._context),
            self._spec.host,
            self._spec.port,
            backlog=_BACKLOG,
        )
        return int(self._server.sockets[0].getsockname()[1])

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry out what the parent asks for."""
        match command["do"]:
            case "counters":
                return self._counters()
            case "behaviour":
                self._behave(Behaviour(**command["behaviour"]))
                return {}
            case "stop":
                self._stop()
                return {}
            case unknown:
                return {"error": f"unknown command {unknown}"}

    def _behave(self, behaviour: Behaviour) -> None:
        self._service.behaviour = behaviour
        self._context.num_tickets = behaviour.num_tickets

    def _counters(self) -> dict[str, Any]:
        tally = self._service.tally
        return {
            "connections": tally.accepted,
            "handshakes": tally.handshakes,
            "resumed": tally.resumed,
            "requests": tally.requests,
            "requests_per_connection": tally.per_connection,
            "open_connections": tally.open,
            "closes": tally.closes,
        }

    def _stop(self) -> None:
        """Close everything in good order, but not for long."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._service.connections):
            connection.shut_down()
        # FIN is out; whoever has not closed within this time is reset by the exit.
        delay_s = _STOP_TIMEOUT_S if self._service.connections else 0.0
        self._loop.call_later(delay_s, self.ended.set)


class _Control(asyncio.Protocol):
    """The control socket, once the exchange is ready: JSON lines both ways."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._pending = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            answer = self._exchange.answer(json.loads(line))
            if self._transport is not None:
                self._transport.write(_line(answer))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        # The parent is gone, or does not want to know. No time is lost on manners:
        # the kernel closes what is open.
        os._exit(0)


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _read_line(control: socket.socket) -> bytes:
    """Read up to the first line end; nothing follows it before there is an answer."""
    received = b""
    while not received.endswith(b"\n"):
        more = control.recv(65_536)
        if not more:
            raise SystemExit(0)  # the parent has changed its mind
        received += more
    return received


def parse_spec(line: bytes) -> tuple[ExchangeSpec, Behaviour]:
    """Return what a line of the parent asks for.

    It is the fields of `ExchangeSpec`, and under `test` those of `Behaviour`.
    """
    given = json.loads(line)
    behaviour = Behaviour(**given.pop("test", {}))
    given["names"] = tuple(given.get("names", ()))
    known = {each.name for each in fields(ExchangeSpec)}
    if unknown := sorted(set(given) - known):
        raise ValueError(f"unknown in an exchange: {', '.join(unknown)}")
    return ExchangeSpec(**given), behaviour


async def _run(control: socket.socket) -> None:
    line = _read_line(control)
    try:
        spec, behaviour = parse_spec(line)
        exchange = Exchange(spec, behaviour)
    except (ValueError, TypeError) as error:
        control.sendall(_line({"error": f"cannot be such an exchange: {error}"}))
        return
    try:
        port = await exchange.listen()
    except OSError as error:
        where = f"port {spec.port} of {spec.host}"
        reason = os.strerror(error.errno or 0).lower() if error.errno else str(error)
        control.sendall(_line({"error": f"cannot listen on {where}: {reason}"}))
        return
    # What exists now stays, so no collection ever has to look at it again. Cycles come
    # from closed connections only, and are collected when one closes.
    gc.collect()
    gc.freeze()
    gc.disable()
    control.sendall(_line({"ready": True, "port": port, "ca_pem": exchange.ca_pem}))
    control.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.create_unix_connection(lambda: _Control(exchange), sock=control)
    await exchange.ended.wait()


def main(argv: list[str] | None = None) -> None:
    """Be the exchange that the parent at the other end of the control socket wants.

    Args:
        argv: `--control-fd N`; None takes those of the process.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 2 or arguments[0] != "--control-fd":
        raise SystemExit("usage: python -m vestbench.simulator.exchange --control-fd N")
    # Ctrl-C goes to every process of the terminal; the parent decides what it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=int(arguments[1]))
    control.set_inheritable(False)
    loop = precise_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(_run(control))
    # Nothing is left to do that the kernel does not do faster.
    os._exit(0)
