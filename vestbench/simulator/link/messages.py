"""What a lab, its link and the process that started it say to each other."""

from __future__ import annotations

from vestbench.ipc import Message

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Mapping


class StartLink(Message):
    """The first question to a lab: a `LinkSpec`, whose module takes too long here."""

    engine: str  # packet, tun or relay
    rtt_ms: float
    jitter_ms: float
    loss: float
    drift_ms_per_s: float
    seed: int


class LinkStarted(Message):
    """The answer to `StartLink`; another one is `LinkRefusedError`."""

    pid: int  # of the forwarder or relay
    congestion_control: str
    mtu: int  # 0 for a relay


class Spawn(Message):
    """Start a program in the lab; its descriptors travel with the message."""

    argv: list[str]
    env: Mapping[str, str]
    cwd: str | None
    fds: list[int]  # the numbers that the descriptors have in the program


class Spawned(Message):
    """The answer to `Spawn`."""

    pid: int


class Ended(Message):
    """A program of the lab, or its link, has ended; nobody has asked."""

    pid: int
    status: int  # negative where a signal ended it


class Kill(Message):
    """Send a signal to a program, if it still runs; answered by `Done`."""

    pid: int
    signal: int


class MeasureRtt(Message):
    """Connect through the link; answered by `RoundTrips`."""

    port: int  # 0 is one of the lab's own
    n: int


class RoundTrips(Message):
    """The kernel's round trips of the connects."""

    rtts_ms: tuple[float, ...]


class Listen(Message):
    """Have the relay take connections for a server's port; answered by `Listening`."""

    port: int  # the server's
    at: int  # the relay's; 0 is any free one
    host: str


class Listening(Message):
    """Where the relay listens."""

    port: int


class GiveAccount(Message):
    """Answered by `LinkAccount`, as soon as the link serves."""


class LinkAccount(Message):
    """What a link did, counted by the link itself."""

    packets: int  # delivered; on a relay, chunks
    dropped: int  # asked for by the loss
    overflow: int  # not asked for
    compensation_us: float
    late_us: tuple[float, float, float, float] | None  # p50, p90, p99, max
    late_events: tuple[tuple[int, int], ...]  # when, and how late, both in ns


class Catch(Message):
    """Lead every TCP connection to one port; answered by `Done`.

    Whatever address and port it is for, but for the addresses of the fixed links.
    """

    port: int  # of a server on the local address


class GivePackets(Message):
    """Answered by `Packets`: those of caught connections so far."""


COLUMNS = 6


class Packets(Message):
    """The packets of caught connections, as they left or reached the program."""

    # Of each packet six numbers, as bytes of `array("Q")`: when (`perf_counter_ns`) it
    # was at the program's end; its connection, which is address dialled (32 bits), port
    # dialled and the program's port (16 each); 1 if it is the program's, else 0; TCP
    # flags; sequence number; bytes of payload.
    columns: bytes
    omitted: int  # packets that came when there was no room left for more
    others: int  # that were not TCP, and led nowhere


class EndLab(Message):
    """End the lab and everything in it; answered by `LabEnded`."""


class LabEnded(Message):
    """The last word of a lab."""

    account: LinkAccount | None  # None where the link gave none
