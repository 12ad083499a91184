"""The interval of a share, when the requests counted are a sample of those to come."""

from __future__ import annotations

from math import exp, lgamma, log, log1p


def share_interval(
    count: int, total: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the exact interval of a share, between 0 and 1, given `count` of `total`.

    Its ends are the shares under which so many, or so few, are as rare as half of what
    the confidence leaves (Clopper and Pearson, "The use of confidence or fiducial
    limits", Biometrika 26, 1934). It is never too narrow, whatever the share.
    """
    if not 0 <= count <= total or total < 1 or not 0 < confidence < 1:
        what = f"{count} of {total} at a confidence of {confidence}"
        raise ValueError(f"no interval for {what}")
    if 2 * count > total:  # the same of those that are not counted: fewer terms
        low, high = share_interval(total - count, total, confidence)
        return 1 - high, 1 - low
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else _share(count - 1, total, 1 - tail)
    return low, _share(count, total, tail)


def _share(count: int, total: int, probability: float) -> float:
    """Return the share under which at most `count` of `total` have that probability."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if _at_most(count, total, middle) > probability:
            low = middle  # the larger the share, the rarer is so small a count
        else:
            high = middle
    return high


def _at_most(count: int, total: int, share: float) -> float:
    whole, counted, other = lgamma(total + 1), log(share), log1p(-share)

    def weight(k: int) -> float:
        ways = whole - lgamma(k + 1) - lgamma(total - k + 1)
        return exp(ways + k * counted + (total - k) * other)

    return sum(map(weight, range(count + 1)))
