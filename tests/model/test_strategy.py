"""Strategies are records: a new one is registered here and found everywhere."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from tests.support.printed import written
from tests.support.records import compare_run, sample
from tests.support.stacks import FakeStack, ok, spec
from vestbench.api import compare
from vestbench.errors import UsageError
from vestbench.model.client import PoolSettings
from vestbench.model.request import Outcome, Role, Sample
from vestbench.model.simulated import ExchangeSpec
from vestbench.model.strategy import (
    STRATEGIES,
    Claim,
    Strategy,
    find_strategy,
    offers_http2,
)
from vestbench.model.verdict import Verdict
from vestbench.running.destination import Destination, stacks_for
from vestbench.running.pace import Pace
from vestbench.running.ports import Pacer
from vestbench.stacks.registry import find_stack
from vestbench.studies.compare.experiment import (
    SETUP_ROUNDS,
    Comparison,
)
from vestbench.studies.compare.job import CompareJob
from vestbench.studies.compare.plan import CompareRun
from vestbench.studies.compare.question import (
    Question,
    Target,
    arms_of,
    theoretical_saving_ms,
)
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.shown import show_run

# Its first data go with the first packet of TLS, in a session that two primers brought.
EARLY = Strategy(
    name="early",
    claims=(
        Claim("reused", False, "{label} kept {wrong} open"),
        Claim("status", 425, "{label}: {kept} of {answered} early"),
    ),
    opens=True,
    resumes=True,
    primers=2,
    tcp_trips=1,
    needs_tls=True,
    preparation=-1,
)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES, EARLY.name, EARLY)


def rounds(status: int = 425, *, kept_open: int = 0) -> list[Outcome]:
    """Return twelve rounds over a route of 30 ms, of which a request saves 31.5."""
    found: list[Outcome] = []
    for number in range(12):
        start = 1000.0 * number
        found.append(sample(number, 0, arm="unpooled", start=start, wait=35 + number))
        early = sample(
            number, 1, arm="early", start=start + 500, tls=None, wait=35 + number
        )
        found.append(replace(early, status=status, reused=number < kept_open))
    return found


def compared(outcomes: list[Outcome]) -> CompareRun:
    return compare_run(outcomes, arms={"early": "early", "unpooled": "unpooled"})


def test_it_is_found_by_its_name_and_listed_for_users() -> None:
    assert find_strategy("early") is EARLY
    with pytest.raises(UsageError, match="http2, early, or two result"):
        find_strategy("late")


def test_it_goes_to_another_process_as_it_is() -> None:
    found = pickle.loads(pickle.dumps(EARLY))  # noqa: S301
    assert found == EARLY


def test_it_can_be_an_arm_and_the_control_stays_what_it_was() -> None:
    arms, control = arms_of(["early", "unpooled", "early"])
    assert [arm.label for arm in arms] == ["early", "unpooled", "early-2"]
    assert arms[0].way is EARLY
    assert control == "unpooled"


def test_stacks_say_whether_they_honour_it() -> None:
    assert "early" in find_stack("httpx").ability().strategies


def test_it_is_refused_where_it_makes_no_sense() -> None:
    with pytest.raises(UsageError, match="early needs TLS"):
        stacks_for("httpx", "http://localhost:1", ["early"])
    assert not offers_http2(["early", "pooled"])


def test_a_comparison_plans_primes_and_prepares_it() -> None:
    arms, control = arms_of(["pooled", "early"])
    job = CompareJob(
        Question(arms=arms, control=control, target=Target(saving_s=0.02)),
        Destination(
            venue="sim", endpoint="", pool=PoolSettings(), exchange=ExchangeSpec()
        ),
        Pace(interval_s=0, max_rate=0, seed=1),
    )
    assert [arm.strategy for arm in job.plan.arms] == ["pooled", "early"]
    # Of each round two measured, a primer of `pooled`, and two of `early`.
    assert job.most_requests == 5 * (job.plan.max_rounds + SETUP_ROUNDS)

    stack = FakeStack(ok)
    pacer = Pacer(sleep=lambda _: None)
    comparison = Comparison(
        job.plan, PoolSettings(), range(1), stack, spec, spec, pacer=pacer
    )
    comparison.run(lambda _: None, lambda *_: False)
    primed = [slot.arm for slot in stack.slots if slot.role is Role.PRIMER]
    assert primed == ["early", "early", "pooled"]
    measured = {slot.arm: slot.role for slot in stack.slots[3:]}
    assert measured == {"early": Role.COLD, "pooled": Role.SUBSEQUENT}
    assert [plan.strategy for plan in stack.plans] == [EARLY, find_strategy("pooled")]


def test_its_round_trips_are_what_the_route_allows_to_save() -> None:
    run = compared(rounds())
    (pair,) = summarise_compare(run).pairs
    assert pair.breakdown is not None
    assert pair.breakdown.round_trips == 1  # of TLS 1.3
    assert theoretical_saving_ms(run.samples, run.plan) == 30.0


def test_its_claims_are_its_proof() -> None:
    good = next(o for o in rounds() if o.slot.arm == "early")
    assert isinstance(good, Sample)
    assert not EARLY.contradicted_by(good)
    assert EARLY.contradicted_by(replace(good, status=200))
    assert EARLY.contradicted_by(replace(good, reused=True))
    arms = {arm.label: arm for arm in summarise_compare(compared(rounds())).arms}
    assert arms["early"].valid


@pytest.mark.parametrize(
    ("outcomes", "why"),
    [
        (rounds(200), "early: 0 of 12 requests early"),
        (rounds(200, kept_open=3), "early kept 3 open"),
    ],
)
def test_the_first_claim_that_is_broken_says_why_a_run_is_invalid(
    outcomes: list[Outcome], why: str
) -> None:
    run = compared(outcomes)
    assert summarise_compare(run).acceptance is Verdict.INVALID
    assert why in " ".join(written(show_run(run)).split())


def test_a_measuring_process_that_does_not_know_it_carries_it_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again = replace(STRATEGIES["unpooled"], name="again", is_control=False, primers=1)
    monkeypatch.setitem(STRATEGIES, again.name, again)
    found = compare("pooled", "again", rtt="0ms", min_saving="0.01ms", max_rounds=12)
    requests = [o for o in found.run.samples if o.slot.arm == "again"]
    assert len(requests) == len(found.run.samples) / 2
    assert not any(sample.reused or sample.resumed for sample in requests)
    assert found.run.plan.stored()["arms"][1]["strategy"] == "again"
