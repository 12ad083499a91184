"""Where a program can be run inside, and what is said on other systems."""

from __future__ import annotations

import sys

from vestbench.programs.wanted import NotIsolatedError, ProgramRun, Wanted


def run_inside(wanted: Wanted) -> ProgramRun:
    """Run a program inside, as `running.run_program` does.

    Raises:
        NotIsolatedError: This machine does not let a program be kept inside.
        UsageError: The program cannot be started.
        LabError: The link or the exchange could not be started, or has ended.
    """
    if sys.platform == "linux":
        from vestbench.programs.running import run_program

        return run_program(wanted)
    raise NotIsolatedError("it needs Linux", "not-linux")
