"""The measuring commands as functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from vestbench import defaults
from vestbench.api.result import Result
from vestbench.errors import UsageError
from vestbench.model.client import PoolSettings
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.running.carry_out import carry_out, check_job, place_result
from vestbench.running.destination import Destination
from vestbench.running.job import Job
from vestbench.running.pace import Pace, pace_of
from vestbench.stacks.registry import ALL
from vestbench.studies.bench.job import BenchJob
from vestbench.studies.compare.job import CompareJob
from vestbench.studies.compare.question import Question, Target, arms_of
from vestbench.values import confidence_of, duration


def bench(
    *,
    requests: int = defaults.REQUESTS,
    sessions: int | None = None,
    pooled: bool = True,
    concurrency: int = defaults.CONCURRENCY,
    stack: str = defaults.STACK,
    http2: bool = False,
    kernel_timestamps: bool = False,
    min_saving: str | None = None,
    assertions: Sequence[str] = (),
    confidence: int = defaults.CONFIDENCE,
    venue: str = defaults.VENUE,
    endpoint: str = "",
    rtt: str = defaults.RTT,
    link: LinkSpec | None = None,
    exchange: ExchangeSpec | None = None,
    pool: PoolSettings | None = None,
    interval: str = defaults.INTERVAL,
    rate: float | None = None,
    budget: int = defaults.BUDGET,
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
    pace = _pace(venue, interval, rate, seed)
    if stack == ALL:
        raise UsageError("stack: bench measures one stack; compare takes all of them")
    destination = _destination(venue, endpoint, rtt, link, exchange, pool, pace.seed)
    destination = destination.through(stack, http2=http2)
    if min_saving is not None and not pooled:
        raise UsageError("min_saving needs subsequent requests: not with pooled=False")
    job = BenchJob(
        destination,
        pace,
        requests=requests,
        sessions=sessions,
        pooled=pooled,
        concurrency=concurrency,
        kernel_timestamps=kernel_timestamps,
        min_saving_s=duration("min_saving", min_saving or defaults.MIN_SAVING),
        confidence=confidence_of("confidence", confidence),
        gate=min_saving is not None,
        assertions=assertions,
    )
    return _measured(job, destination, budget, results)


def compare(
    *names: str,
    control: str = "",
    min_saving: str | None = None,
    max_rounds: int | None = None,
    min_rounds: int = defaults.MIN_ROUNDS,
    min_duration: str = defaults.MIN_DURATION,
    vote: str = defaults.VOTE,
    question: str = defaults.QUESTION,
    idle: str = defaults.IDLE,
    stack: str = defaults.STACK,
    http2: bool = False,
    resume: Path | str | None = None,
    assertions: Sequence[str] = (),
    confidence: int = defaults.CONFIDENCE,
    venue: str = defaults.VENUE,
    endpoint: str = "",
    rtt: str = defaults.RTT,
    link: LinkSpec | None = None,
    exchange: ExchangeSpec | None = None,
    pool: PoolSettings | None = None,
    interval: str = defaults.INTERVAL,
    rate: float | None = None,
    budget: int = defaults.BUDGET,
    seed: int | None = None,
    results: Path | str | None = None,
) -> Result:
    """Decide how much one way of connecting saves, as `vestbench compare` does.

    Args:
        names: Two or more ways of connecting; none is pooled, unpooled.
        control: What the others are compared with; empty is unpooled, or the last.
        min_saving: The saving that passes: "50ms", "30%", or "auto" for 80 % of what
            the route allows. None is as for `bench`.
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
    pace = _pace(venue, interval, rate, seed)
    destination = _destination(venue, endpoint, rtt, link, exchange, pool, pace.seed)
    ways = names or defaults.WAYS
    arms_of(ways, control)  # refuse what is no strategy before what no stack can do
    destination = destination.through(stack, ways, http2=http2)
    arms, control = arms_of(ways, control, destination.stacks)
    asked = Question.asked(
        str,
        arms=arms,
        control=control,
        target=Target.asked("min_saving", min_saving or defaults.MIN_SAVING),
        gate=min_saving is not None,
        confidence=confidence_of("confidence", confidence),
        question=question,
        vote=vote,
        idle=idle,
        min_rounds=min_rounds,
        max_rounds=max_rounds,
        min_duration=min_duration,
        assertions=assertions,
    )
    earlier = None if resume is None else Path(resume)
    job = CompareJob(asked, destination, pace, resume=earlier)
    return _measured(job, destination, budget, results)


def _measured(
    job: Job, destination: Destination, budget: int, results: Path | str | None
) -> Result:
    check_job(job, destination, budget)
    with TemporaryDirectory(prefix="vestbench-") as scratch:
        folder = Path(scratch if results is None else results)
        measured = carry_out(job, destination, path=place_result(job, folder))
    if measured.run.interrupted:
        raise KeyboardInterrupt
    if measured.failure is not None:
        raise measured.failure
    return Result(measured.run, None if results is None else measured.path)


def _destination(
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


def _pace(venue: str, interval: str, rate: float | None, seed: int | None) -> Pace:
    real = venue != defaults.VENUE
    return pace_of(str, interval=interval, rate=rate, seed=seed, real=real)
