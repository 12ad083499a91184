"""Why connections could not be used again: what was seen, and what to change."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from statistics import median
from typing import Any, NamedTuple

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


class _Tally:
    """Counts the connections that were lost for one reason, however many they are."""

    def __init__(self) -> None:
        self._count = 0
        self._said: Counter[str] = Counter()
        self._details: Counter[str] = Counter()  # of failures
        self._uses: list[int] = []
        self._idle_ns: list[int] = []

    def add(self, extra: Mapping[str, Any], failure: Failure | None) -> None:
        """Take what a request shows, and how it failed, if that tells the reason."""
        self._count += 1
        if "lost_said" in extra:
            self._said[f"`{extra['lost_said']}`"] += 1
        if failure is not None:
            self._details[failure.detail] += 1
        if "lost_after" in extra:
            self._uses.append(extra["lost_after"])
        if "lost_idle_ns" in extra:
            self._idle_ns.append(extra["lost_idle_ns"])

    def loss(self, why: Lost, *, failed: bool) -> Loss:
        """Return what was counted."""
        said, idle_ns, uses = self._said.copy(), self._idle_ns, self._uses
        said.update(self._details)
        return Loss(
            why=why,
            count=self._count,
            said=[text for text, _ in said.most_common(_MOST_SHOWN)],
            uses=median(uses) if uses else None,
            idle_ms=median(idle_ns) / NS_PER_MS if idle_ns else None,
            failed=failed,
        )


class _Shown(NamedTuple):
    """What few requests of a run show."""

    losses: Sequence[Loss]  # most frequent first
    interim: Counter[str]  # statuses of interim answers, as before each answer


@once_for_each_run
def _shown_by(run: Run) -> _Shown:
    tallies: defaultdict[tuple[Lost, bool], _Tally] = defaultdict(_Tally)
    interim: Counter[str] = Counter()
    for outcome in chain[Outcome](run.samples, run.failures):
        if not (extra := outcome.extra):
            continue
        if (why := extra.get("lost")) is not None:
            failure = outcome if isinstance(outcome, Failure) else None
            if why not in _TOLD_BY_FAILURES:
                failure = None
            tallies[why, failure is not None].add(extra, failure)
        if "interim" in extra:
            interim[str(extra["interim"])] += 1
    losses = [
        tally.loss(why, failed=failed)
        for (why, failed), tally in tallies.items()
        if failed or (why, True) not in tallies
    ]
    return _Shown(sorted(losses, key=lambda loss: -loss.count), interim)


def losses_of(run: Run) -> Sequence[Loss]:
    """Return why connections of a run could not be used again, most frequent first."""
    return _shown_by(run).losses


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


def _interim_warning(run: Run) -> Iterator[str]:
    found = _shown_by(run).interim
    if found:
        which = ", ".join(each for each, _ in found.most_common(_MOST_SHOWN))
        yield (
            f"{plural(sum(found.values()), 'answer')} came after interim ones "
            f"({which}), which are no answer: wait ends where the final one begins"
        )
