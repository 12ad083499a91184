"""The simulated exchange, for a program's own client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from vestbench.model.simulated import ExchangeCounters, ExchangeSpec, LinkSpec
from vestbench.simulator.venue import ServedExchange
from vestbench.values import duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A simulated Vest exchange that is running."""

    base_url: str
    ca_file: Path  # the certificate that a client has to trust
    _served: ServedExchange = field(repr=False)

    def counters(self) -> ExchangeCounters:
        """Return what it has counted so far.

        Raises:
            LabError: It is gone.
        """
        return self._served.counters()


@contextmanager
def simulated_exchange(
    spec: ExchangeSpec | None = None, *, rtt: str = "0ms", port: int = 0
) -> Iterator[Exchange]:
    """Run the simulated exchange on loopback, as `vestbench serve` does.

    Args:
        spec: What it is like; its port is set here.
        rtt: Delay what is sent, by a relay in user space.
        port: Where clients connect; 0 takes any free one.

    Raises:
        LabError: It could not be started.
    """
    rtt_ms = 1e3 * duration("rtt", rtt)
    link = LinkSpec(rtt_ms=rtt_ms) if rtt_ms else None
    with (
        ServedExchange(spec or ExchangeSpec(), link, port=port) as served,
        TemporaryDirectory(prefix="vestbench-") as folder,
    ):
        ca_file = Path(folder) / "ca.pem"
        ca_file.write_text(served.ca_pem, encoding="ascii")
        yield Exchange(base_url=served.base_url(), ca_file=ca_file, _served=served)
