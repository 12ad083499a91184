"""How rare a series is among all orders of its values.

The only statistics that use numpy: to draw thousands of orders takes too long without.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np

_EXACT_RUNS = 8  # up to here all orders are counted
_ORDERS = 9_999  # beyond, as many are drawn, always the same ones

_Array: TypeAlias = np.ndarray[Any, Any]


def rarity(values: Sequence[float]) -> float:
    """Return how rare it is that two sides of a series differ so much.

    The difference of a split is that of the rank sums of its sides, standardised (the
    statistic of Wilcoxon). That of a series is the largest of all splits. Returned is
    the share of all orders of the values, two at least and not all equal, in which it
    is as large or larger: exact up to 8 values, of drawn orders beyond.
    """
    ranks = _midranks(values)
    found = _differences(np.array([ranks])).max()
    largest = _largest_of_orders(tuple(sorted(ranks)))
    # Equal sums of ranks may differ in the last digits.
    reached, total = int((largest >= found - 1e-9).sum()), len(largest)
    if len(values) > _EXACT_RUNS:  # the order that was found is one of them
        reached, total = reached + 1, total + 1
    return reached / total


def _differences(rows: _Array) -> _Array:
    """Return how much the rank sum before each split is off, in standard deviations.

    Each row is a series of ranks; the variance is that of drawing without putting
    back, which allows for ties (Lehmann, "Nonparametrics", 1975, section 1.4).
    """
    n = rows.shape[1]
    before = np.arange(1, n)
    spread = rows[0] - rows[0].mean()
    variance = before * (n - before) / (n * (n - 1)) * (spread @ spread)
    sums = np.cumsum(rows, axis=1)[:, :-1]
    off: _Array = np.abs(sums - before * rows[0].mean()) / np.sqrt(variance)
    return off


@lru_cache(maxsize=128)
def _largest_of_orders(ranks: tuple[float, ...]) -> _Array:
    """Return the largest difference of each order of `ranks`, or of many of them."""
    if len(ranks) <= _EXACT_RUNS:
        orders = np.array(list(permutations(ranks)))
    else:
        rows = np.tile(np.array(ranks), (_ORDERS, 1))
        # Seeded, so that the same series always says the same.
        orders = np.random.default_rng(len(ranks)).permuted(rows, axis=1)
    largest: _Array = _differences(orders).max(axis=1)
    return largest


def _midranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) + 1) / 2 for value in values]
