"""How numbers and foreign texts look in a report: rounding, units, intervals."""

from __future__ import annotations

from fractions import Fraction
from math import inf, isfinite

from vestbench.stats.decision import Interval, MedianSummary
from vestbench.stats.quantiles import QuantileEstimate

ABSENT = "–"

_SHORTEST_ROUTE_MS = 1.0
_LARGEST_ODDS = 1_000_000  # above this, the digits say nothing more


def ms(value: float | None, *, signed: bool = False) -> str:
    """Return `value` in milliseconds, with decimals where they help.

    Such as 0.042, 3.21, 63.1 and 1503. A failed request counts as infinite; it is
    shown as "failed".
    """
    if value is None:
        return ABSENT
    if not isfinite(value):
        return "failed" if value > 0 else ABSENT
    size = abs(value)
    decimals = 3 if size < 1 else 2 if size < 10 else 1 if size < 1000 else 0
    return fixed(value, decimals, signed=signed)


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """Return `value` with so many decimals; zero has no minus sign."""
    rounded = round(value, decimals) + 0.0
    return f"{rounded:+.{decimals}f}" if signed else f"{rounded:.{decimals}f}"


def interval(found: Interval | None, decimals: int = 1) -> str:
    """Return an interval as `[59.8, 62.9]`, or as `[≥ 59.8]` if an end is open."""
    return "[too few]" if found is None else ends(found.low, found.high, decimals)


def ends(low: float, high: float, decimals: int) -> str:
    """Return the ends of an interval in brackets; infinite ones are open."""
    if isfinite(low) and isfinite(high):
        return f"[{fixed(low, decimals)}, {fixed(high, decimals)}]"
    return f"[{_bound(low, high, '≥', '≤', decimals) or 'open'}]"


def _bound(low: float, high: float, least: str, most: str, decimals: int) -> str:
    """Return the end that is finite with its sign; empty if there is none."""
    if isfinite(low):
        return f"{least} {fixed(low, decimals)}"
    return f"{most} {fixed(high, decimals)}" if isfinite(high) else ""


def median_of(found: MedianSummary, decimals: int = 1) -> str:
    """Return the median, or the range in which failures leave it."""
    low, high = found.median_lo, found.median_hi
    if not (isfinite(low) and isfinite(high)):
        return _bound(low, high, "at least", "at most", decimals) or "unknown"
    shown = fixed(low, decimals), fixed(high, decimals)
    return shown[0] if shown[0] == shown[1] else " to ".join(shown)


def with_interval(found: MedianSummary, unit: str = "", decimals: int = 1) -> str:
    """Return the median, its unit if that is said, and its interval."""
    parts = median_of(found, decimals), unit, interval(found.interval, decimals)
    return " ".join(filter(None, parts))


def quantile_cell(found: QuantileEstimate) -> str:
    """Return a quantile with its interval, or `n/a` if there are too few requests."""
    if found.point is None:
        return f"n/a ({plural(found.n, 'request')})"
    text = ms(found.point)
    if found.low is None and found.high is None:
        return text
    low = "…" if found.low is None else ms(found.low)
    if found.high is None:
        return text if found.low == inf else f"{text} [≥ {low}]"
    return f"{text} [{low}, {ms(found.high)}]"


def quantile_bound(found: QuantileEstimate) -> str:
    """Return a high quantile, or its lower bound where the upper one is open."""
    if found.point is None:
        return "n/a"
    if found.high is None and found.low is not None and isfinite(found.low):
        return f"≥ {ms(found.low)}"
    return ms(found.point)


def percent(part: int, whole: int) -> str:
    """Return a share in percent. Only all is 100 %, and only nothing is 0 %."""
    if not whole:
        return ABSENT
    share = 100 * part / whole
    if part not in (0, whole):
        share = min(max(share, 0.1), 99.9)
    return f"{share:.0f} %" if share == round(share) else f"{share:.1f} %"


def plural(count: int, noun: str) -> str:
    """Return `1 session` or `20 sessions`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def is_far(rtt_ms: float | None) -> bool:
    """Say whether a route is long enough for its round trips to measure anything."""
    return rtt_ms is not None and rtt_ms >= _SHORTEST_ROUTE_MS


def level(confidence: float) -> str:
    """Return the confidence of an interval as `95 % CI`."""
    return f"{100 * confidence:g} % CI"


def odds(evidence: Fraction) -> str:
    """Return evidence as it is said: 52 : 1."""
    value = float(evidence)
    if value > _LARGEST_ODDS:
        return f"over {_LARGEST_ODDS:,} : 1"
    return f"{value:.1f} : 1" if value < 10 else f"{value:,.0f} : 1"


def likelier(evidence: Fraction) -> str:
    """Return evidence as it is written out: 52 times more likely."""
    times, how = (evidence, "more") if evidence >= 1 else (1 / evidence, "less")
    return f"{odds(times).removesuffix(' : 1')} times {how} likely"
