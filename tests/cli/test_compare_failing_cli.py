"""`vestbench compare` over real sockets: a candidate that fails."""

import random
from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.support.records import compare_plan
from tests.support.servers import ScriptedServer, Visit
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import (
    Failure,
    FailureKind,
    Outcome,
    RequestSpec,
    Sample,
    Slot,
)
from vestbench.model.session import Session, Stack
from vestbench.model.simulated import ExchangeSpec
from vestbench.model.strategy import POOLED, UNPOOLED
from vestbench.model.verdict import Verdict
from vestbench.running.ports import Pacer
from vestbench.simulator.venue import SimulatedVenue
from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.studies.compare.experiment import Comparison
from vestbench.studies.compare.question import name_arms
from vestbench.studies.compare.rounds import Judgement, Round
from vestbench.venues.vest.public import vest

pytestmark = pytest.mark.usefixtures("empty_folder")


class _SometimesReset:
    """A stack whose pooled arm gets some of its measured requests reset."""

    def __init__(self, stack: Stack, resets: RequestSpec, rounds: set[int]) -> None:
        self._stack = stack
        self._resets = resets
        self._rounds = rounds

    def open(self, plan: SessionPlan) -> Session:
        return _SometimesResetSession(self._stack.open(plan), self._send)

    def _send(self, session: Session, spec: RequestSpec, slot: Slot) -> Outcome:
        lost = slot.arm == "pooled" and slot.session in self._rounds
        return session.send(self._resets if lost else spec, slot)


class _SometimesResetSession(Session):
    def __init__(
        self,
        session: Session,
        send: Callable[[Session, RequestSpec, Slot], Outcome],
    ) -> None:
        self._session = session
        self._send = send
        self.build_ns = session.build_ns
        self.notes = session.notes

    def send(self, spec: RequestSpec, slot: Slot) -> Outcome:
        return self._send(self._session, spec, slot)

    def ask(self, spec: RequestSpec, slot: Slot) -> tuple[Outcome, bytes]:
        return self._session.ask(spec, slot)

    def burst(
        self, specs: Sequence[RequestSpec], slots: Sequence[Slot]
    ) -> list[Outcome]:
        return self._session.burst(specs, slots)

    def close(self) -> None:
        self._session.close()


def _reset(visit: Visit) -> None:
    visit.request()
    visit.reset()


def _lost_rounds(seed: int, in_ten: int) -> set[int]:
    """Draw `in_ten` of every ten rounds.

    Were every round drawn by itself, a twelfth of runs would have one reset or none in
    their first twelve rounds, and would pass by right.
    """
    rng = random.Random(seed)
    return {
        ten + lost for ten in range(0, 60, 10) for lost in rng.sample(range(10), in_ten)
    }


def _judged(seed: int, in_ten: int) -> tuple[Verdict | None, list[Outcome]]:
    arms = name_arms([POOLED, UNPOOLED])
    plan = compare_plan(arms, max_rounds=60)
    judgement = Judgement(plan, 0.01, percent=False)

    def judge(number: int, outcomes: Mapping[str, Outcome]) -> bool:
        return judgement.add(Round(number=number, outcomes=outcomes))

    exchange = ExchangeSpec(processing_ms=0)
    outcomes: list[Outcome] = []
    with SimulatedVenue(exchange, None) as sim, ScriptedServer(_reset) as resets:
        venue = vest("sim", sim.base_url())
        stack = _SometimesReset(
            HttpxStack(sim.ca_pem), resets.get(), _lost_rounds(seed, in_ten)
        )
        comparison = Comparison(
            plan.changed(seed=seed),
            PoolSettings(),
            range(60),
            stack,
            lambda: venue.request(venue.endpoint(), now_ms=0),
            lambda: venue.request(venue.warm_up, now_ms=0),
            pacer=Pacer(),
        )
        comparison.set_up()
        comparison.run(outcomes.append, judge)
    return judgement.verdicts["pooled"].state.verdict, outcomes


@pytest.mark.parametrize("seed", range(4))
def test_a_candidate_with_30_percent_resets_never_passes(seed: int) -> None:
    verdict, outcomes = _judged(seed, in_ten=3)

    lost = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert len(outcomes) >= 24
    assert len(lost) >= 3
    assert {failure.kind for failure in lost} == {FailureKind.RESET}
    assert {failure.slot.arm for failure in lost} == {"pooled"}
    assert verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)


def test_the_same_candidate_passes_without_resets() -> None:
    verdict, outcomes = _judged(0, in_ten=0)

    assert all(isinstance(outcome, Sample) for outcome in outcomes)
    assert verdict is Verdict.PASS
