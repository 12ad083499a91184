"""What a warm-up run says, worked out by hand."""

from __future__ import annotations

from math import inf, isfinite

from tests.support.records import failure, sample, warm_up_run
from vestbench.model.request import Outcome, Role
from vestbench.model.verdict import Decision
from vestbench.studies.starts.plan import NOT_WARMED, WARMED
from vestbench.studies.starts.summary import summarise_warm_up


def start(
    session: int, arm: str, latency: float, *, reused: bool | None = None
) -> list[Outcome]:
    """Return the outcomes of one start of a warm-up run."""
    if arm == NOT_WARMED:
        return [sample(session, arm=arm, latency=latency, connection=10 * session)]
    warm_ups: list[Outcome] = [
        sample(
            session,
            i,
            role=Role.WARM_UP,
            arm=arm,
            latency=100.0 + i,
            connection=10 * session + 1 + i,
        )
        for i in range(2)
    ]
    first = sample(
        session,
        2,
        role=Role.SUBSEQUENT,
        reused=reused is not False,
        arm=arm,
        latency=latency,
        connection=10 * session + 1,
    )
    return [*warm_ups, first]


def test_a_warm_up_saves_what_the_first_request_takes_less() -> None:
    outcomes = []
    for n in range(12):
        outcomes += start(n, WARMED, 36.0) + start(n, NOT_WARMED, 90.0 + n)

    found = summarise_warm_up(warm_up_run(outcomes))

    assert found.rounds == 12
    assert found.saving is not None
    assert found.saving.median_lo == 59.5
    assert found.saving.decision is Decision.PASS
    assert (found.warm_up_requests, found.warm_up_connections) == (24, 24)
    assert found.reused == 12
    assert found.warm_up is not None
    assert found.warmed is not None
    assert found.not_warmed is not None
    assert found.warm_up.p50.point == 100.5
    assert found.warmed.high == 36.0
    assert (found.not_warmed.low, found.not_warmed.high) == (90.0, 101.0)


def test_a_first_request_that_did_not_reuse_is_not_counted_as_such() -> None:
    outcomes = start(0, WARMED, 36.0) + start(1, WARMED, 99.0, reused=False)

    found = summarise_warm_up(warm_up_run(outcomes))

    assert found.reused == 1
    assert found.warmed is not None
    assert found.warmed.n == 2  # and it stays in the figure


def test_a_round_with_one_start_has_no_vote() -> None:
    found = summarise_warm_up(warm_up_run(start(0, WARMED, 36.0)))

    assert found.rounds == 0
    assert found.saving is None
    assert found.not_warmed is None


def test_a_failed_start_leaves_its_round_open() -> None:
    outcomes = [
        *start(0, WARMED, 36.0),
        failure(0, elapsed=100.0, arm=NOT_WARMED),
    ]

    found = summarise_warm_up(warm_up_run(outcomes))

    assert found.saving is not None
    assert (found.saving.median_lo, found.saving.median_hi) == (64.0, inf)
    assert found.not_warmed is not None
    assert not isfinite(found.not_warmed.high)
