"""How an assertion is written: a quantity, an operator, and what it is held against.

    saving >= 50ms         subsequent.p99 <= 120ms    reused == 100%
    saving >= 30%          cold.tls.p50 < 40ms        failures == 0
    saving >= 1.8 round trips     pooled.max <= 0.2s     unpooled.failures <= 1%
    subsequent.p99 <= cold.p50    cold.share <= 25%     hosts["api.x"].connections <= 2

    assertion  =  quantity operator (value | quantity)
    quantity   =  [of "."] (name | [metric "."] quantile)
    of         =  group  |  collection "[" quoted name "]"
    quantile   =  "p50" | "p90" | "p99" | "max"
    name       =  "saving" | "reused" | "failures" | "connections" | "requests"
               |  "share"
    metric     =  "latency" (when left out) | "dns" | "connect" | "tls" | "send"
               |  "wait" | "receive" | "client"
    operator   =  ">=" | "<=" | ">" | "<" | "=="
    value      =  decimal ("us" | "ms" | "s" | "%" | "round trips")  |  whole number

Which quantities, groups and collections there are, each study declares: cold and
subsequent; the arms of a comparison; warmed, not-warmed and warm-up; of a start its
steps.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from enum import StrEnum
from fractions import Fraction

from vestbench.errors import InvalidValueError
from vestbench.model.columns import COLUMNS
from vestbench.model.record import Record, replace

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}

_PATH = r"""[A-Za-z_][\w.@+/-]*(?:\["[^"\]]+"\]\.[\w.@+/-]+)?(?<=\w)"""
_TEXT = re.compile(
    rf"\s*(?P<left>{_PATH})\s*(?P<operator>[<>]=?|==)\s*"
    r"(?:(?P<number>-?(?:\d+(?:\.\d+)?|\.\d+))\s*(?P<unit>%|[a-z ]*?)|"
    rf"(?P<right>{_PATH}))\s*",
    re.ASCII,
)
_MAX_DIGITS = 20  # of a value; any duration, share or count has fewer
_KEYED = re.compile(r'(?P<collection>[\w-]+)\["(?P<key>[^"]+)"\]\.(?P<rest>.+)')


def _metrics() -> list[str]:
    """Return the durations of which there are quantiles; the first is the latency."""
    return [column.title for column in COLUMNS.metrics]


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


class Quantity(Record, frozen=True, kw_only=True):
    """Something that can be asserted of a run."""

    name: str
    units: tuple[Unit, ...]  # of its value; the first is that of two that are compared
    taken: str  # these units in words
    signed: bool = False  # it may be negative
    of_a_group: bool = False  # of a group of requests, never of the whole run


_COUNT = ((Unit.COUNT,), "a whole number")
SAVING = Quantity(
    name="saving",
    units=(Unit.MS, Unit.PERCENT, Unit.ROUND_TRIPS),
    taken="ms, % or round trips",
    signed=True,
)
REUSED = Quantity(name="reused", units=(Unit.PERCENT,), taken="%")
FAILURES = Quantity(
    name="failures", units=(Unit.COUNT, Unit.PERCENT), taken="a whole number, or %"
)
CONNECTIONS = Quantity(name="connections", units=_COUNT[0], taken=_COUNT[1])
REQUESTS = Quantity(name="requests", units=_COUNT[0], taken=_COUNT[1])
SHARE = Quantity(name="share", units=(Unit.PERCENT,), taken="%", of_a_group=True)
OF_REQUESTS = (FAILURES, CONNECTIONS, REQUESTS, SHARE)
_TIMES = tuple(
    Quantity(name=name, units=(Unit.MS,), taken="us, ms or s", of_a_group=True)
    for name in (*QUANTILES, "max")
)


class Vocabulary(Record, frozen=True, kw_only=True):
    """What can be asserted of the runs of a plan."""

    # Latencies have quantiles besides.
    quantities: tuple[Quantity, ...] = (SAVING, REUSED, *OF_REQUESTS)
    groups: Collection[str] | None = None  # of requests, by name; None takes any
    collections: Collection[str] = ()  # what has quantities by name, such as `hosts`
    kind: str = ""  # the command, for messages

    def find(self, text: str, name: str) -> Quantity:
        """Return the quantity called `name`, or raise InvalidValueError."""
        for quantity in (*self.quantities, SAVING, REUSED, *_TIMES):
            if quantity.name == name:
                return quantity
        names = ", ".join(quantity.name for quantity in self.quantities)
        phases = ", ".join(_metrics()[1:])
        raise InvalidValueError(
            f"{text!r} is no quantity: use {names}, and p50, p90, p99 or max, alone or "
            f"of a phase ({phases})"
        )


class Operator(StrEnum):
    """How a quantity is held against a value."""

    AT_LEAST = ">="
    AT_MOST = "<="
    MORE = ">"
    LESS = "<"
    EQUAL = "=="

    def decide(self, low: float, high: float, *limits: float) -> bool | None:
        """Say whether it is true of all values from `low` to `high`; None of some.

        Equality is asked of facts only, whose ends are the same.
        """
        compare = _COMPARE[self]
        ends = {compare(end, limit) for end in (low, high) for limit in limits}
        return ends.pop() if len(ends) == 1 else None


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}


class Term(Record, frozen=True, kw_only=True):
    """A quantity of something."""

    about: Quantity
    group: str = ""  # or the collection; both empty for the whole run
    key: str = ""  # which of the collection
    metric: str = ""  # a duration; empty where the quantity is no quantile

    @property
    def of(self) -> str:
        """What it is a quantity of, as it is written."""
        return f'{self.group}["{self.key}"]' if self.key else self.group

    @property
    def name(self) -> str:
        """The quantity with its group, as it is written."""
        metric = "" if self.metric == "latency" else self.metric
        return ".".join(filter(None, (self.of, metric, self.about.name)))


class Assertion(Record, frozen=True, kw_only=True):
    """What is asserted, read from its text."""

    text: str  # with single blanks
    term: Term
    operator: Operator
    against: str  # the value or the quantity on the right, as it is written
    limit: Fraction  # in `unit`; nothing where it is held against another quantity
    unit: Unit
    other: Term | None = None

    @property
    def is_share(self) -> bool:
        """Say whether it is about a share of requests."""
        return self.unit is Unit.PERCENT and not self.term.about.signed

    def about_all(self) -> bool:
        """Say whether it is about every request of this run rather than a rate.

        That no request failed is a fact; that at most 1 % fail is a guess about more.
        """
        if self.unit is Unit.COUNT:
            return True
        return self.other is None and self.limit in (0, 100)

    def opposite(self) -> Assertion | None:
        """Return it with its two quantities exchanged; None if it has one."""
        if self.other is None:
            return None
        return replace(self, term=self.other, other=self.term)


def parse_assertion(
    text: str, groups: Collection[str] | None = None, known: Vocabulary | None = None
) -> Assertion:
    """Return what an assertion such as `subsequent.p99 <= 120ms` says.

    Without `groups`, any are known. InvalidValueError if the text is no assertion, or
    cannot be decided; the message says what is known.
    """
    known = replace(known or Vocabulary(), groups=groups)
    match = _TEXT.fullmatch(text)
    if match is None:
        raise _no_assertion(text)
    term = _term(match["left"], known)
    if match["right"] is not None:
        found = _against_quantity(text, match, term, known)
    else:
        found = _against_value(text, match, term)
    for each in (found, found.opposite()):
        if each is not None:
            _check_unit(each)
            _check_group(each, known)
    return found


def _no_assertion(text: str) -> InvalidValueError:
    return InvalidValueError(
        f"{text!r} is no assertion: write a quantity, one of >= <= > < ==, and a "
        "value with its unit, such as 'saving >= 50ms' or 'failures == 0'"
    )


def _against_value(text: str, match: re.Match[str], term: Term) -> Assertion:
    if len(match["number"]) > _MAX_DIGITS:
        begin = text[: match.start("number") + _MAX_DIGITS]
        why = f"{begin + '…'!r}: a value has at most {_MAX_DIGITS} digits"
        raise InvalidValueError(why)
    if match["unit"] not in _UNITS:
        units = ", ".join(filter(None, _UNITS))
        raise InvalidValueError(f"{text!r}: {match['unit']!r} is no unit: use {units}")
    unit, factor = _UNITS[match["unit"]]
    blank = " " * (unit is Unit.ROUND_TRIPS)
    value = f"{match['number']}{blank}{match['unit']}"
    return Assertion(
        text=f"{match['left']} {match['operator']} {value}",
        term=term,
        operator=Operator(match["operator"]),
        against=value,
        limit=Fraction(match["number"]) * factor,
        unit=unit,
    )


def _against_quantity(
    text: str, match: re.Match[str], term: Term, known: Vocabulary
) -> Assertion:
    try:
        other = _term(match["right"], known)
    except InvalidValueError:
        raise _no_assertion(text) from None
    common = [unit for unit in term.about.units if unit in other.about.units]
    if not common:
        raise InvalidValueError(
            f"{text!r}: {term.name} takes {term.about.taken}, {other.name} takes "
            f"{other.about.taken}"
        )
    return Assertion(
        text=f"{match['left']} {match['operator']} {match['right']}",
        term=term,
        operator=Operator(match["operator"]),
        against=match["right"],
        limit=Fraction(0),
        unit=common[0],
        other=other,
    )


def _term(text: str, known: Vocabulary) -> Term:
    """Read a quantity, and what it is of, from its text."""
    keyed = _KEYED.fullmatch(text)
    rest, _, name = (text if keyed is None else keyed["rest"]).rpartition(".")
    about = known.find(text, name)
    metric = ""
    if about in _TIMES:
        group, _, metric = rest.rpartition(".")
        rest, metric = (group, metric) if metric in _metrics() else (rest, "latency")
    if keyed is None:
        return Term(about=about, group=rest, metric=metric)
    if rest or keyed["collection"] not in known.collections:
        if not known.collections:
            runs = f"runs of {known.kind}" if known.kind else "these runs"
            raise InvalidValueError(f"{text!r}: {runs} have no quantities by name")
        names = ", ".join(known.collections)
        raise InvalidValueError(
            f"{text!r}: there is no {keyed['collection']}, only {names}"
        )
    return Term(about=about, group=keyed["collection"], key=keyed["key"], metric=metric)


def _check_unit(found: Assertion) -> None:
    about, name, unit = found.term.about, found.term.name, found.unit
    if unit not in about.units:
        raise InvalidValueError(f"{found.text!r}: {name} takes {about.taken}")
    if unit is Unit.COUNT and found.limit.denominator != 1:
        raise InvalidValueError(f"{found.text!r}: {name} takes a whole number")
    if (found.is_share and not 0 <= found.limit <= 100) or (
        not about.signed and found.limit < 0
    ):
        raise InvalidValueError(f"{found.text!r}: {name} is never that")
    facts = found.is_share or unit is Unit.COUNT
    if found.operator is Operator.EQUAL and not (found.about_all() and facts):
        raise InvalidValueError(
            f"{found.text!r}: == is for whole numbers, 0% and 100%; nothing else that "
            "is measured is ever exactly that"
        )


def _check_group(found: Assertion, known: Vocabulary) -> None:
    groups, term = known.groups, found.term
    if groups is None:
        return
    names = ", ".join(groups) or "the whole run"
    if term.group and not term.key and term.group not in groups:
        raise InvalidValueError(
            f"{found.text!r}: there is no {term.group}, only {names}"
        )
    if term.about not in (*known.quantities, *_TIMES):
        raise InvalidValueError(
            f"{found.text!r}: a run of {known.kind} has no {term.about.name}"
        )
    if term.about.of_a_group and not term.group:
        first = next(iter(groups), "")
        example = f", such as {first}.{term.name}" if first else ""
        raise InvalidValueError(
            f"{found.text!r}: say of what{example}; known are {names}"
        )
