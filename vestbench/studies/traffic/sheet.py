"""The account of a program's traffic as sentences, tables and a picture."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from vestbench.model.request import NS_PER_MS, NS_PER_S
from vestbench.model.traffic import Traffic
from vestbench.programs.words import ending_of
from vestbench.report.sheet import GAP, Figure, Part, Table, Text, numbers
from vestbench.report.timeline import Bar, Lane, Timeline
from vestbench.report.units import (
    ABSENT,
    ends,
    fixed,
    level,
    ms,
    percent,
    plural,
    quantile_cell,
)
from vestbench.report.waterfall import Waterfall
from vestbench.simulator.world.hosts import is_venue
from vestbench.stats.metrics import Group, Metric
from vestbench.studies.base import Findings
from vestbench.studies.parts.groups import disturbed_samples
from vestbench.studies.parts.lines import dim, failures_parts
from vestbench.studies.parts.warnings import link_warnings
from vestbench.studies.traffic.advice import advice_for, remedy_for
from vestbench.studies.traffic.causes import Opening, Why
from vestbench.studies.traffic.delays import SENTENCES
from vestbench.studies.traffic.phases import PHASES, phases_of
from vestbench.studies.traffic.plan import TrafficRun
from vestbench.studies.traffic.summary import (
    HostSummary,
    TrafficSummary,
    openings_in,
    summarise_traffic,
)


def traffic_findings(run: TrafficRun) -> Findings:
    """Return what the report of a program's run says."""
    summary = summarise_traffic(run)
    return Findings(
        headline=tuple(_headline(run, summary)),
        parts=tuple(_parts(run, summary)),
        warnings=tuple(_warnings(run, summary)),
    )


# --- the sentence --------------------------------------------------------------------


def _headline(run: TrafficRun, summary: TrafficSummary) -> Iterator[Text]:
    sent = plural(summary.requests, "request")
    line = Text(_who_sent(run, summary)).append(sent, "bold").append(" over ")
    line.append(f"{plural(summary.connections, 'connection')}.", "bold")
    yield line.append(_needless(summary))
    if summary.needless:
        yield Text(f"Reason: {_main_reasons(summary)}.")
        yield from (Text(advice) for advice in _advice(run))


def _who_sent(run: TrafficRun, summary: TrafficSummary) -> str:
    if _is_served(run):
        return "Clients sent "
    many = len(summary.runs)
    return f"In {many} runs your program sent " if many > 1 else "Your program sent "


def _is_served(run: TrafficRun) -> bool:
    """Say whether clients from outside sent it: no program was run for it."""
    return not (run.conclusion.traffic or Traffic()).programs


def _needless(summary: TrafficSummary) -> Text:
    if not summary.needless:
        said = " None of them was needless." if summary.connections else ""
        return Text(said, "green")
    count, cost = summary.needless, summary.needless_cost
    verb = "was" if count == 1 else "were"
    line = Text(f" {count} of them {verb} needless", "bold red")
    if cost is None or summary.needless_total_ms is None:
        return line.append(".")
    if count == 1:
        return line.append(f": it cost {ms(cost.p50.point)} ms.")
    total = _total(summary.needless_total_ms)
    return line.append(f": each cost {_median(cost)}, {total} in all.")


def _total(milliseconds: float) -> str:
    """Return a time in seconds, or in milliseconds where that would be 0.0 s."""
    if milliseconds < 100:
        return f"{ms(milliseconds)} ms"
    return f"{fixed(milliseconds / 1e3, 1)} s"


def _median(cost: Metric) -> str:
    """Return a median with its interval, where there is one."""
    found = cost.p50
    text = f"{ms(found.point)} ms"
    if found.low is None or found.high is None or not isfinite(found.high):
        return text
    return f"{text} {ends(found.low, found.high, 1)}"


def _main_reasons(summary: TrafficSummary) -> str:
    found = sorted(
        (each for each in summary.reasons if each.needless),
        key=lambda each: -each.needless,
    )
    if len(found) == 1:
        return found[0].why.sentence
    return "; ".join(f"{each.why.sentence} ({each.needless})" for each in found)


def _advice(run: TrafficRun) -> Iterator[str]:
    """Yield what to change, once for each library and reason."""
    found: dict[str, None] = {}
    for opening in openings_in(run):
        if opening.needless:
            found[advice_for(opening.why, opening.requests)] = None
    yield from filter(None, found)


_LATENCY_NOTES = (
    "cold: from the first packet of the connection to the end of the answer; "
    "subsequent: from the first packet of the request",
    "program: its own time between the handshake and its request, and what held that "
    "back there",
)

_SERVED_NOTES = (
    "cold: from the moment at which the exchange accepted the connection to the end of "
    "its answer; subsequent: from the arrival of the request",
    "what clients wait for on the way, and the TCP handshake, is in none of it: that "
    "takes packets, as exec has them",
)

# --- tables --------------------------------------------------------------------------


def _parts(run: TrafficRun, summary: TrafficSummary) -> Iterator[Part]:
    traffic = run.conclusion.traffic or Traffic()
    if summary.connections:
        yield _hosts_table(summary)
    yield from dim(_host_notes(run, summary))
    if summary.connections:
        yield from (GAP, _reasons_table(summary))
    if summary.requests:
        yield from (GAP, _latencies_table(run, summary))
        yield from dim(_SERVED_NOTES if _is_served(run) else _LATENCY_NOTES)
    yield from _phases(run, summary)
    yield from _events_table(summary, run.plan.confidence)
    yield from _delays_table(summary)
    if len(summary.runs) > 1:
        yield from (GAP, _runs_table(summary))
    yield from failures_parts(run)
    timeline = timeline_of(run)
    if timeline.lanes:
        yield from (GAP, Figure("Connections, to scale", timeline))
    yield from (GAP, *map(Text, _endings(traffic)))


_SHOWN = ("connect", "tls", "client", "wait", "receive")  # sending takes no time


def _hosts_table(summary: TrafficSummary) -> Table:
    figures = numbers("requests", "connections", "reused", "needless")
    about = "What was sent to each host"
    table = Table(about, ["host", *figures, "TLS"], layout="tight")
    for host in summary.hosts:
        table.add_row(
            host.host,
            str(host.requests),
            str(host.connections),
            percent(host.reused, host.requests),
            str(host.needless),
            _tls(host),
        )
    return table


def _latencies_table(run: TrafficRun, summary: TrafficSummary) -> Table:
    """Return the median latency of each host, and the median of each phase."""
    latency_title = f"latency [{level(run.plan.confidence)}]"
    figures = numbers("n", latency_title, *map(PHASES.__getitem__, _SHOWN))
    who = "exchange" if _is_served(run) else "program"
    about = f"Latency as the {who} saw it: medians, in ms"
    table = Table(about, ["host", *figures], layout="tight")
    for host in summary.hosts:
        table.add_row(Text(host.host, "bold"))
        for group in (host.cold, host.subsequent):
            latency = group.metric("latency")
            if latency is not None:
                phases = (_typical(group, name) for name in _SHOWN)
                cells = str(latency.n), quantile_cell(latency.p50), *phases
                table.add_row(f"  {group.name}", *cells)
    return table


def _typical(group: Group, phase: str) -> str:
    found = group.metric(phase)
    return ABSENT if found is None else ms(found.p50.point)


def _tls(host: HostSummary) -> str:
    parts = [*host.tls, *host.alpn]
    if host.resumed:
        parts.append(f"{host.resumed} resumed")
    return ", ".join(parts) or "none"


def _host_notes(run: TrafficRun, summary: TrafficSummary) -> Iterator[str]:
    others = [host for host in summary.hosts if not is_venue(host.host)]
    if others and len(others) < len(summary.hosts):
        said = (f"{h.host}: {plural(h.connections, 'connection')}" for h in others)
        yield f"also called {'; '.join(said)}"
    traffic = run.conclusion.traffic or Traffic()
    known = {host.host for host in summary.hosts}
    if unasked := sorted(set(traffic.names) - known):
        yield f"looked up, but not connected to: {', '.join(unasked)}"


def _reasons_table(summary: TrafficSummary) -> Table:
    table = Table(
        "Why connections were opened",
        [*numbers("connections", "needless"), "why", "hosts"],
        layout="tight",
    )
    for each in summary.reasons:
        hosts = ", ".join(each.hosts[:3])
        more = f" and {len(each.hosts) - 3} more" if len(each.hosts) > 3 else ""
        needless = Text(str(each.needless), "bold red" if each.needless else "")
        table.add_row(str(each.connections), needless, each.why.sentence, hosts + more)
    table.end_section()
    pool = Text("a pool would have opened", "bold")
    table.add_row(Text(str(summary.needed), "bold"), "", pool)
    return table


def _phases(run: TrafficRun, summary: TrafficSummary) -> Iterator[Part]:
    rows = phases_of(summary)
    if rows and any(sample.wait_ns is not None for sample in run.samples):
        yield from (GAP, Figure("Median of each phase, to scale", Waterfall(rows)))


def _events_table(summary: TrafficSummary, confidence: float) -> Iterator[Part]:
    if not summary.events:
        return
    about = "From the first byte of a request to its answer, and to its event, in ms"
    shown = numbers("requests", f"answered [{level(confidence)}]", "event")
    table = Table(about, ["request", *shown], layout="tight")
    for each in summary.events:
        both = quantile_cell(each.answered.p50), quantile_cell(each.event.p50)
        table.add_row(each.path, str(each.event.n), *both)
    yield from (GAP, table)


def _delays_table(summary: TrafficSummary) -> Iterator[Part]:
    if not summary.delays:
        return
    about = "Delays that the program adds by itself"
    table = Table(about, [*numbers("times", "median, ms"), "delay"], layout="tight")
    for delay in summary.delays:
        cells = str(delay.count), ms(delay.median_ms)
        table.add_row(*cells, SENTENCES[delay.kind])
    yield from (GAP, table)


def _runs_table(summary: TrafficSummary) -> Table:
    figures = numbers("requests", "connections", "reused", "needless", "opening, ms")
    table = Table("Each run of the program", ["run", *figures])
    for number, each in enumerate(summary.runs, 1):
        table.add_row(
            str(number),
            str(each.requests),
            str(each.connections),
            percent(each.reused, each.requests),
            str(each.needless),
            ms(each.opening_ms),
        )
    return table


# --- the picture ---------------------------------------------------------------------


def timeline_of(run: TrafficRun) -> Timeline:
    """Return the connections of a program as a picture."""
    traffic = run.conclusion.traffic or Traffic()
    ended = [program.ended_ns for program in traffic.programs]
    over = round((run.conclusion.duration_s or 0.0) * NS_PER_S)  # without a program
    return Timeline(
        tuple(
            _lane(each, ended[each.connection.run] if ended else over)
            for each in openings_in(run)
        )
    )


def _lane(opening: Opening, ended_ns: int) -> Lane:
    connection = opening.connection
    end = connection.closed_ns if connection.closed_ns is not None else ended_ns
    bars = []
    usable = connection.usable_ns or connection.ready_ns
    if usable is not None:
        opened = connection.opened_ns
        bars.append(Bar(opened / NS_PER_MS, usable / NS_PER_MS, "opening"))
    for request in opening.requests:
        until = end if request.end_ns is None or request.upgraded else request.end_ns
        bars.append(Bar(request.start_ns / NS_PER_MS, until / NS_PER_MS, "request"))
    return Lane(
        label=f"#{connection.serial + 1} {connection.host}",
        begin_ms=connection.opened_ns / NS_PER_MS,
        end_ms=end / NS_PER_MS,
        closed_by=connection.closed_by,
        needless=opening.needless,
        bars=tuple(bars),
    )


# --- the rest ------------------------------------------------------------------------


def _endings(traffic: Traffic) -> Iterator[str]:
    """Yield how the program ended, in a line for all runs that ended alike."""
    yield from dict.fromkeys(ending_of(program) for program in traffic.programs)


def _warnings(run: TrafficRun, summary: TrafficSummary) -> Iterator[str]:
    traffic = run.conclusion.traffic or Traffic()
    yield from _refusals(run)
    if summary.never_used:
        ahead = [e.connection.host for e in openings_in(run) if e.why is Why.AHEAD]
        hosts = ", ".join(dict.fromkeys(ahead))
        count = plural(summary.never_used, "connection")
        yield (
            f"{count} to {hosts} carried no request: "
            "opened ahead of need, and never used"
        )
    if traffic.no_route:
        yield "it dialled IPv6 addresses, which lead nowhere here: use a name"
    if traffic.others:
        yield (
            f"{plural(traffic.others, 'packet')} led nowhere: only TCP does, so no "
            "HTTP/3"
        )
    if left := sum(program.left for program in traffic.programs):
        yield (
            f"it left {left} running behind it, which were ended: a program that works "
            "on in the background has to stay in front"
        )
    if traffic.omitted_packets or traffic.omitted_requests:
        yield "it sent more than can be kept: the account is of the first part"
    yield from link_warnings(run, disturbed_samples(run))


def _refusals(run: TrafficRun) -> Iterator[str]:
    refused: dict[tuple[str, str], int] = {}
    for opening in openings_in(run):
        connection = opening.connection
        if connection.refusal:
            place = connection.host, connection.refusal
            refused[place] = refused.get(place, 0) + 1
    for (host, why), count in refused.items():
        times = "" if count == 1 else f" ({count} times)"
        if remedy := remedy_for(why):
            said = f"the program refused our certificate{times}"
            yield f"{host}: {said} ({why}): {remedy}"
        else:
            yield f"{host}: what it sent could not be understood{times}: {why}"
