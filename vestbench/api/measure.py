"""The measuring commands as functions."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from vestbench.api.result import Result
from vestbench.api.values import chosen, confidence_of, duration, target
from vestbench.errors import UsageError
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.model.strategy import POOLED, UNPOOLED, offers_http2
from vestbench.running.carry_out import Destination, Job, carry_out, place_result
from vestbench.running.pace import POLITE_BUDGET, Pace, check_budget, polite_rate
from vestbench.running.stacks import stacks_for
from vestbench.stacks.registry import ALL
from vestbench.studies.bench.experiment import BenchSchedule, sessions_for
from vestbench.studies.bench.job import BenchJob
from vestbench.studies.compare.job import CompareJob, Question, arms_of
from vestbench.venues import SIMULATED


def bench(
    *,
    requests: int = 100,
    sessions: int | None = None,
    pooled: bool = True,
    concurrency: int = 1,
    stack: str = "httpx",
    http2: bool = False,
    kernel_timestamps: bool = False,
    min_saving: str | None = None,
    assertions: Sequence[str] = (),
    confidence: int = 95,
    venue: str = SIMULATED,
    endpoint: str = "",
    rtt: str = "30ms",
    link: LinkSpec | None = None,
    exchange: ExchangeSpec | None = None,
    pool: PoolSettings | None = None,
    interval: str = "0ms",
    rate: float | None = None,
    budget: int = POLITE_BUDGET,
    seed: int | None = None,
    results: Path | str | None = None,
) -> Result:
    """Time cold against subsequent requests, as `vestbench bench` does.

    Args:
        requests: How many.
        sessions: Fresh pools that they are spread over; None is 20, or what they allow.
        pooled: False opens a connection for each request.
        concurrency: Requests at the same time.
        stack: The HTTP library that sends: "httpx", "httpx2" or "reqwest".
        http2: Offer HTTP/2 in every handshake.
        kernel_timestamps: Ask the kernel when bytes left and came.
        min_saving: The saving that passes, such as "50ms". None asks for it only if
            there are no assertions, and then for 50 ms.
        assertions: What else has to be so, as for `--assert`.
        confidence: Of intervals and verdict, in percent: 90, 95 or 99.
        venue: A name that the commands know, or an https URL.
        endpoint: Which request; empty is the venue's first.
        rtt: Round trip of the emulated link to the simulated venue; "0ms" is none.
        link: The emulated link in full, instead of `rtt`.
        exchange: What the simulated exchange is like.
        pool: The pool settings; None is the bot's.
        interval: Mean pause between requests.
        rate: Requests a second at most; None is 10 on a real venue, else no limit.
        budget: How many requests a real venue may be sent.
        seed: For pauses and link; None draws one.
        results: Folder to keep the result in; None keeps none.

    Raises:
        VestbenchError: An argument cannot be used, or the venue not be reached.
    """
    pace = _pace(interval, rate, venue, seed)
    if stack == ALL:
        raise UsageError("stack: bench measures one stack; compare takes all of them")
    destination = _place(venue, endpoint, rtt, link, exchange, pool, pace.seed)
    destination = _through(destination, stack, (), http2=http2)
    strategy = POOLED if pooled else UNPOOLED
    if min_saving is not None and not pooled:
        raise UsageError("min_saving needs subsequent requests: not with pooled=False")
    plan = BenchSchedule(
        session=SessionPlan(
            pool=destination.pool,
            strategy=strategy,
            concurrency=concurrency,
            http2=http2,
            stack=stack,
            kernel_timestamps=kernel_timestamps,
        ),
        requests=requests,
        sessions=sessions or sessions_for(requests, concurrency, strategy),
    )
    job = BenchJob(
        plan,
        pace,
        min_saving_s=duration("min_saving", min_saving or "50ms"),
        confidence=confidence_of(confidence),
        gate=min_saving is not None,
        assertions=assertions,
    )
    return _measured(job, destination, budget, results)


def compare(
    *names: str,
    control: str = "",
    min_saving: str = "50ms",
    max_rounds: int | None = None,
    min_rounds: int = 12,
    min_duration: str = "0s",
    vote: str = "round",
    question: str = "all",
    idle: str = "1s",
    stack: str = "httpx",
    http2: bool = False,
    resume: Path | str | None = None,
    assertions: Sequence[str] = (),
    confidence: int = 95,
    venue: str = SIMULATED,
    endpoint: str = "",
    rtt: str = "30ms",
    link: LinkSpec | None = None,
    exchange: ExchangeSpec | None = None,
    pool: PoolSettings | None = None,
    interval: str = "0ms",
    rate: float | None = None,
    budget: int = POLITE_BUDGET,
    seed: int | None = None,
    results: Path | str | None = None,
) -> Result:
    """Decide how much one way of connecting saves, as `vestbench compare` does.

    Args:
        names: Two or more ways of connecting; none is pooled, unpooled.
        control: What the others are compared with; empty is unpooled, or the last.
        min_saving: The saving that passes: "50ms", "30%", or "auto" for 80 % of what
            the route allows.
        max_rounds: Rounds at most; None is 200.
        min_rounds: No verdict before.
        min_duration: No verdict before.
        vote: What has a vote, a "round" or a "pair" of rounds.
        question: Whether "all" candidates have to pass, or "any".
        idle: Pause of a warmed client before its request.
        stack: As for `bench`, or "all" for each that is installed.
        http2: As for `bench`.
        resume: Result of an inconclusive run to go on with; all its rounds count.
        assertions: As for `bench`, and so is all that follows.
        confidence: As for `bench`.
        venue: As for `bench`.
        endpoint: As for `bench`.
        rtt: As for `bench`.
        link: As for `bench`.
        exchange: As for `bench`.
        pool: As for `bench`.
        interval: As for `bench`.
        rate: As for `bench`.
        budget: As for `bench`.
        seed: As for `bench`, and for the order within rounds.
        results: As for `bench`.

    Raises:
        VestbenchError: As for `bench`.
    """
    pace = _pace(interval, rate, venue, seed)
    destination = _place(venue, endpoint, rtt, link, exchange, pool, pace.seed)
    ways = names or ("pooled", "unpooled")
    arms_of(ways, control)  # refuse what is no strategy before what no stack can do
    destination = _through(destination, stack, ways, http2=http2)
    arms, control = arms_of(ways, control, destination.stacks)
    asked = Question(
        arms=arms,
        control=control,
        target=target(min_saving),
        confidence=confidence_of(confidence),
        question=chosen("question", question, ("all", "any")),
        vote=chosen("vote", vote, ("round", "pair")),
        idle_s=duration("idle", idle),
        min_rounds=min_rounds,
        max_rounds=max_rounds,
        min_duration_s=duration("min_duration", min_duration),
    )
    job = CompareJob(
        asked,
        destination,
        pace,
        resume=None if resume is None else Path(resume),
        assertions=assertions,
    )
    return _measured(job, destination, budget, results)


def _measured(
    job: Job, destination: Destination, budget: int, results: Path | str | None
) -> Result:
    check_budget(job.most_requests, budget, real=not destination.is_simulated)
    with TemporaryDirectory(prefix="vestbench-") as scratch:
        folder = Path(scratch if results is None else results)
        measured = carry_out(job, destination, path=place_result(job, folder))
    if measured.run.interrupted:
        raise KeyboardInterrupt
    if measured.failure is not None:
        raise measured.failure
    return Result(measured.run, None if results is None else measured.path)


def _place(
    venue: str,
    endpoint: str,
    rtt: str,
    link: LinkSpec | None,
    exchange: ExchangeSpec | None,
    pool: PoolSettings | None,
    seed: int,
) -> Destination:
    rtt_ms = 1e3 * duration("rtt", rtt)
    if link is None and rtt_ms:
        link = LinkSpec(rtt_ms=rtt_ms, seed=seed)
    return Destination(
        venue=venue,
        endpoint=endpoint,
        pool=pool or PoolSettings(),
        link=link,
        exchange=exchange or ExchangeSpec(),
    )


def _through(
    destination: Destination, stack: str, ways: Sequence[str], *, http2: bool
) -> Destination:
    """Return the place as it is reached through a stack, or through all of them."""
    speaks = destination.exchange.http2 or http2 or offers_http2(ways)
    return replace(
        destination,
        stacks=stacks_for(stack, destination.venue, ways, http2=http2),
        http2=http2,
        exchange=replace(destination.exchange, http2=speaks),
    )


def _pace(interval: str, rate: float | None, venue: str, seed: int | None) -> Pace:
    return Pace(
        interval_s=duration("interval", interval),
        max_rate=polite_rate(rate, real=venue != SIMULATED),
        seed=secrets.randbits(32) if seed is None else seed,
    )
