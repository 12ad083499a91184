"""What a machine can do, as tables."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.model.simulated import MachineReport
from vestbench.report.sheet import GAP, Part, Table, Text, facts_table
from vestbench.report.units import ABSENT, ms

_WHAT = {
    "packet": "real TCP and TLS handshakes; errors of the link are known",
    "tun": "real TCP and TLS handshakes; stalls of the link stay unseen",
    "relay": "in user space: totals hold, the TCP handshake is charged to TLS",
}

_SYSTEMS = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}


def doctor_report(machine: MachineReport) -> Iterator[Part]:
    """Yield what `machine` can do, and why it cannot do the rest."""
    yield from (_verdict(machine), GAP, _engines(machine))
    for hint, engines in _hints(machine).items():
        yield Text(f"{', '.join(engines)}: {hint}", "yellow")
    yield from (GAP, facts_table("The machine", _facts(machine)))


def _verdict(machine: MachineReport) -> Text:
    if not machine.use:
        return Text("No link can be emulated here; --rtt 0ms still works.", "bold red")
    line = Text("--venue sim uses the ").append(machine.use, "bold green")
    return line.append(f" link: {_WHAT[machine.use]}")


def _engines(machine: MachineReport) -> Table:
    columns = ["link", "works", "set up", "20 ms measured as", "why not"]
    table = Table("Ways of emulating a link", columns)
    for engine in machine.engines:
        refusal = engine.refusal
        if refusal is None:
            rtt = engine.kernel_rtt_ms
            table.add_row(
                engine.engine,
                Text("yes", "green"),
                f"{ms(engine.setup_ms)} ms",
                ABSENT if rtt is None else f"{rtt:.3f} ms",
            )
        else:
            why = f"{refusal.step}: {refusal.code}"
            if refusal.errno:
                why += f" ({refusal.errno})"
            table.add_row(engine.engine, Text("no", "red"), ABSENT, ABSENT, why)
    return table


def _hints(machine: MachineReport) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for engine in machine.engines:
        if engine.refusal is not None and engine.refusal.hint:
            found.setdefault(engine.refusal.hint, []).append(engine.engine)
    return found


def _facts(machine: MachineReport) -> Iterator[tuple[str, str]]:
    load, steal = machine.load_average, machine.steal_percent
    system = _SYSTEMS.get(machine.platform, machine.platform)
    yield "system", f"{system} {machine.kernel}, Python {machine.python}"
    yield "CPUs", f"{machine.cpu_count or '?'}{f', load {load:.2f}' if load else ''}"
    if machine.platform == "linux":  # no other system has these, or tells of them
        yield "steal", ABSENT if steal is None else f"{steal:.1f} % of CPU time"
        yield "TCP", f"congestion control {machine.congestion_control or ABSENT}"
        yield "/dev/net/tun", machine.tun_device or "absent"
    yield (
        "clock",
        f"resolution {machine.clock_resolution_ns:g} ns, a sleep of 1 ms is "
        f"{machine.sleep_overshoot_us:.0f} µs late",
    )
