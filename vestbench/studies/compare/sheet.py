"""A comparison as sentences, tables, warnings and one picture."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from vestbench.model.columns import COLUMNS
from vestbench.model.strategy import find_strategy
from vestbench.model.verdict import Verdict
from vestbench.report.distribution import Distributions
from vestbench.report.sheet import (
    ACCEPTANCE_STYLES,
    GAP,
    Cell,
    Figure,
    Part,
    Table,
    Text,
    numbers,
)
from vestbench.report.tables import figure_cells, figure_columns
from vestbench.report.units import (
    ABSENT,
    fixed,
    interval,
    is_far,
    level,
    median_of,
    ms,
    odds,
    plural,
    with_interval,
)
from vestbench.studies.base import Findings
from vestbench.studies.compare.plan import CompareRun
from vestbench.studies.compare.rounds import rounds_of
from vestbench.studies.compare.sentences import compare_warnings, explanation
from vestbench.studies.compare.stacks_sheet import is_several, stacks_parts
from vestbench.studies.compare.summary import (
    ArmSummary,
    CompareSummary,
    PairSummary,
    sides_of,
    summarise_compare,
)
from vestbench.studies.parts.breakdown import NO_PHASE, REST, REST_NOTES, Breakdown
from vestbench.studies.parts.lines import (
    PHASES_NOTE,
    build_line,
    dim,
    evidence_text,
    failures_parts,
    no_phases_note,
    quantile_notes,
)
from vestbench.studies.parts.route import is_relayed

_FIGURES = ("requests", "p50", "p90", "p99")

_PHYSICAL = {
    0: "1 round trip (TCP)",
    1: "2 round trips (TCP, TLS 1.3)",
    2: "3 round trips (TCP, TLS 1.2)",
}


def compare_findings(run: CompareRun) -> Findings:
    """Return what the report of a comparison says."""
    summary = summarise_compare(run)
    return Findings(
        headline=_headlines(run, summary),
        parts=_parts(run, summary),
        warnings=compare_warnings(run, summary),
    )


def _parts(run: CompareRun, summary: CompareSummary) -> Iterator[Part]:
    yield _roles(summary)
    yield _arms_table(run, summary)
    yield from dim(_footnotes(run, summary))
    answered = any(arm.answered for arm in summary.arms)
    if is_several(run):
        yield GAP
        yield from stacks_parts(run, summary)
    elif answered:
        for pair in summary.pairs:
            yield from (GAP, _phases_table(run, summary, pair))
            yield from dim(_phases_notes(run, pair))
    yield from failures_parts(run, by_arm=True)
    if answered and not is_several(run):
        took: dict[str, list[float]] = {arm.label: [] for arm in summary.arms}
        for found in rounds_of(run):
            for label, values in took.items():
                values.append(found.outcomes[label].latency_ms)
        yield from (GAP, Figure("Latency, one axis", Distributions(took)))
    yield from (GAP, build_line(run))


def _target_text(summary: CompareSummary) -> str:
    unit = "%" if summary.percent_target else "ms"
    return f"≥ {summary.target:.4g} {unit}"


def _headlines(run: CompareRun, summary: CompareSummary) -> Iterator[Text]:
    judged = [pair for pair in summary.pairs if _has_evidence(run, pair)]
    for pair in summary.pairs:
        yield from _sentence(run, summary, pair, in_full=pair in judged[:1])
    if len(summary.pairs) > 1 and run.judges_saving:
        asked = "any candidate" if run.plan.question == "any" else "all candidates"
        line = Text(f"{asked} {_target_text(summary)}: ")
        yield line.append(
            str(summary.acceptance), ACCEPTANCE_STYLES[summary.acceptance]
        )


def _is_stated(pair: PairSummary) -> bool:
    """Say whether there is a saving; no figure from one round is called that."""
    invalid = pair.acceptance is Verdict.INVALID
    return pair.saving.is_known and pair.rounds > 1 and not invalid


def _has_evidence(run: CompareRun, pair: PairSummary) -> bool:
    """Say whether the evidence for, or against, the target is shown."""
    return _is_stated(pair) and run.judges_saving


def _sentence(
    run: CompareRun, summary: CompareSummary, pair: PairSummary, *, in_full: bool
) -> Iterator[Text]:
    """Yield a verdict; `in_full` says also what the evidence is."""
    line = Text(pair.candidate)
    invalid, stated = pair.acceptance is Verdict.INVALID, _is_stated(pair)
    judged = invalid or run.judges_saving
    if not stated:
        line.append(": no saving can be stated, ")
    else:
        ci = level(pair.confidence)
        line.append(" saves ")
        line.append(f"{median_of(pair.saving)} ms", "bold")
        line.append(f" per request, {ci} {interval(pair.saving.interval)}, ")
    if judged:
        line.append(str(pair.acceptance), ACCEPTANCE_STYLES[pair.acceptance])
    if judged and not invalid:
        line.append(f" against {_target_text(summary)}")
    yield line.append(
        f" after {plural(pair.rounds, 'round')}".lstrip("" if judged else " ")
    )
    reason = explanation(run, summary, pair) if judged else ""
    if reason:
        yield Text(f"  {reason}")
    if not stated:
        return
    detail = f"  {with_interval(pair.percent, '%')} saved"
    if pair.round_trips is not None and is_far(summary.rtt_ms):
        detail += f", {with_interval(pair.round_trips, decimals=2)} round trips"
    detail += f"; {pair.measured} measured requests in {summary.span_s:.0f} s"
    if judged and not in_full:
        detail += f", evidence {odds(pair.summary.evidence)}"
    yield Text(detail, "dim")
    if in_full:
        target = _target_text(summary).removeprefix("≥ ")
        yield evidence_text(pair.summary, target, "rounds")


def _roles(summary: CompareSummary) -> Text:
    if len({pair.control for pair in summary.pairs}) > 1:
        return Text("Each candidate is compared with the control of its own stack")
    names = ", ".join(pair.candidate for pair in summary.pairs)
    role = "candidate is" if len(summary.pairs) == 1 else "candidates are"
    line = Text("The control is ").append(summary.control, "bold")
    return line.append(f", the {role} ").append(names, "bold")


def _arms_table(run: CompareRun, summary: CompareSummary) -> Table:
    names = (*_FIGURES, "failed", "opened")
    figures = figure_columns(run.plan.confidence, *names)
    about = "Latency, failures and proof of reuse"
    table = Table(about, ["ms", *figures, "reused"], layout="tight")
    for arm in summary.arms:
        table.add_row(Text().append(arm.label, "bold"), *_arm_cells(arm))
    return table


def _arm_cells(arm: ArmSummary) -> list[Cell]:
    found = arm.group.metric("latency")
    style = "green" if arm.valid else "bold red"
    reused = Text(f"{arm.reused} of {arm.answered}", style)
    if arm.resumed and not arm.reused:
        reused.append(f", {arm.resumed} resumed", style)
    if found is None:
        return ["0", ABSENT, ABSENT, ABSENT, "0", "0", reused]
    return [
        *figure_cells(found, *_FIGURES),
        str(sum(count for _, count in arm.failures)),
        str(arm.connections),
        reused,
    ]


def _footnotes(run: CompareRun, summary: CompareSummary) -> Iterator[str]:
    yield "opened or reused its connection: by proof, not by plan"
    yield from no_phases_note(run)
    metrics = [arm.group.metric("latency") for arm in summary.arms]
    shown = [metric for metric in metrics if metric is not None]
    yield from quantile_notes(
        [found for m in shown for found in (m.p90, m.p99) if found.low != inf],
        run.plan.confidence,
    )


def _phases_table(run: CompareRun, summary: CompareSummary, pair: PairSummary) -> Table:
    about = f"The saving by phase, {pair.candidate} against the control"
    figures = numbers(pair.control, pair.candidate, "saved", "round trips")
    table = Table(about, ["median, ms", *figures])
    control, candidate = (
        side.tally.group("", run.plan.confidence)
        for side in sides_of(run)[pair.candidate].sides
    )
    breakdown = pair.breakdown
    rtt = breakdown.rtt if breakdown is not None else None

    def trips(value: float) -> str:
        return fixed(value / rtt, 2) if rtt and is_far(rtt) else ABSENT

    merged = is_relayed(run)
    # A phase is absent on a reused connection; but every answer was waited for.
    both = control.metric("wait") is not None and candidate.metric("wait") is not None
    for name in [column.title for column in COLUMNS.parts]:
        a, b = control.typical(name), candidate.typical(name)
        if a is None and b is None:
            continue
        saved = (a or 0.0) - (b or 0.0)
        change = (ms(saved, signed=True), trips(saved)) if both else (ABSENT, ABSENT)
        mark = " *" if merged and name in COLUMNS.shaken else ""
        table.add_row(name + mark, ms(a), ms(b), *change)
    if breakdown is None:
        return table
    table.end_section()
    strategies = {arm.label: arm.strategy for arm in summary.arms}
    ways = (strategies[pair.control], strategies[pair.candidate])
    for name, value, style in _breakdown_rows(breakdown, *ways):
        cells = (name, "", "", ms(value, signed=True), trips(value))
        table.add_row(*(Text(cell, style) for cell in cells))
    return table


def _phases_notes(run: CompareRun, pair: PairSummary) -> Iterator[str]:
    if pair.breakdown is None or not pair.breakdown.has_phases:
        return
    yield from (PHASES_NOTE, *REST_NOTES)
    left_out = sides_of(run)[pair.candidate].left_out
    if left_out:
        yield (
            f"without {plural(left_out, 'round')} in which a request failed or was not "
            "what it is called"
        )


def _breakdown_rows(
    breakdown: Breakdown, control: str, candidate: str
) -> Iterator[tuple[str, float, str]]:
    yield "saving, median of rounds", breakdown.saving, "bold"
    if breakdown.opening is not None and breakdown.rest is not None:
        yield "  opening connections", breakdown.opening, ""
        yield f"  {REST}", breakdown.rest, ""
        yield f"    {NO_PHASE}", breakdown.in_no_phase or 0.0, ""
    if breakdown.expected is not None:
        limit = _physical_limit(breakdown, control, candidate)
        if breakdown.dns is not None:
            limit = "name resolution, " + limit
        yield f"physical limit: {limit}", breakdown.expected, ""
    if breakdown.beyond_round_trips is not None:
        yield (
            "  beyond it: not separable without phases",
            breakdown.beyond_round_trips,
            "",
        )


def _physical_limit(breakdown: Breakdown, control: str, candidate: str) -> str:
    trips = plural(breakdown.round_trips, "round trip")
    if find_strategy(candidate).resumes:
        if not breakdown.round_trips:
            return "no round trip (a resumed TLS 1.3 handshake saves computing)"
        return f"{trips} (of the TLS 1.{4 - breakdown.tls_round_trips} handshake)"
    if find_strategy(control).resumes:
        return f"{trips} (TCP, resumed TLS)"
    return _PHYSICAL[breakdown.tls_round_trips]


def progress_text(
    rounds: int, found: list[tuple[str, str, str]], projection: int | None
) -> str:
    """Return the line shown while a comparison runs.

    `found` has the label, median saving and interval of each candidate; `projection` is
    the number of rounds that would decide.
    """
    parts = [plural(rounds, "round")]
    parts += [f"{label} {saving} ms {ends}" for label, saving, ends in found]
    if projection is not None and projection > rounds:
        parts.append(f"about {projection - rounds} more")
    return "  ".join(parts)
