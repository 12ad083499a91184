"""Phases over the emulated link, against its known round trip.

Tolerances are those of the link itself, on medians: connect +1.5/-0.2 ms, wait on a
reused connection +2/-0.2 ms beyond one round trip and the service time, and TLS
+12/-0.2 ms, where the crypto of a slow machine is.
"""

from statistics import median

import pytest

from tests.support.machine import demand
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import Outcome, Sample
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.running.ports import Pacer
from vestbench.simulator.venue import SimulatedVenue
from vestbench.studies.bench.experiment import BenchSchedule, run_bench
from vestbench.venues.vest.public import vest
from vestbench.workers.remote import RemoteStack

PROCESSING_MS = 5.0


# A wrong client is wrong each time; a busy machine is not busy so often.
TRIES = 4
SESSIONS = 22


def _median_ms(values: list[int | None]) -> float:
    present = [value for value in values if value is not None]
    assert len(present) == len(values) == SESSIONS
    return median(present) / 1e6


def _measure(rtt_ms: float, tls: str) -> list[Sample]:
    plan = BenchSchedule(
        session=SessionPlan(pool=PoolSettings()),
        requests=2 * SESSIONS,
        sessions=SESSIONS,
    )
    outcomes: list[Outcome] = []
    exchange = ExchangeSpec(tls=tls, processing_ms=PROCESSING_MS)
    with SimulatedVenue(exchange, LinkSpec(rtt_ms=rtt_ms)) as sim:
        if sim.engine == "relay":
            pytest.skip(f"no packet link on this machine: {sim.refusals}")
        venue = vest("sim", sim.base_url())
        with RemoteStack(sim.spawn, ca_pem=sim.ca_pem) as stack:
            run_bench(
                plan,
                stack,
                lambda: venue.request(venue.endpoint(), now_ms=0),
                pacer=Pacer(),
                record=outcomes.append,
            )
    assert all(isinstance(outcome, Sample) for outcome in outcomes)
    return [outcome for outcome in outcomes if isinstance(outcome, Sample)]


def _beside(value: float, expected: float, below: float, above: float) -> bool:
    return expected - below <= value <= expected + above


@pytest.mark.link
@pytest.mark.parametrize(
    ("rtt_ms", "tls", "tls_trips"),
    [(10, "1.3", 1), (30, "1.3", 1), (80, "1.3", 1), (30, "1.2", 2)],
)
def test_phases_take_the_round_trips_they_should(
    rtt_ms: float, tls: str, tls_trips: int
) -> None:
    for _ in range(TRIES):
        samples = _measure(rtt_ms, tls)
        cold = [sample for sample in samples if not sample.reused]
        later = [sample for sample in samples if sample.reused]
        kernel = median(s.syn_rtt_us for s in cold if s.syn_rtt_us is not None) / 1e3
        connect = _median_ms([sample.connect_ns for sample in cold])
        handshake = _median_ms([sample.tls_ns for sample in cold])
        wait = _median_ms([sample.wait_ns for sample in later])
        met = (
            _beside(kernel, rtt_ms, 0.5, 0.5)
            and _beside(connect, rtt_ms, 0.2, 1.5)
            and _beside(handshake, tls_trips * rtt_ms, 0.2, 12)
            and _beside(wait, rtt_ms + PROCESSING_MS, 0.2, 2)
        )
        if met:
            break

    assert {sample.tls_version for sample in samples} == {f"TLSv{tls}"}
    found = f"{kernel=:.2f} {connect=:.2f} {handshake=:.2f} {wait=:.2f}"
    demand(met, f"at {rtt_ms} ms and TLS {tls}: {found}")
