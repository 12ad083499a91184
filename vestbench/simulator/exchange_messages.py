"""What the process of the simulated exchange is asked. It answers nothing else."""

from __future__ import annotations

from vestbench.ipc import Message
from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.http.behaviour import Behaviour


class StartExchange(Message):
    """The first question; answered by `ExchangeStarted`."""

    spec: ExchangeSpec
    behaviour: Behaviour


class ExchangeStarted(Message):
    """The exchange serves."""

    port: int
    ca_pem: str  # the certificate to trust


class Count(Message):
    """Answered by `ExchangeCounters`."""


class Behave(Message):
    """Behave differently from the next request on; answered by `Done`."""

    behaviour: Behaviour


class OwnFile(Message):
    """Remove a file, however the exchange ends; answered by `Done`."""

    file: str


class StopExchange(Message):
    """Close everything in good order, and end; answered by `Done` before that."""
