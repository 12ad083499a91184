"""The start of a bot: what warming the pool up buys its first request."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import (
    NS_PER_MS,
    Failure,
    FailureKind,
    Outcome,
    Role,
    Sample,
    Slot,
)
from vestbench.running.ports import MakeRequest, Pacer, RunEnd, Session, Stack, StopRule

logger = logging.getLogger(__name__)

VEST = "Vest HTTP"  # the bot's own words

# Labels of the two arms.
WARMED = "warmed"
NOT_WARMED = "not warmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUpPlan:
    """How many starts, and how many connections each warms up."""

    session: SessionPlan
    connections: int
    rounds: int  # each is one warmed start and one that is not
    seed: int
    title: str = VEST  # what log lines call the pool


def log_configuration(pool: PoolSettings, title: str = VEST) -> None:
    """Log the line that the bot logs when its client is built."""
    logger.info(
        "[INIT] %s client configured: "
        "pool_max_idle=%d, pool_idle_timeout=%gs, tcp_keepalive=%gs",
        title,
        pool.max_idle,
        pool.idle_timeout_s,
        pool.tcp_keepalive_s,
    )


def warm_up(
    session: Session,
    make_request: MakeRequest,
    slots: list[Slot],
    *,
    title: str = VEST,
    level: int = logging.INFO,
) -> list[Outcome]:
    """Open one connection for each of `slots`, and log what the bot logs.

    A warm-up that fails is a warning, never an error: the bot starts all the same. A
    status other than 200 and 401 is a warning too.

    Args:
        session: The client to warm up.
        make_request: Builds the venue's warm-up request.
        slots: Places of the requests in the plan; they are sent at the same moment,
            because one after the other would all use one connection.
        title: What the log line calls the pool.
        level: At which to log success.
    """
    outcomes = session.burst([make_request() for _ in slots], slots)
    done = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            logger.warning("%s", _failed(outcome))
    if done:
        latency_ms = max(sample.latency_ns for sample in done) / NS_PER_MS
        logger.log(
            level,
            "[INIT] %s connection pool warmed up (latency=%.0fms)",
            title,
            latency_ms,
        )
    return outcomes


def _failed(failure: Failure) -> str:
    if failure.kind in (FailureKind.STATUS, FailureKind.RATE_LIMITED):
        return f"HTTP warm-up returned {failure.detail} (non-fatal)"
    return f"HTTP warm-up failed (non-fatal): {failure.kind}: {failure.detail}"


def run_warm_up(
    plan: WarmUpPlan,
    stack: Stack,
    make_warm_up: MakeRequest,
    make_request: MakeRequest,
    *,
    pacer: Pacer,
    record: Callable[[Outcome], None],
) -> RunEnd:
    """Start `plan.rounds` warmed clients and as many that are not, in coin-flip order.

    Each start is a fresh client; the first request after it is what is compared. The
    first warm-up is logged at INFO, as a bot's start would, the others at DEBUG.
    """
    rng = random.Random(plan.seed)
    stop = StopRule()
    builds: list[int] = []
    notes: dict[str, None] = {}
    log_configuration(plan.session.pool, plan.title)

    def start(number: int, arm: str, level: int) -> None:
        session = stack.open(plan.session)
        builds.append(session.build_ns)
        notes.update(dict.fromkeys(session.notes))

        def take(outcomes: list[Outcome]) -> None:
            for outcome in outcomes:
                stop.notice(outcome)
                if number >= 0:
                    record(outcome)

        try:
            index = 0
            if arm == WARMED:
                slots = [
                    Slot(session=number, index=i, role=Role.WARM_UP, arm=arm)
                    for i in range(plan.connections)
                ]
                pacer.wait(len(slots))
                take(
                    warm_up(session, make_warm_up, slots, title=plan.title, level=level)
                )
                index = len(slots)
            if not stop.over():
                pacer.wait()
                role = Role.SUBSEQUENT if arm == WARMED else Role.COLD
                slot = Slot(session=number, index=index, role=role, arm=arm)
                take([session.send(make_request(), slot)])
        finally:
            session.close()

    # One discarded start of each sort: the first of a process pays for its caches.
    start(-1, NOT_WARMED, logging.DEBUG)
    if not stop.over():
        start(-1, WARMED, logging.INFO)
    builds.clear()
    for number in range(plan.rounds):
        arms = [WARMED, NOT_WARMED]
        if rng.random() < 0.5:
            arms.reverse()
        for arm in arms:
            if stop.over():
                break
            start(number, arm, logging.DEBUG)
    return RunEnd(build_ns=tuple(builds), notes=tuple(notes), stopped=stop.reason)
