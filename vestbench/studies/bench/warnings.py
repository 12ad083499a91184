"""What is unusual about a bench run: what was seen, why it matters, what to try."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.report.units import ms, plural
from vestbench.studies.bench.plan import BenchRun
from vestbench.studies.bench.summary import BenchSummary
from vestbench.studies.parts.warnings import (
    link_warnings,
    notes_of,
    resent_warnings,
    residual_warning,
)


def bench_warnings(run: BenchRun, summary: BenchSummary) -> Iterator[str]:
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
    connects = len(summary.syn_retransmissions)
    longer = "1, 3 or 7 s more"
    yield from resent_warnings(run, connects, longer, summary.retransmits)
    if summary.resumed:
        yield (
            f"{plural(summary.resumed, 'connection')} resumed a TLS session: their "
            "handshake was cheaper than a full one"
        )
    yield from residual_warning(summary.breakdown)
    yield from link_warnings(run, summary.disturbed)


def _why_not_reused(run: BenchRun) -> str:
    pool = run.conditions.pool
    if pool is not None and pool.max_idle == 0:
        return "the pool keeps no idle connection (--pool-max-idle 0)"
    if pool is not None and run.plan.interval_s > pool.idle_timeout_s:
        return (
            f"the interval of {run.plan.interval_s:g} s is beyond the pool's idle "
            f"timeout of {pool.idle_timeout_s:g} s"
        )
    return "the server closed it, or its idle time had passed"
