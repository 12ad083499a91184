"""Why the verdict on a bench run is what it is, in words, and what is unusual."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.model.verdict import Reason
from vestbench.report.units import interval, ms, plural
from vestbench.stats.decision import SavingSummary
from vestbench.stats.evidence import CONFIDENCE_THRESHOLDS, projected_rounds
from vestbench.studies.bench.plan import BenchRun
from vestbench.studies.bench.summary import BenchSummary
from vestbench.studies.parts.causes import Names, cause_warnings
from vestbench.studies.parts.connections import misled_by
from vestbench.studies.parts.reasons import because, losses_of, not_reused
from vestbench.studies.parts.warnings import (
    link_warnings,
    notes_of,
    resent_warnings,
)


def explanation(run: BenchRun, summary: BenchSummary) -> str:
    """Return the evidence for the verdict, or the reason why there is none."""
    if summary.why is Reason.UNANSWERED:
        return summary.why.sentence
    saving, breakdown, reuse = summary.saving, summary.breakdown, summary.reuse
    target = run.plan.min_saving_ms
    if summary.why is Reason.NOT_REUSED:
        return not_reused(run, reuse.expected - reuse.reused, reuse.expected)
    if found := misled_by(run, summary.why):
        return found
    if saving is None:
        return "there is no session to judge by"
    if summary.why is Reason.TOO_SHORT and breakdown and breakdown.expected is not None:
        opening = breakdown.opening
        in_all = "" if opening is None else f" about {ms(opening)} ms in all,"
        return (
            "the route is too short: opening a connection costs "
            f"{plural(1 + breakdown.tls_round_trips, 'round trip')} of "
            f"{ms(breakdown.rtt)} ms,{in_all} "
            f"so no client can save {target:g} ms here"
        )
    if summary.why is Reason.FEW:
        return f"{plural(saving.rounds, 'session')}, at least 12 are needed"
    if summary.why is Reason.CLOSE:
        return (
            f"{interval(saving.interval)} is too close to the target to tell: "
            "change the target, or accept this"
        )
    if summary.why is Reason.NOISY:
        return (
            f"{interval(saving.interval)} holds the target; {_projection(run, saving)}"
        )
    if summary.why is Reason.UNRELIABLE:
        return "too many subsequent requests failed"
    votes = max(saving.votes_pass, saving.votes_fail)
    sessions = plural(saving.rounds, "session")
    return f"{votes} of {sessions} agree"


def _projection(run: BenchRun, saving: SavingSummary) -> str:
    rounds = projected_rounds(
        max(saving.votes_pass, saving.votes_fail),
        saving.rounds,
        CONFIDENCE_THRESHOLDS[run.plan.confidence],
    )
    if rounds is None:
        return "more sessions will not settle it"
    return f"about {rounds} sessions would settle it if the trend holds"


def bench_warnings(run: BenchRun, summary: BenchSummary) -> Iterator[str]:
    """Say what is unusual about a bench run."""
    reuse = summary.reuse
    missed = reuse.expected - reuse.reused
    if missed:
        yield (
            f"{missed} of {reuse.expected} requests that should have reused a "
            f"connection did not{'' if losses_of(run) else because(run)}"
        )
    yield from notes_of(run)
    connects = len(summary.syn_retransmissions)
    longer = "1, 3 or 7 s more"
    yield from resent_warnings(run, connects, longer, summary.retransmits)
    if summary.resumed:
        yield (
            f"{plural(summary.resumed, 'connection')} resumed a TLS session: their "
            "handshake was cheaper than a full one"
        )
    yield from cause_warnings(run, summary, Names("cold", "subsequent"))
    yield from link_warnings(run, summary.disturbed)
