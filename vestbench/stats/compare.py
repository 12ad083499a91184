"""What a comparison says: a verdict for each candidate, and why it is what it is.

Everything here is derived from a `Run` and can be derived again from a stored one: the
rounds are played through the same sequential verdict that stopped the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from statistics import median
from typing import Any, Literal

from vestbench.models import NS_PER_MS, Failure, Outcome, Run, Sample, Strategy
from vestbench.stats.bounds import Bounds, saving_bounds
from vestbench.stats.decision import MedianSummary, SavingSummary, close_margin
from vestbench.stats.diagnostics import (
    MedianMismatch,
    OrderEffect,
    Plateau,
    SignAgreement,
    SynRetransmission,
    lag1_sign_agreement,
    median_mismatch,
    order_effect,
    plateau,
    syn_retransmissions,
)
from vestbench.stats.evidence import projected_rounds, threshold_of
from vestbench.stats.groups import (
    MAX_NOT_REUSED,
    Acceptance,
    Closure,
    Group,
    Why,
    closure_of,
    disturbed_samples,
    group_of,
    median_of_bounds,
    round_trip_ms,
    tls_round_trips,
    too_short,
)
from vestbench.stats.once import once_for_each_run
from vestbench.stats.sequential import Reason, SequentialVerdict, Verdict

# Answered requests of an arm that may contradict its strategy before the run is
# invalid, whatever their share.
_FEW_ENOUGH = 1

# Rounds after which a run whose arms are not what they should be is given up.
GIVE_UP_AFTER = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round: an outcome of each arm, and the order they were sent in."""

    number: int
    outcomes: Mapping[str, Outcome]

    def control_first(self, control: str, candidate: str) -> bool:
        """Say which of two arms was sent first."""
        first, second = self.outcomes[control], self.outcomes[candidate]
        return first.slot.index < second.slot.index


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSummary:
    """One arm: its distribution, its failures, and whether it did what it is called."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSummary:
    """One candidate against the control."""

    candidate: str
    control: str
    acceptance: Acceptance
    why: Why
    confidence: float  # of the verdict and of every interval here
    rounds: int
    measured: int  # requests of the two arms in these rounds
    summary: SavingSummary  # in the unit of the target
    saving: MedianSummary  # ms
    percent: MedianSummary
    round_trips: MedianSummary | None
    closure: Closure | None
    projection: int | None  # rounds in all that would decide, if the trend holds
    undetermined: int  # rounds that failures leave without a vote
    order: OrderEffect | None
    agreement: SignAgreement | None
    mismatch: MedianMismatch | None
    plateau: Plateau | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareSummary:
    """All that the report of a comparison shows."""

    control: str  # of the first stack, where there are several
    arms: tuple[ArmSummary, ...]
    pairs: tuple[PairSummary, ...]
    acceptance: Acceptance  # of the question: all candidates, or any
    rtt_ms: float | None
    target: float
    percent_target: bool
    span_s: float  # from the first measured request to the last
    syn_retransmissions: tuple[SynRetransmission, ...]
    retransmits: int
    disturbed: int


def rounds_of(run: Run) -> list[Round]:
    """Return the rounds in which every arm has an outcome, in their order."""
    labels = [arm["label"] for arm in run.plan["arms"]]
    found: dict[int, dict[str, Outcome]] = {}
    for outcome in run.outcomes:
        found.setdefault(outcome.slot.session, {})[outcome.slot.arm] = outcome
    return [
        Round(number=number, outcomes=found[number])
        for number in sorted(found)
        if all(label in found[number] for label in labels)
    ]


def target_of(run: Run) -> tuple[float, bool]:
    """Return the saving that is asked for, and whether it is in percent.

    `--min-saving auto` is settled when the route is known, so it is in the conditions.
    """
    if "min_saving_percent" in run.plan:
        return float(run.plan["min_saving_percent"]), True
    if "min_saving_ms" in run.plan:
        return float(run.plan["min_saving_ms"]), False
    return float(run.conditions["auto_target_ms"]), False


def pair_confidence(plan: Mapping[str, Any]) -> float:
    """Return the confidence that the verdict of each pair needs.

    When any of several candidates may pass, each has to be surer: 1 - 0.05 / m, for
    which the next confidence of the table, 99 %, serves up to five.
    """
    if plan["question"] == "any" and len(plan["arms"]) > 2:
        return 0.99
    return float(plan["confidence"])


def new_verdict(
    plan: Mapping[str, Any], target: float, *, percent: bool
) -> SequentialVerdict:
    """Return the verdict of one pair, before its first round."""
    vote: Literal["round", "pair"] = "pair" if plan["vote"] == "pair" else "round"
    margin = float(plan["close"]) if "close" in plan else close_margin(target)
    return SequentialVerdict(
        target=target,
        confidence=pair_confidence(plan),
        min_rounds=int(plan["min_rounds"]),
        max_rounds=int(plan["max_rounds"]),
        close=margin,
        vote=vote,
        percent=percent,
    )


def timed(outcome: Outcome) -> tuple[float, bool]:
    """Return what a request took in ms, or took to fail, and whether it succeeded."""
    if isinstance(outcome, Sample):
        return outcome.latency_ns / NS_PER_MS, True
    return outcome.elapsed_ns / NS_PER_MS, False


def contradicts(strategy: str, outcome: Outcome) -> bool:
    """Say whether an answered request was not what its arm is called."""
    if not isinstance(outcome, Sample):
        return False
    if strategy == Strategy.UNPOOLED:
        return outcome.reused or outcome.resumed
    if strategy == Strategy.RESUMED:
        return outcome.reused or not outcome.resumed
    if strategy == Strategy.HTTP2:
        return not outcome.reused or outcome.http_version != "HTTP/2"
    return not outcome.reused


def control_of(plan: Mapping[str, Any], arm: Mapping[str, Any]) -> str:
    """Return the label of what `arm` is compared with: the control of its own stack."""
    return str(arm.get("against", plan["control"]))


def controls_of(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the label of each candidate with that of its control."""
    controls = {arm["label"]: control_of(plan, arm) for arm in plan["arms"]}
    return {label: control for label, control in controls.items() if label != control}


def _round_trips(strategy: str, tls: int) -> int:
    """Return the round trips that opening a connection costs this strategy.

    A resumed handshake takes one round trip in TLS 1.3 (RFC 8446, 2.2) and one in TLS
    1.2 (RFC 5246, 7.3).
    """
    if strategy == Strategy.UNPOOLED:
        return 1 + tls
    if strategy == Strategy.RESUMED:
        return 1 + min(1, tls)
    return 0


def too_many(contradictions: int, answered: int) -> bool:
    """Say whether an arm contradicted its name too often to be called by it."""
    return contradictions > max(_FEW_ENOUGH, MAX_NOT_REUSED * answered)


class Judgement:
    """Watches a comparison as it goes, and says when it is decided.

    Args:
        plan: As it is stored.
        target: The saving to reach, in ms or percent.
        percent: Whether it is in percent.
    """

    def __init__(
        self, plan: Mapping[str, Any], target: float, *, percent: bool
    ) -> None:
        self._plan = plan
        self._controls = controls_of(plan)
        self._strategies = {arm["label"]: arm["strategy"] for arm in plan["arms"]}
        self.verdicts = {
            label: new_verdict(plan, target, percent=percent)
            for label in self._controls
        }
        self._answered: Counter[str] = Counter()
        self._wrong: Counter[str] = Counter()
        self.rounds = 0

    def add(self, found: Round, *, look: bool = True) -> bool:
        """Take a round into account and say whether the run can end."""
        self.rounds += 1
        for label, verdict in self.verdicts.items():
            control = self._controls[label]
            a, b = found.outcomes[control], found.outcomes[label]
            first = found.control_first(control, label)
            verdict.add(*timed(a), *timed(b), first, look=look)
        for label, outcome in found.outcomes.items():
            self._answered[label] += isinstance(outcome, Sample)
            self._wrong[label] += contradicts(self._strategies[label], outcome)
        return self.decided()

    def decided(self) -> bool:
        """Say whether the question is answered, or cannot be."""
        if self.rounds >= GIVE_UP_AFTER and any(
            too_many(self._wrong[label], self._answered[label])
            for label in self._strategies
        ):
            return True
        states = [verdict.outcome.verdict for verdict in self.verdicts.values()]
        if self._plan["question"] == "any" and Verdict.PASS in states:
            return True
        return Verdict.RUNNING not in states

    def projection(self, label: str) -> int | None:
        """Return how many rounds in all would decide, if the trend holds."""
        summary = self.verdicts[label].outcome.summary
        return _projection(summary, self._plan)


@once_for_each_run
def summarise_compare(run: Run) -> CompareSummary:
    """Derive the summary of a comparison."""
    rounds = rounds_of(run)
    arms = tuple(_arm(run, arm, rounds) for arm in run.plan["arms"])
    target, percent = target_of(run)
    rtt = round_trip_ms(run)
    by_label = {arm.label: arm for arm in arms}
    pairs = tuple(
        _pair(run, rounds, by_label[control], by_label[label], (target, percent), rtt)
        for label, control in controls_of(run.plan).items()
    )
    connects = [
        s.connect_ns / NS_PER_MS for s in run.samples if s.connect_ns is not None
    ]
    starts = [outcome.start_ns for outcome in run.outcomes]
    return CompareSummary(
        control=str(run.plan["control"]),
        arms=arms,
        pairs=pairs,
        acceptance=overall([pair.acceptance for pair in pairs], run.plan["question"]),
        rtt_ms=rtt,
        target=target,
        percent_target=percent,
        span_s=(max(starts) - min(starts)) / 1e9 if starts else 0.0,
        syn_retransmissions=syn_retransmissions(connects, rtt_ms=rtt or 0.0),
        retransmits=sum(sample.retransmits or 0 for sample in run.samples),
        disturbed=disturbed_samples(run),
    )


def _arm(run: Run, arm: Mapping[str, str], rounds: Sequence[Round]) -> ArmSummary:
    outcomes = [found.outcomes[arm["label"]] for found in rounds]
    samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    strategy = arm["strategy"]
    network = [s.network_ns / NS_PER_MS for s in samples if s.network_ns is not None]
    wrong = sum(contradicts(strategy, sample) for sample in samples)
    kinds = Counter(str(failure.kind) for failure in failures)
    return ArmSummary(
        label=arm["label"],
        strategy=strategy,
        stack=str(arm.get("stack", run.conditions.get("stack", ""))),
        group=group_of(arm["label"], samples, failures, run.plan["confidence"]),
        requests=len(outcomes),
        connections=sum(not sample.reused for sample in samples),
        reused=sum(sample.reused for sample in samples),
        answered=len(samples),
        failures=tuple(sorted(kinds.items())),
        network=median(network) if network else None,
        resumed=sum(sample.resumed for sample in samples),
        valid=not too_many(wrong, len(samples)),
    )


def _pair(
    run: Run,
    rounds: Sequence[Round],
    control: ArmSummary,
    candidate: ArmSummary,
    asked: tuple[float, bool],
    rtt: float | None,
) -> PairSummary:
    target, percent = asked
    verdict = new_verdict(run.plan, target, percent=percent)
    confidence = pair_confidence(run.plan)
    look_from = first_look(run)
    savings: list[float] = []
    orders: list[bool] = []
    bounds: list[Bounds] = []
    for found in rounds:
        if verdict.outcome.verdict is not Verdict.RUNNING:
            break
        a, b = found.outcomes[control.label], found.outcomes[candidate.label]
        first = found.control_first(control.label, candidate.label)
        verdict.add(*timed(a), *timed(b), first, look=found.number + 1 >= look_from)
        bounds.append(saving_bounds(*timed(a), *timed(b)))
        if isinstance(a, Sample) and isinstance(b, Sample):
            savings.append((a.latency_ns - b.latency_ns) / NS_PER_MS)
            orders.append(first)
    outcome = verdict.finish()
    rounds = rounds[: outcome.rounds]
    closure = None
    if outcome.rounds > 1:  # no figure from one round is called a saving
        closure = _closure(run, control, candidate, outcome.saving, rtt)
    valid = control.valid and candidate.valid
    acceptance, why = _accept(
        outcome.verdict, outcome.reason, closure, target, percent=percent, valid=valid
    )
    interval = outcome.saving.interval
    width = interval.high - interval.low if interval else inf
    in_trips = [Bounds(lo=b.lo / rtt, hi=b.hi / rtt) for b in bounds] if rtt else []
    waits = _waits(rounds, candidate.label)
    return PairSummary(
        candidate=candidate.label,
        control=control.label,
        acceptance=acceptance,
        why=why,
        confidence=confidence,
        rounds=outcome.rounds,
        measured=2 * outcome.rounds,
        summary=outcome.summary,
        saving=outcome.saving,
        percent=outcome.percent,
        round_trips=(median_of_bounds(in_trips, confidence) if in_trips else None),
        closure=closure,
        projection=_projection(outcome.summary, run.plan),
        undetermined=outcome.summary.rounds
        - outcome.summary.votes_pass
        - outcome.summary.votes_fail,
        order=(
            order_effect(savings, orders, target=_in_ms(asked, rounds, control.label))
            if savings
            else None
        ),
        agreement=lag1_sign_agreement(savings) if savings else None,
        mismatch=_mismatch(rounds, control.label, candidate.label, width),
        plateau=plateau(waits, floor_ms=control.group.typical("wait")),
    )


def first_look(run: Run) -> float:
    """Return the first round, counted from 1, on which a verdict was allowed.

    A run that was killed does not say. If it had a minimum duration, that may not have
    passed, and then no round was looked at.
    """
    unknown = inf if run.plan.get("min_duration_s") else 0
    return float(run.conclusion.get("first_look", unknown))


def _closure(
    run: Run,
    control: ArmSummary,
    candidate: ArmSummary,
    saving: MedianSummary,
    rtt: float | None,
) -> Closure | None:
    """Return what the saving should be made of; None where there is none to explain.

    There is none if an arm has no answer or is not what it is called. What the route
    allows to save is only defined where the control opens connections, and the
    candidate does not, or with fewer round trips or less computing.
    """
    if not control.answered or not candidate.answered:
        return None
    if not control.valid or not candidate.valid:
        return None
    arms = (control.label, candidate.label)
    opened = [s for s in run.samples if not s.reused and s.slot.arm in arms]
    versions = {sample.tls_version for sample in opened}
    tls = tls_round_trips(versions)
    trips = _round_trips(control.strategy, tls)
    saved = trips - _round_trips(candidate.strategy, tls)
    closure = closure_of(
        control.group, candidate.group, saving, rtt, versions, round_trips=saved
    )
    defined = trips and saved >= 0 and control.strategy != candidate.strategy
    if closure is None or defined:
        return closure
    return replace(closure, expected=None)


def _in_ms(asked: tuple[float, bool], rounds: Sequence[Round], control: str) -> float:
    """Return the target in ms; one in percent is a share of the typical control."""
    target, percent = asked
    if not percent:
        return target
    latencies = [
        outcome.latency_ns / NS_PER_MS
        for outcome in (found.outcomes[control] for found in rounds)
        if isinstance(outcome, Sample)
    ]
    return target / 100 * median(latencies)


def _projection(summary: SavingSummary, plan: Mapping[str, Any]) -> int | None:
    """Return how many rounds in all would decide; a pair of rounds has one vote."""
    votes = projected_rounds(
        max(summary.votes_pass, summary.votes_fail),
        summary.rounds,
        threshold_of(pair_confidence(plan)),
    )
    return votes * 2 if votes is not None and plan["vote"] == "pair" else votes


def _waits(rounds: Sequence[Round], label: str) -> list[float]:
    outcomes = [found.outcomes[label] for found in rounds]
    waits = [o.wait_ns for o in outcomes if isinstance(o, Sample)]
    return [ns / NS_PER_MS for ns in waits if ns is not None]


def _mismatch(
    rounds: Sequence[Round], control: str, candidate: str, width: float
) -> MedianMismatch | None:
    """Compare the difference of the arms' medians with the median difference."""
    both = [
        (a.latency_ns / NS_PER_MS, b.latency_ns / NS_PER_MS)
        for found in rounds
        if isinstance(a := found.outcomes[control], Sample)
        and isinstance(b := found.outcomes[candidate], Sample)
    ]
    if not both or not isfinite(width):
        return None
    first, second = zip(*both, strict=True)
    return median_mismatch(first, second, interval_width=width)


def _accept(
    verdict: Verdict,
    reason: Reason,
    closure: Closure | None,
    target: float,
    *,
    percent: bool,
    valid: bool,
) -> tuple[Acceptance, Why]:
    if not valid:
        return Acceptance.INVALID, Why.NOT_REUSED
    if verdict is Verdict.PASS:
        return Acceptance.PASS, Why.NONE
    if verdict is Verdict.FAIL:
        if reason is Reason.RELIABILITY:
            return Acceptance.FAIL, Why.RELIABILITY
        short = not percent and too_short(closure, target)
        return Acceptance.FAIL, Why.TOO_SHORT if short else Why.NONE
    return Acceptance.INCONCLUSIVE, {
        Reason.CLOSE: Why.CLOSE,
        Reason.UNRELIABLE: Why.UNRELIABLE,
    }.get(reason, Why.NOISY)


def overall(found: Sequence[Acceptance], question: str) -> Acceptance:
    """Answer the question for all pairs; a run that is invalid answers nothing."""
    if Acceptance.INVALID in found:
        return Acceptance.INVALID
    if question == "any" and Acceptance.PASS in found:
        return Acceptance.PASS
    if question != "any" and Acceptance.FAIL in found:
        return Acceptance.FAIL
    if Acceptance.INCONCLUSIVE in found:
        return Acceptance.INCONCLUSIVE
    return Acceptance.FAIL if Acceptance.FAIL in found else Acceptance.PASS


def theoretical_saving_ms(
    samples: Sequence[Sample], plan: Mapping[str, Any] | None = None
) -> float | None:
    """Return what the route allows to save: the round trips of opening a connection.

    Args:
        samples: Requests of which some opened connections.
        plan: Of a comparison; with it, the fewest round trips that one of its
            candidates saves, if it saves any. Without, those of a full handshake.

    Returns:
        Milliseconds, or None where no connection was opened.
    """
    opened = [sample for sample in samples if not sample.reused]
    trips = [s.syn_rtt_us / 1000 for s in opened if s.syn_rtt_us is not None]
    trips = trips or [s.connect_ns / NS_PER_MS for s in opened if s.connect_ns]
    if not trips:
        return None
    tls = tls_round_trips(s.tls_version for s in opened)
    saved = _saved_round_trips(plan, tls) if plan is not None else []
    return min(saved, default=1 + tls) * median(trips)


def _saved_round_trips(plan: Mapping[str, Any], tls: int) -> list[int]:
    """Return the round trips that each candidate saves, of those that save any."""
    ways = {arm["label"]: arm["strategy"] for arm in plan["arms"]}
    saved = [
        _round_trips(ways[control], tls) - _round_trips(ways[label], tls)
        for label, control in controls_of(plan).items()
    ]
    return [trips for trips in saved if trips > 0]
