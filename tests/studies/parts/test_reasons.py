"""What is said of connections that could not be used again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.records import bench_run, failure, sample
from vestbench.model.lost import Lost
from vestbench.model.request import FailureKind, Outcome, Role
from vestbench.studies.parts.reasons import because, not_reused, reuse_warnings


def lost(why: Lost, index: int, **values: object) -> Outcome:
    found = {"lost": why, "lost_after": 1, "lost_idle_ns": 1_400_000_000, **values}
    return replace(sample(0, index), extra=found)


def raced(index: int) -> Outcome:
    failed = failure(0, index, kind=FailureKind.RESET, reused=True)
    found = {"lost": Lost.RACE, "lost_after": 3, "lost_idle_ns": 5_000_000}
    return replace(failed, detail="connection reset by peer", extra=found)


@pytest.mark.parametrize("why", Lost)
def test_each_reason_has_a_sentence_that_names_no_other(why: Lost) -> None:
    (told,) = reuse_warnings(bench_run([sample(0, 0), lost(why, 1)]))

    assert told.startswith("1 connection could not be used again: ")
    assert "{" not in told
    blames = "the server closed it" in told
    assert blames == (why is Lost.FIN)


def test_what_the_server_said_is_quoted_and_what_to_change_is_named() -> None:
    said = {"lost_said": "Keep-Alive: timeout=1"}
    outcomes = [sample(0, 0), lost(Lost.FIN, 1, **said), lost(Lost.FIN, 2, **said)]

    (told,) = reuse_warnings(bench_run(outcomes))

    assert told.startswith(
        "2 connections could not be used again: the server closed it first (FIN) "
        "(`Keep-Alive: timeout=1`), after 1 request and 1400 ms idle (median); "
        "look for how long the server"
    )


def test_a_reset_on_a_reused_connection_is_named_as_the_idle_race() -> None:
    outcomes = [sample(0, 0), raced(1), lost(Lost.RACE, 2)]

    (told,) = reuse_warnings(bench_run(outcomes))

    assert told.startswith(
        "1 request failed on a reused connection: the server ended it while a request "
        "was under way (the idle race) (connection reset by peer), after 3 requests "
        "and 5.00 ms idle (median); look for how long the server"
    )


def test_the_most_frequent_reason_goes_with_the_verdict() -> None:
    outcomes: list[Outcome] = [
        sample(0, 0),
        lost(Lost.FIN, 1),
        *(lost(Lost.GOAWAY, i) for i in (2, 3)),
    ]

    assert because(bench_run(outcomes)).startswith(": the server said GOAWAY")
    assert not_reused(bench_run([sample(0, 0)]), 1, 1).endswith("; why was not seen")


def test_interim_answers_are_counted_and_named() -> None:
    outcomes: list[Outcome] = [
        sample(0, 0),
        *(replace(sample(0, i), extra={"interim": "103"}) for i in (1, 2)),
    ]

    (told,) = reuse_warnings(bench_run(outcomes))

    assert told.startswith("2 answers came after interim ones (103)")


def test_a_request_after_one_that_failed_had_nothing_to_reuse() -> None:
    outcomes: list[Outcome] = [
        failure(0, 0, kind=FailureKind.CONNECT),
        sample(0, 1, role=Role.SUBSEQUENT),
        sample(0, 2, reused=True),
    ]

    said = not_reused(bench_run(outcomes), 1, 2)

    assert said.endswith("the request before had failed, so there was nothing to reuse")
