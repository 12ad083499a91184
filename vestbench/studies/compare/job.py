"""The job of `compare`: rounds of requests, looked at until they are decided."""

from __future__ import annotations

import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from vestbench import defaults
from vestbench.errors import UsageError, VenueError
from vestbench.model.request import Outcome, Sample
from vestbench.model.run import Exchange, Pool
from vestbench.model.verdict import Reason, Verdict
from vestbench.report.units import interval, median_of
from vestbench.running.destination import Destination
from vestbench.running.facts import link_facts
from vestbench.running.job import Measurement
from vestbench.running.pace import Pace
from vestbench.stats.evidence import MAX_ROUNDS, MIN_ROUNDS
from vestbench.studies.compare.experiment import (
    SETUP_ROUNDS,
    Comparison,
)
from vestbench.studies.compare.plan import (
    Asking,
    ComparePlan,
    CompareRun,
    Vote,
)
from vestbench.studies.compare.question import Question, theoretical_saving_ms
from vestbench.studies.compare.rounds import Judgement, Round, rounds_of, target_of
from vestbench.studies.compare.sheet import progress_text
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.jobs import StudyJob
from vestbench.studies.judging import with_assertions
from vestbench.venues import find_venue

_AUTO_SHARE = 0.8  # of what the route allows, for an automatic target
_NO_LOOK_YET = 1_000_000  # as the first round with a look: beyond any there can be


class CompareJob(StudyJob):
    """Joins a comparison to its verdict, its clock and the progress line.

    All rounds of `resume`, the result of an undecided run, count. UsageError if no
    rounds are left to measure, or `resume` is of another experiment or decided.
    """

    command = "compare"
    earlier: CompareRun | None

    def __init__(
        self,
        question: Question,
        destination: Destination,
        pace: Pace,
        *,
        resume: Path | None = None,
    ) -> None:
        self._pool = destination.pool
        self._pace = pace
        several = len(destination.stacks) > 1
        first = [arm for arm in question.arms if arm.stack == question.arms[0].stack]
        words = [arm.label.removeprefix(f"{arm.stack}/") for arm in first]
        self.label = "-".join(["all", *words] if several else words)
        each = " on each stack" if several else ""
        self.facts: Mapping[str, Any] = {
            "strategy": " against ".join(words) + each,
            "concurrency": 1,
        }
        pairs = question.vote == "pair"
        plan = ComparePlan(
            arms=question.arms,
            control=question.control,
            question=cast(Asking, question.question),
            vote=cast(Vote, question.vote),
            idle_s=question.idle_s,
            warm_connections=max(1, destination.pool.max_idle),
            confidence=question.confidence,
            min_rounds=max(question.min_rounds, 2 * MIN_ROUNDS if pairs else 0),
            **question.target.stored(),
            **pace.stored(),
            http2=destination.http2,
            max_rounds=MAX_ROUNDS,
            min_duration_s=question.min_duration_s,
            gate=question.gate,
            resumed="" if resume is None else str(resume),
        )
        identity = _identity(plan, destination)
        self.earlier = None if resume is None else _earlier(resume, identity)
        self._done = rounds_of(self.earlier) if self.earlier is not None else []
        most = _most(question, plan.min_rounds, len(self._done))
        plan = plan.changed(identity=identity, max_rounds=most)
        asserted = question.assertions
        self.plan: ComparePlan = with_assertions(plan, self.command, asserted)
        self._experiment: Comparison | None = None
        self._judgement: Judgement | None = None
        self._first_look = _NO_LOOK_YET

    @property
    def most_requests(self) -> int:
        """How many requests it may send, the unmeasured ones included."""
        width = self.plan.warm_connections
        each = sum(1 + arm.way.unmeasured(width) for arm in self.plan.arms)
        rounds = self.plan.max_rounds - len(self._done)
        return each * (rounds + SETUP_ROUNDS)

    def set_up(self, measurement: Measurement) -> Mapping[str, Any]:
        """Send the discarded rounds; they tell how far away the venue is."""
        measurement.say("discarded rounds, to fill caches")
        half: tuple[str, ...] = ()
        if self.plan.vote == "pair" and len(self._done) % 2:
            last = self._done[-1].outcomes
            half = tuple(sorted(last, key=lambda label: last[label].slot.index))
        self._experiment = Comparison(
            self.plan,
            self._pool,
            self._rounds(),
            measurement.stack,
            measurement.request,
            measurement.warm_up_request,
            half=half,
            pacer=self._pace.pacer(measurement.rest),
            sleep=measurement.rest,
        )
        outcomes = self._experiment.set_up()
        found = self._found(outcomes)
        plan = self.plan
        percent = plan.min_saving_percent is not None
        target = plan.min_saving_percent if percent else plan.min_saving_ms
        target = found.get("auto_target_ms", target)
        if target is None and not self._experiment.is_over:
            raise VenueError(
                "--min-saving auto: no request opened a connection and got through, so "
                "the route's round trip is not known"
            )
        if target is None:
            target = 0.0  # of a run that is over already, and judged by none
        self._judgement = Judgement(plan, target, percent=percent)
        if self.earlier is not None:
            # A run that was killed does not say; its minimum may not have passed.
            unknown = _NO_LOOK_YET if self.earlier.plan.min_duration_s else 0
            known = self.earlier.conclusion.first_look
            self._first_look = unknown if known is None else known
        for old in self._done:
            self._judgement.add(old, look=old.number + 1 >= self._first_look)
        return found

    def _rounds(self) -> range:
        # After every number in use: an interrupted round has left outcomes as well.
        old = self.earlier.outcomes if self.earlier is not None else ()
        first = 1 + max((outcome.slot.session for outcome in old), default=-1)
        return range(first, first + self.plan.max_rounds - len(self._done))

    def _found(self, outcomes: list[Outcome]) -> dict[str, float]:
        """Return the automatic target on the route as the discarded rounds saw it."""
        if self.plan.min_saving is None:
            return {}
        if self.earlier is not None:
            return {"auto_target_ms": target_of(self.earlier)[0]}
        samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
        saving = theoretical_saving_ms(samples, self.plan)
        return {} if saving is None else {"auto_target_ms": _AUTO_SHARE * saving}

    def measure(self, measurement: Measurement) -> None:
        """Carry out rounds until they are decided."""
        experiment, judgement = self._experiment, self._judgement
        if experiment is None or judgement is None:
            raise RuntimeError("a comparison is set up before it is measured")
        begin = time.monotonic()
        measurement.conclude(first_look=self._first_look)

        def judge(number: int, outcomes: Mapping[str, Outcome]) -> bool:
            waited = time.monotonic() - begin >= (self.plan.min_duration_s or 0)
            if waited and self._first_look == _NO_LOOK_YET:
                self._first_look = number + 1
                measurement.conclude(first_look=self._first_look)
            look = number + 1 >= self._first_look
            over = judgement.add(Round(number=number, outcomes=outcomes), look=look)
            measurement.say(_standing(judgement))
            return over

        if not judgement.decided():
            measurement.take(experiment.run(measurement.record, judge))
        else:
            why = "the rounds of the resumed run are decided already"
            measurement.conclude(stopped=why)


def _standing(judgement: Judgement) -> str:
    found = []
    projections = []
    for label, verdict in judgement.verdicts.items():
        saving = verdict.state.saving
        found.append((label, median_of(saving), interval(saving.interval)))
        projections.append(judgement.projection(label))
    known = [count for count in projections if count is not None]
    most = max(known) if len(known) == len(projections) else None
    return progress_text(judgement.rounds, found, most)


# What may differ in a run that is continued.
_ITS_OWN = (
    *("min_rounds", "max_rate", "seed", "max_rounds", "min_duration_s", "resumed"),
    "gate",
)


def _identity(plan: ComparePlan, destination: Destination) -> dict[str, Any]:
    """Return what makes two runs the same experiment, so that one may be resumed."""
    venue = find_venue(destination.venue)
    identity: dict[str, Any] = {
        **{key: v for key, v in plan.stored().items() if key not in _ITS_OWN},
        "arms": [arm.stored() for arm in plan.arms],
        "venue": venue.name,
        "endpoint": venue.endpoint(destination.endpoint).name,
        "pool": Pool.like(destination.pool).stored(),
        "sign_on_path": destination.access.on_path,
    }
    if venue.private_query:  # its name says nothing of the query
        identity["url_digest"] = sha256(destination.venue.encode()).hexdigest()[:8]
    if destination.is_simulated:
        identity["link"] = (
            {} if destination.link is None else link_facts(destination.link)
        )
        identity["exchange"] = Exchange.like(destination.exchange).stored()
    return identity


def _earlier(path: Path, identity: Mapping[str, Any]) -> CompareRun:
    """Load the undecided run of the same experiment that is to go on."""
    # It knows all studies; only a run that is continued needs it.
    from vestbench.studies.registry import load_run

    loaded = load_run(path)
    if not isinstance(loaded.plan, ComparePlan):
        raise UsageError(f"--resume: {path} is a result of {loaded.command}")
    run = cast(CompareRun, loaded)
    stored = run.plan.identity
    differing = [key for key in identity if stored.get(key) != identity[key]]
    if differing:
        names = ", ".join(differing)
        raise UsageError(
            f"--resume: {path} was another experiment, it differs in {names}; "
            "give the same options"
        )
    summary = summarise_compare(run)
    if summary.acceptance is not Verdict.INCONCLUSIVE:
        raise UsageError(f"--resume: {path} is decided: {summary.acceptance}")
    if any(pair.why is Reason.CLOSE for pair in summary.pairs):
        raise UsageError(
            f"--resume: {path} ended because the saving is too close to the target; "
            "more rounds cannot change that"
        )
    return run


def _most(question: Question, least: int, done: int) -> int:
    wanted = question.max_rounds
    most = min(done + defaults.MORE_ROUNDS, MAX_ROUNDS) if wanted is None else wanted
    if most <= done:
        raise UsageError(f"--max-rounds {most}: the run has {done} rounds already")
    if most < least:
        raise UsageError(f"--max-rounds {most} is less than --min-rounds {least}")
    return most
