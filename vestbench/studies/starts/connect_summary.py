"""What the starts of a bot say, step by step: warmed up, and not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from vestbench.model.request import NS_PER_MS, Outcome, Sample
from vestbench.stats.bounds import Bounds, saving_bounds
from vestbench.stats.decision import MedianSummary
from vestbench.studies.parts.groups import Metric, median_of_bounds, metric
from vestbench.studies.parts.once import once_for_each_run
from vestbench.studies.parts.route import round_trip_ms
from vestbench.studies.starts.plan import ConnectRun

# The arms, by the labels that outcomes have.
WARMED = "warmed"
NOT_WARMED = "not warmed"

WARM_UP = "warm-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSummary:
    """One step of the start, in both arms. All values in ms.

    A step that needed several tries took from the beginning of the first to the end of
    the last.
    """

    name: str
    not_warmed: Metric | None
    warmed: Metric | None
    saving: MedianSummary | None  # of the warm-up; None where no round has both
    rounds: int  # with both
    opened: tuple[int, int]  # connections: without a warm-up, and after one
    tries: int  # beyond the first


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectSummary:
    """All that the table of a connect run shows."""

    warm_up: Metric | None
    steps: tuple[StepSummary, ...]  # in order
    # From the beginning of the first step to the answer to the last, without what is
    # between two of them; and the same with the warm-up before.
    whole: StepSummary
    with_warm_up: Metric | None
    rounds: int  # with two starts that were completed
    completed: tuple[int, int]  # starts without a warm-up, and after one
    rtt_ms: float | None


@dataclass(frozen=True, slots=True)
class _Took:
    """How long something took, or how long it took to fail."""

    ms: float
    done: bool

    @property
    def counted(self) -> float:
        """A failed request took longer than anything."""
        return self.ms if self.done else inf


_Times = Mapping[int, _Took]  # by round


@once_for_each_run
def summarise_connect(run: ConnectRun) -> ConnectSummary:
    """Derive the summary of a connect run."""
    names = [str(name) for name in run.plan.steps]
    confidence = run.plan.confidence
    steps = []
    times: dict[str, list[_Times]] = {NOT_WARMED: [], WARMED: []}
    for place, name in enumerate(names, start=1):
        tried = {arm: _tried(run, arm, place) for arm in times}
        for arm, found in tried.items():
            times[arm].append({n: _took(tries) for n, tries in found.items()})
        steps.append(_step(name, tried, confidence))
    whole = {arm: _sum(found) for arm, found in times.items()}
    warm_ups = {n: _took(found) for n, found in _tried(run, WARMED, 0).items()}
    completed = {n for n, took in whole[WARMED].items() if took.done}
    both = completed & {n for n, took in whole[NOT_WARMED].items() if took.done}
    return ConnectSummary(
        warm_up=_metric(WARM_UP, warm_ups, confidence),
        steps=tuple(steps),
        whole=_compared("whole start", whole, confidence),
        with_warm_up=_metric(
            "with the warm-up", _sum([warm_ups, whole[WARMED]]), confidence
        ),
        rounds=len(both),
        completed=(
            sum(took.done for took in whole[NOT_WARMED].values()),
            len(completed),
        ),
        rtt_ms=round_trip_ms(run),
    )


def _tried(run: ConnectRun, arm: str, place: int) -> dict[int, list[Outcome]]:
    """Return the tries of one step by round, in the order in which they were made."""
    found: dict[int, list[Outcome]] = {}
    for outcome in sorted(run.outcomes, key=lambda outcome: outcome.start_ns):
        if outcome.slot.arm == arm and outcome.slot.index == place:
            found.setdefault(outcome.slot.session, []).append(outcome)
    return found


def _took(tries: Sequence[Outcome]) -> _Took:
    last = tries[-1]
    done = isinstance(last, Sample)
    lasted = last.latency_ns if isinstance(last, Sample) else last.elapsed_ns
    return _Took((last.start_ns + lasted - tries[0].start_ns) / NS_PER_MS, done)


def _sum(steps: Sequence[_Times]) -> _Times:
    """Add up the steps of each start that has its first one.

    One that ended early did not get to all of them: it failed.
    """
    found = {}
    for number in steps[0] if steps else ():
        taken = [step[number] for step in steps if number in step]
        done = len(taken) == len(steps) and all(took.done for took in taken)
        found[number] = _Took(sum(took.ms for took in taken), done)
    return found


def _step(
    name: str, tried: Mapping[str, dict[int, list[Outcome]]], confidence: float
) -> StepSummary:
    times = {
        arm: {n: _took(tries) for n, tries in found.items()}
        for arm, found in tried.items()
    }
    step = _compared(name, times, confidence)
    samples = {
        arm: [o for tries in found.values() for o in tries if isinstance(o, Sample)]
        for arm, found in tried.items()
    }
    more = sum(len(tries) - 1 for found in tried.values() for tries in found.values())
    return StepSummary(
        name=name,
        not_warmed=step.not_warmed,
        warmed=step.warmed,
        saving=step.saving,
        rounds=step.rounds,
        opened=(_opened(samples[NOT_WARMED]), _opened(samples[WARMED])),
        tries=more,
    )


def _opened(samples: Iterable[Sample]) -> int:
    return sum(not sample.reused for sample in samples)


def _compared(name: str, times: Mapping[str, _Times], confidence: float) -> StepSummary:
    without, after = times[NOT_WARMED], times[WARMED]
    bounds: list[Bounds] = [
        saving_bounds(a.ms, a.done, after[n].ms, after[n].done)
        for n, a in without.items()
        if n in after
    ]
    return StepSummary(
        name=name,
        not_warmed=_metric(name, without, confidence),
        warmed=_metric(name, after, confidence),
        saving=median_of_bounds(bounds, confidence) if bounds else None,
        rounds=len(bounds),
        opened=(0, 0),
        tries=0,
    )


def _metric(name: str, times: _Times, confidence: float) -> Metric | None:
    values = [took.counted for took in times.values()]
    return metric(name, values, confidence) if values else None
