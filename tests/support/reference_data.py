"""The data sets whose verdicts, intervals and shifts are known to the last digit."""

from collections.abc import Iterator
from typing import NamedTuple


class Round(NamedTuple):
    """What one round measured, in milliseconds."""

    control: float
    control_ok: bool
    candidate: float
    candidate_ok: bool


def rounds_of(pairs: list[tuple[int, int]]) -> list[Round]:
    """Return rounds without failures."""
    return [Round(control, True, candidate, True) for control, candidate in pairs]


# Fourteen clean rounds; in the fifth the candidate is an outlier.
DS1 = rounds_of(
    [
        *[(142, 81), (139, 83), (151, 80), (137, 84), (140, 391), (144, 82), (149, 88)],
        *[(136, 79), (146, 85), (141, 82), (138, 80), (155, 97), (143, 84), (140, 81)],
    ]
)

# The same with a control timeout, a candidate error and a timeout of both.
DS2 = list(DS1)
DS2[1] = Round(1000, False, 83, True)
DS2[4] = Round(140, True, 4, False)
DS2[8] = Round(1000, False, 1000, False)

DS3 = DS2 + DS1


def uniform_16_bit(seed: int) -> Iterator[int]:
    """Yield the high bits of a 31-bit linear congruential generator, without end."""
    state = seed
    while True:
        state = (1103515245 * state + 12345) % 2**31
        yield state >> 15


def generated_rounds(seed: int, saving: int, count: int) -> list[Round]:
    """Return skewed integer latencies, one in sixteen of them an outlier of 300 ms."""
    numbers = uniform_16_bit(seed)
    pairs = []
    for _ in range(count):
        u1, u2, u3, u4 = (next(numbers) for _ in range(4))
        pairs.append(
            (80 + saving + _skewed(u2) + _outlier(u4), 80 + _skewed(u1) + _outlier(u3))
        )
    return rounds_of(pairs)


def _skewed(u: int) -> int:
    return (u % 32) * (u // 64 % 32) // 31


def _outlier(u: int) -> int:
    return 300 if u % 16 == 0 else 0


def savings(rounds: list[Round]) -> list[float]:
    """Return control minus candidate, for rounds without failures."""
    assert all(r.control_ok and r.candidate_ok for r in rounds)
    return [r.control - r.candidate for r in rounds]
