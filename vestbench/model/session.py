"""What every HTTP stack offers: sessions, each with one client and its pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vestbench.model.client import SessionPlan, StackFacts
from vestbench.model.request import Outcome, RequestSpec, Slot, Subscription


class Session(Protocol):
    """One client and its pool."""

    build_ns: int  # what it took to build it
    notes: tuple[str, ...]  # settings that the stack could not honour, in words

    def send(self, spec: RequestSpec, slot: Slot) -> Outcome:
        """Send one request and return its sample, or how it failed."""

    def ask(self, spec: RequestSpec, slot: Slot) -> tuple[Outcome, bytes]:
        """Send one request and return its outcome, and the body of the answer.

        The body is empty where there was no answer.
        """

    def listen(
        self, spec: RequestSpec, slot: Slot, wanted: Subscription
    ) -> tuple[Outcome, bytes]:
        """Open a WebSocket beside the pool; return its outcome and the first event."""
        del slot, wanted
        raise RuntimeError(f"this stack opens no WebSocket for {spec.endpoint}")

    def ask_and_hear(
        self, spec: RequestSpec, slot: Slot
    ) -> tuple[Outcome, bytes, bytes]:
        """Send one request that leads to an event.

        Returns:
            The outcome, the body of the answer, and the event.
        """
        del slot
        raise RuntimeError(f"this stack opens no WebSocket for {spec.endpoint}")

    def burst(
        self, specs: Sequence[RequestSpec], slots: Sequence[Slot]
    ) -> list[Outcome]:
        """Send all requests at the same moment."""

    def close(self) -> None:
        """Close the client and its connections."""


class Stack(Protocol):
    """An HTTP library that can build clients."""

    def open(self, plan: SessionPlan) -> Session:
        """Build a client with a pool of its own."""


class LocalStack(Stack, Protocol):
    """An HTTP library in this process."""

    facts: StackFacts
