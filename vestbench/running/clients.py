"""The clients of an experiment, and what is kept of them besides their outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from vestbench.model.client import SessionPlan
from vestbench.model.request import Failure, Outcome, RequestSpec, Slot, Subscription
from vestbench.model.session import Session, Stack
from vestbench.running.ports import RunEnd, StopRule


@dataclass(slots=True)
class Clients:
    """Builds clients and closes them.

    Args:
        stack: What builds them.
        stop: Notices when nothing more is to be sent. Whatever a client sends, it
            notices: primers and warm-ups too.
    """

    stack: Stack
    stop: StopRule = field(default_factory=StopRule)
    _build_ns: list[int] = field(default_factory=list)
    _built_by: list[str] = field(default_factory=list)
    _notes: dict[str, None] = field(default_factory=dict)  # each once, in order

    @contextmanager
    def open(self, plan: SessionPlan) -> Iterator[Session]:
        """Build a client with a pool of its own, and close it in the end."""
        session = self.stack.open(plan)
        self._build_ns.append(session.build_ns)
        self._built_by.append(plan.stack)
        self._notes.update(dict.fromkeys(session.notes))
        try:
            yield _Noticed(session, self.stop)
        finally:
            session.close()

    def discard(self) -> None:
        """Leave the clients that were built so far out of what building costs."""
        self._build_ns.clear()
        self._built_by.clear()

    def end(self) -> RunEnd:
        """Return what is to be kept of the clients."""
        return RunEnd(
            build_ns=tuple(self._build_ns),
            built_by=tuple(self._built_by),
            notes=tuple(self._notes),
            stopped=self.stop.reason,
        )


class _Noticed:
    """A session whose outcomes are told to a stop rule."""

    def __init__(self, session: Session, stop: StopRule) -> None:
        self._session = session
        self._stop = stop
        self.build_ns = session.build_ns
        self.notes = session.notes
        self.close = session.close

    def send(self, spec: RequestSpec, slot: Slot) -> Outcome:
        outcome = self._session.send(spec, slot)
        self._stop.notice(outcome, spec.endpoint)
        return outcome

    def ask(self, spec: RequestSpec, slot: Slot) -> tuple[Outcome, bytes]:
        outcome, body = self._session.ask(spec, slot)
        self._stop.notice(outcome, spec.endpoint)
        return outcome, body

    def listen(
        self, spec: RequestSpec, slot: Slot, wanted: Subscription
    ) -> tuple[Outcome, bytes]:
        outcome, event = self._session.listen(spec, slot, wanted)
        self._stop.notice(outcome, spec.endpoint)
        return outcome, event

    def ask_and_hear(
        self, spec: RequestSpec, slot: Slot
    ) -> tuple[Outcome, bytes, bytes]:
        outcome, body, event = self._session.ask_and_hear(spec, slot)
        self._stop.notice(outcome, spec.endpoint)
        return outcome, body, event

    def burst(
        self, specs: Sequence[RequestSpec], slots: Sequence[Slot]
    ) -> list[Outcome]:
        outcomes = self._session.burst(specs, slots)
        # All were sent at once: where one got through, none of the others was first.
        told = sorted(zip(specs, outcomes, strict=True), key=lambda of: _is_lost(of[1]))
        for spec, outcome in told:
            self._stop.notice(outcome, spec.endpoint)
        return outcomes


def _is_lost(outcome: Outcome) -> bool:
    """Say whether no answer came at all."""
    return isinstance(outcome, Failure) and outcome.status is None
