"""What a run says to GitHub Actions: annotations, as commands of its workflows.

Escaping as the toolkit of the runner does it (actions/toolkit, packages/core,
command.ts): `%`, CR and LF in a message; `:` and `,` as well in a property.
"""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.assertions.judge import AssertionResult
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.report.asserted import sentence_of
from vestbench.report.junit import Undecided
from vestbench.studies.parts.conditions import label


def annotations_of(
    run: Run,
    results: tuple[AssertionResult, ...],
    *,
    gated: bool,
    undecided: Undecided = "fail",
) -> Iterator[str]:
    """Yield an annotation for each assertion that does not hold.

    Args:
        run: What was measured.
        results: What was asserted.
        gated: Whether the exit status follows the assertions. Otherwise nothing is an
            error, because the job does not fail.
        undecided: What an assertion that is not decided counts as.
    """
    for result in results:
        if result.outcome is Verdict.PASS:
            continue
        lenient = result.outcome is Verdict.INCONCLUSIVE and undecided != "fail"
        level = "error" if gated and not lenient else "warning"
        title = f"vestbench {run.command}: {result.outcome}"
        yield command(level, title, f"{sentence_of(result)}; {label(run)}")


def command(level: str, title: str, message: str) -> str:
    """Return a workflow command: one line, whatever the texts hold."""
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
