"""A program that is to be run inside, and what came of it; imports on every system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vestbench.errors import UsageError
from vestbench.model.simulated import (
    ExchangeSpec,
    LinkReport,
    LinkSpec,
    WorldSpec,
)
from vestbench.programs.limits import Limits
from vestbench.simulator.exchange_messages import Seen
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.simulator.link.messages import Packets

# What allows a step that was refused, by the code of the refusal.
_REMEDIES = {
    "apparmor-restricts-userns": (
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    ),
    "userns-disabled-debian": "sudo sysctl -w kernel.unprivileged_userns_clone=1",
    "namespace-limit-reached": "sudo sysctl -w user.max_user_namespaces=10000",
    "blocked-by-seccomp": (
        "docker run --security-opt seccomp=unconfined "
        "--security-opt systempaths=unconfined ..."
    ),
}


class NotIsolatedError(UsageError):
    """This machine does not let a program be kept inside; the text says why.

    Args:
        why: As `vestbench doctor` says it.
        code: Of the refusal.
    """

    def __init__(self, why: str, code: str = "") -> None:
        remedy = _REMEDIES.get(code, "")
        allow = f"allow it with: {remedy}; or " if remedy else ""
        super().__init__(
            f"a program cannot be kept inside here ({why}): {allow}point it at the "
            "exchange that `vestbench serve` runs"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Descriptors of a program; None is this process's own."""

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None


# By itself, by us after a time or when enough was done, by a signal that we were sent.
EndedBy = Literal["itself", "time", "enough", "signal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A program, and the world that it finds inside."""

    argv: Sequence[str] = field(repr=False)  # arguments may be secrets
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    link: LinkSpec
    exchange: ExchangeSpec = field(default_factory=ExchangeSpec)
    behaviour: Behaviour = field(default_factory=Behaviour)
    world: WorldSpec = field(default_factory=WorldSpec)
    limits: Limits = field(default_factory=Limits)
    local_ports: tuple[int, ...] = ()  # of this machine's loopback, reachable inside
    streams: Streams = field(default_factory=Streams)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRun:
    """What a program did, and what the link and the exchange did for it."""

    name: str  # of the program, without folder and arguments
    status: int  # as it exited; negative where a signal ended it
    ended_by: EndedBy
    signal: int  # that we were sent; 0 for none
    began_ns: int  # `perf_counter_ns`, as all times of the account
    ended_ns: int
    left: int  # processes that it left behind, which were ended
    seen: Seen
    packets: Packets
    no_route: int  # packets to IPv6 addresses
    link: LinkReport
    setup_s: float  # from the call to the program's start
