"""The verdict of a comparison, round by round: when to stop, and what to say then."""

from typing import Literal

from vestbench.model.record import Record
from vestbench.model.verdict import Reason, Verdict
from vestbench.stats.bounds import Bounds, percent_bounds, saving_bounds
from vestbench.stats.decision import (
    MedianSummary,
    Ranked,
    SavingSummary,
    check_arguments,
)
from vestbench.stats.evidence import MAX_ROUNDS, MIN_ROUNDS, threshold_of, votes_needed

RELIABILITY_FLOOR = 20  # rounds before a share of failures may end a run


class State(Record, frozen=True, kw_only=True):
    """The state of a sequential verdict; final once there is a verdict."""

    verdict: Verdict | None  # None while it is not decided
    reason: Reason
    summary: SavingSummary  # in the unit of the target, against the target
    saving: MedianSummary  # the same rounds in milliseconds
    percent: MedianSummary  # the same rounds as percent of the control, same ranks
    rounds: int  # rounds measured, half a pair included
    failures_control: int
    failures_candidate: int
    # Rounds (with pairs: pairs) in which one arm failed more than the other, and those
    # among them in which it was the candidate: the votes on reliability.
    unequal: int
    unequal_candidate: int


class SequentialVerdict:
    """Takes the rounds of a comparison one at a time, and says when they decide.

    It stops at the first PASS, FAIL, CLOSE or surplus of failures, or at `max_rounds`.
    Later rounds are ignored, so that the interval shown is the one that decided. The
    same rounds always end in the same way, so a stored run can be computed again, and
    continued.

    The order of the two requests of a round must come from a fair coin, one per round.

    With `vote="pair"` a vote is the mean saving of two successive rounds in opposite
    orders, which cancels a penalty on whichever request goes first. Rounds 1 and 2 are
    a pair, 3 and 4, and so on. Toss the coin for the first round of each pair only; the
    second takes the other order, or `add` raises. Looks happen after whole pairs, and
    12 votes need 24 rounds. `min_rounds` and `max_rounds` count rounds all the same; an
    unpaired last round is counted, but does not vote.

    Failures have two rules of their own. PASS is withheld while the candidate failed in
    more than 5 % of the rounds (and more than once) and more often than the control.
    FAIL for reliability uses the same table on the rounds in which exactly one arm
    failed; with pairs, on the pairs in which one arm failed more often.

    Args:
        target: The saving to reach, in ms.
        confidence: 0.90, 0.95 or 0.99.
        min_rounds: No verdict before this many rounds; at least 12.
        max_rounds: INCONCLUSIVE after this many; at most 1000.
        close: As for `summarise`; `None` never stops for closeness.
        vote: What has one vote, each round or each pair of them.
        percent: Whether target, `close` and votes are percent of the control.
    """

    def __init__(
        self,
        *,
        target: float,
        confidence: float = 0.95,
        min_rounds: int = MIN_ROUNDS,
        max_rounds: int = 200,
        close: float | None = None,
        vote: Literal["round", "pair"] = "round",
        percent: bool = False,
    ) -> None:
        check_arguments(target, close, min_rounds)
        if vote not in {"round", "pair"}:
            raise ValueError(f"a vote is of a round or of a pair, not of {vote!r}")
        self._per_vote = 2 if vote == "pair" else 1
        least = max(min_rounds, MIN_ROUNDS * self._per_vote)
        if not least <= max_rounds <= MAX_ROUNDS:
            allowed = f"{least} to {MAX_ROUNDS}"
            raise ValueError(f"at most {max_rounds} rounds, not within {allowed}")
        self._target, self._close = float(target), close
        self._threshold = threshold_of(confidence)
        self._min_rounds, self._max_rounds = least, max_rounds
        self._saving, self._percent = Ranked(), Ranked()
        self._ranked = self._percent if percent else self._saving
        self._rounds = 0
        self._failures_control = self._failures_candidate = 0
        self._unequal = self._unequal_candidate = 0  # votes on reliability
        self._half: _Half | None = None  # the first round of an unfinished pair
        self._latched: State | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, once there is one."""
        return self._latched.verdict if self._latched else None

    @property
    def state(self) -> State:
        """The state after the rounds so far; the final one once it has stopped."""
        return self._latched or self._state(None, Reason.NONE)

    def add(
        self,
        control_ms: float,
        control_ok: bool,
        candidate_ms: float,
        candidate_ok: bool,
        control_first: bool,
        *,
        look: bool = True,
    ) -> Verdict | None:
        """Count one round and return the verdict, if there is one.

        A request that failed counts with the time until then. `control_first` is what
        the coin said, and matters for pairs only. Without `look` the round is counted
        without a verdict on it, as for a minimum duration; to look less often cannot
        raise the error.

        Raises:
            ValueError: A time is negative, infinite or NaN; or the second round of a
                pair has the order of the first.
        """
        if self._latched:
            return self.verdict
        times = (control_ms, control_ok, candidate_ms, candidate_ok)
        this = _Half(
            control_first=bool(control_first),
            saving=saving_bounds(*times),
            percent=percent_bounds(*times),
            surplus=bool(control_ok) - bool(candidate_ok),
        )
        whole = self._whole(this)
        self._rounds += 1
        self._failures_control += not control_ok
        self._failures_candidate += not candidate_ok
        if whole:
            self._saving.add(whole.saving)
            self._percent.add(whole.percent)
            self._unequal += whole.surplus != 0
            self._unequal_candidate += whole.surplus > 0
            if look:
                self._look()
        if self._rounds >= self._max_rounds:
            self.finish()
        return self.verdict

    def finish(self) -> State:
        """End the run because there are no more rounds, and return the final state.

        INCONCLUSIVE unless it has stopped before: unreliable if failures withheld a
        PASS, or an arm failed more than once and in over 20 % of the rounds; otherwise
        noisy.
        """
        worst = max(self._failures_control, self._failures_candidate)
        unreliable = worst > 1 and 5 * worst > self._rounds
        if self._rounds >= self._min_rounds and self._votes_suffice():
            unreliable |= not self._reliable_enough()
        reason = Reason.UNRELIABLE if unreliable else Reason.NOISY
        return self._stop(Verdict.INCONCLUSIVE, reason)

    def _whole(self, this: "_Half") -> "_Half | None":
        """Return what votes now: the round, or the mean of it and its other half."""
        if self._per_vote == 1:
            return this
        first, self._half = self._half, None
        if first is None:
            self._half = this
            return None
        if first.control_first == this.control_first:
            self._half = first  # as if the call had not been made
            raise ValueError(f"round {self._rounds + 1} repeats the order of its pair")
        return _Half(
            control_first=first.control_first,
            saving=_mean(first.saving, this.saving),
            percent=_mean(first.percent, this.percent),
            surplus=first.surplus + this.surplus,
        )

    def _look(self) -> None:
        """Stop if the rules say so, in their order."""
        needed = self._needed
        if self._rounds < self._min_rounds or needed is None:
            return
        _, votes_fail = self._ranked.votes(self._target)
        worst = max(self._failures_control, self._failures_candidate)
        if self._votes_suffice() and self._reliable_enough():
            self._stop(Verdict.PASS, Reason.NONE)
        elif votes_fail >= needed:
            self._stop(Verdict.FAIL, Reason.NONE)
        elif self._fails_more_often():
            self._stop(Verdict.FAIL, Reason.RELIABILITY)
        elif self._ranked.is_close(needed, self._target, self._close):
            self._stop(Verdict.INCONCLUSIVE, Reason.CLOSE)
        elif self._rounds >= RELIABILITY_FLOOR and 5 * worst > self._rounds:
            self._stop(Verdict.INCONCLUSIVE, Reason.UNRELIABLE)

    @property
    def _needed(self) -> int | None:
        return votes_needed(len(self._ranked), self._threshold)

    def _votes_suffice(self) -> bool:
        """Say whether the votes alone ask for PASS."""
        needed = self._needed
        return needed is not None and self._ranked.votes(self._target)[0] >= needed

    def _reliable_enough(self) -> bool:
        """Say whether the failures of the candidate allow PASS."""
        allowed = max(1, -(-self._rounds // 20))  # 5 %, rounded up, in integers
        return self._failures_candidate <= max(allowed, self._failures_control)

    def _fails_more_often(self) -> bool:
        """Say whether the candidate fails more often, by the table of the savings."""
        if self._unequal < MIN_ROUNDS:
            return False
        needed = votes_needed(self._unequal, self._threshold)
        return needed is not None and self._unequal_candidate >= needed

    def _stop(self, verdict: Verdict, reason: Reason) -> State:
        if self._latched is None:
            self._latched = self._state(verdict, reason)
        return self._latched

    def _state(self, verdict: Verdict | None, reason: Reason) -> State:
        needed, looked_at = self._needed, self._rounds >= self._min_rounds
        return State(
            verdict=verdict,
            reason=reason,
            summary=self._ranked.summary(
                self._target, self._threshold, self._close, looked_at=looked_at
            ),
            saving=self._saving.median(needed),
            percent=self._percent.median(needed),
            rounds=self._rounds,
            failures_control=self._failures_control,
            failures_candidate=self._failures_candidate,
            unequal=self._unequal,
            unequal_candidate=self._unequal_candidate,
        )


class _Half(Record, frozen=True, kw_only=True):
    """One round on its way to a vote, or the mean of two."""

    control_first: bool
    saving: Bounds
    percent: Bounds
    surplus: int  # failures of the candidate minus those of the control


def _mean(one: Bounds, other: Bounds) -> Bounds:
    return Bounds(lo=(one.lo + other.lo) / 2, hi=(one.hi + other.hi) / 2)
