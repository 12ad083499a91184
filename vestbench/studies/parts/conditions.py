"""The conditions of a run, as the table with which every report starts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from statistics import median

from vestbench.model.run import Conditions, Link, LinkEnd, Pool, Run
from vestbench.model.verdict import Verdict
from vestbench.report.sheet import ACCEPTANCE_STYLES, Cell, Table, Text, facts_table
from vestbench.report.units import ABSENT, ms, plural, quantile_cell
from vestbench.stats.quantiles import estimate
from vestbench.studies.parts.connections import met_by
from vestbench.studies.parts.route import is_relayed, round_trip_ms


def label(run: Run, *, addresses: bool = True) -> str:
    """Say in a few words whether a run was simulated, and how far away it was.

    The addresses of a real venue may be others in each run.
    """
    conditions = run.conditions
    if not conditions.simulated and not addresses:
        return "real venue"
    if not conditions.simulated:
        remotes = sorted(met_by(run).remotes)
        # A status, or a connection that was reused, came from there.
        reached = any(f.status or f.reused is not None for f in run.failures)
        unknown = "reached, address unknown" if reached else "not reached"
        return ", ".join(remotes[:3]) or unknown
    link = conditions.link
    if link is None:
        return "simulated exchange on loopback, no link"
    if link.engine == "relay":
        return (
            f"simulated in user space, RTT {link.rtt_ms:g} ms: "
            "the TCP handshake is charged to TLS"
        )
    return f"simulated link, RTT {link.rtt_ms:g} ms"


def link_parts(link: Link | None) -> Iterator[str]:
    """Yield what a link does besides delaying, such as `loss 0.01`."""
    if link is None:
        return
    for name, unit in (("jitter_ms", " ms"), ("loss", ""), ("drift_ms_per_s", " ms/s")):
        if value := getattr(link, name):
            yield f"{name.split('_')[0]} {value:g}{unit}"


def ending_lines(run: Run) -> Iterator[Text]:
    """Yield a line if an order was filled, and one if `run` was ended early."""
    orders = run.conclusion.orders
    if orders is not None and orders.filled:
        filled = plural(orders.filled, "order")
        said = f"FILLED: {filled} had an effect on the market; look at the account"
        yield Text(said, "bold red")
    if run.interrupted:
        yield Text("Interrupted: this is what was measured until then.", "bold yellow")
    elif run.conclusion.stopped:
        line = Text()
        if run.broken_off:
            invalid = Verdict.INVALID
            line.append(str(invalid), ACCEPTANCE_STYLES[invalid]).append("  ")
        yield line.append(f"Ended early: {run.conclusion.stopped}", "bold yellow")


def conditions_table(run: Run) -> Table:
    """Return the conditions of `run`, each in a row."""
    return facts_table("Under which this was measured", _rows(run))


def _rows(run: Run) -> Iterator[tuple[str, Cell]]:
    conditions = run.conditions
    style = "bold magenta" if conditions.simulated else "bold"
    venue = Text(f"{conditions.venue or ABSENT}  ")
    yield "venue", venue.append(label(run), style)
    url = f"{conditions.method} {conditions.url}"
    yield "request", url.strip() or ABSENT
    yield "client", _client(conditions)
    if conditions.signing is not None:
        yield "signing", _signing(run)
    if run.conclusion.orders is not None:
        orders = run.conclusion.orders
        became = ", ".join(f"{n} {state}" for state, n in orders.states.items())
        yield "orders", f"{orders.sent} sent: {orders.what}; looked up: {became}"
    yield "connection", _connection(run)
    yield "pool", _pool(conditions.pool)
    if conditions.of_project:
        found = (f"{name} {text}" for name, text in conditions.of_project.items())
        yield "project", f"./vestbench.toml has set {', '.join(found)}"
    yield "round trip", _round_trip(run)
    if conditions.link is not None:
        parts = link_parts(conditions.link), _link_end(run.conclusion.link)
        yield "link", ", ".join([f"engine {conditions.link.engine}", *chain(*parts)])
    yield "host", _host(conditions)
    yield "run", _when(run)


def _client(conditions: Conditions) -> str:
    versions = conditions.versions
    stacks = (conditions.stack or ABSENT).split(", ")
    parts = [
        *(f"{stack} {versions.get(stack, '')}".strip() for stack in stacks),
        conditions.strategy,
        f"concurrency {conditions.concurrency or 1}",
    ]
    return ", ".join(part for part in parts if part)


def _signing(run: Run) -> str:
    """Say where requests were signed, and what signing took if it is not a phase."""
    where, costs = run.conditions.signing, run.conclusion.sign_ms
    if run.samples and run.samples[0].sign_ns is not None:
        return f"{where}: the phase `sign`"
    if not costs:
        return str(where)
    found = estimate(costs, 0.5, run.plan.confidence)
    times = "time" if len(costs) == 1 else "times"
    return f"{where}: {quantile_cell(found)} ms, {len(costs)} {times}, in no figure"


def _connection(run: Run) -> str:
    if not run.samples:
        return ABSENT
    kinds = {
        ", ".join(filter(None, (s.http_version, s.tls_version, s.cipher)))
        for s in run.samples
    }
    return "; ".join(sorted(kinds))


def _pool(pool: Pool | None) -> str:
    if pool is None:
        return ABSENT
    return (
        f"max_idle {pool.max_idle}, idle_timeout {pool.idle_timeout_s:g} s, "
        f"tcp_keepalive {pool.tcp_keepalive_s:g} s, "
        f"connect_timeout {pool.connect_timeout_s:g} s, "
        f"request_timeout {pool.request_timeout_s:g} s"
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


def _link_end(end: LinkEnd | None) -> Iterator[str]:
    if end is None:
        return
    if end.kernel_rtt_before_ms:
        before = median(end.kernel_rtt_before_ms)
        after = median(end.kernel_rtt_after_ms or [before])
        yield f"self-check {ms(before)} ms before, {ms(after)} ms after"
    if end.packets:
        yield f"{end.packets} packets"
    if end.late_us is not None:
        yield f"late p99 {end.late_us[2] / 1000:.2f} ms"
    if end.congestion_control:
        yield end.congestion_control


def _host(conditions: Conditions) -> str:
    if not conditions.host:
        return ABSENT
    versions = conditions.versions
    cpus = "?" if conditions.cpus is None else conditions.cpus
    rustls = [f"rustls {versions['rustls']}"] if "rustls" in versions else []
    openssl = [versions["openssl"]] if "openssl" in versions else []
    python = f"Python {versions.get('python', '?')}"
    return ", ".join(
        [conditions.host, conditions.kernel, f"{cpus} CPUs", python, *openssl, *rustls]
    )


def _when(run: Run) -> str:
    parts = [f"{run.started:%Y-%m-%d %H:%M:%S} UTC"]
    if run.conclusion.duration_s is not None:
        parts.append(f"{run.conclusion.duration_s:.1f} s")
    parts.append(f"seed {run.plan.seed}")
    parts.append(f"vestbench {run.conditions.versions.get('vestbench', '?')}")
    return ", ".join(parts)
