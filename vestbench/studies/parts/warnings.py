"""What is unusual about a run: what was seen, why it matters, what to try."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vestbench.model.columns import COLUMNS
from vestbench.model.run import Run
from vestbench.report.units import ms, plural
from vestbench.studies.compare.plan import CompareRun
from vestbench.studies.parts.breakdown import Breakdown
from vestbench.studies.parts.route import is_relayed

if TYPE_CHECKING:  # a run is shown without what the other commands need
    from vestbench.studies.bench.summary import BenchSummary
    from vestbench.studies.compare.summary import CompareSummary, PairSummary

# A residual larger than both is explained, not hidden.
_RESIDUAL_MS = 2.0
_RESIDUAL_SHARE = 0.1
_RESIDUAL_CAUSES = {
    "send": "a large request that has to wait for acknowledgements",
    "wait": "the server is slower on new connections, or an acknowledgement is delayed "
    "(about 40 ms)",
    "receive": "a large response on a connection that still starts slowly",
    "client": "work that the HTTP library does once for each connection",
}


def bench_warnings(run: Run, summary: BenchSummary) -> Iterator[str]:
    """Word what is unusual about a bench run."""
    reuse = summary.reuse
    missed = reuse.expected - reuse.reused
    if missed:
        yield (
            f"{missed} of {reuse.expected} requests that should have reused a "
            f"connection did not: {_why_not_reused(run)}"
        )
    yield from notes_of(run)
    if summary.plateau is not None:
        found = summary.plateau
        yield (
            f"{plural(found.count, 'reused request')} waited {ms(found.excess_ms)} ms "
            "longer than the others: a delayed acknowledgement; the server should set "
            "TCP_NODELAY and send header and body in one write"
        )
    if summary.syn_retransmissions:
        count = len(summary.syn_retransmissions)
        yield (
            f"{plural(count, 'connect')} took 1, 3 or 7 s more than the others: a lost "
            "SYN that was sent again, not the cost of a handshake"
        )
    yield from _retransmits_warning(run, summary.retransmits)
    if summary.resumed:
        yield (
            f"{plural(summary.resumed, 'connection')} resumed a TLS session: their "
            "handshake was cheaper than a full one"
        )
    yield from residual_warning(summary.closure)
    yield from link_warnings(run, summary.disturbed)


def _why_not_reused(run: Run) -> str:
    pool = run.conditions.pool
    if pool is not None and pool.max_idle == 0:
        return "the pool keeps no idle connection (--pool-max-idle 0)"
    if pool is not None and run.plan.interval_s > pool.idle_timeout_s:
        return (
            f"the interval of {run.plan.interval_s:g} s is beyond the pool's idle "
            f"timeout of {pool.idle_timeout_s:g} s"
        )
    return "the server closed it, or its idle time had passed"


def compare_warnings(run: CompareRun, summary: CompareSummary) -> Iterator[str]:
    """Word what is unusual about a comparison."""
    for pair in summary.pairs:
        yield from _pair_warnings(run, summary, pair)
    yield from notes_of(run)
    if summary.syn_retransmissions:
        count = len(summary.syn_retransmissions)
        yield (
            f"{plural(count, 'connect')} took a whole second or more longer than the "
            "others: a lost SYN that was sent again, not the cost of a handshake"
        )
    yield from _retransmits_warning(run, summary.retransmits)
    for pair in summary.pairs:
        named = f"{pair.candidate}: " if len(summary.pairs) > 1 else ""
        yield from (named + text for text in residual_warning(pair.closure))
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


def notes_of(run: Run) -> Iterator[str]:
    """Return what was noted while the run went on."""
    yield from run.conclusion.notes or ()


def _retransmits_warning(run: Run, count: int) -> Iterator[str]:
    link = run.conditions.link
    if count and not (link is not None and link.loss):
        yield f"{plural(count, 'segment')} had to be sent again"


def residual_warning(closure: Breakdown | None) -> Iterator[str]:
    """Say where a saving comes from that opening the connection does not explain."""
    if closure is None or closure.residual is None or closure.opening is None:
        return
    small = max(_RESIDUAL_MS, _RESIDUAL_SHARE * abs(closure.saving))
    if abs(closure.residual) <= small:
        return
    parts = {
        column.title: closure.part(column.title) or 0.0
        for column in COLUMNS.parts
        if column.phase is None or (column.phase.network and not column.phase.opens)
    }
    name = max(parts, key=lambda part: abs(parts[part]))
    if parts[name] * closure.opening > 0:
        cause = f": {_RESIDUAL_CAUSES[name]}" if name in _RESIDUAL_CAUSES else ""
    elif closure.opening:
        cause = ", which takes longer on the reused connection"
        cause += ": an acknowledgement may be delayed" if name == "wait" else ""
    else:
        cause = ""
    yield (
        f"opening the connection takes {ms(closure.opening)} ms, but the saving is "
        f"{ms(closure.saving)} ms; the difference is mostly {name} "
        f"({ms(parts[name], signed=True)} ms){cause}"
    )


def link_warnings(run: Run, disturbed: int) -> Iterator[str]:
    """Word what went wrong with the emulated link."""
    end = run.conclusion.link
    if end is not None and end.disturbed:
        yield f"the emulated link was disturbed: {end.disturbed}"
    if disturbed:
        yield (
            f"{plural(disturbed, 'sample')} of {len(run.samples)} met a packet that "
            "the emulated link delivered more than 0.2 ms late; they are kept"
        )
    if is_relayed(run):
        link = run.conditions.link
        refusals = link.refusals if link is not None else ()
        why = "; ".join(refusals)
        yield (
            "* no packet link on this machine, so the TCP handshake is charged to TLS: "
            f"the totals hold, the split does not ({why}); see vestbench doctor"
        )
