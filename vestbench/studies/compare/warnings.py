"""What is unusual about a comparison: what was seen, why it matters, what to try."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.report.units import ms, plural
from vestbench.studies.compare.plan import CompareRun
from vestbench.studies.compare.summary import CompareSummary, PairSummary
from vestbench.studies.parts.warnings import (
    link_warnings,
    notes_of,
    resent_warnings,
    residual_warning,
)


def compare_warnings(run: CompareRun, summary: CompareSummary) -> Iterator[str]:
    """Word what is unusual about a comparison."""
    for pair in summary.pairs:
        yield from _pair_warnings(run, summary, pair)
    yield from notes_of(run)
    connects = len(summary.syn_retransmissions)
    longer = "a whole second or more longer"
    yield from resent_warnings(run, connects, longer, summary.retransmits)
    for pair in summary.pairs:
        named = f"{pair.candidate}: " if len(summary.pairs) > 1 else ""
        yield from (named + text for text in residual_warning(pair.breakdown))
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
            f"{name}: the medians of the arms differ by "
            f"{ms(pair.mismatch.of_medians_ms)} ms, but the median saving is "
            f"{ms(pair.mismatch.median_ms)} ms: conditions changed during the run"
        )
    if pair.plateau is not None:
        yield (
            f"{name}: {plural(pair.plateau.count, 'request')} waited "
            f"{ms(pair.plateau.excess_ms)} ms longer than the others: a delayed "
            "acknowledgement; the server should set TCP_NODELAY"
        )
