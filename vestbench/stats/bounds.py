"""What one round, or one session, says of the saving: the bounds it lies between."""

from collections.abc import Iterable, Sequence
from math import inf, isfinite

from vestbench.model.record import Record


class Bounds(Record, frozen=True, kw_only=True):
    """What is known of one saving: it lies between `lo` and `hi`, both included.

    They are equal when both requests succeeded; infinite where nothing is known.
    """

    lo: float
    hi: float

    def __post_init__(self) -> None:
        if not self.lo <= self.hi or self.lo == inf or self.hi == -inf:
            raise ValueError(f"no saving lies between {self.lo} and {self.hi}")


def saving_bounds(
    control: float, control_ok: bool, candidate: float, candidate_ok: bool
) -> Bounds:
    """Return what one round says about the saving, control minus candidate, in ms.

    A request that failed after some time would have succeeded at some unknown later
    time, so a failure opens the interval on one side and never drops the round. As in
    the two functions below, `ValueError` says that a time is not finite or negative.
    """
    saved = _elapsed(control) - _elapsed(candidate)
    return Bounds(lo=saved if candidate_ok else -inf, hi=saved if control_ok else inf)


def percent_bounds(
    control: float, control_ok: bool, candidate: float, candidate_ok: bool
) -> Bounds:
    """Return what one round says about the saving in percent of the control.

    It is 100 at most, because the candidate takes some time. A control of 0 ms has no
    percentage and says nothing.
    """
    a, b = _elapsed(control), _elapsed(candidate)
    if a == 0:
        return Bounds(lo=-inf, hi=100.0)
    # Not 100 (1 - b / a), which puts 80 of 100 ms just below 20 %: ties are to count.
    saved = 100.0 * (a - b) / a
    return Bounds(lo=saved if candidate_ok else -inf, hi=saved if control_ok else 100.0)


def session_bounds(
    cold: float, cold_ok: bool, subsequent: Sequence[tuple[float, bool]]
) -> Bounds | None:
    """Return the saving of one session: its cold request minus the median of the rest.

    The median is taken once with failures at the time they took, and once at infinity.
    `None` when there is no subsequent request. A time is in ms, until the response or
    the failure.
    """
    if not subsequent:
        return None
    first = _elapsed(cold)
    fastest = sorted(_elapsed(time) for time, _ in subsequent)
    slowest = sorted(float(time) if ok else inf for time, ok in subsequent)
    return Bounds(
        lo=first - middle(slowest), hi=first - middle(fastest) if cold_ok else inf
    )


def exact(bounds: Iterable[Bounds]) -> list[float]:
    """Return the savings that are known exactly, because nothing failed."""
    return [each.lo for each in bounds if each.lo == each.hi]


def middle(ranked: Sequence[float]) -> float:
    """Return the median of values in rising order; infinite ones are allowed."""
    low, high = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
    return low if low == high else (low + high) / 2


def finite(values: Iterable[float]) -> list[float]:
    """Return values as plain floats; `ValueError` if one is not finite."""
    plain = [float(value) for value in values]
    if not all(map(isfinite, plain)):
        raise ValueError("a value is not finite; leave out rounds with a failure")
    return plain


def _elapsed(value: float) -> float:
    duration = float(value)
    if not (isfinite(duration) and duration >= 0):
        raise ValueError(f"{duration} ms is not a duration")
    return duration
