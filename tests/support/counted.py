"""Ends a run at a moment drawn by lot, and counts what is lost.

An exchange that outlives the run counts its requests, so that nothing the run says of
itself is believed. The run takes it for a real venue:

    python -m tests.support.counted BASE_URL bench …
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.command import PATIENCE_S
from tests.support.sudden import eventually, marked, victim
from tests.support.terminals import on_a_terminal
from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.studies.registry import load_run

# How a run is ended, and what it exits with.
TERMINAL, WORKER = "closed terminal", "SIGKILL to workers.worker"
HOW = {
    "SIGKILL": -9,
    "SIGINT": 130,
    "SIGTERM": 143,
    "SIGHUP": 143,
    TERMINAL: 143,
    WORKER: 70,
}
INTERVALS = ("2ms", "50ms", "300ms", "900ms")
LATEST_S = 2.5  # from the first samples on disk to the end
MAY_LOSE_S = 1.0
LOOK_EVERY_S = 0.01
UNMEASURED = 4  # requests that come before those that are measured
ENDLESS = "20000"  # requests: more than a run comes to


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ends, and when."""

    how: str  # of `HOW`
    interval: str  # between its requests
    after_s: float
    seed: int

    @property
    def kind(self) -> str:
        """What is done, for a count."""
        return f"{self.how}, counted by the exchange"

    @property
    def said(self) -> str:
        """What it is, for the message of a failed assertion."""
        when = f"{self.after_s:.3f} s after the first samples"
        return f"seed {self.seed}: {self.how} {when}, a request each {self.interval}"


def drawn_ending(seed: int) -> Ending:
    """Return the ending that a seed stands for."""
    rng = random.Random(f"ending {seed}")
    return Ending(
        how=rng.choice(list(HOW)),
        interval=rng.choice(INTERVALS),
        after_s=rng.uniform(0.0, LATEST_S),
        seed=seed,
    )


class Count:
    """What an exchange has counted at each moment."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        self._exchange = exchange
        self._seen = [(0.0, 0)]
        self._over = threading.Event()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Look again and again, in a thread."""
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            # The time is of before the question: not more had been asked for by then.
            self._seen.append((time.monotonic(), self._exchange.counters().requests))

    def at(self, moment: float) -> int:
        """Return how many requests had come at least, at a monotonic time."""
        return max(count for when, count in self._seen if when <= moment)


def end(what: Ending, folder: Path) -> int:
    """Start a run, end it, and assert that it lost no more than it may.

    Returns:
        How many requests it lost that the exchange had counted.
    """
    output, mark = folder / "run.toml", f"TMPDIR={folder}"
    with ExchangeProcess(ExchangeSpec(processing_ms=0.0)) as exchange:
        (folder / "ca.pem").write_text(exchange.ca_pem)
        count = Count(exchange)
        with count.kept():
            code, moment = _ended(what, exchange.base_url(), output, mark)
        total = exchange.counters().requests
    (left,) = folder.glob("run.toml*")
    stored = len(load_run(left).outcomes)
    said = f"{what.said}: {code}, {stored} on disk, {total} counted"
    assert code == HOW[what.how], said
    # The request that was on its way has no outcome.
    due = count.at(moment - MAY_LOSE_S) if code == -signal.SIGKILL else total
    assert due - UNMEASURED - 1 <= stored <= total - UNMEASURED, f"{said}, {due} due"
    assert eventually(lambda: not list(marked(mark))), f"a process is left: {said}"
    return total - UNMEASURED - stored


def _ended(what: Ending, url: str, output: Path, mark: str) -> tuple[int, float]:
    """Return the exit status of a run that was ended, and when that was."""
    words = ("bench", "--venue", "vest-dev", "--rate", "1000", "--budget", "100000")
    pace = ("-n", ENDLESS, "--interval", what.interval, "-o", str(output))
    folder = output.parent
    ca = str(folder / "ca.pem")
    module = (sys.executable, "-m", "tests.support.counted", url)
    env = {"TMPDIR": str(folder), "SSL_CERT_FILE": ca}
    run = on_a_terminal(*words, *pace, command=module, env=env)
    with run as (process, close):
        partial = Path(f"{output}.partial")

        def measures() -> bool:
            over = process.poll() is not None
            return over or (partial.exists() and b"start_ms" in partial.read_bytes())

        assert eventually(measures), "it never measured"
        time.sleep(what.after_s)
        moment = time.monotonic()
        _strike(what.how, process.pid, mark, close)
        return process.wait(PATIENCE_S), moment


def _strike(how: str, pid: int, mark: str, close: Callable[[], None]) -> None:
    if how == TERMINAL:
        close()
        return
    number, _, whom = how.partition(" to ")
    who = victim(pid, whom, mark)
    assert who is not None, f"there is no {whom}"
    with suppress(ProcessLookupError):
        os.kill(who, signal.Signals[number])


def main(argv: list[str]) -> None:
    """Be the command, for which `vest-dev` is somewhere else."""
    from vestbench import cli, venues
    from vestbench.venues.vest.public import vest

    venues._VENUES["vest-dev"] = vest("vest-dev", argv[1])
    sys.argv[1:] = argv[2:]
    cli.main()


if __name__ == "__main__":
    main(sys.argv)
