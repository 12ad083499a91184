"""A program that is not ours, run inside by a Python program."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vestbench import defaults
from vestbench.api.result import Result
from vestbench.api.traffic import Account, account_of
from vestbench.errors import UsageError
from vestbench.files import working_directory
from vestbench.model.simulated import ExchangeSpec, LinkSpec, WorldSpec
from vestbench.model.traffic import Traffic
from vestbench.programs.answers import read_answers
from vestbench.programs.limits import Limits, parse_until
from vestbench.programs.wanted import Wanted
from vestbench.studies.judging import with_assertions
from vestbench.studies.traffic.experiment import COMMAND, carry_out_program
from vestbench.studies.traffic.plan import TrafficPlan
from vestbench.studies.traffic.summary import rules_of
from vestbench.values import confidence_of, duration


@dataclass(frozen=True, slots=True, repr=False)
class ProgramResult(Result):
    """A program that was run, and all that it sent."""

    @property
    def traffic(self) -> Account:
        """Its requests and connections, and why it opened each of these."""
        found = self.run.conclusion.traffic or Traffic()
        return account_of(found, rules_of(self.run))  # type: ignore[arg-type]

    @property
    def status(self) -> int:
        """The exit status; negative where a signal ended it.

        0 where it was ended as it was asked for; of several runs the first other one.
        """
        found = self.run.conclusion.traffic or Traffic()
        ended = (p.status for p in found.programs if p.ended_by not in _BY_US)
        return next((status for status in ended if status), 0)

    def __repr__(self) -> str:
        return f"<ProgramResult {self.run.label}: {self.traffic.told}>"


_BY_US = ("time", "enough")


def run_program(
    argv: Sequence[str],
    *,
    rtt: str = defaults.RTT,
    link: LinkSpec | None = None,
    exchange: ExchangeSpec | None = None,
    runs: int = 1,
    limit: str = "",
    until: str = "",
    answers: Path | str | None = None,
    answer_status: int = 200,
    strict_keys: bool = False,
    local_ports: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    assertions: Sequence[str] = (),
    confidence: int = defaults.CONFIDENCE,
    seed: int = 1,
    results: Path | str | None = None,
) -> ProgramResult:
    """Run a program against the simulated exchange, as `vestbench exec` does.

    It has this process's standard streams, and gets the signals that would end this
    process meanwhile. Linux only, where namespaces are allowed.

    Args:
        argv: The program and its arguments.
        rtt: Round trip of the emulated link.
        link: The emulated link in full, instead of `rtt`.
        exchange: What the simulated exchange is like.
        runs: How often it is started, one after the other.
        limit: End it after this time, such as "60s"; empty is never.
        until: End it when this is so, such as "requests >= 200"; empty is never.
        answers: What hosts answer that are no venue: a HAR, or TOML.
        answer_status: What they answer to all else.
        strict_keys: Take API keys of registrations only.
        local_ports: Of this machine's loopback, that it can reach.
        env: Its environment; None is this process's.
        cwd: Its working directory; None is this process's.
        assertions: What has to be so, as for `--assert`.
        confidence: Of intervals and verdict, in percent: 90, 95 or 99.
        seed: Of jitter, losses and faults.
        results: Folder to keep the result in; None keeps none.

    Raises:
        NotIsolatedError: This machine does not let a program be kept inside.
        VestbenchError: An argument cannot be used, or the program not be started.
    """
    if not argv or isinstance(argv, str):
        raise UsageError("argv: a program and its arguments, as a list")
    wanted = Wanted(
        argv=tuple(argv),
        env=dict(os.environ if env is None else env),
        cwd=working_directory() if cwd is None else Path(cwd),
        link=link or LinkSpec(rtt_ms=1e3 * duration("rtt", rtt), seed=seed),
        exchange=exchange or ExchangeSpec(),
        world=WorldSpec(
            answers=read_answers(Path(answers)) if answers is not None else (),
            answer_status=answer_status,
            strict_keys=strict_keys,
        ),
        limits=Limits(
            seconds=duration("limit", limit) if limit else None,
            until=parse_until(until) if until else None,
        ),
        local_ports=tuple(local_ports),
    )
    plan = TrafficPlan(
        program=Path(argv[0]).name,
        runs=runs,
        limit_s=wanted.limits.seconds,
        until=until,
        confidence=confidence_of("confidence", confidence),
        seed=seed,
        http2=wanted.exchange.http2,
    )
    return _carried_out(wanted, with_assertions(plan, COMMAND, assertions), results)


def _carried_out(
    wanted: Wanted, plan: TrafficPlan, results: Path | str | None
) -> ProgramResult:
    with TemporaryDirectory(prefix="vestbench-") as scratch:
        folder = Path(scratch if results is None else results)
        done = carry_out_program(wanted, plan, folder=folder)
    if done.run.interrupted:
        raise KeyboardInterrupt
    return ProgramResult(done.run, None if results is None else done.path)
