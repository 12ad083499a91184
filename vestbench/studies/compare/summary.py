"""What a comparison says: a verdict for each candidate, and why it is what it is.

Everything here is derived from a `Run` and can be derived again from a stored one: the
rounds are played through the same sequential verdict that stopped the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from statistics import median
from typing import NamedTuple

from vestbench.model.columns import network_ns
from vestbench.model.record import Record, asdict, replace
from vestbench.model.request import NS_PER_MS, Failure, Outcome, Sample
from vestbench.model.strategy import Strategy, find_strategy
from vestbench.model.verdict import Reason, Verdict, worst
from vestbench.stats.bounds import percent_bounds, saving_bounds
from vestbench.stats.decision import MedianSummary, SavingSummary, Settling, Step
from vestbench.stats.diagnostics import (
    MedianMismatch,
    OrderEffect,
    SignAgreement,
    SynRetransmission,
    lag1_sign_agreement,
    median_mismatch,
    order_effect,
    syn_retransmissions,
)
from vestbench.stats.metrics import Group
from vestbench.stats.sequential import State
from vestbench.studies.compare.plan import Arm, CompareRun, controls_of
from vestbench.studies.compare.rounds import (
    Pairing,
    Replay,
    Round,
    pair_confidence,
    projection_of,
    rounds_of,
    target_of,
)
from vestbench.studies.parts.breakdown import Breakdown
from vestbench.studies.parts.causes import Explained, Side, explain, too_short
from vestbench.studies.parts.connections import astray, misled
from vestbench.studies.parts.groups import (
    disturbed_samples,
    groups_of,
    kinds_of,
    too_many,
)
from vestbench.studies.parts.once import once_for_each_run
from vestbench.studies.parts.route import (
    in_round_trips,
    round_trip_ms,
    tls_round_trips,
)


class ArmSummary(Record, frozen=True, kw_only=True):
    """One strategy (arm): its spread, its failures, and whether it was what it is."""

    label: str
    strategy: str
    stack: str
    group: Group
    requests: int
    connections: int  # opened by its measured requests
    reused: int  # measured requests that were proved to reuse a connection
    answered: int  # measured requests that got a response
    failures: tuple[tuple[str, int], ...]  # kind and count
    network: float | None  # median of all phases together, ms; None without phases
    resumed: int  # measured requests whose connection resumed a TLS session
    valid: bool  # False if it was not what it is called, such as pooled


class PairSummary(Explained, frozen=True, kw_only=True):
    """One candidate against the control."""

    candidate: str
    control: str
    acceptance: Verdict
    why: Reason
    confidence: float  # of the verdict and of every interval here
    rounds: int
    measured: int  # requests of the two arms in these rounds
    summary: SavingSummary  # in the unit of the target
    saving: MedianSummary  # ms
    percent: MedianSummary
    round_trips: MedianSummary | None
    projection: int | None  # rounds in all that would decide, if the trend holds
    undetermined: int  # rounds that failures leave without a vote
    order: OrderEffect | None
    agreement: SignAgreement | None
    mismatch: MedianMismatch | None


class CompareSummary(Record, frozen=True, kw_only=True):
    """All that the report of a comparison shows."""

    control: str  # of the first stack, where there are several
    arms: tuple[ArmSummary, ...]
    pairs: tuple[PairSummary, ...]
    acceptance: Verdict  # of the question: all candidates, or any
    rtt_ms: float | None
    target: float
    percent_target: bool
    span_s: float  # from the first measured request to the last
    syn_retransmissions: tuple[SynRetransmission, ...]
    retransmits: int
    disturbed: int


@once_for_each_run
def summarise_compare(run: CompareRun) -> CompareSummary:
    """Derive the summary of a comparison."""
    rounds = rounds_of(run)
    arms = tuple(_arm(run, arm, rounds) for arm in run.plan.arms)
    target, percent = target_of(run)
    rtt = round_trip_ms(run)
    by_label = {arm.label: arm for arm in arms}
    pairs = tuple(
        _pair(run, by_label[control], by_label[label], (target, percent), rtt)
        for label, control in controls_of(run.plan).items()
    )
    connects = [
        s.connect_ns / NS_PER_MS for s in run.samples if s.connect_ns is not None
    ]
    starts = [outcome.start_ns for outcome in run.outcomes]
    return CompareSummary(
        control=run.plan.control,
        arms=arms,
        pairs=pairs,
        acceptance=overall([pair.acceptance for pair in pairs], run.plan.question),
        rtt_ms=rtt,
        target=target,
        percent_target=percent,
        span_s=(max(starts) - min(starts)) / 1e9 if starts else 0.0,
        syn_retransmissions=syn_retransmissions(connects, rtt_ms=rtt or 0.0),
        retransmits=sum(sample.retransmits or 0 for sample in run.samples),
        disturbed=disturbed_samples(run),
    )


def _arm(run: CompareRun, arm: Arm, rounds: Sequence[Round]) -> ArmSummary:
    outcomes = [found.outcomes[arm.label] for found in rounds]
    samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    (group,) = groups_of(
        [arm.label], ((arm.label, each) for each in outcomes), run.plan.confidence
    )
    strategy = arm.strategy
    network = [ns / NS_PER_MS for ns in map(network_ns, samples) if ns is not None]
    wrong = sum(map(arm.way.contradicted_by, samples))
    return ArmSummary(
        label=arm.label,
        strategy=strategy,
        stack=arm.stack or run.conditions.stack,
        group=group,
        requests=len(outcomes),
        connections=sum(not sample.reused for sample in samples),
        reused=sum(sample.reused for sample in samples),
        answered=len(samples),
        failures=kinds_of(each for each in outcomes if isinstance(each, Failure)),
        network=median(network) if network else None,
        resumed=sum(sample.resumed for sample in samples),
        valid=not too_many(wrong, len(samples)),
    )


def _pair(
    run: CompareRun,
    control: ArmSummary,
    candidate: ArmSummary,
    asked: tuple[float, bool],
    rtt: float | None,
) -> PairSummary:
    replay = Replay(run, control.label, candidate.label)
    pairings = list(replay)
    state = replay.verdict.finish()
    found = state.summary
    # No figure from one round is called a saving.
    saving = state.saving if state.rounds > 1 else None
    explained = _explained(run, control, candidate, saving, rtt)
    acceptance, why = _accept(state, explained.breakdown, asked)
    if broken := _broken(run, control, candidate, pairings):
        acceptance, why = Verdict.INVALID, broken
    confidence = pair_confidence(run.plan)
    bounds = [saving_bounds(*pairing.times) for pairing in pairings]
    answered = [
        (each, saved) for each in pairings if (saved := each.saved_ms) is not None
    ]
    return PairSummary(
        candidate=candidate.label,
        control=control.label,
        acceptance=acceptance,
        why=why,
        confidence=confidence,
        rounds=state.rounds,
        measured=2 * state.rounds,
        summary=found,
        saving=state.saving,
        percent=state.percent,
        round_trips=in_round_trips(bounds, rtt, confidence),
        projection=projection_of(found, run.plan),
        undetermined=found.rounds - found.votes_pass - found.votes_fail,
        order=order_effect(
            ((saved, each.control_first) for each, saved in answered),
            target=_in_ms(asked, pairings),
        ),
        agreement=lag1_sign_agreement([saved for _, saved in answered]),
        mismatch=_mismatch([each for each, _ in answered], state.saving),
        **asdict(explained),
    )


class Fair(NamedTuple):
    """The rounds of a pair in which both requests were what their arms are called."""

    sides: tuple[Side, Side]  # of the control and of the candidate
    left_out: int  # rounds


@once_for_each_run
def sides_of(run: CompareRun) -> Mapping[str, Fair]:
    """Return the fair rounds of each pair, by the candidate's label.

    Where no round is fair, all answers are shown as they are.
    """
    ways = {arm.label: arm.way for arm in run.plan.arms}
    found = {}
    for label, control in controls_of(run.plan).items():
        pairings = [each.between(control, label) for each in rounds_of(run)]
        both = ways[control], ways[label]
        fair = [pair for pair in pairings if all(map(_is_fair, both, pair))]
        sides = Side(), Side()
        for pair in fair or pairings:
            for side, outcome in zip(sides, pair, strict=True):
                if isinstance(outcome, Sample):
                    side.add(outcome)
        found[label] = Fair(sides, len(pairings) - len(fair))
    return found


def _is_fair(way: Strategy, outcome: Outcome) -> bool:
    return isinstance(outcome, Sample) and not way.contradicted_by(outcome)


def _explained(
    run: CompareRun,
    control: ArmSummary,
    candidate: ArmSummary,
    saving: MedianSummary | None,
    rtt: float | None,
) -> Explained:
    """Return what explains the saving, if there is one to explain.

    What the route allows to save is only defined where the control opens connections,
    and the candidate needs no more round trips.
    """
    sides = sides_of(run)[candidate.label].sides
    if not all(arm.valid and arm.answered for arm in (control, candidate)):
        saving = None
    tls = tls_round_trips(sides[0].versions | sides[1].versions)
    ours, theirs = (find_strategy(arm.strategy) for arm in (control, candidate))
    tcp = ours.tcp_trips - theirs.tcp_trips
    saved = ours.round_trips(tls) - theirs.round_trips(tls)
    found = explain(
        *(*sides, saving, rtt, run.plan.confidence), round_trips=(tcp, saved - tcp)
    )
    defined = ours.round_trips(tls) and saved >= 0 and ours is not theirs
    if found.breakdown is None or defined:
        return found
    return replace(found, breakdown=replace(found.breakdown, expected=None))


def _in_ms(asked: tuple[float, bool], pairings: Sequence[Pairing]) -> float:
    """Return the target in ms; percent are a share of the median control."""
    target, percent = asked
    controls = [a.latency_ms for a, _ in pairings if isinstance(a, Sample)]
    return target / 100 * median(controls) if percent and controls else target


def _mismatch(
    answered: Sequence[Pairing], saving: MedianSummary
) -> MedianMismatch | None:
    ends = saving.interval
    if ends is None or not isfinite(ends.high - ends.low):
        return None
    return median_mismatch(
        ((a.latency_ms, b.latency_ms) for a, b in answered),
        interval_width=ends.high - ends.low,
    )


def _broken(
    run: CompareRun,
    control: ArmSummary,
    candidate: ArmSummary,
    pairings: Sequence[Pairing],
) -> Reason:
    """Return why no saving can be stated; `NONE` if one can."""
    if run.unanswered:
        return Reason.UNANSWERED
    if not control.valid or not candidate.valid:
        return Reason.NOT_REUSED
    return misled(run, (astray(*pairing) for pairing in pairings))


def _accept(
    state: State, breakdown: Breakdown | None, asked: tuple[float, bool]
) -> tuple[Verdict, Reason]:
    target, percent = asked
    if state.verdict is None:
        return Verdict.INCONCLUSIVE, Reason.NOISY
    if state.verdict is Verdict.FAIL and state.reason is Reason.NONE:
        short = not percent and too_short(breakdown, target)
        return Verdict.FAIL, Reason.TOO_SHORT if short else Reason.NONE
    return state.verdict, state.reason


def settlings_of(run: CompareRun) -> Iterator[Settling]:
    """Yield how the saving of each candidate settled."""
    target, percent = target_of(run)
    says = percent_bounds if percent else saving_bounds
    for label, control in controls_of(run.plan).items():
        replay, steps = Replay(run, control, label), []
        for pairing in replay:
            state = replay.verdict.state
            found = state.percent if percent else state.saving
            steps.append(Step(bounds=says(*pairing.times), found=found))
        yield Settling(
            candidate=label,
            each="round",
            unit="%" if percent else "ms",
            target=target,
            confidence=pair_confidence(run.plan),
            steps=tuple(steps),
        )


def overall(found: Sequence[Verdict], question: str) -> Verdict:
    """Answer the question for all pairs; a run that is invalid answers nothing."""
    if question != "any" or Verdict.INVALID in found:
        return worst(found)
    from_best = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL)
    return min(found, key=from_best.index, default=Verdict.PASS)
