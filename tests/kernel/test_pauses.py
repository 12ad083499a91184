"""A machine or a process that was away is noticed, and its requests are marked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.records import failure, sample
from vestbench.kernel.pauses import PERIOD_NS, Pulse, Stops, stolen_s
from vestbench.model.request import NS_PER_MS, NS_PER_S, Outcome

ORIGIN_NS = 7 * NS_PER_S


@dataclass
class Machine:
    """A clock, what a sleep adds to it besides, and how long the machine has slept."""

    now_ns: int = ORIGIN_NS
    late_ns: int = 0
    slept_ns: int = 0

    def clock(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S) + self.late_ns

    def suspended(self) -> int:
        return self.slept_ns

    def pulse(self) -> Pulse:
        return Pulse(
            ORIGIN_NS, suspended=self.suspended, clock=self.clock, sleep=self.sleep
        )


def marks(pulse: Pulse, outcome: Outcome) -> dict[str, int]:
    (marked,) = pulse.marked([outcome])
    return dict(marked.extra or {})


def test_a_request_in_which_a_thread_wakes_on_time_is_as_it_was() -> None:
    machine = Machine()
    pulse = machine.pulse()
    pulse.begin()
    for _ in range(4):
        pulse.look()
    outcome = sample(latency=100.0)
    assert pulse.marked([outcome]) == [outcome]


@pytest.mark.parametrize("failed", [False, True])
def test_a_thread_that_wakes_late_marks_the_request_it_falls_into(
    *, failed: bool
) -> None:
    machine = Machine(late_ns=2 * NS_PER_S)
    pulse = machine.pulse()
    pulse.begin()
    pulse.look()  # due after 25 ms, woken 2 s later
    outcome: Outcome = sample(latency=5000.0)
    if failed:
        outcome = failure(elapsed=5000.0)
    assert marks(pulse, outcome) == {"interrupted_ns": 2 * NS_PER_S}


def test_only_the_part_of_a_pause_that_is_in_the_request_counts() -> None:
    machine = Machine(late_ns=2 * NS_PER_S)
    pulse = machine.pulse()
    pulse.look()
    before = sample(start=0.0, latency=20.0)
    within = sample(start=500.0, latency=100.0)
    after = sample(start=3000.0, latency=50.0)
    pulse.begin()
    found = [each.extra for each in pulse.marked([before, within, after])]
    assert found == [None, {"interrupted_ns": 100 * NS_PER_MS}, None]


def test_a_pause_of_which_the_thread_does_not_know_yet_counts_until_now() -> None:
    machine = Machine()

    def sleep_and_look(seconds: float) -> None:
        machine.now_ns += 3 * NS_PER_S  # the request is over before the thread wakes
        found.update(marks(pulse, sample(latency=3000.0)))

    pulse = Pulse(
        ORIGIN_NS, suspended=lambda: 0, clock=machine.clock, sleep=sleep_and_look
    )
    found: dict[str, int] = {}
    pulse.begin()
    pulse.look()
    assert found == {"interrupted_ns": 3 * NS_PER_S - PERIOD_NS}


def test_a_wait_for_a_processor_that_is_usual_is_no_pause() -> None:
    machine = Machine(late_ns=20 * NS_PER_MS)
    pulse = machine.pulse()
    pulse.look()
    pulse.begin()
    assert marks(pulse, sample(latency=100.0)) == {}


def test_sleep_of_the_machine_shows_between_two_clocks() -> None:
    machine = Machine()
    pulse = machine.pulse()
    pulse.begin()
    machine.slept_ns += 5 * NS_PER_S
    assert marks(pulse, sample(latency=40.0)) == {"suspended_ns": 5 * NS_PER_S}


def test_sleep_between_two_requests_is_of_neither() -> None:
    machine = Machine()
    pulse = machine.pulse()
    machine.slept_ns += 5 * NS_PER_S
    pulse.begin()
    assert marks(pulse, sample(latency=40.0)) == {}


@dataclass
class Processes:
    """A folder like /proc."""

    proc: Path

    def put(self, pid: int, children: str, state: str = "S") -> None:
        thread = self.proc / f"{pid}/task/{pid + 1}"
        thread.mkdir(parents=True, exist_ok=True)
        (thread / "children").write_text(children)
        (self.proc / f"{pid}/stat").write_text(f"{pid} (a ) name) {state} 1 2")


def test_a_descendant_that_is_stopped_marks_the_requests_of_that_time(
    tmp_path: Path,
) -> None:
    processes, machine = Processes(tmp_path), Machine()
    processes.put(10, "20 ", "T")  # whether the root itself is stopped is its affair
    processes.put(20, "30 40 ")
    processes.put(30, "")
    processes.put(40, "")
    stops = Stops(10, proc=tmp_path, clock=machine.clock, sleep=machine.sleep)
    stops.look()
    processes.put(40, "", "T")
    for _ in range(5):
        stops.look()
    processes.put(40, "", "S")
    stops.look()

    long = sample(latency=1000.0)
    (stopped_ns,) = (stops.marked(long, ORIGIN_NS).extra or {}).values()
    assert stopped_ns == 4 * PERIOD_NS  # from the first look to the last
    later = sample(start=170.0, latency=10.0)
    assert stops.marked(later, ORIGIN_NS) == later


def test_a_process_that_is_gone_is_not_stopped(tmp_path: Path) -> None:
    processes, machine = Processes(tmp_path), Machine()
    processes.put(10, "20 ")
    stops = Stops(10, proc=tmp_path, clock=machine.clock, sleep=machine.sleep)
    stops.look()
    outcome = sample(latency=1000.0)
    assert stops.marked(outcome, ORIGIN_NS) == outcome


def test_steal_is_read_where_the_system_tells(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  1 2 3 4 5 6 7 250 0 0\ncpu0 1\n")
    assert stolen_s(stat) == pytest.approx(2.5)
    stat.write_text("cpu  1 2 3\n")
    assert stolen_s(stat) is None
    assert stolen_s(tmp_path / "nowhere") is None
