"""How a program's run ended, in a sentence."""

from __future__ import annotations

from vestbench.children import ending
from vestbench.model.traffic import Program


def ending_of(program: Program) -> str:
    """Say how it ended, and whose the exit code is."""
    if program.ended_by in ("time", "enough"):
        over = program.ended_by == "time"
        why = "its time was over" if over else "it had done enough"
        return f"{program.name} was ended by us, because {why}; that counts as 0."
    return f"{program.name} {ending(program.status)}."
