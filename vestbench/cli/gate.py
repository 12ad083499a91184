"""`vestbench gate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vestbench.cli.exports import ShowingOptions
from vestbench.cli.output_options import AssertOptions
from vestbench.errors import UsageError

if TYPE_CHECKING:
    from vestbench.history.sheet import Judged
    from vestbench.model.run import Run


def gate(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Results, finished or not."),
    ],
    *,
    asserting: AssertOptions,
    options: ShowingOptions,
) -> None:
    """Judge stored runs: by what is asserted, or by what they were asked themselves.

    Several are judged together, and the worst decides: 0 all met, 1 one missed,
    3 inconclusive, 5 invalid. Documents are made of a single one.

    Example: vestbench gate results/reference-bench-30ms.toml
    """
    from vestbench.cli.console import busy, show
    from vestbench.history.sheet import gate_brief, gate_report
    from vestbench.model.verdict import worst
    from vestbench.report.machine import plain_document
    from vestbench.studies.judging import exit_code
    from vestbench.studies.registry import load_run

    asserting.check()
    if len(files) > 1:
        options.exports.refuse("documents are made of one run")
    texts = asserting.asserted or []
    judged = []
    for path in files:
        with busy(f"judging {path}"):
            judged.append(_judge(str(path), load_run(path), texts))
    verdict = worst([found.verdict for found in judged])
    doubt = asserting.on_inconclusive
    decisive = next(found for found in judged if found.verdict is verdict)
    code = exit_code(decisive.run, verdict, on_inconclusive=doubt)
    exports = options.exports
    if options.json:
        runs = [_plain(found) for found in judged]
        whole = {"outcome": verdict, "exit_code": int(code), "runs": runs}
        exports.print_json(plain_document(whole))
    elif not exports.prints:
        show((gate_brief if options.quiet else gate_report)(judged))
    for found in judged:
        exports.write(
            found.run,
            found.file,
            gated=True,
            results=found.results,
            undecided=asserting.undecided,
        )
    raise typer.Exit(code)


def _judge(file: str, run: Run, texts: list[str]) -> Judged:
    from vestbench.history.sheet import Judged
    from vestbench.studies.judging import (
        assertions_of,
        check_assertions,
        verdict_of,
    )

    found = assertions_of(run, check_assertions(texts, run.command, run.plan))
    verdict = verdict_of(run, found)
    if verdict is None:
        raise UsageError(f"{file} was asked nothing: say what with --assert")
    return Judged(file=file, run=run, results=found, verdict=verdict)


def _plain(judged: Judged) -> dict[str, Any]:
    return {
        "file": judged.file,
        "command": judged.run.command,
        "label": judged.run.label,
        "outcome": judged.verdict,
        "assertions": judged.results,
    }
