"""Why a candidate passed or not, and what is unusual about a comparison, in words."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.model.request import Sample
from vestbench.model.strategy import find_strategy
from vestbench.model.verdict import Decision, Reason, Verdict
from vestbench.report.units import ms, plural
from vestbench.studies.compare.plan import CompareRun
from vestbench.studies.compare.rounds import rounds_needed, rounds_of
from vestbench.studies.compare.summary import CompareSummary, PairSummary
from vestbench.studies.parts.breakdown import Breakdown
from vestbench.studies.parts.causes import Names, cause_warnings
from vestbench.studies.parts.connections import met_by, misled_by
from vestbench.studies.parts.reasons import because
from vestbench.studies.parts.warnings import (
    link_warnings,
    notes_of,
    resent_warnings,
)


def explanation(run: CompareRun, summary: CompareSummary, pair: PairSummary) -> str:
    """Return why the pair was accepted or not; empty where its figures say it."""
    breakdown = pair.breakdown
    if pair.why is Reason.NOT_REUSED:
        return _contradiction(run, summary, pair)
    if pair.why is Reason.NOISY:
        return _undecided(run, summary, pair)
    if pair.why is Reason.TOO_SHORT and breakdown is not None:
        return _too_short(breakdown)
    if pair.why is Reason.RELIABILITY:
        return f"{pair.candidate} fails more often than {pair.control}"
    if found := misled_by(run, pair.why):
        return found
    if pair.acceptance is Verdict.FAIL:
        return _no_saving(summary, pair)
    return pair.why.sentence


def _too_short(breakdown: Breakdown) -> str:
    reachable = breakdown.expected or 0.0
    if not breakdown.round_trips:
        return (
            "a resumed TLS 1.3 handshake has as many round trips as a full one: it "
            "only saves computing"
        )
    measured = ""
    if breakdown.opening is not None:
        measured = f", {ms(breakdown.opening)} ms as measured"
    return (
        f"the route is too short: {ms(reachable)} ms are all that the handshakes' "
        f"{plural(breakdown.round_trips, 'round trip')} of {ms(breakdown.rtt)} ms cost"
        f"{measured}; --min-saving auto asks for 80 % of what the route allows"
    )


def _undecided(run: CompareRun, summary: CompareSummary, pair: PairSummary) -> str:
    needed = rounds_needed(run.plan, len(met_by(run).remotes))
    if summary.acceptance is Verdict.PASS:
        return "not decided when another candidate passed, which ended the run"
    if pair.rounds < needed:
        return f"at least {needed} rounds are needed"
    if pair.summary.decision is not Decision.UNDECIDED:
        return "no verdict is given before --min-duration has passed"
    early = run.interrupted or run.conclusion.stopped
    return f"{'not decided yet' if early else 'too noisy to tell'}; {_more(pair)}"


def _no_saving(summary: CompareSummary, pair: PairSummary) -> str:
    strategies = {arm.label: arm.strategy for arm in summary.arms}
    if strategies[pair.candidate] == strategies[pair.control]:
        return "both connect in the same way, so there is nothing to save"
    ends = pair.saving.interval
    if ends is not None and ends.high < 0:
        return f"{pair.candidate} is slower than {pair.control}"
    return ""


def _more(pair: PairSummary) -> str:
    if pair.projection is None:
        return "at this rate more rounds will not settle it"
    more = max(1, pair.projection - pair.rounds)
    return (
        f"about {plural(more, 'more round')} would settle it if the trend holds "
        "(--resume)"
    )


def _contradiction(run: CompareRun, summary: CompareSummary, pair: PairSummary) -> str:
    """Say what the first arm that broke a claim of its strategy did not show."""
    arm = next(
        arm
        for arm in summary.arms
        if not arm.valid and arm.label in (pair.candidate, pair.control)
    )
    outcomes = [found.outcomes[arm.label] for found in rounds_of(run)]
    samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    claims = find_strategy(arm.strategy).claims
    claim = next(each for each in claims if not all(map(each.kept_by, samples)))
    kept = sum(map(claim.kept_by, samples))
    broken = claim.broken.format(
        label=arm.label,
        strategy=arm.strategy,
        answered=plural(len(samples), "request"),
        kept=kept,
        wrong=len(samples) - kept,
    )
    return broken + because(run) if claim.of_reuse else broken


def compare_warnings(run: CompareRun, summary: CompareSummary) -> Iterator[str]:
    """Say what is unusual about a comparison."""
    for pair in summary.pairs:
        yield from _pair_warnings(run, summary, pair)
    yield from notes_of(run)
    connects = len(summary.syn_retransmissions)
    longer = "a whole second or more longer"
    yield from resent_warnings(run, connects, longer, summary.retransmits)
    stacks = {arm.label: arm.stack for arm in summary.arms}
    for pair in summary.pairs:
        if pair.acceptance is Verdict.INVALID:  # there is no saving to explain
            continue
        named = f"{pair.candidate}: " if len(summary.pairs) > 1 else ""
        names = Names(pair.control, pair.candidate, stacks[pair.candidate])
        yield from (named + text for text in cause_warnings(run, pair, names))
    yield from link_warnings(run, summary.disturbed)


def _pair_warnings(
    run: CompareRun, summary: CompareSummary, pair: PairSummary
) -> Iterator[str]:
    name = pair.candidate
    control = next(arm for arm in summary.arms if arm.label == pair.control)
    failed = sum(count for _, count in control.failures)
    if 20 * failed > control.requests:
        yield (
            f"{control.label} failed in {failed} of "
            f"{plural(control.requests, 'round')}: what it would have taken is "
            "unknown, and the saving only counts the time it took to fail"
        )
    if pair.undetermined:
        yield (
            f"{name}: failures leave {plural(pair.undetermined, 'round')} of "
            f"{pair.rounds} without a vote"
        )
    if pair.order is not None and pair.order.warns and run.plan.vote != "pair":
        yield (
            f"{name}: who goes first matters by {ms(abs(pair.order.effect_ms))} ms; "
            "--vote pair cancels that"
        )
    if pair.agreement is not None and pair.agreement.warns:
        yield (
            f"{name}: savings of successive rounds resemble each other; a longer "
            "--interval makes them more independent"
        )
    if pair.mismatch is not None and pair.mismatch.warns:
        yield (
            f"{name}: the medians of the two differ by "
            f"{ms(pair.mismatch.of_medians_ms)} ms, but the median saving is "
            f"{ms(pair.mismatch.median_ms)} ms: conditions changed during the run"
        )
