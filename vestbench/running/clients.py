"""The clients of an experiment, and what is kept of them besides their outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from vestbench.model.client import SessionPlan
from vestbench.model.session import Session, Stack
from vestbench.running.ports import RunEnd, StopRule


@dataclass(slots=True)
class Clients:
    """Builds clients and closes them.

    Args:
        stack: What builds them.
        stop: Notices when nothing more is to be sent.
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
            yield session
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
