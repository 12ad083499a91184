"""Whose fault a tolerance is that was not met: the code's, or a busy machine's."""

from __future__ import annotations

import pytest

from tests.support import machine

# Of a processor: user, nice, system, idle, iowait, irq, softirq, steal.
IDLE = [0, 0, 0, 100, 0, 0, 0, 0]
BUSY = [90, 0, 0, 10, 0, 0, 0, 0]


def _machine(monkeypatch: pytest.MonkeyPatch, spent: list[int], load: float) -> None:
    """Have a machine that wakes in time, and whose processors have spent that."""
    readings = iter([[0] * 8, spent])
    monkeypatch.setattr(machine, "_cpu_times", lambda: next(readings))
    monkeypatch.setattr(machine, "SLEEPS", 10)
    monkeypatch.setattr(machine, "LATE_US", float("inf"))
    monkeypatch.setattr("os.getloadavg", lambda: (load, load, load))
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def test_a_quiet_machine_keeps_time(monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(monkeypatch, IDLE, 1.0)

    assert machine.stalls() == ""


@pytest.mark.parametrize(
    ("spent", "load", "said"),
    [
        (BUSY, 1.0, "other programs take 90 %"),
        (IDLE, 2.5, "its load was 2.5 in the last minute"),
    ],
)
def test_a_machine_that_others_use_is_no_judge_though_it_wakes_in_time(
    monkeypatch: pytest.MonkeyPatch, spent: list[int], load: float, said: str
) -> None:
    _machine(monkeypatch, spent, load)

    assert said in machine.stalls()
    _machine(monkeypatch, spent, load)
    with pytest.raises(pytest.skip.Exception, match="nothing can be said"):
        machine.demand(met=False, found="2 ms late")


def test_a_tolerance_that_a_quiet_machine_misses_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _machine(monkeypatch, IDLE, 1.0)

    with pytest.raises(pytest.fail.Exception, match="2 ms late"):
        machine.demand(met=False, found="2 ms late")
