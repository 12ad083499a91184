"""What every HTTP stack offers: sessions, each with one client and its pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vestbench.model.client import SessionPlan, StackFacts
from vestbench.model.request import Outcome, RequestSpec, Slot


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
