"""The simulated exchange, for a program's own client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from vestbench.api.traffic import Account, account_of, rules_for
from vestbench.model.simulated import ExchangeCounters, ExchangeSpec, LinkSpec
from vestbench.programs.account import served_traffic
from vestbench.simulator.venue import ServedExchange
from vestbench.values import duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A simulated Vest exchange that is running."""

    base_url: str
    ca_file: Path  # the certificate that a client has to trust
    _served: ServedExchange = field(repr=False)
    _spec: ExchangeSpec = field(repr=False)
    _began_ns: int = field(repr=False)

    def counters(self) -> ExchangeCounters:
        """Return what it has counted so far.

        Raises:
            LabError: It is gone.
        """
        return self._served.counters()

    @property
    def traffic(self) -> Account:
        """What clients have sent so far, over which connections, and why these.

        A connection that is still open counts as one that could be used again.

        Raises:
            LabError: It is gone.
        """
        now_ns = time.perf_counter_ns()
        seen = served_traffic(
            self._served.seen(), began_ns=self._began_ns, ended_ns=now_ns
        )
        return account_of(seen, rules_for(self._spec))


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
    spec = spec or ExchangeSpec()
    with (
        ServedExchange(spec, link, port=port) as served,
        TemporaryDirectory(prefix="vestbench-") as folder,
    ):
        ca_file = Path(folder) / "ca.pem"
        ca_file.write_text(served.ca_pem, encoding="ascii")
        yield Exchange(
            base_url=served.base_url(),
            ca_file=ca_file,
            _served=served,
            _spec=spec,
            _began_ns=time.perf_counter_ns(),
        )
