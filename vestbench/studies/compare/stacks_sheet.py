"""A comparison on several HTTP libraries: what each way of connecting saves on each."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.model.verdict import Verdict
from vestbench.report.sheet import GAP, Part, Table, Text, numbers
from vestbench.report.stacks import unhonoured_table
from vestbench.report.units import (
    ABSENT,
    level,
    ms,
    quantile_cell,
    with_interval,
)
from vestbench.studies.compare.plan import CompareRun
from vestbench.studies.compare.summary import ArmSummary, CompareSummary

_NOT_SEPARABLE = "not separable"


def is_several(run: CompareRun) -> bool:
    """Say whether a comparison was made on more than one stack."""
    return len({arm.stack for arm in run.plan.arms}) > 1


def stacks_parts(run: CompareRun, summary: CompareSummary) -> Iterator[Part]:
    """Yield what was saved on each stack, and the pool settings it does not honour."""
    yield _strategies_table(run, summary)
    yield Text(
        "saved: against the control of the same stack; latencies of different stacks "
        "are not comparable",
        "dim",
    )
    if any(arm.answered and arm.network is None for arm in summary.arms):
        yield Text(f"{_NOT_SEPARABLE}: the stack shows only the whole call", "dim")
    unhonoured = [
        (stack, setting, why)
        for stack, settings in run.conditions.unhonoured.items()
        for setting, why in settings.items()
    ]
    if unhonoured:
        yield GAP
        yield unhonoured_table(unhonoured)


def _strategies_table(run: CompareRun, summary: CompareSummary) -> Table:
    about = "Stack by strategy"
    ci = level(run.plan.confidence)
    figures = (f"p50, ms [{ci}]", "network", "client", f"saved [{ci}]")
    table = Table(about, ["stack", "strategy", *numbers(*figures)])
    savings = {pair.candidate: pair for pair in summary.pairs}
    before = ""
    for arm in summary.arms:
        if before and arm.stack != before:
            table.end_section()
        pair = savings.get(arm.label)
        if pair is None:
            saved = Text("control", "dim")
        elif pair.acceptance is Verdict.INVALID or pair.rounds < 2:
            saved = Text(str(Verdict.INVALID), "bold red")
        else:
            saved = Text(with_interval(pair.saving))
        name = arm.stack if arm.stack != before else ""
        table.add_row(name, arm.strategy, *_parts(arm), saved)
        before = arm.stack
    return table


def _parts(arm: ArmSummary) -> tuple[str, str, str]:
    found = arm.group.metric("latency")
    latency = ABSENT if found is None else quantile_cell(found.p50)
    if arm.answered and arm.network is None:
        return latency, _NOT_SEPARABLE, ""
    return latency, ms(arm.network), ms(arm.group.typical("client"))
