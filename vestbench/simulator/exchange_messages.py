"""What the process of the simulated exchange is asked. It answers nothing else."""

from __future__ import annotations

from vestbench.ipc import Message
from vestbench.model.simulated import ExchangeSpec, WorldSpec
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.simulator.http.seen import SeenConnection, SeenRequest


class StartExchange(Message):
    """The first question; answered by `ExchangeStarted`."""

    spec: ExchangeSpec
    behaviour: Behaviour
    world: WorldSpec | None  # it is every host, and answers who asks for names
    account: bool  # what clients send is kept, as it always is in a world


class ExchangeStarted(Message):
    """The exchange serves."""

    port: int
    ca_pem: str  # the certificate to trust
    java_store: bytes  # the same as Java wants it, where the exchange is a world


class Count(Message):
    """Answered by `ExchangeCounters`."""


class GiveSeen(Message):
    """Answered by `Seen`, where an account is kept."""


class Seen(Message):
    """What was seen so far."""

    connections: list[SeenConnection]
    requests: list[SeenRequest]
    omitted_connections: int
    omitted_requests: int
    names: dict[str, int]  # of a world: how often each was asked for


class Behave(Message):
    """Behave differently from the next request on; answered by `Done`."""

    behaviour: Behaviour


class OwnFile(Message):
    """Remove a file, however the exchange ends; answered by `Done`."""

    file: str


class StopExchange(Message):
    """Close everything in good order, and end; answered by `Done` before that."""
