"""The pool that a program is held against: one test for each of its rules."""

from __future__ import annotations

from tests.support.traffic import Opened, closing, request, traffic
from vestbench.studies.traffic.pool import Rules, saved_by_pool


def saved(*opened: Opened, **rules: float) -> set[int]:
    return saved_by_pool(traffic(*opened), Rules(**rules))  # type: ignore[arg-type]


def test_an_idle_connection_serves_the_next_request() -> None:
    assert saved(*closing(4)) == {1, 2, 3}


def test_one_idle_connection_serves_one_request_at_a_time() -> None:
    first = closing(1)

    assert saved(*first, Opened(200), Opened(201)) == {1}


def test_concurrency_opens_what_it_must() -> None:
    assert saved(Opened(0), Opened(1), Opened(2)) == set()


def test_two_idle_connections_are_kept_and_no_more() -> None:
    burst = [Opened(0), Opened(1), Opened(2)]
    again = [Opened(200), Opened(201), Opened(202)]

    assert saved(*burst, *again) == {3, 4}
    assert saved(*burst, *again, max_idle=3) == {3, 4, 5}
    assert saved(*burst, *again, max_idle=0) == set()


def test_an_idle_connection_is_kept_for_60_s() -> None:
    assert saved(Opened(0), Opened(60_000)) == {1}
    assert saved(Opened(0), Opened(60_100)) == set()


def test_no_longer_than_the_server_keeps_it() -> None:
    assert saved(Opened(0), Opened(5_000), server_idle_s=5.0) == {1}
    assert saved(Opened(0), Opened(5_200), server_idle_s=5.0) == set()


def test_a_server_gives_each_connection_its_number_of_requests() -> None:
    assert saved(*closing(5), server_uses=2) == {1, 3}


def test_what_the_program_reused_counts_for_the_pool_as_well() -> None:
    kept = Opened(0, request(62), request(100))

    assert saved(kept, Opened(140), server_uses=2) == set()
    assert saved(kept, Opened(140), server_uses=3) == {1}


def test_a_connection_that_the_server_has_broken_is_not_kept() -> None:
    broken = Opened(0, closed=98.0, by="server", reason="behaviour")

    assert saved(broken, Opened(200)) == set()


def test_http2_carries_requests_at_the_same_time() -> None:
    shared = [Opened(0, speech="h2"), Opened(10, speech="h2")]

    assert saved(*shared) == {1}


def test_http2_is_kept_as_long_as_any_other() -> None:
    assert saved(Opened(0, speech="h2"), Opened(60_100, speech="h2")) == set()
