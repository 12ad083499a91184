"""HTTP libraries beside each other: what each can do, and what each way saves on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vestbench.model.client import StackAbility
from vestbench.model.verdict import Verdict
from vestbench.report.sheet import CaptionedTable
from vestbench.report.units import ABSENT, interval, median_of, ms, plain, quantile_cell
from vestbench.studies.compare.plan import CompareRun
from vestbench.studies.compare.summary import ArmSummary, CompareSummary

NOT_SEPARABLE = "not separable"


def is_several(run: CompareRun) -> bool:
    """Say whether a comparison was made on more than one stack."""
    return len({arm.stack for arm in run.plan.arms}) > 1


def stacks_report(abilities: Sequence[StackAbility]) -> RenderableType:
    """Return what each stack can do, its proofs, and its differences from the bot."""
    unhonoured = [
        (each.stack, setting, why)
        for each in abilities
        for setting, why in each.unhonoured.items()
    ]
    return Lines(
        abilities_table(abilities),
        Text("proof that a connection was reused", style="bold"),
        proofs_table(abilities),
        "",
        unhonoured_table(unhonoured),
    )


def abilities_table(abilities: Iterable[StackAbility]) -> Table:
    """Return what each stack can do, one a row."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for heading in ("stack", "version", "shows", "ways of connecting", "to install"):
        table.add_column(heading, overflow="fold")
    for each in abilities:
        table.add_row(
            Text(each.stack, "bold" if each.installed else "dim"),
            each.version or "not installed",
            "phases" if each.phases else "the whole call",
            ", ".join(each.strategies) or ABSENT,
            Text(each.install or ABSENT),  # no markup: the extra is in brackets
        )
    return table


def proofs_table(abilities: Iterable[StackAbility]) -> Table:
    """Return how each stack proves that a connection was reused."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for each in abilities:
        table.add_row(each.stack, each.proof)
    return table


def unhonoured_table(unhonoured: Iterable[tuple[str, str, str]]) -> Table:
    """Return pool settings that a stack does not do quite as the bot's client.

    Args:
        unhonoured: Stack, setting and reason.
    """
    about = "Pool settings that a stack does not honour"
    table = CaptionedTable(about, box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for heading in ("stack", "pool setting", "what it does instead"):
        table.add_column(heading, overflow="fold")
    for stack, setting, why in unhonoured:
        table.add_row(plain(stack), plain(setting), plain(why))
    return table


def unhonoured_of(run: CompareRun) -> list[tuple[str, str, str]]:
    """Return the settings that a stack of `run` does not honour."""
    return [
        (stack, setting, why)
        for stack, settings in run.conditions.unhonoured.items()
        for setting, why in settings.items()
    ]


def strategies_table(run: CompareRun, summary: CompareSummary) -> Table:
    """Return each way of connecting on each stack: latency, its parts, saving.

    What is saved is against the control of the same stack: libraries stop their clocks
    in different places, so their latencies say little of each other.
    """
    about = "Stack by strategy"
    table = CaptionedTable(about, box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("stack", no_wrap=True)
    table.add_column("strategy", no_wrap=True)
    level = f"{100 * run.plan.confidence:g} %"
    for heading in (
        f"p50, ms [{level} CI]",
        "network",
        "client",
        f"saved [{level} CI]",
    ):
        table.add_column(heading, justify="right")
    savings = {pair.candidate: pair for pair in summary.pairs}
    before = ""
    for arm in summary.arms:
        if before and arm.stack != before:
            table.add_section()
        pair = savings.get(arm.label)
        if pair is None:
            saved = Text("control", "dim")
        elif pair.acceptance is Verdict.INVALID or pair.rounds < 2:
            saved = Text(str(Verdict.INVALID), "bold red")
        else:
            saved = Text(f"{median_of(pair.saving)} {interval(pair.saving.interval)}")
        name = plain(arm.stack if arm.stack != before else "")
        table.add_row(name, plain(arm.strategy), *_parts(arm), saved)
        before = arm.stack
    return table


def _parts(arm: ArmSummary) -> tuple[str, str, str]:
    found = arm.group.metric("latency")
    latency = ABSENT if found is None else quantile_cell(found.p50)
    if arm.answered and arm.network is None:
        return latency, NOT_SEPARABLE, ""
    return latency, ms(arm.network), ms(arm.group.typical("client"))
