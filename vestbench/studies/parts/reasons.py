"""Why connections could not be used again: what was seen, and what to change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from statistics import median
from typing import NamedTuple

from vestbench.model.client import PoolSettings
from vestbench.model.lost import Lost
from vestbench.model.record import Record
from vestbench.model.request import NS_PER_MS, Failure, Outcome
from vestbench.model.run import Run
from vestbench.report.units import ms, percent, plural
from vestbench.studies.parts.once import once_for_each_run

_MOST_SHOWN = 3  # of what servers say, of one reason


class _Words(NamedTuple):
    seen: str
    advice: str
    idle: bool = False  # how long it was idle matters


_LIMITS = (
    "look for how long the server, or a proxy or firewall before it, keeps an idle "
    "connection, and how many requests it gives one; keep --pool-idle-timeout below "
    "that time"
)
_WORDS = {
    Lost.CONNECTION_CLOSE: _Words(
        "the server's answer said that it is the last one on its connection",
        "let the server, or the proxy before it, keep connections open",
    ),
    Lost.HTTP_1_0: _Words(
        "the server answers in HTTP/1.0, after which this client keeps no connection",
        "let the server, or the proxy before it, speak HTTP/1.1",
    ),
    Lost.UNTIL_CLOSE: _Words(
        "the answer had neither a length nor chunks, so only the end of the connection "
        "ended it",
        "let the server send Content-Length, or chunks",
    ),
    Lost.GOAWAY: _Words(
        "the server said GOAWAY: it takes no more requests on the connection",
        "raise how many requests, or how much time, the server gives a connection",
    ),
    Lost.FIN: _Words(
        "the server closed it first (FIN)",
        _LIMITS,
        idle=True,
    ),
    Lost.RESET: _Words("a reset (RST) came from the server's side", _LIMITS, idle=True),
    Lost.UNASKED: _Words(
        "bytes came that no request had asked for, and the client closed it",
        "let the server send nothing after an answer has ended",
        idle=True,
    ),
    Lost.POOL_IDLE: _Words(
        "it had been idle for longer than the pool's idle timeout of "
        "{idle_timeout_s:g} s, after which the client closes it",
        "raise --pool-idle-timeout, or send at shorter intervals",
        idle=True,
    ),
    Lost.POOL_FULL: _Words(
        "the client closed it, whose pool keeps at most {max_idle} idle "
        "(--pool-max-idle {max_idle})",
        "raise --pool-max-idle",
    ),
    Lost.CLIENT: _Words(
        "the client closed it first, by no rule of its pool that is known here",
        "look for what the HTTP library does after such an answer",
    ),
    Lost.GONE: _Words(
        "it was gone, and who ended it first was not seen",
        f"{_LIMITS}; if the server keeps it for longer, the HTTP library closes it",
        idle=True,
    ),
    Lost.LEFT_OVER: _Words(
        "bytes came after the end of an answer, and were taken for the next one",
        "let the server send bodies as long as it says, and none with a 204 or 304",
    ),
    Lost.RACE: _Words(
        "the server ended it while a request was under way (the idle race)",
        _LIMITS,
        idle=True,
    ),
    Lost.FAILED: _Words("a request before had failed on it", ""),
}
# Told by the requests that failed, where there are any; the one after each has it too.
_TOLD_BY_FAILURES = (Lost.RACE, Lost.LEFT_OVER)


class Loss(Record, frozen=True, kw_only=True):
    """Connections that could not be used again for one reason."""

    why: Lost
    count: int
    said: Sequence[str]  # by answers, or of failures, the most frequent first
    uses: float | None  # requests that they had carried, median
    idle_ms: float | None  # until their end was found, median
    failed: bool  # requests failed for it


@once_for_each_run
def losses_of(run: Run) -> Sequence[Loss]:
    """Return why connections of a run could not be used again, most frequent first."""
    found: dict[tuple[Lost, bool], list[Outcome]] = {}
    for outcome in chain[Outcome](run.samples, run.failures):
        why = (outcome.extra or {}).get("lost")
        if why is not None:
            failed = isinstance(outcome, Failure) and why in _TOLD_BY_FAILURES
            found.setdefault((why, failed), []).append(outcome)
    losses = [
        _loss(why, outcomes, failed=failed)
        for (why, failed), outcomes in found.items()
        if failed or (why, True) not in found
    ]
    return sorted(losses, key=lambda loss: -loss.count)


def _loss(why: Lost, outcomes: Sequence[Outcome], *, failed: bool) -> Loss:
    extras = [outcome.extra or {} for outcome in outcomes]
    said = Counter(
        f"`{extra['lost_said']}`" for extra in extras if "lost_said" in extra
    )
    if failed:
        said.update(o.detail for o in outcomes if isinstance(o, Failure))
    idle = [extra["lost_idle_ns"] for extra in extras if "lost_idle_ns" in extra]
    uses = [extra["lost_after"] for extra in extras if "lost_after" in extra]
    return Loss(
        why=why,
        count=len(outcomes),
        said=[text for text, _ in said.most_common(_MOST_SHOWN)],
        uses=median(uses) if uses else None,
        idle_ms=median(idle) / NS_PER_MS if idle else None,
        failed=failed,
    )


def not_reused(run: Run, missed: int, expected: int) -> str:
    """Say that connections were not reused, by how many requests, and why."""
    return (
        f"connections were not reused: {percent(missed, expected)} of the requests "
        f"that should have reused one opened a new one{because(run)}"
    )


def because(run: Run) -> str:
    """Return the most frequent reason, after a colon, or that none was seen."""
    for loss in losses_of(run):
        return f": {_seen(run, loss)}"
    if _follows_failures(run):
        return ": the request before had failed, so there was nothing to reuse"
    return "; why was not seen"


def _follows_failures(run: Run) -> bool:
    """Say whether requests that opened a connection followed ones that failed."""
    failed = {(f.slot.session, f.slot.index, f.slot.arm) for f in run.failures}
    return any(
        (s.slot.session, s.slot.index - 1, s.slot.arm) in failed
        for s in run.samples
        if failed and not s.reused
    )


def reuse_warnings(run: Run) -> Iterator[str]:
    """Say of each reason what was seen, and what to change."""
    for loss in losses_of(run):
        what = f"{plural(loss.count, 'connection')} could not be used again"
        if loss.failed:
            what = f"{plural(loss.count, 'request')} failed on a reused connection"
        words = _WORDS[loss.why]
        when = _when(loss, idle=words.idle)
        advice = f"; {words.advice}" if words.advice else ""
        yield f"{what}: {_seen(run, loss)}{when}{advice}"
    yield from _interim_warning(run)


def _seen(run: Run, loss: Loss) -> str:
    pool = run.conditions.pool or PoolSettings()
    seen = _WORDS[loss.why].seen.format(
        idle_timeout_s=pool.idle_timeout_s, max_idle=pool.max_idle
    )
    said = ", ".join(loss.said)
    return f"{seen} ({said})" if said else seen


def _when(loss: Loss, *, idle: bool) -> str:
    parts = []
    if loss.uses is not None:
        parts.append(plural(round(loss.uses), "request"))
    if idle and loss.idle_ms is not None:
        parts.append(f"{ms(loss.idle_ms)} ms idle")
    known = " and ".join(parts)
    return f", after {known} (median)" if known else ""


@once_for_each_run
def _interim(run: Run) -> Counter[str]:
    """Count the statuses of interim answers, as they came before each answer."""
    extras = (sample.extra or {} for sample in run.samples)
    return Counter(str(extra["interim"]) for extra in extras if "interim" in extra)


def _interim_warning(run: Run) -> Iterator[str]:
    found = _interim(run)
    if found:
        which = ", ".join(each for each, _ in found.most_common(_MOST_SHOWN))
        yield (
            f"{plural(sum(found.values()), 'answer')} came after interim ones "
            f"({which}), which are no answer: wait ends where the final one begins"
        )
