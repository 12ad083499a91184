"""A program run inside, from the first namespace to the account of all it did."""

from __future__ import annotations

import select
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Event

from vestbench.errors import UsageError
from vestbench.model.simulated import (
    LinkSpec,
    Refusal,
)
from vestbench.programs import messages, trust
from vestbench.programs.homes import hidden, name_files
from vestbench.programs.keeping import Inside, KeptProgram
from vestbench.programs.noting import Noted
from vestbench.programs.terminal import Terminal
from vestbench.programs.wanted import EndedBy, NotIsolatedError, ProgramRun, Wanted
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.simulator.lab_client import Lab, LabProcess
from vestbench.simulator.lab_start import StartedLab, start_lab
from vestbench.simulator.link.report import unfit, validate

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

_LOOK_EVERY_S = 0.05  # how much has been done, where that ends a program
_ON_THE_WAY_S = 0.02  # for what has left the program and is at neither end yet
_CHECKS = 5


def run_program(
    wanted: Wanted, *, sleep: Callable[[float], None] = time.sleep
) -> ProgramRun:
    """Run a program inside until it ends, or is ended, and say what it did.

    Its standard streams are its own. Where this process has a terminal and is in its
    foreground, so is the program meanwhile.

    Args:
        wanted: The program, and the world that it finds.
        sleep: Waits for what is still under way at the end.

    Raises:
        NotIsolatedError: This machine does not let a program be kept inside.
        UsageError: The program cannot be started.
        LabError: The link or the exchange could not be started, or has ended.
    """
    began = time.perf_counter()
    with ExitStack() as stack:
        lab = _lab(wanted.link)
        stack.callback(lab.stop)
        exchange = stack.enter_context(_exchange(wanted, lab))
        lab.catch(exchange.port)
        terminal, noted = Terminal(), Noted()
        stack.callback(noted.close)
        with noted.noting():
            began_ns = time.perf_counter_ns()
            program = _started(wanted, lab, exchange, terminal)
            stack.callback(program.kill)
            setup_s = time.perf_counter() - began
            watch = _Watch(wanted, program, exchange, lab, terminal, noted)
            try:
                ended = watch.until_the_end()
            finally:
                terminal.take_from(program)
        ended_ns = time.perf_counter_ns()
        program.kill()
        sleep(wanted.link.rtt_ms / 1e3 + _ON_THE_WAY_S)
        seen, packets = exchange.seen(), lab.packets()
        lab.measure_rtt(n=_CHECKS)
        exchange.stop()
        return ProgramRun(
            name=Path(wanted.argv[0]).name,
            status=ended.status,
            ended_by=watch.ended_by,
            signal=watch.signal,
            began_ns=began_ns,
            ended_ns=ended_ns,
            left=ended.left,
            seen=seen,
            packets=packets,
            no_route=ended.no_route,
            link=lab.stop(),
            setup_s=setup_s,
        )


def _lab(link: LinkSpec) -> Lab:
    """Start a lab whose link has packets: a relay would let the program outside."""
    validate(link)
    engines = ("packet", "tun") if link.engine == "auto" else (link.engine,)
    if "relay" in engines:
        raise UsageError("a relay cannot keep a program inside: use packet or tun")
    refused: list[Refusal] = []
    for engine in engines:
        found = unfit(engine, link) or start_lab(link, engine)
        if isinstance(found, StartedLab):
            return Lab(found, link, engine, refused)
        refused.append(found)
    first = refused[0]
    number = f" ({first.errno})" if first.errno else ""
    why = f"{first.step}: {first.code}{number}"
    raise NotIsolatedError(f"{why}, {first.hint}" if first.hint else why, first.code)


def _exchange(wanted: Wanted, lab: Lab) -> ExchangeProcess:
    """Start the exchange, and measure the link while that takes its time."""
    spawned = Event()

    def spawn(argv: Sequence[str], fds: Mapping[int, int]) -> LabProcess:
        try:
            return lab.spawn(argv, fds=fds)
        finally:
            spawned.set()

    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(
            ExchangeProcess,
            replace(wanted.exchange, host=lab.server_host, names=lab.names),
            behaviour=wanted.behaviour,
            spawn=spawn,
            world=wanted.world,
        )
        starting.add_done_callback(lambda _: spawned.set())  # where it was refused
        spawned.wait()
        if starting.done():
            return starting.result()
        try:
            lab.measure_rtt(n=_CHECKS)
        except BaseException:
            starting.result().stop()
            raise
        return starting.result()


def _started(
    wanted: Wanted, lab: Lab, exchange: ExchangeProcess, terminal: Terminal
) -> KeptProgram:
    names, places = name_files()
    masked, kept = hidden(wanted.env)
    return KeptProgram(
        wanted.argv,
        env=trust.environment(wanted.env),
        cwd=str(wanted.cwd),
        lab=lab.pid,
        inside=Inside(
            masked=masked,
            kept=kept,
            files={**trust.files(exchange.ca_pem, exchange.java_store), **names},
            bound={**trust.bundles(wanted.argv, wanted.env, wanted.cwd), **places},
            local_ports=wanted.local_ports,
        ),
        streams=wanted.streams,
        terminal=terminal.is_ours,
    )


class _Watch:
    """Looks after a program until it has ended.

    Attributes:
        ended_by: What ended it.
        signal: The signal that this process was sent first; 0 for none.
    """

    def __init__(
        self,
        wanted: Wanted,
        program: KeptProgram,
        exchange: ExchangeProcess,
        lab: Lab,
        terminal: Terminal,
        noted: Noted,
    ) -> None:
        self._until, self._grace_s = wanted.limits.until, wanted.limits.grace_s
        self._program, self._exchange, self._lab = program, exchange, lab
        self._terminal, self._noted = terminal, noted
        seconds = wanted.limits.seconds
        self._end_s = None if seconds is None else time.monotonic() + seconds
        self._kill_s: float | None = None
        self.ended_by: EndedBy = "itself"
        self.signal = 0

    def until_the_end(self) -> messages.ProgramEnded:
        """Return how the program ended."""
        program, lab = self._program.fileno(), self._lab.fileno()
        noted = self._noted.fileno()
        self._program.hear()  # what came with the news of its start
        while (ended := self._program.ended) is None:
            ready = select.select((program, lab, noted), (), (), self._wait_s())[0]
            if lab in ready:
                self._lab.check()
            if noted in ready:
                self._pass_on()
            if program in ready:
                self._program.hear()
            if self._program.stopped:
                self._terminal.stop_with(self._program)
            self._look_at_the_time()
        return ended

    def _wait_s(self) -> float | None:
        times = [t for t in (self._end_s, self._kill_s) if t is not None]
        left = max(0.0, min(times) - time.monotonic()) if times else None
        if self._until is not None and self.ended_by == "itself":
            return _LOOK_EVERY_S if left is None else min(left, _LOOK_EVERY_S)
        return left

    def _pass_on(self) -> None:
        """Send the program what this process was sent; kill it the second time."""
        for number in self._noted.take():
            if self.signal:
                self._program.end()
                return
            self.signal = number
            if self.ended_by == "itself":
                self.ended_by = "signal"
            self._program.signal(number)
            if number != signal.SIGINT:  # which many programs ask about first
                self._kill_s = time.monotonic() + self._grace_s

    def _look_at_the_time(self) -> None:
        now = time.monotonic()
        if self._kill_s is not None and now >= self._kill_s:
            self._kill_s = None
            self._program.end()
        elif self._end_s is not None and now >= self._end_s:
            self._finish("time")
        elif self._has_done_enough():
            self._finish("enough")

    def _has_done_enough(self) -> bool:
        if self._until is None or self.ended_by != "itself":
            return False
        return self._until.is_met(self._exchange.counters())

    def _finish(self, why: EndedBy) -> None:
        self.ended_by, self._end_s = why, None
        self._kill_s = time.monotonic() + self._grace_s
        self._program.signal(signal.SIGTERM, everyone=True)
