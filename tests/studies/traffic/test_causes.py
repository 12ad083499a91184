"""Why a connection was opened: one test for each reason, and none for two."""

from __future__ import annotations

import pytest

from tests.support.traffic import HOST, Opened, closing, request, traffic, unanswered
from vestbench.model.traffic import Traffic
from vestbench.studies.traffic.causes import Opening, Why, openings_of
from vestbench.studies.traffic.pool import Rules

RULES = Rules(server_idle_s=75.0)


def opened(found: Traffic, rules: Rules = RULES) -> list[tuple[Why, bool]]:
    return [(each.why, each.needless) for each in openings_of(found, rules)]


def last(*connections: Opened, rules: Rules = RULES) -> Opening:
    return openings_of(traffic(*connections), rules)[-1]


def test_the_first_to_a_host_is_needed() -> None:
    found = traffic(Opened(0), Opened(200, host="api.telegram.org"))

    assert opened(found) == [(Why.FIRST, False), (Why.FIRST, False)]


def test_while_all_others_are_busy_one_more_is_needed() -> None:
    assert opened(traffic(Opened(0), Opened(10), Opened(20))) == [
        (Why.FIRST, False),
        (Why.BUSY, False),
        (Why.BUSY, False),
    ]


def test_a_program_that_closes_after_the_answer_opens_needlessly() -> None:
    assert opened(traffic(*closing(3))) == [
        (Why.FIRST, False),
        (Why.CLOSED, True),
        (Why.CLOSED, True),
    ]


def test_bytes_left_unread_are_told_by_the_reset() -> None:
    found = last(Opened(0, closed=97.5, how="rst"), Opened(200))

    assert (found.why, found.needless) == (Why.UNREAD, True)


def test_a_program_that_asks_for_the_end_has_closed_it_itself() -> None:
    found = last(Opened(0, closed=98.0, by="server", reason="asked"), Opened(200))

    assert (found.why, found.needless) == (Why.ASKED, True)


def test_one_closed_after_idling_for_less_than_a_pool_keeps_it_was_needless() -> None:
    found = last(Opened(0, closed=20_097.0), Opened(30_000))

    assert (found.why, found.needless) == (Why.IDLE, True)
    assert found.idle_ns == 20_000_000_000


def test_what_a_pool_would_have_closed_as_well_was_needed_again() -> None:
    found = last(Opened(0, closed=60_200.0), Opened(61_000))

    assert (found.why, found.needless) == (Why.IDLE, False)


def test_a_server_closes_what_was_idle_for_too_long() -> None:
    found = last(
        Opened(0, closed=5_097.0, by="server", reason="idle"),
        Opened(6_000),
        rules=Rules(server_idle_s=5.0),
    )

    assert (found.why, found.needless) == (Why.SERVER_IDLE, False)


def test_a_server_closes_what_has_served_its_number_of_requests() -> None:
    full = Opened(0, request(62), request(100), closed=140.0, by="server")
    full.fields["reason"] = "max_requests"

    found = last(full, Opened(200), rules=Rules(server_uses=2))

    assert (found.why, found.needless) == (Why.SERVER_LIMIT, False)


def test_a_server_that_closes_by_itself_makes_the_next_one_needed() -> None:
    found = last(Opened(0, closed=98.0, by="server", reason="behaviour"), Opened(200))

    assert (found.why, found.needless) == (Why.SERVER_CLOSED, False)


def test_the_end_of_http2_is_a_goaway() -> None:
    ended = Opened(0, closed=98.0, by="server", reason="behaviour", speech="h2")

    found = last(ended, Opened(200, speech="h2"))

    assert (found.why, found.needless) == (Why.GOAWAY, False)


def test_an_idle_connection_that_is_not_used_belongs_to_another_pool() -> None:
    found = last(Opened(0), Opened(200))

    assert (found.why, found.needless) == (Why.UNUSED_IDLE, True)


def test_one_of_http2_could_have_carried_another_request_at_any_time() -> None:
    found = last(Opened(0, speech="h2"), Opened(70, speech="h2"))

    assert (found.why, found.needless) == (Why.UNUSED_IDLE, True)


def test_one_that_was_never_used_was_opened_ahead_and_is_not_called_needless() -> None:
    found = last(Opened(0), Opened(200, used=False))

    assert (found.why, found.needless) == (Why.AHEAD, False)


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("asked", Why.ASKED),
        ("max_requests", Why.SERVER_LIMIT),
        ("behaviour", Why.SERVER_CLOSED),
    ],
)
def test_an_end_that_an_answer_has_told_may_come_after_the_next_one_was_opened(
    reason: str, why: Why
) -> None:
    # The answer was there at 97 ms.
    ended = Opened(0, closed=97.8, by="server", reason=reason)

    found = last(ended, Opened(97.3), rules=Rules(server_uses=1))

    assert found.why is why
    assert not found.needless


def test_one_that_is_used_instead_of_one_opened_ahead_is_needed() -> None:
    found = opened(traffic(Opened(0, used=False), Opened(200)))

    assert found == [(Why.AHEAD, False), (Why.FIRST, False)]


@pytest.mark.parametrize("refusal", ["tlsv1 alert unknown ca", "bad request line"])
def test_one_that_was_refused_carried_nothing(refusal: str) -> None:
    found = last(Opened(0, used=False, refusal=refusal, speech=""))

    assert (found.why, found.needless) == (Why.REFUSED, False)


def test_after_a_failed_one_the_next_is_needed() -> None:
    failed = Opened(0, used=False, refusal="unknown ca", speech="", closed=62.0)

    found = last(failed, Opened(200))

    assert (found.why, found.needless) == (Why.FAILED, False)


def test_a_websocket_needs_a_connection_of_its_own() -> None:
    found = last(Opened(0), Opened(200, request(262, status=101)))

    assert (found.why, found.needless) == (Why.UPGRADE, False)


def test_a_request_without_an_answer_keeps_its_connection_busy() -> None:
    found = last(Opened(0, unanswered(62)), Opened(200))

    assert (found.why, found.needless) == (Why.BUSY, False)


def test_each_end_is_the_reason_for_one_connection_only() -> None:
    found = traffic(Opened(0, closed=97.5), Opened(100), Opened(110))

    assert opened(found)[1:] == [(Why.CLOSED, True), (Why.BUSY, False)]


def test_runs_of_a_program_share_no_connection() -> None:
    found = traffic(Opened(0, run=0), Opened(200, run=1))
    found = found.changed(programs=found.programs * 2)

    assert opened(found) == [(Why.FIRST, False), (Why.FIRST, False)]


def test_ports_of_a_host_are_different_servers() -> None:
    found = traffic(Opened(0), Opened(200, port=8443))

    assert [why for why, _ in opened(found)] == [Why.FIRST, Why.FIRST]
    assert {each.host for each in found.connections} == {HOST}
