"""What explains a saving: only what was measured, with its sign and its size."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.compare_runs import rounds
from tests.support.explained import (
    ALL,
    benched,
    compared,
    keeping,
    longer,
    opening,
    said,
)
from tests.support.printed import rendered
from tests.support.records import (
    CONDITIONS,
    bench_run,
    compare_run,
    sample,
    whole_call,
)
from vestbench.model.request import NS_PER_MS, Sample
from vestbench.model.run import Run
from vestbench.model.verdict import Reason, Verdict
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.parts.causes import causes_of

# --- beyond the limit of the route ---


@pytest.mark.parametrize("measured", ALL)
@pytest.mark.parametrize("phase", ["connect", "tls", "wait", "receive", "client"])
def test_a_saving_beyond_the_limit_is_charged_to_the_phase_that_holds_it(
    measured: Callable[..., Run], phase: str
) -> None:
    found = said(measured(opening(phase, 50.0)))

    assert "more than the physical limit of 60" in found
    assert f"mostly {phase} (+" in found
    assert found.count("mostly") == 1  # and not once more as the rest


@pytest.mark.parametrize("measured", ALL)
def test_an_ordinary_saving_needs_no_explanation(measured: Callable[..., Run]) -> None:
    found = said(measured())

    assert "limit" not in found
    assert "mostly" not in found
    assert "delayed" not in found


def test_two_connections_for_one_are_charged_to_both_handshakes() -> None:
    found = said(compared(opening("connect", 30.0), opening("tls", 32.0)))

    assert "mostly tls (+33" in found
    assert "and connect (+30" in found
    assert "longer for unpooled" in found


def test_an_excess_within_the_interval_is_none() -> None:
    outcomes = [
        longer(one, "wait", 40.0 * (one.slot.session % 3))
        for one in rounds(count=24)
        if isinstance(one, Sample) and not one.reused
    ]
    kept = [one for one in rounds(count=24) if isinstance(one, Sample) and one.reused]

    assert "physical limit of" not in said(
        compare_run([*outcomes, *kept], plan={"min_rounds": 24, "max_rounds": 24})
    )


def test_name_resolution_is_a_part_of_what_the_route_explains() -> None:
    resolved = opening("dns", 100.0)

    assert "limit" not in said(compared(resolved))
    slow = said(compared(resolved, opening("wait", 50.0)))
    assert re.search(r"those [\d.]+ ms are mostly wait \(\+49\.9 ms\)", slow)


@pytest.mark.parametrize(("computing", "is_more"), [(4.0, False), (7.0, True)])
def test_some_milliseconds_of_computing_are_no_excess_on_a_short_route(
    computing: float, is_more: bool
) -> None:
    run = bench_run(
        sample(
            *(n, i),
            reused=i > 0,
            connect=2.0,
            tls=2.0 + computing,
            rtt=2.0,
            syn_rtt=2.0,
        )
        for n in range(20)
        for i in range(3)
    )

    assert ("more than the physical limit" in said(run)) is is_more


def test_a_relay_cannot_tell_which_handshake_it_was() -> None:
    link = {**CONDITIONS["link"], "engine": "relay"}
    outcomes = [
        opening("connect", 50.0)(one) for one in rounds() if isinstance(one, Sample)
    ]

    found = said(compare_run(outcomes, conditions={"link": link}))

    assert "mostly connect+tls (+5" in found


def test_what_dead_addresses_took_is_beyond_the_limit_and_named() -> None:
    def lost(one: Sample) -> Sample:
        if one.reused:
            return one
        by = 5000 * NS_PER_MS
        return replace(one, latency_ns=one.latency_ns + by, unanswered_ns=by)

    found = said(compared(lost))

    assert "mostly unanswered (+5000 ms)" in found
    assert "an address did not answer" in found


# --- the rest of a saving ---


@pytest.mark.parametrize("measured", ALL)
def test_a_slower_open_connection_is_named_with_its_phase(
    measured: Callable[..., Run],
) -> None:
    found = said(measured(keeping("wait", 20.0)))

    assert "mostly wait (-20" in found
    assert "limit" not in found
    assert "new connections" not in found


@pytest.mark.parametrize(
    ("phase", "by_ms", "like"),
    [
        ("wait", 20.0, "the server is slower on connections that it knows"),
        ("wait", 41.0, "an acknowledgement is delayed (about 40 ms)"),
        ("receive", 41.0, "an acknowledgement is delayed (about 40 ms)"),
        ("client", 41.0, "the HTTP library does some work before it reuses a conn"),
    ],
)
def test_what_may_be_behind_a_slower_open_connection_is_said_as_a_comparison(
    phase: str, by_ms: float, like: str
) -> None:
    assert f"longer for subsequent, as when {like}" in said(
        benched(keeping(phase, by_ms))
    )


def test_a_cause_has_the_sign_and_the_size_of_what_it_explains() -> None:
    assert causes_of({"wait": 50.0, "client": 0.5}, 52.0) == ("wait",)
    assert causes_of({"wait": -0.369, "client": 0.2}, 3.4) == ()
    assert causes_of({"wait": 50.0, "client": -46.6}, 3.4) == ()
    assert causes_of({"wait": 1.6, "client": 0.1}, 3.4) == ()
    assert causes_of({"wait": -42.0, "receive": 0.1}, -40.0) == ("wait",)
    assert causes_of({"tls": 23.9, "connect": 20.3, "wait": 0.3}, 45.6) == (
        *("tls", "connect"),
    )
    assert causes_of({"tls": 40.0, "client": 6.0}, 48.0) == ("tls",)
    assert causes_of({}, 5.0) == ()


def test_a_rest_that_no_phase_explains_is_charged_to_none() -> None:
    """Each request is slower, and each in another phase, so no median shows it."""

    def in_turn(one: Sample) -> Sample:
        phase = ("wait", "receive", "client")[one.slot.session % 3]
        return opening(phase, 9.0)(one)

    run = benched(in_turn)

    breakdown = summarise_bench(run).breakdown
    assert breakdown is not None
    assert breakdown.in_no_phase == breakdown.rest == pytest.approx(9.0)
    assert "are in no phase: none explains the larger part" in said(run)
    assert "mostly" not in said(run)


def test_the_parts_of_a_saving_and_what_is_in_no_phase_add_up() -> None:
    run = compared(opening("wait", 3.0))

    breakdown = summarise_compare(run).pairs[0].breakdown

    assert breakdown is not None
    names = ("dns", "connect", "tls", "send", "wait", "receive", "client")
    parts = sum(breakdown.part(name) or 0.0 for name in names)
    assert breakdown.saving == pytest.approx(parts + (breakdown.in_no_phase or 0.0))
    assert "in no phase" in rendered(run)


# --- stacks without phases ---


@pytest.mark.parametrize("measured", [compared, benched])
def test_without_phases_an_excess_is_stated_and_nothing_is_named(
    measured: Callable[..., Run],
) -> None:
    run = measured(opening("wait", 50.0), whole_call)

    text = " ".join(rendered(run, 200).split())

    assert "more than the physical limit of 60" in text
    assert "not separable, because reqwest shows only the whole call" in text
    assert "computing" not in text
    assert "handshake CPU" not in text
    assert "mostly" not in text


@pytest.mark.parametrize("measured", [compared, benched])
def test_without_phases_a_slower_open_connection_is_less_than_the_route_allows(
    measured: Callable[..., Run],
) -> None:
    run = measured(keeping("wait", 40.0), whole_call)

    text = " ".join(rendered(run, 200).split())

    assert "less than the physical limit of 60" in text
    assert "acknowledgement" not in text


def test_a_route_is_too_short_only_for_a_saving_between_none_and_the_target() -> None:
    short = {"min_saving_ms": 70.0}
    plain = summarise_compare(compared(plan=short)).pairs[0]
    slower = summarise_compare(compared(keeping("wait", 100.0), plan=short)).pairs[0]
    whole = summarise_compare(
        compared(keeping("wait", 100.0), whole_call, plan=short)
    ).pairs[0]

    assert (plain.acceptance, plain.why) == (Verdict.FAIL, Reason.TOO_SHORT)
    assert (slower.acceptance, slower.why) == (Verdict.FAIL, Reason.NONE)
    assert (whole.acceptance, whole.why) == (Verdict.FAIL, Reason.NONE)


# --- delayed acknowledgements ---


@pytest.mark.parametrize("measured", ALL)
@pytest.mark.parametrize("phase", ["wait", "receive"])
def test_forty_milliseconds_more_bring_the_same_advice_in_either_phase(
    measured: Callable[..., Run], phase: str
) -> None:
    found = said(measured(keeping(phase, 41.0)))

    assert f" ms longer than the others in {phase}, which is how long a" in found
    assert "if it is one, the server should set TCP_NODELAY" in found


def test_a_request_that_was_interrupted_waited_for_no_acknowledgement() -> None:
    def away(one: Sample) -> Sample:
        late = one.reused and one.slot.session < 8
        return (
            replace(longer(one, "wait", 41.0), extra={"interrupted_ns": NS_PER_MS})
            if late
            else one
        )

    assert "acknowledgement" not in said(benched(away))
