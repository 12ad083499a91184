"""When an experiment stops out of politeness, or because there is no point."""

from __future__ import annotations

from random import Random

import pytest

from tests.support.records import failure, sample
from vestbench.model.request import Failure, FailureKind
from vestbench.running.ports import StopRule

DETAILS = {403: "HTTP 403 Forbidden", 404: "HTTP 404 Not Found", 503: "HTTP 503 Busy"}


def refusal(status: int, retry_after_s: float | None = None) -> Failure:
    kind = FailureKind.RATE_LIMITED if status == 429 else FailureKind.STATUS
    return failure(
        kind=kind,
        status=status,
        detail=DETAILS.get(status, f"HTTP {status}"),
        retry_after_s=retry_after_s,
    )


def refusals_until_it_stops(stop: StopRule, status: int, endpoint: str = "") -> int:
    for sent in range(1, 1000):
        stop.notice(refusal(status), endpoint)
        if stop.over():
            return sent
    raise AssertionError("it never stops")


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404, 418, 429, 500, 503, 529])
def test_whatever_status_asks_to_wait_ends_the_run_at_once(status: int) -> None:
    stop = StopRule()
    stop.notice(sample())
    stop.notice(refusal(status, 300.0))

    assert f"asked to wait 300 s ({status} with Retry-After)" in stop.reason
    assert stop.reason.endswith("wait, then send fewer or more slowly (--rate)")


def test_a_time_to_wait_of_nothing_ends_the_run_as_well() -> None:
    stop = StopRule()
    stop.notice(refusal(429, 0.0))

    assert "asked for a pause (429 with Retry-After)" in stop.reason


@pytest.mark.parametrize("wait_s", [86_401.0, 31_622_400.0])
def test_an_absurd_time_to_wait_is_not_spelt_out(wait_s: float) -> None:
    stop = StopRule()
    stop.notice(refusal(503, wait_s))

    assert "asked to wait more than a day (503 with Retry-After)" in stop.reason


@pytest.mark.parametrize("status", [301, 401, 403, 404, 500])
def test_what_is_refused_from_the_first_on_ends_after_a_handful(status: int) -> None:
    stop = StopRule()

    assert refusals_until_it_stops(stop, status) == 5
    assert "refuses each request from the first on (5 times HTTP" in stop.reason
    assert "check the URL, the endpoint and the keys" in stop.reason


def test_what_was_answered_before_ends_after_ten_refusals_in_a_row() -> None:
    stop = StopRule()
    stop.notice(sample())

    assert refusals_until_it_stops(stop, 403) == 10
    assert "(10 times in a row, last HTTP 403 Forbidden)" in stop.reason


def test_a_limited_rate_ends_the_third_time() -> None:
    stop = StopRule()
    stop.notice(sample())

    assert refusals_until_it_stops(stop, 429) == 3


def test_an_answer_of_another_endpoint_does_not_excuse_refusals() -> None:
    stop = StopRule()
    for _ in range(4):
        stop.notice(sample(), "register")
        stop.notice(refusal(403), "listen-key")
    assert not stop.over()

    stop.notice(sample(), "register")
    stop.notice(refusal(403), "listen-key")

    assert stop.over()


def test_one_request_in_five_may_fail_by_chance() -> None:
    for seed in range(20):
        stop, chance = StopRule(), Random(seed)
        for _ in range(1000):
            stop.notice(refusal(503) if chance.random() < 0.2 else sample())

        assert not stop.over()


def test_silence_among_refusals_excuses_nothing() -> None:
    stop = StopRule()
    stop.notice(sample())
    for _ in range(9):
        stop.notice(refusal(503))
        stop.notice(failure(kind=FailureKind.TIMEOUT))
    assert not stop.over()

    stop.notice(refusal(503))

    assert stop.over()


def test_an_answer_that_cannot_be_used_is_no_refusal() -> None:
    stop = StopRule()
    for _ in range(50):
        stop.notice(failure(kind=FailureKind.PROTOCOL, status=200))

    assert not stop.over()


def test_the_first_reason_remains() -> None:
    stop = StopRule()
    stop.notice(refusal(418, 300.0))
    said = stop.reason
    stop.notice(refusal(503, 60.0))

    assert stop.reason == said
