"""What the starts of a bot say: the first request, each step, warmed up and not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, starmap
from math import inf
from typing import NamedTuple, TypeVar

from vestbench.model.record import Record, asdict, replace
from vestbench.model.request import NS_PER_MS, Outcome, Role, Sample, Slot
from vestbench.model.run import Run
from vestbench.stats.bounds import Bounds, percent_bounds, saving_bounds
from vestbench.stats.decision import (
    MedianSummary,
    SavingSummary,
    median_saving,
    summarise,
)
from vestbench.stats.metrics import Metric, metric
from vestbench.studies.parts.causes import Explained, Side, explain
from vestbench.studies.parts.connections import astray, misled, misled_by
from vestbench.studies.parts.groups import kept_too_few
from vestbench.studies.parts.once import once_for_each_run
from vestbench.studies.parts.reasons import not_reused
from vestbench.studies.parts.route import in_round_trips, round_trip_ms
from vestbench.studies.starts.plan import NOT_WARMED, WARMED, ConnectRun, WarmUpRun

K = TypeVar("K", bound=Hashable)

_WARM_UP = "warm-up"


class WarmUpSummary(Explained, frozen=True, kw_only=True):
    """All that the table of a warm-up run shows."""

    warm_up: Metric | None  # the warm-up requests themselves
    warmed: Metric | None  # first request after a warm-up
    not_warmed: Metric | None  # first request of a client without one
    rounds: int
    warm_up_connections: int  # opened by warm-up requests
    warm_up_requests: int
    reused: int  # first requests after a warm-up that reused a connection of it
    saving: SavingSummary | None  # ms
    percent: MedianSummary | None  # of the first request without a warm-up
    round_trips: MedianSummary | None


class StepSummary(Explained, frozen=True, kw_only=True):
    """One step of the start, in both arms. All values in ms.

    A step that needed several tries took from the beginning of the first to the end of
    the last.
    """

    name: str
    not_warmed: Metric | None
    warmed: Metric | None
    saving: MedianSummary | None  # of the warm-up; None where no round has both
    rounds: int  # with both
    opened: tuple[int, int] = (0, 0)  # connections: without a warm-up, and after one
    tries: int = 0  # beyond the first


class EventSummary(Record, frozen=True, kw_only=True):
    """A request that leads to an event on the WebSocket, of all starts.

    Values in ms, from the first byte of the request.
    """

    name: str
    answered: Metric  # to the end of the answer
    event: Metric


class ConnectSummary(Record, frozen=True, kw_only=True):
    """All that the table of a connect run shows."""

    warm_up: Metric | None
    steps: tuple[StepSummary, ...]  # in order
    # From the beginning of the first step to the answer to the last, without what is
    # between two of them; and the same with the warm-up before.
    whole: StepSummary
    with_warm_up: Metric | None
    rounds: int  # with two starts that were completed
    completed: tuple[int, int]  # starts without a warm-up, and after one
    events: tuple[EventSummary, ...] = ()
    rtt_ms: float | None


class _Took(NamedTuple):
    """How long something took, or how long it took to fail."""

    ms: float
    done: bool

    @property
    def counted(self) -> float:
        """The time in ms; infinite for what failed."""
        return self.ms if self.done else inf


_Requests = Mapping[int, Sequence[Outcome]]  # by round
_Times = Mapping[int, _Took]  # by round


@once_for_each_run
def summarise_warm_up(run: WarmUpRun) -> WarmUpSummary:
    """Derive the summary of a warm-up run."""
    confidence = run.plan.confidence
    requests = _by_round(run, lambda slot: slot.role)
    warm_ups = list(chain(*requests[Role.WARM_UP].values()))
    warmed, cold = _times(requests[Role.SUBSEQUENT]), _times(requests[Role.COLD])
    pairs = _pairs(cold, warmed)
    bounds = _saved(pairs)
    rtt = round_trip_ms(run)
    saving = percent = trips = None
    if bounds:
        target = run.plan.min_saving_ms
        saving = summarise(bounds, target=target, confidence=confidence)
        shares = [percent_bounds(*a, *b) for a, b in pairs]
        percent = median_saving(shares, confidence)
        trips = in_round_trips(bounds, rtt, confidence)
    sides = requests[Role.COLD], requests[Role.SUBSEQUENT]
    return WarmUpSummary(
        warm_up=_metric(_WARM_UP, [_took([each]) for each in warm_ups], confidence),
        warmed=_metric("warmed", warmed.values(), confidence),
        not_warmed=_metric("not warmed", cold.values(), confidence),
        rounds=len(bounds),
        warm_up_connections=len(
            {o.connection for o in warm_ups if isinstance(o, Sample) and not o.reused}
        ),
        warm_up_requests=len(warm_ups),
        reused=sum(bool(o.reused) for o in chain(*requests[Role.SUBSEQUENT].values())),
        saving=saving,
        percent=percent,
        round_trips=trips,
        **asdict(_explained(run, *sides, saving, rtt)),
    )


def round_savings(run: WarmUpRun) -> list[Bounds]:
    """Return, for each round with both starts, what the warm-up saved, in ms."""
    requests = _by_round(run, lambda slot: slot.role)
    cold, warmed = requests[Role.COLD], requests[Role.SUBSEQUENT]
    return _saved(_pairs(_times(cold), _times(warmed)))


def first_step_savings(run: ConnectRun) -> list[Bounds]:
    """Return, for each round, what the warm-up saved the first step, in ms."""
    requests = _by_round(run, lambda slot: (slot.arm, slot.index))
    cold, warmed = requests[NOT_WARMED, 1], requests[WARMED, 1]
    return _saved(_pairs(_times(cold), _times(warmed)))


@once_for_each_run
def summarise_connect(run: ConnectRun) -> ConnectSummary:
    """Derive the summary of a connect run."""
    confidence = run.plan.confidence
    requests = _by_round(run, lambda slot: (slot.arm, slot.index))
    named = list(enumerate(run.plan.steps, start=1))  # the place of the warm-up is 0
    without, after = (
        _sum([_times(requests[arm, place]) for place, _ in named])
        for arm in (NOT_WARMED, WARMED)
    )
    warm_ups = _times(requests[WARMED, 0])
    in_all = _sum([warm_ups, after])
    completed = [
        {number for number, took in found.items() if took.done}
        for found in (without, after)
    ]
    return ConnectSummary(
        warm_up=_metric(_WARM_UP, warm_ups.values(), confidence),
        steps=tuple(
            _step(run, name, requests[NOT_WARMED, place], requests[WARMED, place])
            for place, name in named
        ),
        whole=_compared("whole start", without, after, confidence),
        with_warm_up=_metric("with the warm-up", in_all.values(), confidence),
        rounds=len(completed[0] & completed[1]),
        completed=(len(completed[0]), len(completed[1])),
        events=tuple(_events(run)),
        rtt_ms=round_trip_ms(run),
    )


def _events(run: ConnectRun) -> Iterator[EventSummary]:
    """Yield what is known of each step that led to events."""
    confidence = run.plan.confidence
    for place, name in enumerate(run.plan.steps, start=1):
        found = [s for s in run.samples if s.slot.index == place and _event_ns(s)]
        if found:
            answered = [_answered_ns(sample) / NS_PER_MS for sample in found]
            events = [_event_ns(sample) / NS_PER_MS for sample in found]
            yield EventSummary(
                name=name,
                answered=metric("answered", answered, confidence),
                event=metric("event", events, confidence),
            )


def _event_ns(sample: Sample) -> int:
    """Return how long after its first byte its event came; 0 without one."""
    return int((sample.extra or {}).get("event_ns") or 0)


def _answered_ns(sample: Sample) -> int:
    """Return how long after its first byte its answer was complete."""
    phases = (sample.send_ns, sample.wait_ns, sample.receive_ns)
    return sum(ns for ns in phases if ns is not None)


def _step(
    run: ConnectRun, name: str, without: _Requests, after: _Requests
) -> StepSummary:
    tries = [*without.values(), *after.values()]
    found = _compared(name, _times(without), _times(after), run.plan.confidence)
    rtt = round_trip_ms(run)
    return replace(
        found,
        opened=(_opened(without), _opened(after)),
        tries=sum(len(each) - 1 for each in tries),
        **asdict(_explained(run, without, after, found.saving, rtt)),
    )


def _explained(
    run: Run,
    without: _Requests,
    after: _Requests,
    saving: MedianSummary | None,
    rtt: float | None,
) -> Explained:
    """Return what explains the saving of a warm-up, if it saved opening a connection.

    Only of rounds in which both requests got through at once, and did what their plan
    intended.
    """
    sides = Side(), Side()
    rounds = [(without[n], tries) for n, tries in after.items() if n in without]
    for pair in rounds:
        ours, theirs = map(_as_planned, pair)
        if ours is not None and theirs is not None:
            sides[0].add(ours)
            sides[1].add(theirs)
    # Of a WebSocket both open a connection of their own.
    reused = all(tries[0].slot.role is Role.SUBSEQUENT for _, tries in rounds)
    opens = bool(sides[0].versions) and len(rounds) > 1 and not contradiction_of(run)
    opens = opens and reused
    return explain(*sides, saving if opens else None, rtt, run.plan.confidence)


def _as_planned(tries: Sequence[Outcome]) -> Sample | None:
    """Return the answer of a step that got one at once, as it was to be got."""
    (first, *others) = tries
    if others or not isinstance(first, Sample):
        return None
    return first if first.reused is (first.slot.role is Role.SUBSEQUENT) else None


def _opened(requests: _Requests) -> int:
    found = chain(*requests.values())
    return sum(isinstance(each, Sample) and not each.reused for each in found)


def _compared(
    name: str, without: _Times, after: _Times, confidence: float
) -> StepSummary:
    bounds = _saved(_pairs(without, after))
    return StepSummary(
        name=name,
        not_warmed=_metric(name, without.values(), confidence),
        warmed=_metric(name, after.values(), confidence),
        saving=median_saving(bounds, confidence) if bounds else None,
        rounds=len(bounds),
    )


@once_for_each_run
def contradiction_of(run: Run) -> str:
    """Say why no saving can be stated; empty if one can.

    Requests after the first of a start did not reuse, or its savings are of addresses.
    """
    later = [o for o in run.outcomes if o.slot.role is Role.SUBSEQUENT]
    kept = sum(bool(outcome.reused) for outcome in later)
    missed = len(later) - kept
    if kept_too_few(kept, len(later)):
        return not_reused(run, missed, len(later))
    return misled_by(run, misled(run, starmap(astray, _first_requests(run))))


def _first_requests(run: Run) -> list[tuple[Outcome, Outcome]]:
    """Return, for each round, its first requests without and after a warm-up."""
    first: dict[tuple[str, int], Outcome] = {}
    for outcome in run.outcomes:
        slot = outcome.slot
        if slot.role is not Role.WARM_UP:
            known = first.setdefault((slot.arm, slot.session), outcome)
            if slot.index < known.slot.index:
                first[slot.arm, slot.session] = outcome
    return [
        (outcome, first[WARMED, number])
        for (arm, number), outcome in first.items()
        if arm == NOT_WARMED and (WARMED, number) in first
    ]


# --- of both -------------------------------------------------------------------------


def _by_round(run: Run, key: Callable[[Slot], K]) -> Mapping[K, _Requests]:
    found: defaultdict[K, dict[int, list[Outcome]]]
    found = defaultdict(lambda: defaultdict(list))
    for outcome in run.outcomes:
        found[key(outcome.slot)][outcome.slot.session].append(outcome)
    return found


def _times(requests: _Requests) -> _Times:
    return {number: _took(tries) for number, tries in requests.items()}


def _took(tries: Sequence[Outcome]) -> _Took:
    """Return the time from the beginning of the first try to the end of the last."""
    ordered = sorted(tries, key=lambda outcome: outcome.start_ns)
    first, last = ordered[0], ordered[-1]
    done = isinstance(last, Sample)
    lasted = last.latency_ns if isinstance(last, Sample) else last.elapsed_ns
    return _Took((last.start_ns + lasted - first.start_ns) / NS_PER_MS, done)


def _sum(steps: Sequence[_Times]) -> _Times:
    """Add up the steps of each start; one that lacks some of its steps failed."""
    found = {}
    for number in steps[0] if steps else ():
        taken = [step[number] for step in steps if number in step]
        done = len(taken) == len(steps) and all(took.done for took in taken)
        found[number] = _Took(sum(took.ms for took in taken), done)
    return found


def _pairs(without: _Times, after: _Times) -> list[tuple[_Took, _Took]]:
    return [
        (without[number], took) for number, took in after.items() if number in without
    ]


def _saved(pairs: Iterable[tuple[_Took, _Took]]) -> list[Bounds]:
    return [saving_bounds(*without, *after) for without, after in pairs]


def _metric(name: str, times: Iterable[_Took], confidence: float) -> Metric | None:
    values = [took.counted for took in times]
    return metric(name, values, confidence) if values else None
