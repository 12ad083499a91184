"""What a run says to GitHub Actions: annotations, as commands of its workflows.

Escaping as the toolkit of the runner does it (actions/toolkit, packages/core,
command.ts): `%` and LF in a message; `:` and `,` as well in a property. What a terminal
could take for an order is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.characters import plain_lines
from vestbench.model.verdict import Verdict
from vestbench.report.found import Found
from vestbench.report.tables import sentence_of


def annotations_of(found: Found, *, gated: bool) -> Iterator[str]:
    """Yield an annotation for each assertion that does not hold.

    Args:
        found: The run, and what was asserted of it.
        gated: Whether the exit status follows the assertions. Otherwise nothing is an
            error, because the job does not fail.
    """
    if found.error:  # which says all that is wrong
        yield command("error", "vestbench", found.error)
        return
    for result in found.results:
        if result.outcome is Verdict.PASS:
            continue
        lenient = result.outcome is Verdict.INCONCLUSIVE and found.undecided != "fail"
        fails = gated or result.outcome is Verdict.INVALID
        level = "error" if fails and not lenient else "warning"
        title = f"vestbench {found.run.command}: {result.outcome}"
        yield command(level, title, f"{sentence_of(result)}; {found.where}")


def command(level: str, title: str, message: str) -> str:
    """Return a workflow command, in one line even if the texts have several."""
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return plain_lines(text).replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
