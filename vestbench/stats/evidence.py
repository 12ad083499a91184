"""Is the median saving at least the target? Exact evidence, looked at after each round.

Each round votes that the saving reaches the target, that it does not, or (after a
failure) neither. For `s` equal votes in `n` rounds the evidence is the likelihood of
the votes under a coin whose bias is uniform on (1/2, 1), divided by their likelihood
under a fair coin: the mixture of Robbins (1970), "Statistical methods related to the
law of the iterated logarithm", Ann. Math. Stat. 41. A verdict is given when it reaches
a threshold.

Why the error is bounded. Let latency be noise of the request slot plus an effect of
the arm, and let every saving lie below the target T. The difference seen in a round is
then saving + c (W1 - W2), with W1 and W2 the noise of its two slots and c = +1 or -1
the coin that put the arms in order. Given the past and all noise, it reaches T with
probability at most P(c (W1 - W2) > 0) <= 1/2. So the votes for T are dominated by a
fair coin, whatever drift, bursts or autocorrelation W has, and the evidence reaches the
threshold at any of the rounds looked at no more often than for a fair coin, for which
the tests compute it exactly. Rounds that are independent and alike, with a median below
T, need no such model of the noise. A failed request only removes votes.

Everything that decides is integer arithmetic.
"""

from fractions import Fraction
from functools import lru_cache
from math import comb
from operator import index

# Integers for which a fair coin, looked at after each of the rounds 12 to 1000, crosses
# with probability at most (1 - confidence) / 2: 4.960, 2.360 and 0.493 %. The first two
# are the smallest such; 129 would do for the third.
CONFIDENCE_THRESHOLDS = {0.90: 11, 0.95: 24, 0.99: 130}
MIN_ROUNDS = 12  # the thresholds were computed for looks from here on ...
MAX_ROUNDS = 1000  # ... up to here, so looking outside voids them


def evidence(votes: int, rounds: int) -> Fraction:
    """Return the evidence, to 1, that a round votes this way more often than not.

    With `s` votes in `n` rounds: sum of C(n+1, j) over j = 0..s, divided by
    (n+1) C(n, s), the closed form of the mixture named in the head of this module.
    """
    # Plain integers: a NumPy one would overflow without a word.
    s, n = index(votes), index(rounds)
    if not 0 <= s <= n:
        raise ValueError(f"{s} votes in {n} rounds")
    return _evidence(s, n)


@lru_cache(maxsize=4096)
def _evidence(s: int, n: int) -> Fraction:
    total = term = 1
    for j in range(s):
        term = term * (n + 1 - j) // (j + 1)
        total += term
    return Fraction(total, (n + 1) * comb(n, s))


def votes_needed(rounds: int, threshold: int = 24) -> int | None:
    """Return the fewest equal votes whose evidence decides after `rounds` rounds.

    `None` if the evidence of no number of votes reaches `threshold`, which is above 1.
    The thresholds keep their promise for 0 to 1000 rounds only.
    """
    if not 0 <= rounds <= MAX_ROUNDS:
        held = f"only for 0 to {MAX_ROUNDS}"
        raise ValueError(f"no threshold holds for {rounds} rounds, {held}")
    return _votes_table(index(threshold))[rounds]


@lru_cache(maxsize=16)
def _votes_table(threshold: int) -> tuple[int | None, ...]:
    """Return the votes needed for each number of rounds from 0 to 1000.

    A further vote for the same side raises the evidence and one against lowers it, so
    the entry grows by 0 or 1 from one round to the next, and only those are tried.
    """
    if threshold <= 1:
        raise ValueError(f"a threshold of {threshold} is reached without a vote")
    table: list[int | None] = []
    n = 0
    while 2 ** (n + 1) - 1 < threshold * (n + 1):  # unanimous and still too weak
        table.append(None)
        n += 1
    # `term` is C(n+1, k), and `partial` the sum of C(n+1, j) over j <= k.
    k, term, partial = n, n + 1, 2 ** (n + 1) - 1
    while n <= MAX_ROUNDS:
        # The evidence times (n+1) C(n, k), which is (n+1-k) C(n+1, k).
        if partial < threshold * (n + 1 - k) * term:
            k += 1
            term = term * (n + 2 - k) // k
            partial += term
        table.append(k)
        partial = 2 * partial - term  # Pascal's rule: the same sum for n + 2
        term = term * (n + 2) // (n + 2 - k)
        n += 1
    return tuple(table)


def projected_rounds(votes: int, rounds: int, threshold: int = 24) -> int | None:
    """Return at how many rounds in total the present share of votes would decide.

    `None` if that is beyond 1000 rounds, or without rounds. With pairs, `rounds` are
    pairs; `votes` is the larger count of votes so far.
    """
    s, total = index(votes), index(rounds)
    if total == 0:
        return None
    for n in range(max(MIN_ROUNDS, total), MAX_ROUNDS + 1):
        needed = votes_needed(n, threshold)
        if needed is not None and needed * total <= s * n:
            return n
    return None


def threshold_of(confidence: float) -> int:
    """Return the evidence that a verdict of this confidence needs."""
    if (found := CONFIDENCE_THRESHOLDS.get(confidence)) is None:
        known = f"only for {', '.join(map(str, CONFIDENCE_THRESHOLDS))}"
        raise ValueError(f"no threshold for a confidence of {confidence}, {known}")
    return found
