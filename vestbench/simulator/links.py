"""Emulated links: which engine of this machine can do what is asked for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

from vestbench.model.simulated import Refusal
from vestbench.simulator.link.report import ENGINES, NoLinkError, unfit, validate
from vestbench.simulator.relayed import start_relay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vestbench.children import Spawner
    from vestbench.model.simulated import LinkReport, LinkSpec


class Link(Protocol):
    """A running link, by whatever engine; ended by `stop`."""

    @property
    def engine(self) -> str:
        """What emulates it: packet, tun or relay."""

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Why each better engine was refused."""

    @property
    def server_host(self) -> str:
        """The address that a server at its far end must listen on."""

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts that clients connect to, for a certificate."""

    @property
    def spawner(self) -> Spawner | None:
        """What starts programs at its ends; None where they may be anywhere."""

    def connect_address(self, port: int) -> tuple[str, int]:
        """Return where a client connects to reach a server's port through it."""

    def fileno(self) -> int:
        """Return the descriptor that can be read when something has ended."""

    def check(self) -> None:
        """Raise `ProcessDiedError` if it, or a program at its ends, ended unasked."""

    def measure_rtt(self, port: int = 0, n: int = 5) -> tuple[float, ...]:
        """Return the kernel's round trips in ms; none where those say nothing."""

    def stop(self) -> LinkReport:
        """End it, and return what it did; never raises, and may be called again."""

    def __enter__(self) -> Link:
        """Return itself."""

    def __exit__(self, *_: object) -> None:
        """End it."""


def open_link(spec: LinkSpec) -> Link:
    """Start a link by the best engine that works here, or by the one asked for.

    Raises:
        NoLinkError: The engine asked for does not work here, or none can do what
            `spec` asks for. It is a `LabError`.
        UsageError: A value of `spec` is out of range.
    """
    validate(spec)
    refusals: list[Refusal] = []
    for engine in ENGINES if spec.engine == "auto" else (spec.engine,):
        found = unfit(engine, spec) or _started(engine, spec, refusals)
        if not isinstance(found, Refusal):
            return found
        refusals.append(found)
    raise NoLinkError(spec, refusals)


def _started(
    engine: str, spec: LinkSpec, refusals: Sequence[Refusal]
) -> Link | Refusal:
    if sys.platform == "linux" and engine != "relay":
        from vestbench.simulator.lab_client import Lab
        from vestbench.simulator.lab_start import start_lab

        started = start_lab(spec, engine)
        if isinstance(started, Refusal):
            return started
        return Lab(started, spec, engine, refusals)
    return start_relay(spec, refusals)
