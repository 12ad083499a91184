"""How durations are spread over groups of requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vestbench.model.record import Record
from vestbench.stats.quantiles import Distribution, QuantileEstimate, estimate


class Metric(Record, frozen=True, kw_only=True):
    """The distribution of one duration over the requests of a group, in ms."""

    name: str
    n: int
    p50: QuantileEstimate
    p90: QuantileEstimate
    p99: QuantileEstimate
    low: float
    high: float
    # The median with 0 for each request that is known not to have had it, such as a
    # lookup that only some connections needed.
    typical: float


class Group(Record, frozen=True, kw_only=True):
    """Requests that belong together, such as those that reused a connection."""

    name: str
    metrics: tuple[Metric, ...]  # latency first, then the phases that occurred, client
    failures: int
    interrupted: int = 0  # requests that are in no metric, since we were away

    def metric(self, name: str) -> Metric | None:
        """Return the metric called `name`, if there are values for it."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def typical(self, name: str) -> float | None:
        """Return the median of the metric called `name` over the whole group, in ms.

        A phase that did not happen counts as 0; None where no request had it.
        """
        metric = self.metric(name)
        return None if metric is None else metric.typical


def metric(
    name: str,
    values: Iterable[float] | Distribution,
    confidence: float,
    absent: int = 0,
) -> Metric:
    """Return the distribution of one value or more, in ms; failures are infinite.

    So many further requests did not have it, and are in none of the quantiles.
    """
    if not isinstance(values, Distribution):
        values = Distribution(values)
    if not len(values):
        raise ValueError(f"there is no {name} to show")
    return Metric(
        name=name,
        n=len(values),
        p50=estimate(values, 0.5, confidence),
        p90=estimate(values, 0.9, confidence),
        p99=estimate(values, 0.99, confidence),
        low=values.low,
        high=values.high,
        typical=_median(values.ranked(), absent),
    )


def _median(ranked: Sequence[float], absent: int) -> float:
    """Return the median of `ranked` and of so many zeros."""
    count = len(ranked) + absent
    low, high = (
        0.0 if place < absent else ranked[place - absent]
        for place in ((count - 1) // 2, count // 2)
    )
    return low if low == high else low + (high - low) / 2
