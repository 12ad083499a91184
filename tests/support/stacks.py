"""A stack without a network: it writes down what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tests.support.records import sample
from vestbench.model.client import SessionPlan
from vestbench.model.request import Outcome, RequestSpec, Role, Slot, Subscription
from vestbench.model.session import Session
from vestbench.workers.messages import Inspect, Inspected
from vestbench.workers.remote import RemoteStack

Answer = Outcome | BaseException
Script = Callable[[Slot], Answer]


def spec(name: str = "ticker") -> RequestSpec:
    return RequestSpec(endpoint=name, method="GET", url=f"https://sim.test/{name}")


def ok(slot: Slot) -> Outcome:
    """Answer as a pool that works does: the first burst opens, the others reuse."""
    return sample(slot=slot, reused=slot.role is Role.SUBSEQUENT)


def in_turn(answers: Iterable[Callable[[Slot], Answer]]) -> Script:
    """Give each request the next answer, and then `ok`."""
    waiting: Iterator[Callable[[Slot], Answer]] = iter(answers)
    return lambda slot: next(waiting, ok)(slot)


class FakeSession(Session):
    def __init__(self, stack: FakeStack, number: int) -> None:
        self._stack = stack
        self._number = number
        self.build_ns = 1000 + number
        self.notes: tuple[str, ...] = stack.notes

    def send(self, spec: RequestSpec, slot: Slot) -> Outcome:
        self._stack.log(f"send {self._number} {spec.endpoint} {slot.role}", [slot])
        return self._stack.answer(slot)

    def ask(self, spec: RequestSpec, slot: Slot) -> tuple[Outcome, bytes]:
        return self.send(spec, slot), self._stack.bodies.get(spec.endpoint, b"")

    def listen(
        self, spec: RequestSpec, slot: Slot, wanted: Subscription
    ) -> tuple[Outcome, bytes]:
        self._stack.log(f"listen {self._number} {spec.endpoint} {slot.role}", [slot])
        self._stack.wanted.append(wanted)
        return self._stack.answer(slot), b"first"

    def ask_and_hear(
        self, spec: RequestSpec, slot: Slot
    ) -> tuple[Outcome, bytes, bytes]:
        return *self.ask(spec, slot), f"event of {spec.endpoint}".encode()

    def burst(
        self, specs: Sequence[RequestSpec], slots: Sequence[Slot]
    ) -> list[Outcome]:
        names = {spec.endpoint for spec in specs}
        roles = {str(slot.role) for slot in slots}
        assert len(specs) == len(slots)
        self._stack.log(
            f"burst {self._number} {len(slots)} {'/'.join(names)} {'/'.join(roles)}",
            slots,
        )
        return [self._stack.answer(slot) for slot in slots]

    def close(self) -> None:
        self._stack.log(f"close {self._number}", [])
        self._stack.open_now.discard(self._number)


class FakeStack:
    """Opens sessions that answer by a script."""

    def __init__(self, script: Script = ok, notes: tuple[str, ...] = ()) -> None:
        self.calls: list[str] = []
        self.slots: list[Slot] = []  # of every request sent, in order
        self.plans: list[SessionPlan] = []
        self.open_now: set[int] = set()
        self.notes = notes
        self.bodies: dict[str, bytes] = {}  # of answers, by endpoint
        self.wanted: list[Subscription] = []  # of each WebSocket
        self._script = script

    def open(self, plan: SessionPlan) -> FakeSession:
        number = len(self.plans)
        self.plans.append(plan)
        self.open_now.add(number)
        self.log(f"open {number}", [])
        return FakeSession(self, number)

    def log(self, call: str, slots: Sequence[Slot]) -> None:
        self.calls.append(call)
        self.slots += slots

    def answer(self, slot: Slot) -> Outcome:
        found = self._script(slot)
        if isinstance(found, BaseException):
            raise found
        return found


class Clock:
    """A clock that only sleeping moves, and requests that take no time."""

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns
        self.slept: list[float] = []

    def __call__(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ns += round(seconds * 1e9)


def inside(stack: RemoteStack) -> Inspected:
    """Look into the measuring process: its modules, and whether it collects garbage."""
    return stack.ask(Inspect(), Inspected)
