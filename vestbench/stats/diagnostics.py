"""Signs that a measurement is not what it seems. Warnings only: no verdict uses them.

Each check returns its numbers, in ms; the sheets put them into words. A value that is
not finite where it has to be, NaN or negative where none can be, is a `ValueError`.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import isfinite, sqrt
from statistics import median

from vestbench.model.record import Record
from vestbench.stats.bounds import finite

# A receiver on Linux delays an acknowledgement by 40 ms (TCP_DELACK_MIN, HZ/25); with
# Nagle's algorithm at the sender the answer waits for it. Timer and wake-up add some.
STALL_MS = (38.0, 46.0)
STALL_MIN_COUNT = 5
STALL_MIN_SHARE = 0.2

# When an unanswered SYN is sent again, after the first one. The initial timeout is 1 s
# (RFC 6298, 2.1) and doubles: 1, 3, 7 s. Linux 6.5 and later repeat it four times at a
# constant pace first (tcp_syn_linear_timeouts): 1.01, 2.04, 3.06, 4.09, 5.11, 7.13 s
# were measured on 6.18. Its timers run late by 2 % or less.
SYN_WAITS_S = (1, 2, 3, 4, 5, 7)


class OrderEffect(Record, frozen=True, kw_only=True):
    """How much going first costs a request, as seen in the savings."""

    effect_ms: float  # positive: whichever arm goes first is slower
    limit_ms: float
    control_first: int  # rounds of either order
    candidate_first: int

    @property
    def warns(self) -> bool:
        """Say whether the effect could matter for the verdict."""
        return abs(self.effect_ms) > self.limit_ms


class SignAgreement(Record, frozen=True, kw_only=True):
    """How far successive savings lie on the same side of their median."""

    agreement: float  # mean product of successive signs: 0 for independent rounds
    limit: float  # exceeded by 2 % of independent runs
    rounds: int

    @property
    def warns(self) -> bool:
        """Say whether successive rounds resemble one another."""
        return self.agreement > self.limit


class MedianMismatch(Record, frozen=True, kw_only=True):
    """The difference of the two arms' medians beside the median of the differences."""

    of_medians_ms: float
    median_ms: float
    limit_ms: float

    @property
    def warns(self) -> bool:
        """Say whether a reader would stumble over the two figures."""
        return abs(self.of_medians_ms - self.median_ms) > self.limit_ms


class Plateau(Record, frozen=True, kw_only=True):
    """A share of requests that took about 40 ms longer than the others."""

    floor_ms: float  # what the others take
    excess_ms: float  # median of what these take on top
    count: int
    share: float  # of all requests


class SynRetransmission(Record, frozen=True, kw_only=True):
    """A value as it comes about when a SYN is lost and sent again."""

    index: int  # place among the values, from 0
    value_ms: float
    excess_ms: float  # above the median
    wait_s: int  # the time for which a repeated SYN would have waited


def order_effect(
    savings: Iterable[tuple[float, bool]], *, target: float
) -> OrderEffect | None:
    """Return half the difference of the median savings of the two orders.

    `savings`, in ms, are those of the rounds in which both requests succeeded, each
    with whether the control was sent first. The limit is 2 ms or half the distance of
    the median saving from the target, whichever is more. `None` unless both orders
    occurred.
    """
    by_order: dict[bool, list[float]] = {True: [], False: []}
    for saving, control_first in savings:
        by_order[bool(control_first)].append(saving)
    ahead, behind = finite(by_order[True]), finite(by_order[False])
    if not ahead or not behind:
        return None
    return OrderEffect(
        effect_ms=(median(ahead) - median(behind)) / 2,
        limit_ms=max(2.0, abs(median(ahead + behind) - float(target)) / 2),
        control_first=len(ahead),
        candidate_first=len(behind),
    )


def lag1_sign_agreement(savings: Sequence[float]) -> SignAgreement | None:
    """Return the mean product of the signs of successive savings about their median.

    The limit is 2 / sqrt(n). In simulation it caught 40 % of the runs that keep a slow
    or fast connection for 5 to 20 rounds, and none that keeps one throughout. `None`
    for fewer than two savings, given in the order in which they were measured.
    """
    plain = finite(savings)
    n = len(plain)
    if n < 2:
        return None
    centre = median(plain)
    signs = [(value > centre) - (value < centre) for value in plain]
    agreement = sum(a * b for a, b in pairwise(signs)) / (n - 1)
    return SignAgreement(agreement=agreement, limit=2 / sqrt(n), rounds=n)


def median_mismatch(
    latencies: Iterable[tuple[float, float]], *, interval_width: float
) -> MedianMismatch | None:
    """Compare the difference of the medians of both arms with the median saving.

    They are different quantities. The limit, 10 % of the width of the interval of the
    saving (which may be infinite) plus 1 ms, is where a reader would take one of them
    for an error. The latencies, in ms, are those of the control and the candidate, for
    each round in which both requests succeeded; `None` without one.
    """
    rounds = [finite(pair) for pair in latencies]
    if not rounds:
        return None
    return MedianMismatch(
        of_medians_ms=median(a for a, _ in rounds) - median(b for _, b in rounds),
        median_ms=median(a - b for a, b in rounds),
        limit_ms=0.1 * float(interval_width) + 1.0,
    )


def plateau(
    values: Sequence[float], *, floor_ms: float | None = None
) -> Plateau | None:
    """Look for requests that waited for a delayed acknowledgement.

    They lie 38 to 46 ms above the floor, they are at least five and a fifth of all, and
    the bands of the same width on either side of theirs hold less than half as many
    together: a wide distribution covers all three bands alike, a timer does not.

    Args:
        values: Latencies of the pooled arm, or better their wait phases; failures as
            `inf`.
        floor_ms: What a request takes without a stall, where it is known from another
            arm. Without it the median of those within 19 ms of the fastest, which is
            blind if every single request is stalled.
    """
    plain = _durations(values)
    if not plain:
        return None
    low, high = STALL_MS
    if floor_ms is None:
        fastest = min(plain)
        floor_ms = median(v for v in plain if v <= fastest + low / 2)
    excess = [value - float(floor_ms) for value in plain]
    stalled = [e for e in excess if low <= e <= high]
    width = high - low
    beside = sum(low - width <= e < low or high < e <= high + width for e in excess)
    share = len(stalled) / len(plain)
    rare = len(stalled) < STALL_MIN_COUNT or share < STALL_MIN_SHARE
    if rare or 2 * beside >= len(stalled):
        return None
    return Plateau(
        floor_ms=float(floor_ms),
        excess_ms=median(stalled),
        count=len(stalled),
        share=share,
    )


def syn_retransmissions(
    values: Sequence[float], *, rtt_ms: float = 0.0
) -> tuple[SynRetransmission, ...]:
    """Return the values that look like a connect whose SYN had to be repeated.

    They exceed the median by one of `SYN_WAITS_S`, give or take 50 ms, 2 % of the wait
    and a round trip. Give the latencies of an arm that opens connections, or better
    their connect phases; failures as `inf`. Where the kernel's count of retransmissions
    is at hand, it is the better witness.
    """
    *plain, route = _durations([*values, rtt_ms])
    if not plain or not isfinite(centre := median(plain)):
        return ()
    return tuple(
        SynRetransmission(
            index=at, value_ms=value, excess_ms=value - centre, wait_s=wait
        )
        for at, value in enumerate(plain)
        for wait in SYN_WAITS_S
        if abs(value - centre - 1000 * wait) <= 50 + 20 * wait + route
    )


def _durations(values: Iterable[float]) -> list[float]:
    plain = [float(value) for value in values]
    if not all(value >= 0 for value in plain):
        raise ValueError("a latency or the round trip is NaN or negative")
    return plain
