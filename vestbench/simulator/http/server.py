"""The process of the simulated exchange: a specification in, a TLS server out.

It is told what to be by one line of JSON on its control socket, answers with one line
when it is ready or cannot be, and then serves until it is told to stop or the socket
closes, which is how it learns that its parent is gone, however that ended.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import fields
from typing import Any, cast

from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.simulator.http.certificates import Contexts, ServerTls
from vestbench.simulator.http.loop import Worker, precise_loop
from vestbench.simulator.http.service import Service
from vestbench.simulator.http.tls import TlsProtocol, http_version
from vestbench.simulator.vest import signatures
from vestbench.simulator.vest.application import Application
from vestbench.simulator.vest.market import Market

_STOP_TIMEOUT_S = 0.5
_BACKLOG = 1_024


class Exchange:
    """The server: where it listens, and what its parent asks of it."""

    def __init__(self, spec: ExchangeSpec, behaviour: Behaviour) -> None:
        self._loop = asyncio.get_running_loop()
        self._spec = spec
        self._worker = Worker(self._loop)
        self._contexts = Contexts(
            ServerTls(
                version=spec.tls,
                names=spec.names,
                http2=spec.http2,
                tickets=spec.tickets,
            ),
            self._worker,
        )
        self.ca_pem = self._contexts.ca_pem
        application = Application(
            Market(), contract=spec.contract, rate_limit=spec.rate_limit
        )
        order_ms = spec.order_processing_ms
        self._service = Service(
            respond=application.begin,
            timers=self._loop,
            idle_timeout_s=spec.idle_timeout_s,
            max_requests=spec.max_requests,
            processing_s=spec.processing_ms / 1000,
            order_processing_s=None if order_ms is None else order_ms / 1000,
            background=self._worker,
        )
        self._service.behaviour = behaviour
        self._server: asyncio.Server | None = None
        if spec.http2:
            http_version("h2")  # so that no handshake waits for the import
        self._files: list[str] = []  # to be removed at the end
        self.ended = asyncio.Event()

    def prepare(self) -> None:
        """Begin to make what the first signature would have to wait for."""
        self._worker(signatures.prepare, lambda _: None)

    async def listen(self) -> int:
        """Begin to accept connections; return the port."""
        self._server = await self._loop.create_server(
            lambda: TlsProtocol(self._service, self._contexts.take()),
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
                self._service.behaviour = Behaviour(**command["behaviour"])
                return {}
            case "stop":
                self._stop()
                return {}
            case "own":
                self._files.append(command["file"])
                return {}
            case unknown:
                return {"error": f"unknown command {unknown}"}

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

    def clear_away(self) -> None:
        """Remove the files that it owns."""
        for file in self._files:
            with suppress(OSError):  # whoever wanted it gone was faster
                os.unlink(file)

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
        self._exchange.clear_away()
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
    exchange.prepare()
    control.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.create_unix_connection(lambda: _Control(exchange), sock=control)
    await exchange.ended.wait()
    exchange.clear_away()


def main(argv: list[str] | None = None) -> None:
    """Be the exchange that the parent at the other end of the control socket wants.

    Args:
        argv: `--control-fd N`; None takes those of the process.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 2 or arguments[0] != "--control-fd":
        raise SystemExit("usage: python -m vestbench.simulator.http --control-fd N")
    # Ctrl-C goes to every process of the terminal; the parent decides what it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=int(arguments[1]))
    control.set_inheritable(False)
    loop = precise_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(_run(control))
    # Nothing is left to do that the kernel does not do faster.
    os._exit(0)
