"""Measure from a Python program: what the commands do, as functions.

    from vestbench import compare

    result = compare("pooled", "unpooled", min_saving="50ms", rtt="30ms")
    assert result.passed, result.report()

Nothing is printed, no signal is handled and no environment is read: what is not given
has the default of the option of the same name. Works in any thread. Only a program that
`run_program` runs has this process's streams and environment, and its signals.
"""

from vestbench.api.exchange import Exchange, simulated_exchange
from vestbench.api.measure import bench, compare
from vestbench.api.program import ProgramResult, run_program
from vestbench.api.result import Result
from vestbench.api.traffic import Account, Counts

__all__ = [
    "Account",
    "Counts",
    "Exchange",
    "ProgramResult",
    "Result",
    "bench",
    "compare",
    "run_program",
    "simulated_exchange",
]
