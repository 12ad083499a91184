"""What stored runs are judged to be, as tables and in a line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from vestbench.assertions.judge import AssertionResult
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict, worst
from vestbench.report.sheet import ACCEPTANCE_STYLES
from vestbench.report.units import plain, plural
from vestbench.studies.parts.asserted import assertions_table
from vestbench.studies.parts.conditions import ending_lines, label


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A stored run with what was asserted of it."""

    file: str
    run: Run
    results: tuple[AssertionResult, ...]
    verdict: Verdict  # on all of them


def gate_report(judged: Sequence[Judged]) -> RenderableType:
    """Return what was asserted of each stored run, and what that makes in all."""
    parts: list[RenderableType] = []
    for found in judged:
        head = plain(found.file)
        head.stylize("bold")
        head.append(f"  {found.run.command} {found.run.label}, ", "not bold")
        parts += [
            head.append(plain(label(found.run)).plain, "not bold magenta"),
            *ending_lines(found.run),
            assertions_table(found.results),
            "",
        ]
    return Lines(*parts, *_verdicts(judged)[-1:])


def gate_brief(judged: Sequence[Judged]) -> RenderableType:
    """Return the verdict on each stored run, and on all."""
    return Lines(*_verdicts(judged))


def _verdicts(judged: Sequence[Judged]) -> list[Text]:
    lines = [_line(plain(found.file), found.verdict) for found in judged]
    if len(judged) > 1:
        everything = worst([found.verdict for found in judged])
        lines.append(_line(Text(plural(len(judged), "result")), everything))
    return lines


def _line(what: Text, acceptance: Verdict) -> Text:
    return what.append(": ").append(str(acceptance), ACCEPTANCE_STYLES[acceptance])
