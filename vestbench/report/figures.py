"""How durations are spread, as the columns and cells of a table."""

from __future__ import annotations

from vestbench.report.sheet import Column, numbers
from vestbench.report.units import level, ms, quantile_bound, quantile_cell
from vestbench.stats.metrics import Metric


def figure_columns(confidence: float, *names: str) -> list[str | Column]:
    """Return columns called `names`, that of the median with its confidence."""
    median = f"p50 [{level(confidence)}]"
    return numbers(*(median if name == "p50" else name for name in names))


def figure_cells(found: Metric, *names: str) -> list[str]:
    """Return what `found` is under each of `names`: n, p50, p90, p99, min or max."""
    shown = {
        "n": str(found.n),
        "p50": quantile_cell(found.p50),
        "p90": quantile_bound(found.p90),
        "p99": quantile_bound(found.p99),
        "min": ms(found.low),
        "max": ms(found.high),
    }
    return [shown[name] for name in names]
