"""How assertions are written: what is understood, and what is refused with a hint."""

from __future__ import annotations

from fractions import Fraction
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestbench.assertions.grammar import (
    OF_REQUESTS,
    Assertion,
    Operator,
    Quantity,
    Unit,
    Vocabulary,
    parse_assertion,
)

PROPERTY = settings(deadline=None, derandomize=True, max_examples=100)

BENCH = ("cold", "subsequent")


@pytest.mark.parametrize(
    ("text", "group", "metric", "quantity", "sign", "limit", "unit"),
    [
        ("saving >= 50ms", "", "", "saving", ">=", 50, Unit.MS),
        ("saving>=0.05s", "", "", "saving", ">=", 50, Unit.MS),
        ("saving >= 30%", "", "", "saving", ">=", 30, Unit.PERCENT),
        (
            "saving >= 1.8 round trips",
            *("", "", "saving", ">=", Fraction(9, 5), Unit.ROUND_TRIPS),
        ),
        ("saving > -5 ms", "", "", "saving", ">", -5, Unit.MS),
        (
            "subsequent.p99 <= 120ms",
            *("subsequent", "latency", "p99", "<=", 120, Unit.MS),
        ),
        ("cold.tls.p50 < 40ms", "cold", "tls", "p50", "<", 40, Unit.MS),
        ("cold.latency.max <= 1s", "cold", "latency", "max", "<=", 1000, Unit.MS),
        (
            "subsequent.client.p90 <= 900us",
            *("subsequent", "client", "p90", "<=", Fraction(9, 10), Unit.MS),
        ),
        ("reused == 100%", "", "", "reused", "==", 100, Unit.PERCENT),
        ("failures == 0", "", "", "failures", "==", 0, Unit.COUNT),
        ("cold.failures <= 1%", "cold", "", "failures", "<=", 1, Unit.PERCENT),
        ("connections <= 20", "", "", "connections", "<=", 20, Unit.COUNT),
    ],
)
def test_an_assertion_is_read_as_it_is_meant(
    text: str,
    group: str,
    metric: str,
    quantity: str,
    sign: str,
    limit: Fraction,
    unit: Unit,
) -> None:
    found = parse_assertion(text, BENCH)

    assert (found.term.group, found.term.metric, found.term.about.name) == (
        group,
        metric,
        quantity,
    )
    assert (found.operator, found.limit, found.unit) == (sign, limit, unit)


@pytest.mark.parametrize(
    ("text", "name", "other", "unit"),
    [
        ("subsequent.p99 <= cold.p50", "subsequent.p99", "cold.p50", Unit.MS),
        ("cold.tls.max>cold.connect.p50", "cold.tls.max", "cold.connect.p50", Unit.MS),
        ("connections == requests", "connections", "requests", Unit.COUNT),
        ("cold.share <= subsequent.share", "cold.share", "subsequent.share", "%"),
        ("failures <= connections", "failures", "connections", Unit.COUNT),
    ],
)
def test_a_quantity_may_be_held_against_another(
    text: str, name: str, other: str, unit: Unit
) -> None:
    found = parse_assertion(text, BENCH)

    assert found.other is not None
    assert (found.term.name, found.other.name, found.unit) == (name, other, unit)
    assert parse_assertion(found.text, BENCH) == found


NEEDLESS = Quantity(name="needless", units=(Unit.COUNT,), taken="a whole number")
TRAFFIC = Vocabulary(
    quantities=(NEEDLESS, *OF_REQUESTS), collections=("hosts",), kind="exec"
)


def test_a_quantity_may_be_of_one_thing_by_its_name() -> None:
    found = parse_assertion('hosts["api.x"].connections <= 2', (), TRAFFIC)

    assert (found.term.group, found.term.key, found.term.about.name) == (
        *("hosts", "api.x"),
        "connections",
    )
    assert found.term.name == 'hosts["api.x"].connections'
    assert parse_assertion(found.text, (), TRAFFIC) == found


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('names["x"].connections <= 2', "there is no names, only hosts"),
        ("needless <= 5ms", "needless takes a whole number"),
        ("reused == 100%", "a run of exec has no reused"),
        ("useless == 0", "use needless, failures, connections, requests, share, and"),
        ("needless == share", "needless takes a whole number, share takes %"),
    ],
)
def test_a_study_has_the_quantities_that_it_declares(text: str, hint: str) -> None:
    assert parse_assertion("needless == 0", (), TRAFFIC).term.about.name == "needless"
    with pytest.raises(ValueError, match=r"^'") as refused:
        parse_assertion(text, (), TRAFFIC)

    assert hint in str(refused.value)


def test_labels_of_arms_may_hold_what_they_like() -> None:
    label = "pooled-2@httpx2.0"

    found = parse_assertion(f"{label}.tls.p90 <= 5ms", [label])

    assert (found.term.group, found.term.metric, found.term.about.name) == (
        label,
        "tls",
        "p90",
    )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("saving", "write a quantity"),
        ("saving = 50ms", "write a quantity"),
        ("saving >= fast", "write a quantity"),
        ("saving >= 50ms or so", "'ms or so' is no unit"),
        ("saving >= 50", "saving takes ms, % or round trips"),
        ("savings >= 50ms", "use saving, reused, failures, connections, requests"),
        ("cold.p95 <= 5ms", "p50, p90, p99 or max"),
        ("cold.p50 <= 5%", "cold.p50 takes us, ms or s"),
        ("reused == 1", "reused takes %"),
        ("failures == 0.5", "takes a whole number"),
        ("connections <= 5ms", "connections takes a whole number"),
        ("reused >= 101%", "never that"),
        ("failures >= -1", "never that"),
        ("cold.p50 <= -1ms", "never that"),
        ("saving == 50ms", "== is for whole numbers, 0% and 100%"),
        ("reused == 95%", "== is for whole numbers, 0% and 100%"),
        ("cold.p50 == 0ms", "== is for whole numbers, 0% and 100%"),
        ("warm.p50 <= 5ms", "there is no warm, only cold, subsequent"),
        ("p50 <= 5ms", "say of what, such as cold.p50"),
        ("share <= 5%", "say of what, such as cold.share"),
        ("cold.p50 <= warm.p50", "there is no warm, only cold, subsequent"),
        ("cold.p50 <= cold.share", "cold.p50 takes us, ms or s, cold.share takes %"),
        ("cold.p50 <= " + 400 * "9" + "ms", "a value has at most 20 digits"),
        ("failures == " + 5000 * "9", "a value has at most 20 digits"),
        ("cold.p50 <= 0." + 400 * "9" + "ms", "a value has at most 20 digits"),
        ("cold.p50 == cold.p90", "== is for whole numbers, 0% and 100%"),
    ],
)
def test_what_is_no_assertion_is_refused_with_what_is_known(
    text: str, hint: str
) -> None:
    with pytest.raises(ValueError, match=r"^'") as refused:
        parse_assertion(text, BENCH)

    assert hint in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


@given(st.text(max_size=40))
@PROPERTY
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        found = parse_assertion(text)
    except ValueError:
        return

    assert isinstance(found, Assertion)


@pytest.mark.parametrize(
    "text",
    ["saving  >=50 ms", "saving>= 1.8 round trips", "a.tls.max<.5s", "reused==100 %"],
)
def test_an_assertion_as_it_is_stored_reads_the_same(text: str) -> None:
    found = parse_assertion(text)

    assert parse_assertion(found.text) == found


@pytest.mark.parametrize(
    ("text", "about_all"),
    [
        ("failures == 0", True),
        ("failures <= 3", True),
        ("failures <= 0%", True),
        ("reused >= 100%", True),
        ("reused >= 95%", False),
        ("failures <= 1%", False),
    ],
)
def test_counts_nothing_and_all_are_facts_and_rates_are_not(
    text: str, about_all: bool
) -> None:
    assert parse_assertion(text).about_all() is about_all


# An interval is on one side of a value, on the other, or on both.


@pytest.mark.parametrize(
    ("sign", "low", "high", "truth"),
    [
        (">=", 50.0, 60.0, True),  # a tie counts: the claim is "at least"
        (">=", 49.9, 60.0, None),
        (">=", 40.0, 49.9, False),
        (">=", 40.0, 50.0, None),
        (">", 50.0, 60.0, None),
        (">", 40.0, 50.0, False),
        ("<=", 40.0, 50.0, True),
        ("<=", 50.0, 60.0, None),
        ("<=", 50.1, 60.0, False),
        ("<", 40.0, 50.0, None),
        ("<", 50.0, 60.0, False),
        ("<=", 40.0, inf, None),
        ("<=", 51.0, inf, False),
        ("<=", inf, inf, False),  # failed requests
        (">=", -inf, 60.0, None),
        ("==", 50.0, 50.0, True),
        ("==", 49.0, 49.0, False),
    ],
)
def test_a_verdict_takes_the_whole_interval(
    sign: str, low: float, high: float, truth: bool | None
) -> None:
    assert Operator(sign).decide(low, high, 50.0) is truth


numbers = st.floats(-100, 100)


@given(numbers, numbers, numbers, st.sampled_from([">=", "<=", ">", "<"]))
@PROPERTY
def test_an_interval_decides_what_every_value_in_it_would(
    one: float, other: float, limit: float, sign: str
) -> None:
    low, high = sorted((one, other))
    compare = Operator(sign)
    inside = {
        compare.decide(value, value, limit)
        for value in (low, high, (low + high) / 2, min(max(limit, low), high))
    }

    decided = compare.decide(low, high, limit)

    assert decided is (inside.pop() if len(inside) == 1 else None)
