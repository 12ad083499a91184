"""The parent's side of the simulated exchange: start it, ask it, stop it.

Imports nothing that takes time: the exchange itself, with asyncio, TLS and
certificates, lives in the child process only.
"""

from __future__ import annotations

import select
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

from vestbench.children import Spawner, ending, start_module
from vestbench.errors import LabError, ProcessDiedError, UsageError
from vestbench.ipc import ChannelClosedError, Done, FailedError, Message
from vestbench.model.simulated import ExchangeCounters, ExchangeSpec, WorldSpec
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
from vestbench.simulator.http.behaviour import Behaviour

if TYPE_CHECKING:
    from vestbench.ipc import M

_START_TIMEOUT_S = 30.0  # it takes 0.4 s; a loaded CI machine has needed 5
_ANSWER_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 3.0


def check_extras(spec: ExchangeSpec) -> None:
    """Refuse an exchange for which a library is not installed.

    Raises:
        UsageError: It says which, and how to install it.
    """
    if spec.http2 and find_spec("h2") is None:
        raise UsageError(
            "the simulated exchange speaks HTTP/2 with an extra that is not installed: "
            "pip install 'vestbench[http2]'"
        )


class ExchangeProcess:
    """A simulated exchange in a child process; a context manager.

    It ends with this process, however this process ends: the child notices when the
    channel closes. (A child that was forked off this process and lives on keeps the
    channel open, and the exchange with it.) Where it is gone, every method raises
    `LabError`.

    Args:
        spec: What it is like. Port 0 takes any free one.
        behaviour: How it misbehaves; None is not at all.
        spawn: Starts the process somewhere else, such as a network namespace.
        world: It is every host there, and answers who asks for names.
        account: Whether what clients send is kept, as it always is in a world.

    Raises:
        LabError: It cannot be started as specified.
        UsageError: What it needs is not installed.

    Attributes:
        host: The address it listens on.
        port: The port it listens on.
        ca_pem: The certificate to trust, as PEM.
        java_store: The same as Java wants it, where it is a world; else empty.
    """

    def __init__(
        self,
        spec: ExchangeSpec,
        *,
        behaviour: Behaviour | None = None,
        spawn: Spawner | None = None,
        world: WorldSpec | None = None,
        account: bool = False,
    ) -> None:
        check_extras(spec)
        self._stopped = False
        module = "vestbench.simulator.exchange"
        try:
            self._process, self._channel = start_module(module, spawn)
        except OSError as error:
            raise LabError(f"the simulated exchange did not start: {error}") from error
        try:
            wanted = StartExchange(
                spec=spec,
                behaviour=behaviour or Behaviour(),
                world=world,
                account=account,
            )
            started = self._ask(wanted, ExchangeStarted, _START_TIMEOUT_S)
        except BaseException:  # Ctrl-C included: nothing must stay behind
            self._end(wait_s=0.0)
            raise
        self.host = spec.host
        self.port = started.port
        self.ca_pem = started.ca_pem
        self.java_store = started.java_store

    def base_url(self, path: str = "/v2") -> str:
        """Return the URL of the exchange as this machine sees it without a link."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}{path}"

    def counters(self) -> ExchangeCounters:
        """Return what has been counted so far."""
        return self._ask(Count(), ExchangeCounters)

    def seen(self) -> Seen:
        """Return what it has seen so far, where that is kept."""
        return self._ask(GiveSeen(), Seen)

    def fileno(self) -> int:
        """Return the descriptor that can be read when it has ended."""
        return self._channel.fileno()

    def check(self) -> None:
        """Make sure that it still runs; it takes microseconds."""
        # It says nothing without being asked: what can be read now is its end.
        if select.select((self._channel,), (), (), 0)[0]:
            self.counters()

    def behave(self, behaviour: Behaviour) -> None:
        """Behave differently from the next request on."""
        self._ask(Behave(behaviour=behaviour), Done)

    def own(self, file: Path) -> None:
        """Hand over a temporary file: it is removed however the exchange ends.

        That is, whatever ends this process too.
        """
        self._ask(OwnFile(file=str(file.absolute())), Done)

    def stop(self) -> None:
        """End the exchange and wait until it has ended; more than once does nothing."""
        if self._stopped:
            return
        with suppress(LabError):  # it is gone already, and so is what it could lose
            self._ask(StopExchange(), Done, _STOP_TIMEOUT_S)
            self._end(wait_s=_STOP_TIMEOUT_S)
        self._end(wait_s=0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end(self, *, wait_s: float) -> None:
        """Reap the process; kill it if it has not ended after `wait_s`."""
        if self._stopped:
            return
        self._stopped = True
        try:
            with suppress(LabError):  # the lab it ran in ended first, and ended it
                if self._process.wait(wait_s) is None:
                    self._process.kill()
                    self._process.wait(_STOP_TIMEOUT_S)
        finally:
            self._channel.close()

    def _ask(
        self, question: Message, kind: type[M], timeout_s: float = _ANSWER_TIMEOUT_S
    ) -> M:
        if self._stopped:
            raise LabError("the simulated exchange was stopped")
        try:
            return self._channel.ask(question, kind, timeout_s=timeout_s)
        except ChannelClosedError as error:
            status = self._process.wait(_STOP_TIMEOUT_S)
            raise ProcessDiedError(
                f"the simulated exchange {ending(status)}"
            ) from error
        except TimeoutError:
            raise LabError("the simulated exchange does not answer") from None
        except FailedError as failure:
            raise LabError(f"the simulated exchange {failure}") from failure
