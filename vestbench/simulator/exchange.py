"""The process of the simulated exchange: `main` in a Python of its own.

It is told what to be on the channel that the descriptor is one end of, and serves until
it is told to stop or the channel closes, which is how it learns that its parent is
gone, however that ended.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from vestbench.ipc import (
    Channel,
    ChannelClosedError,
    FailedError,
    leave_signals_to_the_parent,
)
from vestbench.simulator.exchange_messages import (
    Behave,
    Count,
    ExchangeStarted,
    GiveSeen,
    OwnFile,
    Seen,
    StartExchange,
    StopExchange,
)
from vestbench.simulator.http.certificates import java_store
from vestbench.simulator.http.loop import precise_loop
from vestbench.simulator.http.messages import Application as HttpApplication
from vestbench.simulator.http.server import Server
from vestbench.simulator.vest.application import Application
from vestbench.simulator.vest.market import Market
from vestbench.simulator.world.hosts import Hosts
from vestbench.simulator.world.names import Names, serve_names

if TYPE_CHECKING:
    from vestbench.ipc import Answers


class Exchange:
    """The exchange that the parent at the other end of a channel wants."""

    def __init__(self, control: Channel, loop: asyncio.AbstractEventLoop) -> None:
        self._control = control
        self._loop = loop
        self._server: Server | None = None
        self._files: list[str] = []  # to be removed at the end
        self._names: Names | None = None  # of a world

    def serve(self) -> None:
        """Serve until the parent closes the channel."""
        try:
            self._control.reply({StartExchange: self._start})
        except ChannelClosedError:
            return  # the parent has changed its mind
        if self._server is None:
            return
        self._server.prepare()
        self._loop.add_reader(self._control.fileno(), self._obey, self._server)
        self._loop.run_forever()
        self._clear_away()

    def _start(self, wanted: StartExchange) -> ExchangeStarted:
        spec = wanted.spec
        try:
            server = self._server_of(wanted)
        except ValueError as error:
            raise FailedError(f"cannot be such an exchange: {error}") from error
        try:
            if wanted.world is not None:
                self._serve_world(server)
            elif wanted.account:
                server.keep_account()
            port = self._loop.run_until_complete(server.listen())
        except OSError as error:
            where = f"port {spec.port} of {spec.host}"
            raise FailedError(f"cannot listen on {where}: {_reason(error)}") from error
        # What exists now stays, so no collection ever has to look at it again. Cycles
        # come from closed connections only, and are collected when one closes.
        gc.collect()
        gc.freeze()
        gc.disable()
        self._server = server
        store = b"" if wanted.world is None else java_store(server.ca_pem)
        return ExchangeStarted(port=port, ca_pem=server.ca_pem, java_store=store)

    def _server_of(self, wanted: StartExchange) -> Server:
        spec, market = wanted.spec, Market()

        def venue(contract: str) -> Application:
            return Application(
                market,
                contract=contract,
                rate_limit=spec.rate_limit,
                any_key=wanted.world is not None and not wanted.world.strict_keys,
            )

        if wanted.world is None:
            application: HttpApplication = venue(spec.contract)
        else:
            application = Hosts(wanted.world, venue)
        return Server(spec, wanted.behaviour, application, self._loop)

    def _serve_world(self, server: Server) -> None:
        self._names = names = Names(lambda name: hosts.prepare(name))
        hosts = server.serve_every_host(names.name_of)
        self._loop.run_until_complete(serve_names(names, self._loop))

    def _seen(self, server: Server) -> Seen:
        account = server.account
        return Seen(
            connections=account.connections,
            requests=account.requests,
            omitted_connections=account.omitted_connections,
            omitted_requests=account.omitted_requests,
            names=dict(self._names.counts) if self._names is not None else {},
        )

    def _obey(self, server: Server) -> None:
        answers: Answers = {
            Count: lambda _: server.counters(),
            GiveSeen: lambda _: self._seen(server),
            Behave: lambda wanted: server.behave(wanted.behaviour),
            OwnFile: lambda wanted: self._files.append(wanted.file),
            StopExchange: lambda _: self._stop(server),
        }
        try:
            self._control.reply_to_all(answers)
        except ChannelClosedError:
            # The parent is gone, or does not want to know. No time is lost on manners:
            # the kernel closes what is open.
            self._clear_away()
            os._exit(0)

    def _stop(self, server: Server) -> None:
        self._loop.call_later(server.stop(), self._loop.stop)

    def _clear_away(self) -> None:
        for file in self._files:
            with suppress(OSError):  # whoever wanted it gone was faster
                os.unlink(file)


def _reason(error: OSError) -> str:
    """Return why the loop cannot listen, without what it puts in front of that."""
    if error.errno and sys.platform != "win32":
        return os.strerror(error.errno).lower()
    return str(error).rpartition("] ")[2]  # numbers of Windows' own have no text


def main(argv: list[str]) -> None:
    """Be the exchange that is asked for on the channel that `argv` names."""
    leave_signals_to_the_parent()
    loop = precise_loop()
    asyncio.set_event_loop(loop)
    Exchange(Channel.inherited(argv[1]), loop).serve()
    # Nothing is left to do that the kernel does not do faster.
    os._exit(0)
