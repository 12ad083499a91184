"""The parent's side of the simulated exchange: start it, ask it, stop it.

Imports nothing that takes time: the exchange itself, with asyncio, TLS and
certificates, lives in the child process only.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vestbench.errors import LabError, UsageError
from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.http.behaviour import Behaviour

__all__ = [
    "Behaviour",
    "ExchangeCounters",
    "ExchangeProcess",
    "Spawner",
    "check_extras",
]

# Starts argv with {its descriptor: descriptor of this process}. What it returns has
# `wait(timeout_s)`, which returns None when the time is over, and `kill()`.
Spawner = Callable[[Sequence[str], Mapping[int, int]], Any]

_START_TIMEOUT_S = 30.0  # it takes 0.4 s; a loaded CI machine has needed 5
_ANSWER_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 3.0
_SPAWNED_FD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeCounters:
    """What the exchange has counted since its start."""

    connections: int  # accepted, whether or not the TLS handshake succeeded
    handshakes: int  # completed
    resumed: int  # of these, the ones that resumed a TLS session
    requests: int  # taken up, the malformed ones included
    requests_per_connection: tuple[int, ...]  # by serial, for completed handshakes
    open_connections: int  # as the exchange sees it now
    # Why it or the client ended connections: idle, max_requests, asked (by the
    # client's Connection: close), client, behaviour, error (malformed), stop.
    closes: Mapping[str, int]


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


class _LocalProcess:
    """A child of this process, as a `Spawner` returns it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def wait(self, timeout_s: float) -> int | None:
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        self._process.kill()


def _spawn_local(argv: Sequence[str], fds: Mapping[int, int]) -> _LocalProcess:
    if any(child != parent for child, parent in fds.items()):
        raise ValueError("a local child has descriptors under the numbers they have")
    # A session of its own: no signal that the terminal sends reaches it.
    process = subprocess.Popen(
        argv,
        pass_fds=tuple(fds.values()),
        start_new_session=True,
        stdin=subprocess.DEVNULL,
    )
    return _LocalProcess(process)


class ExchangeProcess:
    """A simulated exchange in a child process; a context manager.

    It ends with this process, however this process ends: the child notices when the
    control socket closes. (A child that was forked off this process and lives on keeps
    the socket open, and the exchange with it.)

    Args:
        spec: What it is like. Port 0 takes any free one.
        behaviour: How it misbehaves; None is not at all.
        spawn: Starts the process somewhere else, such as a network namespace.

    Raises:
        LabError: It cannot be started as specified.
        UsageError: What it needs is not installed.

    Attributes:
        host: The address it listens on.
        port: The port it listens on.
        ca_pem: The certificate to trust, as PEM.
    """

    def __init__(
        self,
        spec: ExchangeSpec,
        *,
        behaviour: Behaviour | None = None,
        spawn: Spawner | None = None,
    ) -> None:
        check_extras(spec)
        self._pending = b""
        self._stopped = False
        self._control, theirs = socket.socketpair()
        fd = theirs.fileno() if spawn is None else _SPAWNED_FD
        module = "vestbench.simulator.http"
        argv = [sys.executable, "-m", module, "--control-fd", str(fd)]
        try:
            with theirs:
                self._process = (spawn or _spawn_local)(argv, {fd: theirs.fileno()})
        except BaseException as error:
            self._control.close()
            if isinstance(error, OSError):
                raise LabError(
                    f"the simulated exchange did not start: {error}"
                ) from error
            raise
        try:
            request = {**asdict(spec), "test": asdict(behaviour or Behaviour())}
            ready = self._ask(request, _START_TIMEOUT_S)
        except BaseException:  # Ctrl-C included: nothing must stay behind
            self._end(wait_s=0.0)
            raise
        self.host = spec.host
        self.port: int = ready["port"]
        self.ca_pem: str = ready["ca_pem"]

    def base_url(self, path: str = "/v2") -> str:
        """Return the URL of the exchange as this machine sees it without a link."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}{path}"

    def counters(self) -> ExchangeCounters:
        """Return what has been counted so far.

        Raises:
            LabError: The exchange is gone.
        """
        answer = self._ask({"do": "counters"})
        uses = tuple(answer.pop("requests_per_connection"))
        return ExchangeCounters(requests_per_connection=uses, **answer)

    def check(self) -> None:
        """Make sure that it still runs; it takes microseconds.

        Raises:
            LabError: The exchange is gone.
        """
        # It says nothing without being asked: what can be read now is its end.
        if select.select((self._control,), (), (), 0)[0]:
            self.counters()

    def behave(self, behaviour: Behaviour) -> None:
        """Behave differently from the next request on.

        Raises:
            LabError: The exchange is gone.
        """
        self._ask({"do": "behaviour", "behaviour": asdict(behaviour)})

    def own(self, file: Path) -> None:
        """Hand over a temporary file: it is removed however the exchange ends.

        That is, whatever ends this process too.

        Raises:
            LabError: The exchange is gone.
        """
        self._ask({"do": "own", "file": str(file.absolute())})

    def stop(self) -> None:
        """End the exchange and wait until it has ended; more than once does nothing."""
        if self._stopped:
            return
        with suppress(LabError):  # it is gone already, and so is what it could lose
            self._ask({"do": "stop"}, _STOP_TIMEOUT_S)
            self._end(wait_s=_STOP_TIMEOUT_S)
        self._end(wait_s=0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _end(self, *, wait_s: float) -> None:
        """Reap the process; kill it first if it has not ended after `wait_s`."""
        if self._stopped:
            return
        self._stopped = True
        try:
            with suppress(LabError):  # the lab it ran in ended first, and ended it
                if self._process.wait(wait_s) is None:
                    self._process.kill()
                    self._process.wait(_STOP_TIMEOUT_S)
        finally:
            self._control.close()

    def _ask(
        self, request: Mapping[str, Any], timeout_s: float = _ANSWER_TIMEOUT_S
    ) -> dict[str, Any]:
        """Send one line and return the answer to it."""
        if self._stopped:
            raise LabError("the simulated exchange was stopped")
        deadline = time.monotonic() + timeout_s
        try:
            self._control.settimeout(timeout_s)
            self._control.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(self._read_line(deadline))
        except OSError as error:
            raise LabError("the simulated exchange ended unexpectedly") from error
        if "error" in answer:
            raise LabError(f"the simulated exchange {answer['error']}")
        return answer

    def _read_line(self, deadline: float) -> bytes:
        while b"\n" not in self._pending:
            left_s = max(0.0, deadline - time.monotonic())
            if not select.select((self._control,), (), (), left_s)[0]:
                raise LabError("the simulated exchange does not answer")
            received = self._control.recv(65_536)
            if not received:
                raise LabError("the simulated exchange ended unexpectedly")
            self._pending += received
        line, _, self._pending = self._pending.partition(b"\n")
        return line
