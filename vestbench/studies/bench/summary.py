"""What a bench run says: cold against subsequent, the saving, and why it is what it is.

Everything here is derived from a `Run` and can be derived again from a stored one.
"""

from __future__ import annotations

from array import array
from collections import Counter
from math import inf, isfinite
from statistics import median

from vestbench.model.record import Record, asdict, replace
from vestbench.model.request import NS_PER_MS, Outcome, Role, Sample
from vestbench.model.strategy import find_strategy
from vestbench.model.verdict import Decision, Reason, Verdict
from vestbench.stats.bounds import Bounds, session_bounds
from vestbench.stats.decision import (
    MedianSummary,
    SavingSummary,
    close_margin,
    median_saving,
    summarise,
)
from vestbench.stats.diagnostics import (
    SynRetransmission,
    syn_retransmissions,
)
from vestbench.stats.evidence import MIN_ROUNDS
from vestbench.stats.metrics import Group
from vestbench.studies.bench.plan import BenchRun
from vestbench.studies.parts.breakdown import Breakdown
from vestbench.studies.parts.causes import (
    LOOKED_AT,
    Explained,
    Side,
    explain,
    too_short,
)
from vestbench.studies.parts.connections import astray, differ, misled
from vestbench.studies.parts.groups import (
    disturbed_samples,
    fails_too_often,
    kept_too_few,
    kinds_of,
    side_of,
)
from vestbench.studies.parts.kernel import KernelOffsets, kernel_offsets
from vestbench.studies.parts.once import once_for_each_run
from vestbench.studies.parts.route import in_round_trips, round_trip_ms


class Reuse(Record, frozen=True, kw_only=True):
    """How often connections were opened and reused, by proof."""

    sessions: int
    connections: int  # opened by measured requests that got a response
    expected: int  # requests that should have reused one
    reused: int  # those of them that did
    bursts: BurstReuse | None = None  # where more was sent at once than the pool keeps


class BurstReuse(Record, frozen=True, kw_only=True):
    """What bursts on a pool that keeps fewer connections than they need do."""

    size: int  # requests at once
    kept: int  # idle connections that the pool keeps
    bursts: int  # those that found a pool in use
    opened: float  # connections that such a burst opens: the median


class BenchSummary(Explained, frozen=True, kw_only=True):
    """All that the tables of a bench run show."""

    cold: Group
    subsequent: Group
    reuse: Reuse
    failures: tuple[tuple[str, int], ...]  # kind and count
    saving: SavingSummary | None  # ms; None when no session has both sorts
    percent: MedianSummary | None  # of the cold request
    round_trips: MedianSummary | None
    rtt_ms: float | None
    acceptance: Verdict | None  # None when nothing was pooled
    why: Reason
    syn_retransmissions: tuple[SynRetransmission, ...]
    retransmits: int
    resumed: int
    disturbed: int
    kernel: KernelOffsets | None  # None where no kernel timestamps were asked for


@once_for_each_run
def summarise_bench(run: BenchRun) -> BenchSummary:
    """Derive the summary of a bench run."""
    confidence = run.plan.confidence
    target = run.plan.min_saving_ms
    tally = _Tally(run)
    cold = tally.sides[False].tally.group("cold", confidence)
    subsequent = tally.sides[True].tally.group("subsequent", confidence)
    reuse = tally.reuse
    rtt = round_trip_ms(run)
    votes = tally.votes()
    saving = percent = trips = None
    if votes:
        bounds = [vote for _, vote in votes]
        close = close_margin(target)
        saving = summarise(bounds, target=target, confidence=confidence, close=close)
        percent = median_saving((_percent(*each) for each in votes), confidence)
        trips = in_round_trips(bounds, rtt, confidence)
    sides = tally.sides[False], tally.sides[True]
    explained = explain(*sides, saving, rtt, confidence)
    acceptance, why = _accept(run, reuse, saving, explained.breakdown, target)
    pooled = acceptance not in (None, Verdict.INVALID)
    if pooled and (addressed := misled(run, tally.astray)):
        acceptance, why = Verdict.INVALID, addressed
    if acceptance is Verdict.INVALID:
        saving = percent = trips = None
        explained = replace(explained, breakdown=None)
    return BenchSummary(
        cold=cold,
        subsequent=subsequent,
        reuse=reuse,
        failures=kinds_of(run.failures),
        saving=saving,
        percent=percent,
        round_trips=trips,
        rtt_ms=rtt,
        acceptance=acceptance,
        why=why,
        syn_retransmissions=syn_retransmissions(tally.connects, rtt_ms=rtt or 0.0),
        retransmits=tally.retransmits,
        resumed=tally.resumed,
        disturbed=disturbed_samples(run),
        kernel=kernel_offsets(run) if run.plan.kernel_timestamps else None,
        **asdict(explained),
    )


class _Tally:
    """What one pass over the outcomes of a run collects, however many there are."""

    def __init__(self, run: BenchRun) -> None:
        self.sides = {False: Side(), True: Side()}  # by whether they reused
        self.connects = array("d")  # ms; the first of them
        self.retransmits = 0
        self.resumed = 0
        # Latencies in ms by session; a connection's number, while its session lasts.
        self._cold: dict[int, array[float]] = {}
        self._later: dict[int, array[float]] = {}
        # Of each session, by its first request and, if one was, another from elsewhere.
        self.astray: list[tuple[bool, bool]] = []
        self._first: Sample | None = None  # of the session, while it lasts
        self._sessions: set[int] = set()
        self._known: set[int] = set()
        self._connections = 0
        self._expected = self._reused = 0
        self._shared = False  # by cold requests of the session, a connection
        # By session in which that was so: connections that are still to be opened.
        self._lacking: dict[int, int] = {}
        self._size = run.plan.concurrency
        self._kept = self._size if run.plan.kept_idle is None else run.plan.kept_idle
        # By session and number: requests of a burst, and those that reused nothing.
        self._bursts: dict[tuple[int, int], list[int]] = {}
        for sample in run.samples:
            self._add(sample)
        self._failures = run.failures
        for failure in run.failures:
            self.sides[side_of(failure)].tally.add(failure)
            self._sessions.add(failure.slot.session)
            self._expect(failure)

    def _add(self, sample: Sample) -> None:
        self.sides[sample.reused].add(sample)
        session = sample.slot.session
        if session not in self._sessions:
            self._shared = False
            self._sessions.add(session)
            self._known.clear()  # no session uses another's connections
            self._first = sample
            self.astray.append(astray(sample, sample))
        elif self._first is not None and differ(self._first, sample):
            self.astray[-1] = astray(self._first, sample)
        self._expect(sample)
        if sample.connection not in self._known:
            self._known.add(sample.connection)
            self._connections += 1
        self._note_lacking(sample)
        if sample.reused:
            self._later.setdefault(session, array("d")).append(sample.latency_ms)
        else:
            if sample.slot.role is Role.COLD:
                self._cold.setdefault(session, array("d")).append(sample.latency_ms)
            self.resumed += sample.resumed
        if sample.connect_ns is not None and len(self.connects) < LOOKED_AT:
            self.connects.append(sample.connect_ns / NS_PER_MS)
        self.retransmits += sample.retransmits or 0

    def _note_lacking(self, sample: Sample) -> None:
        """Note how many connections the session's first burst has left out.

        Of cold requests that are sent at once, one may find the connection of another
        that was answered already. A later burst has to open what that did not.
        """
        self._shared |= sample.reused and sample.slot.role is Role.COLD
        if self._shared:
            most = min(self._size, self._kept)
            self._lacking[sample.slot.session] = most - len(self._known)

    def _expect(self, outcome: Outcome) -> None:
        session = outcome.slot.session
        if outcome.slot.role is not Role.SUBSEQUENT:
            return
        if outcome.reused is False and self._lacking.get(session, 0) > 0:
            self._lacking[session] -= 1
            return
        self._expected += 1
        self._reused += bool(outcome.reused)
        if 0 < self._kept < self._size:
            place = (session, outcome.slot.index // self._size)
            burst = self._bursts.setdefault(place, [0, 0])
            burst[0] += 1
            burst[1] += not outcome.reused

    @property
    def reuse(self) -> Reuse:
        """How often connections were opened and reused; failures alone show none."""
        expected = self._expected if self._connections else 0
        if self._bursts:
            expected = sum(min(n, self._kept) for n, _ in self._bursts.values())
        whole = [cold for n, cold in self._bursts.values() if n == self._size]
        bursts = None
        if whole:
            bursts = BurstReuse(
                size=self._size,
                kept=self._kept,
                bursts=len(whole),
                opened=float(median(whole)),
            )
        return Reuse(
            sessions=len(self._sessions),
            connections=self._connections,
            expected=expected,
            reused=min(self._reused, expected),
            bursts=bursts,
        )

    def votes(self) -> list[tuple[float, Bounds]]:
        """Return, for each session, its cold latency and its saving as an interval."""
        failed: dict[tuple[int, bool], list[float]] = {}
        for failure in self._failures:
            place = (failure.slot.session, side_of(failure))
            failed.setdefault(place, []).append(failure.timed[0])
        votes = []
        for session in sorted(self._sessions):
            cold_failed = failed.get((session, False), [])
            cold = [*self._cold.get(session, ()), *cold_failed]
            if not cold:
                continue
            later = [(value, True) for value in self._later.get(session, ())]
            later += [(value, False) for value in failed.get((session, True), ())]
            # Concurrent cold requests of a session count as one: their median.
            first = median(cold)
            bounds = session_bounds(first, not cold_failed, later)
            if bounds is not None:
                votes.append((first, bounds))
        return votes


def session_votes(run: BenchRun) -> list[tuple[float, Bounds]]:
    """Return, for each session, its cold latency and its saving, both in ms."""
    return _Tally(run).votes()


def _percent(first: float, vote: Bounds) -> Bounds:
    """Turn a session's saving into percent of its cold request."""
    if first <= 0:
        return Bounds(lo=-inf, hi=100.0)
    low = 100 * vote.lo / first
    return Bounds(lo=low, hi=100 * vote.hi / first if isfinite(vote.hi) else 100.0)


def _accept(
    run: BenchRun,
    reuse: Reuse,
    saving: SavingSummary | None,
    breakdown: Breakdown | None,
    target: float,
) -> tuple[Verdict | None, Reason]:
    if run.unanswered:
        return Verdict.INVALID, Reason.UNANSWERED
    if find_strategy(run.plan.strategy).opens or not reuse.expected:
        return None, Reason.NONE
    if kept_too_few(reuse.reused, reuse.expected):
        return Verdict.INVALID, Reason.NOT_REUSED
    if saving is None:
        return Verdict.INVALID, Reason.NO_COLD
    if saving.rounds < MIN_ROUNDS:
        return Verdict.INCONCLUSIVE, Reason.FEW
    if saving.decision is Decision.FAIL:
        short = too_short(breakdown, target)
        return Verdict.FAIL, Reason.TOO_SHORT if short else Reason.NONE
    if saving.decision is Decision.CLOSE:
        return Verdict.INCONCLUSIVE, Reason.CLOSE
    if saving.decision is Decision.UNDECIDED and not saving.is_known:
        return Verdict.INCONCLUSIVE, Reason.UNRELIABLE
    if saving.decision is Decision.UNDECIDED:
        return Verdict.INCONCLUSIVE, Reason.NOISY
    failed = Counter(side_of(failure) for failure in run.failures)
    if fails_too_often(failed[True], reuse.expected, failed[False]):
        return Verdict.INCONCLUSIVE, Reason.UNRELIABLE
    return Verdict.PASS, Reason.NONE
