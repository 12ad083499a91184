"""The stack as the parent process sees it: sessions that live in a worker process."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Protocol, Self

from vestbench.defaults import STACK
from vestbench.errors import VestbenchError
from vestbench.model.client import SessionPlan, StackFacts
from vestbench.model.request import Outcome, RequestSpec, Signer, Slot

_PATIENCE_S = 5.0


class Process(Protocol):
    """What is needed of a started process."""

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""

    def kill(self) -> None:
        """End it at once."""


# Starts a program with file descriptors of ours under the numbers given:
# (argv, {number in the child: number here}).
Spawner = Callable[[Sequence[str], Mapping[int, int]], Process]


class WorkerDiedError(VestbenchError):
    """The process that sends the requests ended by itself."""


class RemoteStack:
    """A worker process with an HTTP stack in it.

    Args:
        spawn: Starts the worker, for example inside an emulated link; by default it
            is an ordinary child process.
        ca_pem: Certificates to trust instead of the usual trust store.
        stack: Which HTTP library it has.
        origin_ns: When the run began, by CLOCK_MONOTONIC, for workers whose samples
            have one time line; None is when the worker is ready.
    """

    def __init__(
        self,
        spawn: Spawner | None = None,
        *,
        ca_pem: str = "",
        stack: str = STACK,
        origin_ns: int | None = None,
    ) -> None:
        ours, theirs = socket.socketpair()
        with ExitStack() as started, theirs:
            started.callback(ours.close)
            number = theirs.fileno()
            argv = [sys.executable, "-m", "vestbench.workers.worker", str(number)]
            # The same number on both sides: all that an ordinary child can have.
            self._process = (spawn or spawn_here)(argv, {number: number})
            started.pop_all()
        self._channel: Connection[Any, Any] = Connection(ours.detach())
        self._keys = itertools.count()
        with suppress(OSError):  # dead already: whoever asks for an answer is told
            self._channel.send((stack, {"ca_pem": ca_pem, "origin_ns": origin_ns}))
        self._facts: StackFacts | None = None
        self._midway = False  # an answer is still owed, as after Ctrl-C

    @property
    def facts(self) -> StackFacts:
        """What the worker says of itself; waits for it to be ready the first time."""
        if self._facts is None:
            self._facts = self._receive()
        return self._facts

    def open(self, plan: SessionPlan) -> RemoteSession:
        """Build a client with a pool of its own in the worker."""
        key = next(self._keys)
        build_ns, notes = self.ask("open", key, plan)
        return RemoteSession(self, key, build_ns, notes)

    def sign_with(self, signer: Signer) -> None:
        """Hand `signer` to the worker, which signs with it inside the clock.

        Returns when the worker has imported what that takes.
        """
        self.ask("signer", 0, signer)

    def modules(self) -> list[str]:
        """Return the names of the modules that the worker has imported."""
        modules: list[str] = self.ask("modules", 0)
        return modules

    def collecting(self) -> bool:
        """Say whether the worker collects garbage whenever it likes."""
        collecting: bool = self.ask("collecting", 0)
        return collecting

    def ask(self, *command: Any) -> Any:
        """Send one command and wait for its answer."""
        _ = self.facts  # the first message that arrives
        self._midway = True
        try:
            self._channel.send(command)
        except OSError as error:
            raise self._died() from error
        answer = self._receive()
        self._midway = False
        return answer

    @property
    def midway(self) -> bool:
        """True after an interruption: the worker has yet to answer, do not ask."""
        return self._midway

    def _receive(self) -> Any:
        try:
            return self._channel.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error

    def _died(self) -> WorkerDiedError:
        self._wait()  # its end of the channel closes a moment before it ends
        return WorkerDiedError(
            f"the measuring process ended by itself (status {self._process.poll()}); "
            "its own message, if any, is above"
        )

    def _wait(self) -> None:
        wait = getattr(self._process, "wait", None)
        if wait is not None:
            with suppress(subprocess.TimeoutExpired):
                wait(_PATIENCE_S)

    def close(self) -> None:
        """End the worker; it ends by itself when the channel closes.

        One that is still at a request, as after Ctrl-C, is not waited for.
        """
        self._channel.close()
        if not self._midway:
            self._wait()
        if self._process.poll() is None:
            self._process.kill()
            self._wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class RemoteStacks:
    """Workers with different stacks, of which each session is opened in one.

    The parent drives them in turn, so that requests of different stacks interleave.
    They start at once; who asks for their facts waits until all of them are ready.

    Args:
        names: The stacks; the first is where a session opens that names none.
        spawn: Starts the workers.
        ca_pem: Certificates to trust instead of the usual trust store.
    """

    def __init__(
        self,
        names: Sequence[str] = (STACK,),
        spawn: Spawner | None = None,
        *,
        ca_pem: str = "",
    ) -> None:
        origin_ns = perf_counter_ns()
        with ExitStack() as started:
            self._stacks = {
                name: started.enter_context(
                    RemoteStack(spawn, ca_pem=ca_pem, stack=name, origin_ns=origin_ns)
                )
                for name in names
            }
            self._close = started.pop_all()

    @property
    def facts(self) -> tuple[StackFacts, ...]:
        """What each worker says of itself; waits for all of them the first time."""
        return tuple(stack.facts for stack in self._stacks.values())

    def open(self, plan: SessionPlan) -> RemoteSession:
        """Build a client with a pool of its own on the stack that `plan` names."""
        name = plan.stack or next(iter(self._stacks))
        return self._stacks[name].open(plan)

    def sign_with(self, signer: Signer) -> None:
        """Hand `signer` to all workers, which sign with it inside the clock."""
        for stack in self._stacks.values():
            stack.sign_with(signer)

    def close(self) -> None:
        """End the workers."""
        self._close.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class RemoteSession:
    """One client and its pool, in the worker."""

    def __init__(
        self, stack: RemoteStack, key: int, build_ns: int, notes: tuple[str, ...]
    ) -> None:
        self._stack = stack
        self._key = key
        self.build_ns = build_ns
        self.notes = notes

    def send(self, spec: RequestSpec, slot: Slot) -> Outcome:
        """Send one request and return its sample, or how it failed."""
        outcome: Outcome = self._stack.ask("send", self._key, spec, slot)
        return outcome

    def ask(self, spec: RequestSpec, slot: Slot) -> tuple[Outcome, bytes]:
        """Send one request and return its outcome, and the body of the answer."""
        answered: tuple[Outcome, bytes] = self._stack.ask("ask", self._key, spec, slot)
        return answered

    def burst(
        self, specs: Sequence[RequestSpec], slots: Sequence[Slot]
    ) -> list[Outcome]:
        """Send all requests at the same moment."""
        outcomes: list[Outcome] = self._stack.ask("burst", self._key, specs, slots)
        return outcomes

    def close(self) -> None:
        """Close the client and its connections."""
        if not self._stack.midway:
            self._stack.ask("close", self._key)


def spawn_here(argv: Sequence[str], fds: Mapping[int, int]) -> subprocess.Popen[bytes]:
    """Start `argv` as an ordinary child, in a session of its own.

    The terminal's Ctrl-C is for the parent alone: it decides what is still written.
    """
    if any(child != here for child, here in fds.items()):
        raise ValueError("an ordinary child has its descriptors under their own number")
    return subprocess.Popen(
        argv,
        pass_fds=tuple(fds.values()),
        stdin=subprocess.DEVNULL,
        stdout=2 if os.name == "posix" else None,
        start_new_session=True,
    )
