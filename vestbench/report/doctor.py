"""What a machine can do, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich import box
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vestbench.model.simulated import Refusal
from vestbench.report.units import ABSENT, ms, plain

_WHAT = {
    "packet": "real TCP and TLS handshakes; errors of the link are known",
    "tun": "real TCP and TLS handshakes; stalls of the link stay unseen",
    "relay": "in user space: totals hold, the TCP handshake is charged to TLS",
}


class Engine(Protocol):
    """One way of emulating a link."""

    @property
    def engine(self) -> str:
        """Its name."""

    @property
    def refusal(self) -> Refusal | None:
        """Why it does not work here."""

    @property
    def setup_ms(self) -> float | None:
        """What it took to start."""

    @property
    def kernel_rtt_ms(self) -> float | None:
        """The kernel's round trip over a link of 20 ms."""


class Machine(Protocol):
    """What a probe found out."""

    @property
    def engines(self) -> Sequence[Engine]:
        """All ways of emulating a link, the best first."""

    @property
    def use(self) -> str:
        """The one that is taken."""

    @property
    def platform(self) -> str:
        """The operating system."""

    @property
    def kernel(self) -> str:
        """Its release."""

    @property
    def python(self) -> str:
        """The version of Python."""

    @property
    def cpu_count(self) -> int | None:
        """How many CPUs."""

    @property
    def load_average(self) -> float | None:
        """Over the last minute."""

    @property
    def steal_percent(self) -> float | None:
        """CPU time taken by other guests of the host."""

    @property
    def congestion_control(self) -> str:
        """Of TCP, outside of any lab."""

    @property
    def tun_device(self) -> str:
        """Mode and owner of the device node."""

    @property
    def sleep_overshoot_us(self) -> float:
        """By how much a sleep of 1 ms is late."""

    @property
    def clock_resolution_ns(self) -> float:
        """Of the clock that times requests."""


def doctor_report(machine: Machine) -> RenderableType:
    """Return what `machine` can do, and why it cannot do the rest."""
    parts: list[RenderableType] = [_verdict(machine), "", _engines(machine)]
    for engine in machine.engines:
        if engine.refusal is not None and engine.refusal.hint:
            hint = Text(f"{engine.engine}: ", "yellow")
            parts.append(hint.append_text(plain(engine.refusal.hint)))
    return Lines(*parts, "", _facts(machine))


def _verdict(machine: Machine) -> Text:
    if not machine.use:
        return Text("No link can be emulated here; --rtt 0ms still works.", "bold red")
    line = Text("--venue sim uses the ").append(machine.use, "bold green")
    return line.append(f" link: {_WHAT[machine.use]}")


def _engines(machine: Machine) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for heading in ("link", "works", "set up", "20 ms measured as", "why not"):
        table.add_column(heading, overflow="fold")
    for engine in machine.engines:
        refusal = engine.refusal
        if refusal is None:
            rtt = engine.kernel_rtt_ms
            table.add_row(
                engine.engine,
                Text("yes", "green"),
                f"{ms(engine.setup_ms)} ms",
                ABSENT if rtt is None else f"{rtt:.3f} ms",
                "",
            )
        else:
            why = f"{refusal.step}: {refusal.code}"
            if refusal.errno:
                why += f" ({refusal.errno})"
            no = Text("no", "red")
            table.add_row(engine.engine, no, ABSENT, ABSENT, plain(why))
    return table


def _facts(machine: Machine) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    load, steal = machine.load_average, machine.steal_percent
    rows = {
        "system": f"{machine.platform} {machine.kernel}, Python {machine.python}",
        "CPUs": f"{machine.cpu_count or '?'}{f', load {load:.2f}' if load else ''}",
        "steal": ABSENT if steal is None else f"{steal:.1f} % of CPU time",
        "TCP": f"congestion control {machine.congestion_control or ABSENT}",
        "/dev/net/tun": machine.tun_device or "absent",
        "clock": f"resolution {machine.clock_resolution_ns:g} ns, a sleep of 1 ms is "
        f"{machine.sleep_overshoot_us:.0f} µs late",
    }
    for name, value in rows.items():
        table.add_row(name, plain(value))
    return table
