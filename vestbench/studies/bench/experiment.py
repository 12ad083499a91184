"""Cold against subsequent: each session opens a fresh pool and uses it for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from vestbench.errors import UsageError
from vestbench.model.client import SessionPlan
from vestbench.model.request import Outcome, Role, Sample, Slot
from vestbench.model.session import Session, Stack
from vestbench.model.strategy import Strategy
from vestbench.running.clients import Clients
from vestbench.running.ports import MakeRequest, Pacer, RunEnd

# The first connections of a process pay for caches, the first request on each for the
# code paths of reuse; neither belongs to any sample.
BURN_IN_SESSIONS = 2
BURN_IN_REQUESTS = 2
BURN_IN = BURN_IN_SESSIONS * BURN_IN_REQUESTS


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSchedule:
    """How many requests are sent, over how many sessions."""

    session: SessionPlan
    requests: int
    sessions: int

    def __post_init__(self) -> None:
        """Refuse too few requests to show a saving."""
        if self.requests < 1 or self.sessions < 1:
            raise UsageError("--requests and --sessions must be at least 1")
        width = self.session.concurrency
        if self.session.strategy.opens:
            needed, why = self.sessions, "one for each session"
        else:
            needed = 2 * self.sessions * width
            why = "a cold and a subsequent one for each session"
            if width > 1:
                why += f" and each of {width} concurrent requests"
        if self.requests < needed:
            raise UsageError(
                f"--requests {self.requests} is too few for --sessions "
                f"{self.sessions}: at least {needed}, {why}"
            )

    def bursts(self) -> Iterator[list[int]]:
        """Yield, for each session, the sizes of its bursts of concurrent requests."""
        width = self.session.concurrency
        share, rest = divmod(self.requests, self.sessions)
        for number in range(self.sessions):
            full, last = divmod(share + (number < rest), width)
            yield [width] * full + ([last] if last else [])


def sessions_for(requests: int, concurrency: int, strategy: Strategy) -> int:
    """Return the default number of sessions: 20, or what `requests` allow."""
    needed = 1 if strategy.opens else 2 * concurrency
    return max(1, min(20, requests // needed))


def run_bench(
    plan: BenchSchedule,
    stack: Stack,
    make_request: MakeRequest,
    *,
    pacer: Pacer,
    record: Callable[[Outcome], None],
) -> RunEnd:
    """Send all requests of `plan`, handing each outcome to `record` as it comes.

    Requests of a session's first burst should be cold, as its pool is empty; the
    later ones should reuse. The outcomes prove what they were.
    """
    reason = _burn_in(plan, stack, make_request, pacer)
    if reason:
        return RunEnd(stopped=reason)
    clients = Clients(stack)
    for number, bursts in enumerate(plan.bursts()):
        if clients.stop.over():
            break
        with clients.open(replace(plan.session, round=number)) as session:
            for burst in _session(plan, session, number, bursts, make_request, pacer):
                for outcome in burst:
                    record(outcome)
                if clients.stop.over():
                    break
    return clients.end()


def _burn_in(
    plan: BenchSchedule, stack: Stack, make_request: MakeRequest, pacer: Pacer
) -> str:
    """Send the discarded requests, and return why not to go on, if so.

    What fails here fails again in the measured requests, where it is counted. Only a
    venue that asks to be left alone ends the run here.
    """
    clients = Clients(stack)
    for _ in range(BURN_IN_SESSIONS):
        with clients.open(plan.session) as session:
            for index in range(BURN_IN_REQUESTS):
                pacer.wait()
                slot = Slot(session=-1, index=index, role=Role.BURN_IN)
                outcome = session.send(make_request(), slot)
                if clients.stop.over() or not isinstance(outcome, Sample):
                    return clients.stop.reason
    return ""


def _session(
    plan: BenchSchedule,
    session: Session,
    number: int,
    bursts: list[int],
    make_request: MakeRequest,
    pacer: Pacer,
) -> Iterator[list[Outcome]]:
    opens = plan.session.strategy.opens
    index = 0
    for place, size in enumerate(bursts):
        role = Role.COLD if opens or place == 0 else Role.SUBSEQUENT
        slots = [
            Slot(session=number, index=index + offset, role=role)
            for offset in range(size)
        ]
        index += size
        pacer.wait(size)
        if size == 1:
            yield [session.send(make_request(), slots[0])]
        else:
            yield session.burst([make_request() for _ in slots], slots)
