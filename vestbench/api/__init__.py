"""Measure from a Python program: what the commands do, as functions.

    from vestbench import compare

    result = compare("pooled", "unpooled", min_saving="50ms", rtt="30ms")
    assert result.passed, result.report()

Nothing is printed, no signal is handled and no environment is read: what is not given
has the default of the option of the same name. Works in any thread.
"""

from vestbench.api.exchange import Exchange, simulated_exchange
from vestbench.api.measure import bench, compare
from vestbench.api.result import Result

__all__ = ["Exchange", "Result", "bench", "compare", "simulated_exchange"]
