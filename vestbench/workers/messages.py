"""What the measuring process is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence

from vestbench.ipc import Message
from vestbench.model.client import SessionPlan
from vestbench.model.request import Outcome, RequestSpec, Signer, Slot, Subscription
from vestbench.stacks.registry import StackInfo


class StartStack(Message):
    """The first message; `StackFacts` comes back when the stack is ready."""

    stack: StackInfo  # which HTTP library, and where its class is
    ca_pem: str  # certificates to trust; empty is the usual trust store
    origin_ns: int | None  # when the run began, by CLOCK_MONOTONIC; None is when ready


class Open(Message):
    """Build a client with a pool of its own; answered by `Opened`."""

    key: int  # what the session is called in later messages
    plan: SessionPlan


class Opened(Message):
    """A client was built."""

    build_ns: int
    notes: tuple[str, ...]


class Send(Message):
    """Send one request; answered by `Sent`."""

    key: int
    spec: RequestSpec
    slot: Slot
    body: bool  # the body of the answer is wanted
    hears: bool = False  # it leads to an event, which is waited for


class Sent(Message):
    """One request is over."""

    outcome: Outcome
    body: bytes  # empty unless it was wanted
    event: bytes = b""


class Listen(Message):
    """Open the WebSocket of a client; answered by `Sent`, with the first event."""

    key: int
    spec: RequestSpec
    slot: Slot
    wanted: Subscription


class Burst(Message):
    """Send all requests at the same moment; answered by `BurstSent`."""

    key: int
    specs: Sequence[RequestSpec]
    slots: Sequence[Slot]


class BurstSent(Message):
    """All requests are over."""

    outcomes: list[Outcome]


class Close(Message):
    """Close a client and its connections; answered by `Done`."""

    key: int


class SignWith(Message):
    """Sign with this from now on; answered by `Done` when its imports are made."""

    signer: Signer


class Inspect(Message):
    """Answered by `Inspected`."""


class Inspected(Message):
    """What the process is like inside."""

    modules: list[str]  # names of those imported
    collects: bool  # it collects garbage whenever it likes
