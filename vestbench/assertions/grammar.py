"""How an assertion is written: a quantity, an operator, and a value with its unit.

    saving >= 50ms         subsequent.p99 <= 120ms    reused == 100%
    saving >= 30%          cold.tls.p50 < 40ms        failures == 0
    saving >= 1.8 round trips     pooled.max <= 0.2s     unpooled.failures <= 1%

    assertion  =  [group "."] quantity operator value
    quantity   =  "saving" | "reused" | "failures" | "connections"
               |  [metric "."] ("p50" | "p90" | "p99" | "max")
    metric     =  "latency" (when left out) | "dns" | "connect" | "tls" | "send"
               |  "wait" | "receive" | "client"
    operator   =  ">=" | "<=" | ">" | "<" | "=="
    value      =  decimal ("us" | "ms" | "s" | "%" | "round trips")  |  whole number

Groups are those of the run: cold and subsequent; the arms of a comparison; warmed,
not-warmed and warm-up; of a start its steps.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from vestbench.model.columns import COLUMNS

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
COUNTS = ("failures", "connections")
SHARES = ("reused", "failures")
_TEXT = re.compile(
    r"\s*(?P<quantity>[\w.@+-]*[\w])\s*(?P<operator>[<>]=?|==)\s*"
    r"(?P<number>-?(?:\d+(?:\.\d+)?|\.\d+))\s*(?P<unit>%|[a-z ]*?)\s*",
    re.ASCII,
)


class Unit(StrEnum):
    """What the value of an assertion is in."""

    MS = "ms"
    PERCENT = "%"
    ROUND_TRIPS = "round trips"
    COUNT = ""


_UNITS = {
    "us": (Unit.MS, Fraction(1, 1000)),
    "ms": (Unit.MS, Fraction(1)),
    "s": (Unit.MS, Fraction(1000)),
    "%": (Unit.PERCENT, Fraction(1)),
    "round trips": (Unit.ROUND_TRIPS, Fraction(1)),
    "": (Unit.COUNT, Fraction(1)),
}


class Operator(StrEnum):
    """How a quantity is held against a value."""

    AT_LEAST = ">="
    AT_MOST = "<="
    MORE = ">"
    LESS = "<"
    EQUAL = "=="

    def decide(self, low: float, high: float, limit: float) -> bool | None:
        """Say whether it is true of all values from `low` to `high`.

        Equality is asked of facts only, whose ends are the same.

        Returns:
            False if it is true of none of them, None if of some only.
        """
        compare = _COMPARE[self]
        ends = {compare(low, limit), compare(high, limit)}
        return ends.pop() if len(ends) == 1 else None


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What is asserted, read from its text."""

    text: str  # with single blanks
    group: str  # empty for the whole run
    metric: str  # such as latency or tls; empty where the quantity is no quantile
    quantity: str
    operator: Operator
    limit: Fraction  # in `unit`
    unit: Unit

    @property
    def name(self) -> str:
        """The quantity with its group, as it is written."""
        metric = "" if self.metric == "latency" else self.metric
        return ".".join(filter(None, (self.group, metric, self.quantity)))

    def about_all(self) -> bool:
        """Say whether it is about every request of this run rather than a rate.

        Only a bound at nothing or all can be: that no request failed is a fact of the
        run, that at most 1 % fail is a guess about those that come.
        """
        return self.unit is Unit.COUNT or self.limit in (0, 100)


def parse_assertion(text: str, groups: Collection[str] | None = None) -> Assertion:
    """Return what an assertion such as `subsequent.p99 <= 120ms` says.

    Args:
        text: As it is written.
        groups: Those that the run has; None takes any.

    Raises:
        ValueError: It is none, or cannot be decided; the message says what is known.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no assertion: write a quantity, one of >= <= > < ==, and a "
            "value with its unit, such as 'saving >= 50ms' or 'failures == 0'"
        )
    group, metric, quantity = _quantity(match["quantity"])
    if match["unit"] not in _UNITS:
        known = ", ".join(filter(None, _UNITS))
        raise ValueError(f"{text!r}: {match['unit']!r} is no unit: use {known}")
    unit, factor = _UNITS[match["unit"]]
    assertion = Assertion(
        text=f"{match['quantity']} {match['operator']} {match['number']}"
        + (" " * (unit is Unit.ROUND_TRIPS) + match["unit"]),
        group=group,
        metric=metric,
        quantity=quantity,
        operator=Operator(match["operator"]),
        limit=Fraction(match["number"]) * factor,
        unit=unit,
    )
    _check_unit(assertion)
    if groups is not None:
        _check_group(assertion, groups)
    return assertion


def _quantity(text: str) -> tuple[str, str, str]:
    """Return group, metric and quantity; the group is what is left of the others."""
    rest, _, last = text.rpartition(".")
    if last in QUANTILES or last == "max":
        group, _, metric = rest.rpartition(".")
        if metric in _metrics():
            return group, metric, last
        return rest, "latency", last
    if last in ("saving", "reused", *COUNTS):
        return rest, "", last
    raise ValueError(
        f"{text!r} is no quantity: use saving, reused, failures, connections, and p50, "
        f"p90, p99 or max, alone or of a phase ({', '.join(_metrics()[1:])})"
    )


def _metrics() -> list[str]:
    """Return the durations that have quantiles, the latency first."""
    return [column.title for column in COLUMNS.metrics]


def _check_unit(found: Assertion) -> None:
    name, unit = found.name, found.unit
    if found.quantity == "saving":
        units: tuple[Unit, ...] = (Unit.MS, Unit.PERCENT, Unit.ROUND_TRIPS)
        known = "ms, % or round trips"
    elif found.metric:
        units, known = (Unit.MS,), "us, ms or s"
    elif found.quantity == "failures":
        units, known = (Unit.COUNT, Unit.PERCENT), "a whole number, or %"
    elif found.quantity == "reused":
        units, known = (Unit.PERCENT,), "%"
    else:
        units, known = (Unit.COUNT,), "a whole number"
    if unit not in units:
        raise ValueError(f"{found.text!r}: {name} takes {known}")
    if unit is Unit.COUNT and found.limit.denominator != 1:
        raise ValueError(f"{found.text!r}: {name} takes a whole number")
    share = found.quantity in SHARES and unit is Unit.PERCENT
    if (share and not 0 <= found.limit <= 100) or (
        found.quantity != "saving" and found.limit < 0
    ):
        raise ValueError(f"{found.text!r}: {name} is never that")
    if found.operator is Operator.EQUAL and not (
        found.about_all() and (share or unit is Unit.COUNT)
    ):
        raise ValueError(
            f"{found.text!r}: == is for whole numbers, 0% and 100%; nothing else that "
            "is measured is ever exactly that"
        )


def _check_group(found: Assertion, groups: Collection[str]) -> None:
    known = ", ".join(groups) or "the whole run"
    if found.group and found.group not in groups:
        raise ValueError(f"{found.text!r}: there is no {found.group}, only {known}")
    if found.metric and not found.group:
        first = next(iter(groups), "")
        example = f", such as {first}.{found.name}" if first else ""
        raise ValueError(f"{found.text!r}: say of what{example}; known are {known}")
