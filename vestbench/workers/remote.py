"""The stack as the parent process sees it: sessions that live in a worker process."""

from __future__ import annotations

import itertools
from contextlib import ExitStack, contextmanager, suppress
from time import monotonic, perf_counter_ns, sleep
from typing import TYPE_CHECKING, Self

from vestbench.children import ending, start_module
from vestbench.defaults import STACK
from vestbench.errors import ProcessDiedError, UsageError
from vestbench.ipc import ChannelClosedError, Done, FailedError, Message
from vestbench.model.client import SessionPlan, StackFacts
from vestbench.stacks.registry import find_stack
from vestbench.workers.messages import (
    Burst,
    BurstSent,
    Close,
    Listen,
    Open,
    Opened,
    Send,
    Sent,
    SignWith,
    StartStack,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vestbench.children import Spawner
    from vestbench.ipc import M, Watched
    from vestbench.model.request import (
        Outcome,
        RequestSpec,
        Signer,
        Slot,
        Subscription,
    )

_PATIENCE_S = 5.0
_LONG_S = 0.05  # a wait in which something may die


class RemoteStack:
    """A worker process with an HTTP stack in it.

    Args:
        spawn: Starts the worker, for example inside an emulated link; by default it
            is an ordinary child process.
        ca_pem: Certificates to trust instead of the usual trust store.
        stack: Which HTTP library it has.
        origin_ns: When the run began, by CLOCK_MONOTONIC, for workers whose samples
            have one time line; None is when the worker is ready.
        watched: Must live while the worker does something: what its `check` raises
            ends the wait for an answer, which may never come.
    """

    def __init__(
        self,
        spawn: Spawner | None = None,
        *,
        ca_pem: str = "",
        stack: str = STACK,
        origin_ns: int | None = None,
        watched: Watched | None = None,
    ) -> None:
        module = "vestbench.workers.worker"
        self._process, self._channel = start_module(module, spawn)
        self._watched = watched
        if watched is not None:
            self._channel.watch(watched)
        self._keys = itertools.count()
        start = StartStack(stack=find_stack(stack), ca_pem=ca_pem, origin_ns=origin_ns)
        with suppress(ChannelClosedError):  # dead already: who asks it is told
            self._channel.send(start)
        self._facts: StackFacts | None = None
        self._midway = False  # an answer is still owed, as after Ctrl-C
        # Connections that its requests opened, measured or not; None: not known of one.
        self.opened: int | None = 0

    def took(self, *outcomes: Outcome) -> None:
        """Count the connections that requests opened."""
        found = [self.opened, *(outcome.opened for outcome in outcomes)]
        self.opened = None if None in found else sum(filter(None, found))

    @property
    def facts(self) -> StackFacts:
        """What the worker says of itself; waits for it to be ready the first time."""
        if self._facts is None:
            with self._telling():
                self._facts = self._channel.receive(StackFacts)
        return self._facts

    def open(self, plan: SessionPlan) -> RemoteSession:
        """Build a client with a pool of its own in the worker."""
        key = next(self._keys)
        opened = self.ask(Open(key=key, plan=plan), Opened)
        return RemoteSession(self, key, opened.build_ns, opened.notes)

    def sign_with(self, signer: Signer) -> None:
        """Hand `signer` to the worker, which signs with it inside the clock.

        Returns when the worker has imported what that takes.
        """
        self.ask(SignWith(signer=signer), Done)

    def ask(self, question: Message, kind: type[M]) -> M:
        """Ask the worker, and wait for the answer."""
        _ = self.facts  # the first message that arrives
        self._midway = True
        with self._telling():
            answer = self._channel.ask(question, kind)
        self._midway = False
        return answer

    def rest(self, seconds: float) -> None:
        """Wait, and notice meanwhile if the worker, or what is watched, has died."""
        end_s = monotonic() + seconds
        if seconds > _LONG_S:
            # It says nothing unasked: what comes is its end.
            with suppress(TimeoutError), self._telling():
                self._channel.receive(Message, seconds - _LONG_S)
        sleep(max(0.0, end_s - monotonic()))  # exact, as no selector is

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Raise an error of ours where the worker has ended, or refuses."""
        try:
            yield
        except FailedError as error:
            raise UsageError(str(error)) from error
        except ChannelClosedError as error:
            raise self._died() from error

    @property
    def midway(self) -> bool:
        """True after an interruption: the worker has yet to answer, do not ask."""
        return self._midway

    def _died(self) -> ProcessDiedError:
        # Its end of the channel closes a moment before it ends.
        status = self._process.wait(_PATIENCE_S)
        if self._watched is not None:  # it may have taken the worker along
            self._watched.check()
        return ProcessDiedError(f"the measuring process {ending(status)}")

    def close(self) -> None:
        """End the worker; it ends by itself when the channel closes.

        One that is still at a request, as after Ctrl-C, is not waited for.
        """
        self._channel.close()
        if not self._midway:
            self._process.wait(_PATIENCE_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(_PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RemoteStacks:
    """Workers with different stacks, of which each session is opened in one.

    The parent drives them in turn, so that requests of different stacks interleave.
    They start at once; who asks for their facts waits until all of them are ready.

    Args:
        names: The stacks; the first is where a session opens that names none.
        spawn: Starts the workers.
        ca_pem: Certificates to trust instead of the usual trust store.
        watched: Must live while a worker does something.
    """

    def __init__(
        self,
        names: Sequence[str] = (STACK,),
        spawn: Spawner | None = None,
        *,
        ca_pem: str = "",
        watched: Watched | None = None,
    ) -> None:
        origin_ns = perf_counter_ns()
        with ExitStack() as started:
            self._stacks = {
                name: started.enter_context(
                    RemoteStack(
                        spawn,
                        ca_pem=ca_pem,
                        stack=name,
                        origin_ns=origin_ns,
                        watched=watched,
                    )
                )
                for name in names
            }
            self._close = started.pop_all()

    @property
    def facts(self) -> tuple[StackFacts, ...]:
        """What each worker says of itself; waits for all of them the first time."""
        return tuple(stack.facts for stack in self._stacks.values())

    @property
    def opened(self) -> int | None:
        """How many connections all requests so far have opened; None if not known."""
        each = [stack.opened for stack in self._stacks.values()]
        return None if None in each else sum(filter(None, each))

    def open(self, plan: SessionPlan) -> RemoteSession:
        """Build a client with a pool of its own on the stack that `plan` names."""
        name = plan.stack or next(iter(self._stacks))
        return self._stacks[name].open(plan)

    def rest(self, seconds: float) -> None:
        """Wait, and notice meanwhile if the first worker, or what is watched, died."""
        next(iter(self._stacks.values())).rest(seconds)

    def sign_with(self, signer: Signer) -> None:
        """Hand `signer` to all workers, which sign with it inside the clock."""
        for stack in self._stacks.values():
            stack.sign_with(signer)

    def close(self) -> None:
        """End the workers."""
        self._close.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
        return self._ask(spec, slot, body=False).outcome

    def ask(self, spec: RequestSpec, slot: Slot) -> tuple[Outcome, bytes]:
        """Send one request and return its outcome, and the body of the answer."""
        sent = self._ask(spec, slot, body=True)
        return sent.outcome, sent.body

    def listen(
        self, spec: RequestSpec, slot: Slot, wanted: Subscription
    ) -> tuple[Outcome, bytes]:
        """Open a WebSocket beside the pool; return its outcome and the first event."""
        asked = Listen(key=self._key, spec=spec, slot=slot, wanted=wanted)
        sent = self._sent(asked)
        return sent.outcome, sent.event

    def ask_and_hear(
        self, spec: RequestSpec, slot: Slot
    ) -> tuple[Outcome, bytes, bytes]:
        """Send one request; return its outcome, its answer, and the event after it."""
        sent = self._ask(spec, slot, body=True, hears=True)
        return sent.outcome, sent.body, sent.event

    def _ask(
        self, spec: RequestSpec, slot: Slot, *, body: bool, hears: bool = False
    ) -> Sent:
        return self._sent(
            Send(key=self._key, spec=spec, slot=slot, body=body, hears=hears)
        )

    def _sent(self, asked: Send | Listen) -> Sent:
        sent = self._stack.ask(asked, Sent)
        self._stack.took(sent.outcome)
        return sent

    def burst(
        self, specs: Sequence[RequestSpec], slots: Sequence[Slot]
    ) -> list[Outcome]:
        """Send all requests at the same moment."""
        asked = Burst(key=self._key, specs=specs, slots=slots)
        outcomes = self._stack.ask(asked, BurstSent).outcomes
        self._stack.took(*outcomes)
        return outcomes

    def close(self) -> None:
        """Close the client and its connections."""
        if not self._stack.midway:
            self._stack.ask(Close(key=self._key), Done)
