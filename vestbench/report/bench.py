"""A bench run as tables, one picture and a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

from rich import box
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vestbench.models import Run, Strategy
from vestbench.report.asserted import asserted_of
from vestbench.report.conditions import conditions_table, ending_lines, failures_table
from vestbench.report.kernel import kernel_lines
from vestbench.report.sheet import ACCEPTANCE_STYLES, CaptionedTable, Figure, Sheet
from vestbench.report.units import (
    ABSENT,
    fixed,
    interval,
    median_of,
    ms,
    percent,
    plain,
    plural,
    quantile_bound,
    quantile_cell,
)
from vestbench.report.waterfall import Waterfall
from vestbench.stats import (
    CONFIDENCE_THRESHOLDS,
    QuantileEstimate,
    projected_rounds,
    samples_needed,
)
from vestbench.stats.bench import BenchSummary, summarise_bench
from vestbench.stats.closure import Closure
from vestbench.stats.groups import Metric, Why
from vestbench.stats.route import is_relayed

_SHORTEST_ROUTE_MS = 1.0

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
_CLIENT_COSTS = {
    "tls_context_ms": "TLS context",
    "default_context_ms": "with the usual trust store",
    "first_handshake_ms": "first TLS handshake on top",
}
_LARGEST_ODDS = 1_000_000  # beyond, digits say nothing more


def bench_report(run: Run) -> Sheet:
    """Return the whole report of a bench run."""
    summary = summarise_bench(run)
    parts: list[RenderableType] = [
        reuse_line(run, summary),
        groups_table(run, summary),
        *(Text(note, style="dim") for note in _footnotes(run, summary)),
    ]
    saving = saving_table(run, summary)
    if saving is not None:
        parts.append(saving)
    failures = failures_table(run)
    if failures is not None:
        parts += ["", failures]
    groups = (summary.cold, summary.subsequent)
    if any(group.metric("client") for group in groups):
        picture = Waterfall(groups, merged=is_relayed(run))
        parts += ["", Figure("Median request by phase, to scale", picture)]
    parts += ["", build_line(run)]
    if summary.kernel is not None:
        parts += ["", *kernel_lines(summary.kernel, run.plan["confidence"])]
    return Sheet(
        headline=tuple(headline(run, summary)),
        asserted=tuple(asserted_of(run)),
        conditions=conditions_table(run),
        parts=tuple(parts),
        warnings=tuple(bench_warnings(run, summary)),
    )


def bench_brief(run: Run) -> RenderableType:
    """Return the verdict of a bench run."""
    return Lines(*headline(run, summarise_bench(run)), *asserted_of(run))


def headline(run: Run, summary: BenchSummary) -> Iterator[Text]:
    """Say in a sentence what was found, and in another whether it suffices."""
    level = f"{100 * run.plan['confidence']:g} % CI"
    saving = summary.saving
    if saving is None:
        yield Text("No saving: ", "bold").append(_no_saving(run, summary), "not bold")
    elif saving.rounds == 1:  # a figure from n = 1 is never called a saving
        line = Text("No saving can be stated from 1 session", "bold")
        yield line.append(f"; it differed by {median_of(saving)} ms.", "not bold")
    else:
        line = Text("Keeping the connection open saves ")
        line.append(f"{median_of(saving)} ms", "bold")
        line.append(f" per request ({level} {interval(saving.interval)}, ")
        line.append(f"median of {plural(saving.rounds, 'session')})")
        yield line
        percent_saved, trips = summary.percent, summary.round_trips
        if percent_saved is not None:
            share = f"{median_of(percent_saved)} % {interval(percent_saved.interval)}"
            line = Text(f"  or {share} of a cold request", "dim")
            if trips is not None and is_far(summary.rtt_ms):
                line.append(f", {median_of(trips, 2)} {interval(trips.interval, 2)}")
                line.append(" round trips")
            yield line
    if summary.acceptance is not None:
        yield acceptance_line(run, summary)
    yield from ending_lines(run)


def is_far(rtt_ms: float | None) -> bool:
    """False on routes so short that round trips are no measure of anything."""
    return rtt_ms is not None and rtt_ms >= _SHORTEST_ROUTE_MS


def _no_saving(run: Run, summary: BenchSummary) -> str:
    if not run.samples:
        return "no request got a response."
    if run.plan["strategy"] == Strategy.UNPOOLED:
        return "every request opened a connection, as asked (--unpooled)."
    if not summary.reuse.reused:
        return "no request reused a connection."
    return "no session has both a cold and a subsequent request."


def acceptance_line(run: Run, summary: BenchSummary) -> Text:
    """Return `saving ≥ 50 ms: PASS` with the evidence, or the reason."""
    acceptance = summary.acceptance
    if acceptance is None:
        return Text("saving: not asked for")
    line = Text(f"saving ≥ {run.plan['min_saving_ms']:g} ms: ")
    line.append(str(acceptance), ACCEPTANCE_STYLES[acceptance])
    detail = _because(run, summary)
    return line.append(f"  {detail}") if detail else line


def _because(run: Run, summary: BenchSummary) -> str:
    saving, closure, reuse = summary.saving, summary.closure, summary.reuse
    target = run.plan["min_saving_ms"]
    if summary.why is Why.NOT_REUSED:
        share = percent(reuse.expected - reuse.reused, reuse.expected)
        return (
            f"connections were not reused: {share} of the requests that should "
            "have reused one opened a new one"
        )
    if saving is None:
        return "there is no session to judge by"
    if summary.why is Why.TOO_SHORT and closure and closure.expected is not None:
        opening = closure.saving if closure.opening is None else closure.opening
        return (
            "the route is too short: opening a connection costs "
            f"{plural(1 + closure.tls_round_trips, 'round trip')} of "
            f"{ms(closure.rtt)} ms, about {ms(opening)} ms in all, "
            f"so no client can save {target:g} ms here"
        )
    if summary.why is Why.FEW:
        return f"{plural(saving.rounds, 'session')}, at least 12 are needed"
    if summary.why is Why.CLOSE:
        return (
            f"{interval(saving.interval)} is too close to the target to tell: "
            "change the target or accept"
        )
    if summary.why is Why.NOISY:
        return (
            f"{interval(saving.interval)} holds the target; {_projection(run, saving)}"
        )
    if summary.why is Why.UNRELIABLE:
        return "too many subsequent requests failed"
    votes = max(saving.votes_pass, saving.votes_fail)
    sessions = plural(saving.rounds, "session")
    return f"{votes} of {sessions}, evidence {odds(saving.evidence)}"


def odds(evidence: Any) -> str:
    """Return evidence as it is said: 52 : 1."""
    value = float(evidence)
    if value > _LARGEST_ODDS:
        return f"over {_LARGEST_ODDS:,} : 1"
    return f"{value:.1f} : 1" if value < 10 else f"{value:,.0f} : 1"


def _projection(run: Run, saving: Any) -> str:
    rounds = projected_rounds(
        max(saving.votes_pass, saving.votes_fail),
        saving.rounds,
        CONFIDENCE_THRESHOLDS[run.plan["confidence"]],
    )
    if rounds is None:
        return "more sessions will not settle it"
    return f"about {rounds} sessions would settle it if the trend holds"


def reuse_line(run: Run, summary: BenchSummary) -> Text:
    """Say how many requests were proved to reuse a connection."""
    reuse = summary.reuse
    opened = f"{plural(reuse.connections, 'connection')} for "
    opened += plural(reuse.sessions, "session")
    if not reuse.expected:
        total = len(run.samples) + len(run.failures)
        return Text(f"0 requests reused a connection, {opened}, {total} requests")
    all_reused = reuse.reused == reuse.expected
    line = Text()
    bursts = reuse.bursts
    if bursts is not None:
        line.append(
            f"{bursts.size} requests at once on a pool that keeps {bursts.kept}: "
            f"{bursts.opened:g} opened a connection (median of "
            f"{plural(bursts.bursts, 'burst')}); "
        )
    what = "subsequent requests reused their connection"
    if bursts is not None:
        what = "requests that could reuse a connection did"
    line.append(
        f"{reuse.reused} of {reuse.expected} {what}",
        "green" if all_reused else "bold red",
    )
    line.append(f", {opened}")
    counted = run.conclusion.get("server")
    if counted:
        line.append(
            f"; the exchange counted {plain(counted['connections'])} connections and "
            f"{plain(counted['requests'])} requests, burn-in included",
            "dim",
        )
    return line


def groups_table(run: Run, summary: BenchSummary) -> Table:
    """Return cold against subsequent: latency, phases, the client's own time."""
    about = "Latency and phases, cold against subsequent"
    table = CaptionedTable(about, box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("ms", no_wrap=True)
    level = f"{100 * run.plan['confidence']:g} %"
    for heading in ("n", f"p50 [{level} CI]", "p90", "p99", "min", "max"):
        table.add_column(heading, justify="right", no_wrap=True)
    merged = is_relayed(run)
    for group in (summary.cold, summary.subsequent):
        head = Text(group.name, style="bold")
        if not group.metrics:
            table.add_row(head, "0", *[ABSENT] * 5)
        else:
            table.add_row(head)
        for metric in group.metrics:
            table.add_row(*_metric_row(metric, merged=merged))
        table.add_section()
    return table


def _metric_row(metric: Metric, *, merged: bool) -> list[RenderableType]:
    name = metric.name
    if merged and name in ("connect", "tls"):
        name += " *"
    style = "bold" if name == "latency" else ""
    return [
        Text(f"  {name}", style),
        str(metric.n),
        Text(quantile_cell(metric.p50), style),
        quantile_bound(metric.p90),
        quantile_bound(metric.p99),
        ms(metric.low),
        ms(metric.high),
    ]


def _footnotes(run: Run, summary: BenchSummary) -> Iterator[str]:
    yield "cold opened its connection, subsequent reused one: by proof, not by plan"
    yield from no_phases_note(run)
    shown = [
        estimate
        for group in (summary.cold, summary.subsequent)
        for metric in group.metrics
        for estimate in (metric.p90, metric.p99)
    ]
    yield from quantile_notes(shown, run.plan["confidence"])


def no_phases_note(run: Run) -> Iterator[str]:
    """Say so of a stack that shows no phases."""
    if run.samples and all(sample.wait_ns is None for sample in run.samples):
        stack = plain(run.conditions.get("stack", "this stack")).plain
        yield f"{stack} shows only the whole call: its phases are not known"


def quantile_notes(
    shown: Iterable[QuantileEstimate], confidence: float
) -> Iterator[str]:
    """Explain the signs in the p90 and p99 that are shown, if there are any."""
    shown = list(shown)
    quantiles = (("p90", 0.9, 10), ("p99", 0.99, 100))
    bounds = [
        f"{name} needs {samples_needed(q, confidence)} requests"
        for name, q, _ in quantiles
        if any(e.q == q and e.point is not None and e.high is None for e in shown)
    ]
    if bounds:
        yield f"≥: only a lower bound; {', '.join(bounds)}"
    missing = [
        f"{name} needs {least} requests"
        for name, q, least in quantiles
        if any(e.q == q and e.point is None for e in shown)
    ]
    if missing:
        yield f"n/a: too few; {', '.join(missing)}"


def saving_table(run: Run, summary: BenchSummary) -> Table | None:
    """Return the saving, what it is made of, and what the route lets one expect."""
    closure, saving = summary.closure, summary.saving
    if closure is None or saving is None:
        return None
    about = "The saving and what it is made of"
    table = CaptionedTable(about, box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("the saving and what it is made of", no_wrap=True)
    for heading in ("ms", "share", "round trips"):
        table.add_column(heading, justify="right", no_wrap=True)

    def row(name: str, value: float | None, style: str = "") -> None:
        if value is None:
            return
        share = ABSENT
        if closure.saving:
            share = f"{fixed(100 * value / closure.saving, 0)} %"
        trips = ABSENT
        if closure.rtt and is_far(closure.rtt):
            trips = fixed(value / closure.rtt, 2)
        table.add_row(*(Text(text, style) for text in (name, ms(value), share, trips)))

    row("cold − subsequent", closure.saving, "bold")
    row("  name resolution", closure.dns)
    if is_relayed(run) and closure.opening is not None:
        row("  TCP connect + TLS handshake *", closure.opening - (closure.dns or 0.0))
    else:
        row("  TCP connect", closure.connect)
        row("  TLS handshake", closure.tls)
    row("  residual", closure.residual)
    for name in ("sign", "send", "wait", "receive", "client"):
        row(f"    {name}", getattr(closure, name), "dim")
    if closure.expected is not None:
        table.add_section()
        trips = plural(1 + closure.tls_round_trips, "round trip")
        row(f"expected from the route: {trips}", closure.expected)
        row("  handshake CPU on top", closure.handshake_cpu)
        row("  computing on top, not separable", closure.beyond_round_trips)
    return table


def build_line(run: Run) -> Text:
    """Return what building the client cost, outside every saving."""
    parts = []
    context = run.conditions.get("tls_context_ms")
    if context is not None:
        parts.append(f"TLS context {ms(context)} ms, once")
    parts += _build_parts(run)
    first = run.conditions.get("first_handshake_ms")
    if first is not None:
        parts.append(f"first TLS handshake of the process {ms(first)} ms more, once")
    usual = run.conditions.get("default_context_ms")
    if usual is not None:
        parts.append(
            f"a TLS context with the usual trust store would be {ms(usual)} ms"
        )
    for stack, costs in run.conditions.get("clients", {}).items():
        found = [f"{_CLIENT_COSTS[k]} {ms(v)} ms" for k, v in costs.items()]
        if found:
            parts.append(f"{plain(stack)}: {', '.join(found)}")
    known = "; ".join(parts) or ABSENT
    return Text(f"building the client (in no figure above): {known}", style="dim")


def _build_parts(run: Run) -> Iterator[str]:
    """Word what building a client object took, of each stack by itself."""
    builds = run.conclusion.get("client_build_ms", [])
    owners = run.conclusion.get("client_build_stacks") or [""] * len(builds)
    by_stack: dict[str, list[float]] = {}
    for owner, taken in zip(owners, builds, strict=True):
        by_stack.setdefault(owner, []).append(taken)
    for owner, found in by_stack.items():
        of = f" of {plain(owner)}" if owner else ""
        yield f"client object{of} {ms(median(found))} ms, median of {len(found)}"


def bench_warnings(run: Run, summary: BenchSummary) -> Iterator[str]:
    """Word what is unusual: what was seen, why it matters, what to try."""
    reuse = summary.reuse
    missed = reuse.expected - reuse.reused
    if missed:
        yield (
            f"{missed} of {reuse.expected} requests that should have reused a "
            f"connection did not: {_why_not_reused(run)}"
        )
    for note in run.conclusion.get("notes", []):
        yield plain(note).plain
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
    if summary.retransmits and not run.conditions.get("link", {}).get("loss"):
        yield f"{plural(summary.retransmits, 'segment')} had to be sent again"
    if summary.resumed:
        yield (
            f"{plural(summary.resumed, 'connection')} resumed a TLS session: their "
            "handshake was cheaper than a full one"
        )
    yield from residual_warning(summary.closure)
    yield from link_warnings(run, summary.disturbed)


def residual_warning(closure: Closure | None) -> Iterator[str]:
    """Say where a saving comes from that opening the connection does not explain."""
    if closure is None or closure.residual is None or closure.opening is None:
        return
    small = max(_RESIDUAL_MS, _RESIDUAL_SHARE * abs(closure.saving))
    if abs(closure.residual) <= small:
        return
    parts = {name: getattr(closure, name) for name in _RESIDUAL_CAUSES}
    name = max(parts, key=lambda part: abs(parts[part]))
    if parts[name] * closure.opening > 0:
        cause = f": {_RESIDUAL_CAUSES[name]}"
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
    reason = run.conclusion.get("link", {}).get("disturbed")
    if reason:
        yield f"the emulated link was disturbed: {plain(reason).plain}"
    if disturbed:
        yield (
            f"{plural(disturbed, 'sample')} of {len(run.samples)} met a packet that "
            "the emulated link delivered more than 0.2 ms late; they are kept"
        )
    if is_relayed(run):
        refusals = run.conditions.get("link", {}).get("refusals", [])
        why = "; ".join(plain(refusal).plain for refusal in refusals)
        yield (
            "* no packet link on this machine, so the TCP handshake is charged to TLS: "
            f"the totals hold, the split does not ({why}); see vestbench doctor"
        )


def _why_not_reused(run: Run) -> str:
    pool = run.conditions.get("pool", {})
    if pool.get("max_idle") == 0:
        return "the pool keeps no idle connection (--pool-max-idle 0)"
    if run.plan.get("interval_s", 0) > pool.get("idle_timeout_s", 60):
        return (
            f"the interval of {run.plan['interval_s']:g} s is beyond the pool's idle "
            f"timeout of {pool['idle_timeout_s']:g} s"
        )
    return "the server closed it, or its idle time had passed"
