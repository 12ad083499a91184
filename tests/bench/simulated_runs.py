"""Simulated runs of a comparison: what slots would take under kinds of noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
CAP = 200  # rounds
SLOTS = 2 * CAP  # one request each
BASE_MS = 80.0
SHAPE = 0.6  # of the lognormal part of a latency
PERIOD = 200  # slots over which the drift adds up; the shift comes in their middle
DRIFT_MS = 40.0
SHIFT_MS = 25.0
PHI = 0.8
SKEW = 0.35  # shape of the lognormal saving
_MEAN = math.exp(SHAPE**2 / 2)
_SD = _MEAN * math.sqrt(math.expm1(SHAPE**2))


def _excess(
    rng: np.random.Generator, jitter: float, runs: int, slots: int = SLOTS
) -> Floats:
    """Return lognormal times whose standard deviation is `jitter`."""
    times: Floats = np.exp(SHAPE * rng.standard_normal((slots, runs))) * (jitter / _SD)
    return times


def iid(rng: np.random.Generator, jitter: float, runs: int) -> Floats:
    """Return independent requests: 80 ms and a lognormal time."""
    return BASE_MS + _excess(rng, jitter, runs)


def drift(rng: np.random.Generator, jitter: float, runs: int) -> Floats:
    """Return a route that gets 40 ms slower, or faster, with every 200 slots."""
    sign = rng.choice([-1.0, 1.0], runs)
    trend = DRIFT_MS / PERIOD * np.arange(SLOTS)
    times: Floats = iid(rng, jitter, runs) + trend[:, None] * sign
    return times


def shift(rng: np.random.Generator, jitter: float, runs: int) -> Floats:
    """Return a route that is 25 ms slower, or faster, from slot 100 on."""
    sign = rng.choice([-1.0, 1.0], runs)
    step = SHIFT_MS * (np.arange(SLOTS) >= PERIOD // 2)
    times: Floats = iid(rng, jitter, runs) + step[:, None] * sign
    return times


def outliers(
    share: float, rng: np.random.Generator, jitter: float, runs: int
) -> Floats:
    """Return requests of which a share takes 100 ms and an exponential time longer."""
    hit = rng.random((SLOTS, runs)) < share
    slow = np.zeros(hit.shape)
    slow[hit] = 100.0 + rng.exponential(200.0, np.count_nonzero(hit))
    return iid(rng, jitter, runs) + slow


def ar1(rng: np.random.Generator, jitter: float, runs: int) -> Floats:
    """Return an AR(1) per slot with lognormal innovations, `jitter` in all."""
    settled = 60  # slots before the first one: 0.8^60 of the start is left
    noise = _excess(rng, jitter, runs, settled + SLOTS)
    noise -= _MEAN / _SD * jitter
    noise *= math.sqrt(1 - PHI**2)
    for slot in range(1, len(noise)):
        noise[slot] += PHI * noise[slot - 1]
    return BASE_MS + _MEAN / _SD * jitter + noise[settled:]


def burst(rng: np.random.Generator, jitter: float, runs: int) -> Floats:
    """Return a noisy neighbour: 20 slots, a fifth of the time, x4 jitter and 15 ms."""
    leave = 1 / 20
    enter = leave * 0.2 / 0.8
    busy = np.empty((SLOTS, runs), dtype=np.bool_)
    busy[0] = rng.random(runs) < 0.2
    draws = rng.random((SLOTS, runs))
    for slot in range(1, SLOTS):
        last = busy[slot - 1]
        busy[slot] = np.where(last, draws[slot] >= leave, draws[slot] < enter)
    excess = _excess(rng, jitter, runs)
    return BASE_MS + np.where(busy, 4 * excess + 15.0, excess)


Noise = Callable[[np.random.Generator, float, int], Floats]
SKEWED = "skewed saving"
NOISES: dict[str, Noise] = {
    "iid": iid,
    "drift": drift,
    "shift": shift,
    "outliers 1 %": partial(outliers, 0.01),
    "outliers 5 %": partial(outliers, 0.05),
    "AR(1)": ar1,
    "bursts": burst,
    SKEWED: iid,  # the slots are ordinary, the savings are not
}


@lru_cache(maxsize=64)
def skew_offset(jitter: float, saving: float) -> float:
    """Return what moves the median of a skewed saving seen through noise to `saving`.

    The median of a sum is not the sum of the medians. It is solved for by bisection on
    grids of quantiles, without random numbers.
    """

    def normal(points: int) -> Floats:
        places = (np.arange(points) + 0.5) / points
        return np.array([NormalDist().inv_cdf(place) for place in places])

    slot = np.exp(SHAPE * normal(400)) * (jitter / _SD)
    noise = np.sort((slot[:, None] - slot).ravel())
    savings = saving * np.exp(SKEW * normal(1000))
    low, high = -saving, saving
    for _ in range(50):
        offset = (low + high) / 2
        below = np.searchsorted(noise, saving - offset - savings).mean() / noise.size
        low, high = (low, offset) if below < 0.5 else (offset, high)
    return (low + high) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What is true of some runs."""

    noise: str
    jitter_ms: float
    saving_ms: float  # the median of the savings of single rounds, exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Simulated runs: a row per slot or per round, a column per run."""

    slots: Floats
    savings: Floats  # one row per round
    control_first: Bools  # the coin, one row per round

    @property
    def control(self) -> Floats:
        """What the control took in each round."""
        first, second = self.slots[0::2], self.slots[1::2]
        return np.where(self.control_first, first, second) + self.savings

    @property
    def candidate(self) -> Floats:
        """What the candidate took in each round."""
        first, second = self.slots[0::2], self.slots[1::2]
        return np.where(self.control_first, second, first)


def simulate(rng: np.random.Generator, conditions: Conditions, runs: int) -> Data:
    """Return runs of 200 rounds, with a fair coin for the order in each round."""
    slots = NOISES[conditions.noise](rng, conditions.jitter_ms, runs)
    savings = np.full((CAP, runs), conditions.saving_ms)
    if conditions.noise == SKEWED:
        savings *= np.exp(SKEW * rng.standard_normal(savings.shape))
        savings += skew_offset(conditions.jitter_ms, conditions.saving_ms)
    coins = rng.integers(0, 2, (CAP, runs), dtype=np.int8).astype(np.bool_)
    return Data(slots=slots, savings=savings, control_first=coins)
