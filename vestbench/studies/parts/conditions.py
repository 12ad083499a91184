"""Under which conditions a run was made, as a table that every report starts with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from rich.table import Table
from rich.text import Text

from vestbench.model.request import Failure
from vestbench.model.run import Run
from vestbench.report.sheet import CaptionedTable
from vestbench.report.units import ABSENT, ms, plain, plural, quantile_cell
from vestbench.stats.quantiles import estimate
from vestbench.studies.parts.route import is_relayed, round_trip_ms


def label(run: Run) -> str:
    """Say in a few words whether a run was simulated, and how far away it was."""
    conditions = run.conditions
    if not conditions.get("simulated", False):
        remotes = sorted({sample.remote for sample in run.samples})
        return ", ".join(remotes[:3]) or "not reached"
    link = conditions.get("link")
    if not link:
        return "simulated exchange on loopback, no link"
    if link["engine"] == "relay":
        return (
            f"simulated in user space, RTT {link['rtt_ms']:g} ms: "
            "the TCP handshake is charged to TLS"
        )
    return f"simulated link, RTT {link['rtt_ms']:g} ms"


def ending_lines(run: Run) -> Iterator[Text]:
    """Say so if `run` did not end by itself, and above all if an order was filled."""
    filled = run.conclusion.get("orders", {}).get("filled")
    if filled:
        line = Text("FILLED: ", "bold red").append(plural(int(filled), "order"))
        yield line.append(" had an effect on the market; look at the account")
    if run.interrupted:
        yield Text("Interrupted: this is what was measured until then.", "bold yellow")
    elif run.conclusion.get("stopped"):
        stopped = plain(run.conclusion["stopped"])
        yield Text("Ended early: ", "bold yellow").append_text(stopped)


def conditions_table(run: Run) -> Table:
    """Return the conditions of `run`, one a line."""
    table = CaptionedTable(
        "Under which this was measured",
        box=None,
        show_header=False,
        padding=(0, 2, 0, 0),
    )
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(run):
        table.add_row(name, value if isinstance(value, Text) else plain(value))
    return table


def _rows(run: Run) -> Iterator[tuple[str, str | Text]]:
    conditions = run.conditions
    place = Text.assemble(plain(conditions.get("venue", ABSENT)), "  ")
    style = "bold magenta" if conditions.get("simulated") else "bold"
    place.append(plain(label(run)).plain, style)
    yield "venue", place
    url = f"{conditions.get('method', '')} {conditions.get('url', '')}"
    yield "request", url.strip() or ABSENT
    yield "client", _client(conditions)
    if "signing" in conditions:
        yield "signing", _signing(run)
    if "orders" in run.conclusion:
        yield "orders", _orders(run.conclusion["orders"])
    yield "connection", _connection(run)
    yield "pool", _pool(conditions.get("pool", {}))
    yield "round trip", _round_trip(run)
    link = conditions.get("link")
    if link:
        yield "link", _link(link, run.conclusion.get("link", {}))
    yield "host", _host(conditions)
    yield "run", _when(run)


def _client(conditions: Mapping[str, Any]) -> str:
    versions = conditions.get("versions", {})
    stacks = str(conditions.get("stack", ABSENT)).split(", ")
    parts = [
        *(f"{stack} {versions.get(stack, '')}".strip() for stack in stacks),
        str(conditions.get("strategy", "")),
        f"concurrency {conditions.get('concurrency', 1)}",
    ]
    return ", ".join(part for part in parts if part)


def _signing(run: Run) -> str:
    """Say where requests were signed, and what that cost where it is no phase."""
    where = str(run.conditions["signing"])
    costs = [float(cost) for cost in run.conclusion.get("sign_ms", ())]
    if run.samples and run.samples[0].sign_ns is not None:
        return f"{where}: the phase `sign`"
    if not costs:
        return where
    found = estimate(costs, 0.5, float(run.plan["confidence"]))
    times = "time" if len(costs) == 1 else "times"
    return f"{where}: {quantile_cell(found)} ms, {len(costs)} {times}, in no figure"


def _orders(orders: Mapping[str, Any]) -> str:
    """Say what was ordered, and what became of it."""
    states = orders.get("states", {})
    became = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{orders['sent']} sent: {orders['what']}; looked up: {became}"


def _connection(run: Run) -> str:
    if not run.samples:
        return ABSENT
    kinds = {
        ", ".join(filter(None, (s.http_version, s.tls_version, s.cipher)))
        for s in run.samples
    }
    return "; ".join(sorted(kinds))


def _pool(pool: Mapping[str, Any]) -> str:
    if not pool:
        return ABSENT
    return (
        f"max_idle {pool['max_idle']}, idle_timeout {pool['idle_timeout_s']:g} s, "
        f"tcp_keepalive {pool['tcp_keepalive_s']:g} s, "
        f"connect_timeout {pool['connect_timeout_s']:g} s, "
        f"request_timeout {pool['request_timeout_s']:g} s"
    )


def _round_trip(run: Run) -> str:
    rtt = round_trip_ms(run)
    if rtt is None:
        return ABSENT
    if is_relayed(run):
        return f"{ms(rtt)} ms as asked for: TCP ends at the relay, so none is measured"
    opened = sum(not sample.reused for sample in run.samples)
    kernel = any(sample.syn_rtt_us is not None for sample in run.samples)
    source = "by the kernel (TCP_INFO)" if kernel else "by the connect phase"
    return f"{ms(rtt)} ms {source}, median of {plural(opened, 'handshake')}"


def _link(link: Mapping[str, Any], end: Mapping[str, Any]) -> str:
    parts = [f"engine {link['engine']}"]
    for name, unit in (("jitter_ms", " ms"), ("loss", ""), ("drift_ms_per_s", " ms/s")):
        if link.get(name):
            parts.append(f"{name.split('_')[0]} {link[name]:g}{unit}")
    if end.get("kernel_rtt_before_ms"):
        before = median(end["kernel_rtt_before_ms"])
        after = median(end.get("kernel_rtt_after_ms") or [before])
        parts.append(f"self-check {ms(before)} ms before, {ms(after)} ms after")
    if end.get("packets"):
        parts.append(f"{end['packets']} packets")
    if end.get("late_us"):
        parts.append(f"late p99 {end['late_us'][2] / 1000:.2f} ms")
    if end.get("congestion_control"):
        parts.append(str(end["congestion_control"]))
    return ", ".join(parts)


def _host(conditions: Mapping[str, Any]) -> str:
    if "host" not in conditions:
        return ABSENT
    versions = conditions.get("versions", {})
    return (
        f"{conditions.get('host', ABSENT)}, {conditions.get('kernel', '')}, "
        f"{conditions.get('cpus', '?')} CPUs, Python {versions.get('python', '?')}, "
        f"{', '.join(_tls_libraries(versions))}"
    )


def _tls_libraries(versions: Mapping[str, Any]) -> Iterator[str]:
    if "openssl" in versions or "rustls" not in versions:
        yield str(versions.get("openssl", ""))
    if "rustls" in versions:
        yield f"rustls {versions['rustls']}"


def _when(run: Run) -> str:
    parts = [f"{run.started:%Y-%m-%d %H:%M:%S} UTC"]
    if "duration_s" in run.conclusion:
        parts.append(f"{run.conclusion['duration_s']:.1f} s")
    if "seed" in run.plan:
        parts.append(f"seed {run.plan['seed']}")
    parts.append(
        f"vestbench {run.conditions.get('versions', {}).get('vestbench', '?')}"
    )
    return ", ".join(parts)


def failures_table(run: Run) -> Table | None:
    """Return failures by kind with an example of each, or None without any.

    In a comparison, by arm as well.
    """
    if not run.failures:
        return None
    table = CaptionedTable(
        "Failures",
        title="Failures",
        title_justify="left",
        title_style="bold red",
        box=None,
    )
    arms = run.command == "compare"
    for heading in (*(["arm"] if arms else []), "kind", "count", "after ms", "example"):
        table.add_column(
            heading,
            justify="right" if heading == "count" else "left",
            overflow="fold",
        )
    groups: dict[tuple[str, str], list[Failure]] = {}
    for failure in run.failures:
        arm = failure.slot.arm if arms else ""
        groups.setdefault((arm, str(failure.kind)), []).append(failure)
    for (arm, kind), found in sorted(groups.items()):
        after = median(failure.elapsed_ns for failure in found) / 1e6
        cells = (kind, str(len(found)), ms(after), plain(found[0].detail))
        table.add_row(*([plain(arm)] if arms else []), *cells)
    return table
