"""What is said of addresses, and of connections that nobody expected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.bench_runs import pooled
from tests.support.compare_runs import flat, rounds
from tests.support.compared import INCONCLUSIVE, INVALID, PASS, judgement_of
from tests.support.printed import rendered
from tests.support.records import (
    CONCLUSION,
    bench_run,
    compare_run,
    failure,
    sample,
    warm_up_run,
)
from vestbench.errors import ExitCode
from vestbench.model.request import NS_PER_MS, Outcome, Role, Sample
from vestbench.model.run import Run
from vestbench.model.verdict import Reason, Verdict
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.compare.plan import CompareRun
from vestbench.studies.compare.rounds import rounds_of
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.judging import assertions_of, exit_code, verdict_of
from vestbench.studies.parts.connections import connection_warnings
from vestbench.studies.starts.plan import NOT_WARMED, WARMED

DEAD = "[2001:db8::1]:443"


def after_a_dead_address(outcome: Outcome, ms: float = 1000.0) -> Outcome:
    """Return a request as it is after an address that did not answer, if it opened."""
    if not isinstance(outcome, Sample) or outcome.reused:
        return outcome
    lost = round(ms * NS_PER_MS)
    return replace(
        outcome,
        latency_ns=outcome.latency_ns + lost,
        unanswered_ns=lost,
        unanswered_by=DEAD,
        addresses=2,
    )


def at(outcome: Outcome, remote: str) -> Outcome:
    assert isinstance(outcome, Sample)
    return replace(outcome, remote=remote)


def code_of(run: Run) -> ExitCode:
    return exit_code(run, verdict_of(run, assertions_of(run)))


def warnings_of(run: Run) -> str:
    return " | ".join(connection_warnings(run))


def starts(change: Callable[[Outcome], Outcome]) -> list[Outcome]:
    """Return starts without a warm-up as `change` has them, and others after one."""
    found: list[Outcome] = []
    for number in range(12):
        found += [
            sample(number, 0, role=Role.WARM_UP, arm=WARMED),
            sample(number, 1, reused=True, arm=WARMED),
            change(sample(number, 0, arm=NOT_WARMED)),
        ]
    return found


# --- addresses that do not answer ----------------------------------------------------


def test_a_comparison_that_waited_for_a_dead_address_is_invalid_and_names_it() -> None:
    run = compare_run(map(after_a_dead_address, rounds()))

    (pair,) = summarise_compare(run).pairs
    assert (pair.acceptance, pair.why) == (INVALID, Reason.DEAD_ADDRESS)
    assert code_of(run) is ExitCode.INVALID
    said = flat(rendered(run, 200))
    assert "pooled: no saving can be stated, INVALID" in said
    assert f"{DEAD} did not answer, and the saving holds the 1000 ms" in said
    assert "repair it, or take it out of what the name stands for" in said
    assert "more than the physical limit" not in said  # there is no saving to explain


def nowhere(outcome: Outcome) -> Outcome:
    """Return a request that found only an address that did not answer, if it opened."""
    if not isinstance(outcome, Sample) or outcome.reused:
        return outcome
    slot = outcome.slot
    failed = failure(slot.session, slot.index, arm=slot.arm, elapsed=300.0)
    return replace(failed, slot=slot, unanswered_by=DEAD)


def test_a_control_that_never_found_an_address_that_answers_proves_no_saving() -> None:
    run = compare_run(map(nowhere, rounds()))

    (pair,) = summarise_compare(run).pairs
    assert (pair.acceptance, pair.why) == (INVALID, Reason.DEAD_ADDRESS)
    assert code_of(run) is ExitCode.INVALID
    said = flat(rendered(run, 200))
    assert f"{DEAD} did not answer, and the saving holds the 300.0 ms" in said


def test_starts_that_never_found_an_address_that_answers_prove_no_saving() -> None:
    run = warm_up_run(starts(nowhere))

    assert code_of(run) is ExitCode.INVALID
    assert f"INVALID: {DEAD} did not answer" in flat(rendered(run, 200))


def test_a_round_in_which_nobody_found_an_address_decides_nothing() -> None:
    outcomes = [
        nowhere(replace(each, reused=False)) if each.slot.session in (3, 5) else each
        for each in rounds(count=14)
    ]

    (pair,) = summarise_compare(compare_run(outcomes)).pairs
    assert (pair.acceptance, pair.undetermined) == (INCONCLUSIVE, 2)


def test_a_bench_that_waited_for_a_dead_address_is_invalid_and_names_it() -> None:
    run = bench_run(map(after_a_dead_address, pooled()), plan={"gate": True})

    summary = summarise_bench(run)
    assert (summary.acceptance, summary.why) == (INVALID, Reason.DEAD_ADDRESS)
    assert summary.saving is None
    assert code_of(run) is ExitCode.INVALID
    assert f"INVALID: {DEAD} did not answer" in flat(rendered(run, 200))


def test_a_warm_up_that_waited_for_a_dead_address_is_invalid_and_names_it() -> None:
    run = warm_up_run(starts(after_a_dead_address))

    assert code_of(run) is ExitCode.INVALID
    assert f"INVALID: {DEAD} did not answer" in flat(rendered(run, 200))


@pytest.mark.parametrize(
    "count", [1, 2], ids=["one-is-chance", "two-in-twelve-are-not"]
)
def test_one_round_that_waited_for_a_dead_address_is_tolerated(count: int) -> None:
    outcomes = [
        after_a_dead_address(each) if each.slot.session < count else each
        for each in rounds()
    ]

    run = compare_run(outcomes)

    (pair,) = summarise_compare(run).pairs
    assert pair.acceptance is (PASS if count == 1 else INVALID)
    times = "1 request" if count == 1 else "2 requests"
    assert f"no connection to {DEAD} in {times}" in warnings_of(run)


def test_an_address_that_refuses_at_once_is_named_and_costs_no_verdict() -> None:
    run = compare_run([after_a_dead_address(each, 0.1) for each in rounds()])

    (pair,) = summarise_compare(run).pairs
    assert pair.acceptance is PASS
    assert f"no connection to {DEAD} in 12 requests" in warnings_of(run)


def test_what_a_dead_address_cost_is_a_part_of_opening_the_connection() -> None:
    plain = summarise_bench(bench_run(pooled())).breakdown
    slow = [after_a_dead_address(each, 5.0) for each in pooled()]
    found = summarise_bench(bench_run(slow)).breakdown

    assert plain is not None
    assert found is not None
    assert plain.part("unanswered") is None
    assert found.part("unanswered") == pytest.approx(5.0)
    assert found.opening == pytest.approx((plain.opening or 0.0) + 5.0)
    assert found.rest == pytest.approx(plain.rest)


def test_a_run_ends_early_where_a_dead_address_decides() -> None:
    outcomes = map(after_a_dead_address, rounds(count=20))
    run = compare_run(outcomes, plan={"min_rounds": 20})
    judgement = judgement_of(run)

    ended = [judgement.add(each) for each in rounds_of(run)]

    assert ended.index(True) == 11  # counted from 0


# --- several servers -----------------------------------------------------------------


def test_arms_that_met_different_servers_are_invalid_and_named() -> None:
    servers = {"pooled": "10.9.0.1:443", "unpooled": "10.9.0.2:443"}
    run = compare_run([at(each, servers[each.slot.arm]) for each in rounds()])

    (pair,) = summarise_compare(run).pairs
    assert (pair.acceptance, pair.why) == (INVALID, Reason.OTHER_SERVER)
    assert code_of(run) is ExitCode.INVALID
    said = flat(rendered(run, 200))
    assert "the two requests of a saving met different servers" in said
    assert "10.9.0.1:443 (12)" in said
    assert "10.9.0.2:443 (12)" in said


def test_a_session_that_went_on_at_another_server_is_invalid() -> None:
    outcomes = [
        at(each, f"10.9.0.{1 + (each.slot.index > 1)}:443") for each in pooled()
    ]

    summary = summarise_bench(bench_run(outcomes))

    assert (summary.acceptance, summary.why) == (INVALID, Reason.OTHER_SERVER)


def test_starts_that_met_different_servers_are_invalid() -> None:
    run = warm_up_run(starts(lambda each: at(each, "10.9.0.2:443")))

    assert code_of(run) is ExitCode.INVALID
    assert "met different servers" in flat(rendered(run, 200))


def test_a_server_that_is_not_known_differs_from_none() -> None:
    outcomes = [
        at(each, "" if each.slot.arm == "pooled" else "10.9.0.1:443")
        for each in rounds()
    ]

    (pair,) = summarise_compare(compare_run(outcomes)).pairs

    assert pair.acceptance is PASS


def alternating(count: int) -> CompareRun:
    return compare_run(
        at(each, f"10.9.0.{1 + each.slot.session % 2}:443")
        for each in rounds(count=count)
    )


def test_rounds_that_met_several_servers_need_twice_as_many_for_a_verdict() -> None:
    (early,) = summarise_compare(alternating(23)).pairs
    (late,) = summarise_compare(alternating(30)).pairs

    assert (early.acceptance, early.why) == (Verdict.INCONCLUSIVE, Reason.NOISY)
    assert (late.acceptance, late.rounds) == (PASS, 24)
    assert "at least 24 rounds are needed" in flat(rendered(alternating(23), 200))
    assert "the requests met 2 different servers" in warnings_of(alternating(24))


def test_the_live_run_needs_as_many_rounds_as_the_stored_one() -> None:
    run = alternating(30)
    judgement = judgement_of(run)

    ended = [judgement.add(each) for each in rounds_of(run)]

    assert ended.index(True) == 23  # counted from 0


def test_one_server_is_no_news() -> None:
    assert warnings_of(compare_run(rounds())) == ""


# --- connections ---------------------------------------------------------------------


def test_connections_that_no_request_was_seen_to_open_are_told() -> None:
    counted = {"connections": 48, "requests": 24}
    end = {**CONCLUSION, "opened": 24, "server": counted}

    said = warnings_of(compare_run(rounds(), conclusion=end))

    assert "counted 48 connections, 24 more than the 24 that requests were" in said


@pytest.mark.parametrize("opened", [48, None], ids=["as-many", "not-known"])
def test_connections_that_agree_or_are_not_known_are_no_news(
    opened: int | None,
) -> None:
    end = {**CONCLUSION, "server": {"connections": 48, "requests": 24}}
    if opened is not None:
        end["opened"] = opened

    assert warnings_of(compare_run(rounds(), conclusion=end)) == ""


def test_a_request_that_opened_two_connections_is_told() -> None:
    outcomes = [
        replace(each, opened=0 if each.slot.arm == "pooled" else 2) for each in rounds()
    ]

    said = warnings_of(compare_run(outcomes))

    assert said == (
        "12 requests opened more than one connection, up to 2; only one of them "
        "carried it"
    )
