"""What the study of a program's phases computes, and what the README says of it."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.bench import program_phases
from tests.bench.program_phases import Told
from tests.support.paths import RESULTS, ROOT

STORED = tomllib.loads((RESULTS / "accuracy-program-phases.toml").read_text())
SAID = next(
    line
    for line in (ROOT / "README.md").read_text().splitlines()
    if "accuracy-program-phases.toml" in line
)


def told(rtt_ms: float, *, late: float = 0.0) -> Told:
    return Told(
        connect=rtt_ms + 0.01,
        wait=rtt_ms + 0.1 + late,
        opening=2.1 * rtt_ms,
        pretransfer=2.1 * rtt_ms + 0.1,
    )


def test_a_phase_is_held_against_the_round_trip_of_its_link() -> None:
    good = program_phases.bars(10.0, [told(10.0)] * 8)
    late = program_phases.bars(10.0, [told(10.0, late=0.4)] * 8)

    assert [bar.outcome for bar in good] == ["met", "met", "met"]
    assert [bar.outcome for bar in late] == ["met", "missed", "met"]


def test_of_a_longer_link_two_percent_may_be_missing() -> None:
    assert program_phases.limit_ms(10.0) == pytest.approx(0.3)
    assert program_phases.limit_ms(80.0) == pytest.approx(1.6)


def test_the_readme_says_what_is_stored() -> None:
    found = {
        what: [abs(bar["median"]) for bar in STORED["bar"] if what in bar["name"]]
        for what in ("connect", "wait", "to the request")
    }
    connect, wait, opening = (
        sorted({f"{min(each):.2f}", f"{max(each):.2f}"}) for each in found.values()
    )

    assert all(bar["outcome"] == "met" for bar in STORED["bar"])
    assert {bar["n"] for bar in STORED["bar"]} == {12}
    assert re.findall(r"by ([0-9.]+(?: to [0-9.]+)?) ms", SAID) == [
        " to ".join(connect),
        " to ".join(wait),
        " to ".join(opening),
    ]
