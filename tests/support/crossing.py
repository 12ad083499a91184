"""How often a fair or a loaded coin gets a verdict: exact, without simulation."""

from __future__ import annotations

from vestbench.stats.evidence import MAX_ROUNDS, MIN_ROUNDS, votes_needed


def crossing_curve(
    threshold: int = 24,
    *,
    min_rounds: int = MIN_ROUNDS,
    max_rounds: int = MAX_ROUNDS,
    p: float = 0.5,
) -> list[float]:
    """Return the probability of a verdict for one side by each number of rounds.

    Dynamic programming over the number of votes, without simulation: the error rate of
    the verdict for `p` = 1/2, its speed for a larger one.

    Args:
        threshold: The evidence at which to stop.
        min_rounds: The first look.
        max_rounds: The last look.
        p: The probability that a round votes for the side asked about.

    Returns:
        Entry `n` is the probability of having stopped for that side by round `n`.
    """
    alive, crossed, curve = [1.0], 0.0, [0.0]
    for n in range(1, max_rounds + 1):
        lost = [mass * (1 - p) for mass in alive]
        won = [mass * p for mass in alive]
        alive = [a + b for a, b in zip([*lost, 0.0], [0.0, *won], strict=True)]
        needed = votes_needed(n, threshold)
        if n >= min_rounds and needed is not None:
            crossed += sum(alive[needed:])
            del alive[needed:]
        curve.append(crossed)
    return curve


def crossing_probability(
    threshold: int = 24,
    *,
    min_rounds: int = MIN_ROUNDS,
    max_rounds: int = MAX_ROUNDS,
    p: float = 0.5,
) -> float:
    """Return the last entry of `crossing_curve`: the probability of ever stopping."""
    curve = crossing_curve(threshold, min_rounds=min_rounds, max_rounds=max_rounds, p=p)
    return curve[-1]
