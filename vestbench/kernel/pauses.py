"""Whether this machine, or a process of ours, was away while a request was under way.

Three things look like a slow venue and are none: the machine slept, a process was
stopped, or no processor was free for it (on a virtual machine because the host took it
away, which is called steal). The first shows between two clocks; the others make a
thread wake up late that asked to be woken every 25 ms, and of a stopped process the
kernel tells the state.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vestbench.model.request import NS_PER_S, Outcome, taken_ns

PERIOD_NS = 25_000_000
# Waking up later than this is no ordinary wait for a processor; so whatever lasts for
# over 50 ms is noticed, and is known to within the period.
LATE_NS = 25_000_000
_SHORTEST_SLEEP_NS = 5_000_000  # of a machine; two clocks are not read at one moment
_KEPT = 256  # pauses; a request is looked at when it is over
_STEAL = 8  # the place of the steal time in the first line of /proc/stat
_FIND_EVERY = 40  # looks; processes come and go more slowly than they stop
_STOPPED = ("T", "t")  # by a signal, by a debugger

Pauses = Iterable[tuple[int, int]]  # from, to, by CLOCK_MONOTONIC in ns


def suspended_ns() -> int:
    """Return how long the machine has slept since its start, in ns.

    CLOCK_BOOTTIME goes on while the machine sleeps, CLOCK_MONOTONIC does not. 0 where
    the system has no such clock.
    """
    if sys.platform != "linux":
        return 0
    awake_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - awake_ns


def stolen_s(path: Path = Path("/proc/stat")) -> float | None:
    """Return the processor time the host has taken away since the machine's start.

    In seconds, of all processors together (proc(5), `steal`); None where the system
    does not tell.
    """
    if sys.platform != "linux":
        return None
    with suppress(OSError, ValueError, IndexError), path.open() as lines:
        return int(lines.readline().split()[_STEAL]) / os.sysconf("SC_CLK_TCK")
    return None


def stolen_since(before_s: float | None) -> float | None:
    """Return what was taken away since a reading; None where it is unknown, or 0."""
    now_s = stolen_s()
    if before_s is None or now_s is None:
        return None
    return round(now_s - before_s, 3) or None


def marked(outcome: Outcome, **marks: int) -> Outcome:
    """Return an outcome with marks in ns, by column; the longest of each counts."""
    known = outcome.extra or {}
    longer = {name: ns for name, ns in marks.items() if ns > known.get(name, 0)}
    return replace(outcome, extra={**known, **longer}) if longer else outcome


def _overlap_ns(pauses: Pauses, begin_ns: int, taken: int) -> int:
    end_ns = begin_ns + taken
    overlaps = (min(end_ns, to) - max(begin_ns, at) for at, to in pauses)
    return sum(max(0, overlap) for overlap in overlaps)


class Watch:
    """Looks every 25 ms, in a thread of its own.

    Args:
        clock: Nanoseconds, monotonic.
        sleep: Waits for some seconds.
    """

    def __init__(
        self, clock: Callable[[], int], sleep: Callable[[float], None]
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._ended = False

    def start(self) -> None:
        """Watch from now on, until `close` or the end of the process."""
        name = type(self).__name__.lower()
        threading.Thread(target=self._go_on, name=name, daemon=True).start()

    def _go_on(self) -> None:
        while not self._ended:
            self.look()

    def look(self) -> None:
        """Wait for one period, and take note of what is unusual."""
        self._sleep(PERIOD_NS / NS_PER_S)

    def close(self) -> None:
        """End the thread, within a period."""
        self._ended = True


class Pulse(Watch):
    """Notices when this process was not running although it should have been.

    Args:
        origin_ns: The reading of the clock at which `start_ns` of outcomes is 0.
        suspended: Nanoseconds that the machine has slept; see `suspended_ns`.
        clock: Nanoseconds, monotonic.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        origin_ns: int,
        *,
        suspended: Callable[[], int] = suspended_ns,
        clock: Callable[[], int] = time.perf_counter_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(clock, sleep)
        self._origin_ns = origin_ns
        self._suspended = suspended
        self._due_ns: int | None = None  # when the thread asked to be woken
        self._late: deque[tuple[int, int]] = deque(maxlen=_KEPT)
        self._slept_ns = suspended()

    def look(self) -> None:
        """Sleep for one period, and take note if that took much longer."""
        due_ns = self._due_ns = self._clock() + PERIOD_NS
        super().look()
        now_ns = self._clock()
        if now_ns - due_ns > LATE_NS:
            self._late.append((due_ns, now_ns))

    def begin(self) -> None:
        """Take note that a request begins; call this before its clock starts."""
        self._slept_ns = self._suspended()

    def marked(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return what has come since `begin`, marked where the process was away."""
        # What the machine slept is in no reading of a monotonic clock.
        asleep_ns = self._suspended() - self._slept_ns
        asleep_ns = asleep_ns if asleep_ns > _SHORTEST_SLEEP_NS else 0
        pauses = self._pauses()
        return [
            marked(
                each,
                interrupted_ns=_overlap_ns(
                    pauses, self._origin_ns + each.start_ns, taken_ns(each)
                ),
                suspended_ns=asleep_ns,
            )
            for each in outcomes
        ]

    def _pauses(self) -> Sequence[tuple[int, int]]:
        # The thread may be woken after this one: then its pause is not over yet. It is
        # read first, so that one that ends meanwhile is in the list.
        due_ns, now_ns = self._due_ns, self._clock()
        pauses = dict(self._late)
        if due_ns is not None and now_ns - due_ns > LATE_NS:
            pauses.setdefault(due_ns, now_ns)
        return tuple(pauses.items())


class Stops(Watch):
    """Notices which processes that this one has started were stopped, and when.

    A process that is stopped and goes on tells nobody, and whoever waits for it sees a
    slow one. Without /proc nothing is noticed.

    Args:
        root: The process whose descendants are watched.
        proc: Where the kernel tells of processes.
        clock: Nanoseconds, monotonic.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        root: int | None = None,
        *,
        proc: Path = Path("/proc"),
        clock: Callable[[], int] = time.perf_counter_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(clock, sleep)
        self._root = os.getpid() if root is None else root
        self._proc = proc
        self._looks = 0
        self._watched: tuple[int, ...] = ()
        self._seen: dict[int, tuple[int, int]] = {}  # stopped when last looked at
        self._over: deque[tuple[int, int]] = deque(maxlen=_KEPT)

    def look(self) -> None:
        """Wait for one period, and take note of the processes that are stopped."""
        super().look()
        now_ns = self._clock()
        if self._looks % _FIND_EVERY == 0:
            self._watched = tuple(self._descendants(self._root))
        self._looks += 1
        stopped = set(filter(self._stopped, self._watched))
        seen = {pid: (self._since(pid, now_ns), now_ns) for pid in stopped}
        self._over += [seen for pid, seen in self._seen.items() if pid not in stopped]
        self._seen = seen

    def _since(self, pid: int, now_ns: int) -> int:
        return self._seen.get(pid, (now_ns, now_ns))[0]

    def marked(self, outcome: Outcome, origin_ns: int) -> Outcome:
        """Return an outcome, marked if a process was stopped during it."""
        pauses: Mapping[int, int] = dict([*self._over, *self._seen.values()])
        if not pauses:
            return outcome
        begin_ns = origin_ns + outcome.start_ns
        stopped_ns = _overlap_ns(pauses.items(), begin_ns, taken_ns(outcome))
        return marked(outcome, interrupted_ns=stopped_ns)

    def _descendants(self, pid: int) -> Iterator[int]:
        with suppress(OSError):
            # Each thread has the children that it started.
            for children in (self._proc / f"{pid}/task").glob("*/children"):
                for child in map(int, children.read_text().split()):
                    yield child
                    yield from self._descendants(child)

    def _stopped(self, pid: int) -> bool:
        with suppress(OSError, IndexError):
            # The name, in brackets, may hold anything.
            stat = (self._proc / f"{pid}/stat").read_bytes()
            return stat.rpartition(b")")[2].split()[0].decode() in _STOPPED
        return False
