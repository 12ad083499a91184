"""The same request by vestbench, a bare socket and curl, in turns."""

from __future__ import annotations

import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import track

from tests.bench.programs import Spawn, output_of
from tests.bench.raw_socket import Stamps
from vestbench.children import start_child
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.columns import network_ns
from vestbench.model.request import NS_PER_MS, Failure, RequestSpec, Role, Sample, Slot
from vestbench.model.simulated import ExchangeSpec, LinkReport, LinkSpec
from vestbench.simulator.venue import SimulatedVenue
from vestbench.venues.vest.public import vest
from vestbench.workers.remote import RemoteStack

# Round trip and service time in ms; without a round trip it is plain loopback.
ROUTES = ((0.0, 0.0), (0.0, 5.0), (10.0, 5.0), (30.0, 5.0), (80.0, 5.0))
USES = 5  # of a connection, after the cold one
PAUSE_S = 0.004  # before every request of vestbench and of the raw socket
_CURL_TIMES = (
    *("namelookup", "connect", "appconnect", "pretransfer", "starttransfer", "total"),
)
Times = Mapping[str, float]  # a phase → ms; what did not happen is not in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one client saw in one round."""

    cold: Times
    reused: Times  # medians over the uses


def of_sample(sample: Sample) -> dict[str, float]:
    """Return the times of a sample of vestbench."""
    window = _sum(sample.send_ns, sample.wait_ns)
    found = {
        "dns": sample.dns_ns,
        "connect": sample.connect_ns,
        "tls": sample.tls_ns,
        "wait": window,
        "window": window,
        "network": network_ns(sample),
        "total": sample.latency_ns,
    }
    return {name: ns / NS_PER_MS for name, ns in found.items() if ns is not None}


def _sum(*times_ns: int | None) -> int | None:
    known = [ns for ns in times_ns if ns is not None]
    return sum(known) if len(known) == len(times_ns) else None


def of_stamps(stamps: Stamps) -> dict[str, float]:
    """Return the times of an exchange of the raw socket."""
    window = stamps.first_read - stamps.first_write
    total = stamps.end - stamps.begin
    found = {"wait": window, "window": window, "network": total, "total": total}
    if stamps.resolved and stamps.connected and stamps.secured:
        found["dns"] = stamps.resolved - stamps.begin
        found["connect"] = stamps.connected - stamps.resolved
        found["tls"] = stamps.secured - stamps.connected
    return {name: ns / NS_PER_MS for name, ns in found.items()}


def of_curl(line: str) -> tuple[dict[str, float], int]:
    """Return the times of a line that curl wrote, and its number of new connections.

    Raises:
        ValueError: It is not such a line, or the exchange was not answered with 200.
    """
    words = line.split()
    if len(words) != len(_CURL_TIMES) + 2 or words[-1] != "200":
        message = f"not a line of curl's, or not a good one: {line!r}"
        raise ValueError(message)
    at = {
        name: 1e3 * float(word) for name, word in zip(_CURL_TIMES, words, strict=False)
    }
    opened = int(words[-2])
    times = {
        "wait": at["starttransfer"] - at["pretransfer"],
        "network": at["total"],
        "total": at["total"],
    }
    if opened:
        times["dns"] = at["namelookup"]
        times["connect"] = at["connect"] - at["namelookup"]
        times["tls"] = at["appconnect"] - at["connect"]
    return times, opened


def middle(uses: Sequence[Times]) -> dict[str, float]:
    """Return the median of each time over some exchanges that have the same ones."""
    return {name: median(times[name] for times in uses) for name in uses[0]}


class Ours:
    """The httpx stack of vestbench, in its measuring process."""

    def __init__(self, stack: RemoteStack, spec: RequestSpec) -> None:
        self._stack = stack
        self._spec = spec
        self._plan = SessionPlan(pool=PoolSettings())

    def turn(self) -> Turn:
        """Take a turn."""
        session = self._stack.open(self._plan)
        try:
            found = []
            for index in range(1 + USES):
                time.sleep(PAUSE_S)
                role = Role.SUBSEQUENT if index else Role.COLD
                slot = Slot(session=0, index=index, role=role)
                outcome = session.send(self._spec, slot)
                if isinstance(outcome, Failure) or outcome.reused is (index == 0):
                    message = f"not what a turn is made of: {outcome}"
                    raise ConnectionError(message)
                found.append(of_sample(outcome))
        finally:
            session.close()
        return Turn(cold=found[0], reused=middle(found[1:]))


class Raw:
    """A socket and TLS, in a process of its own."""

    def __init__(self, spawn: Spawn | None, ca_pem: str, spec: RequestSpec) -> None:
        here, there = socket.socketpair()
        with there:
            number = there.fileno()
            argv = [sys.executable, "-m", "tests.bench.raw_socket", str(number)]
            self._process = (spawn or start_child)(argv, {number: number})
        self._channel: Connection[Any, Any] = Connection(here.detach())
        self._channel.send((ca_pem, spec))

    def turn(self) -> Turn:
        """Take a turn."""
        found = []
        for index in range(1 + USES):
            time.sleep(PAUSE_S)
            self._channel.send("reused" if index else "cold")
            found.append(of_stamps(Stamps(*self._channel.recv())))
        return Turn(cold=found[0], reused=middle(found[1:]))

    def close(self) -> None:
        """End the process."""
        self._channel.close()


class Curl:
    """curl, one process a turn."""

    def __init__(self, spawn: Spawn | None, ca_file: Path, spec: RequestSpec) -> None:
        self._spawn = spawn
        self._argv = curl_command(ca_file, spec)

    def turn(self) -> Turn:
        """Take a turn."""
        lines = output_of(self._argv, self._spawn).splitlines()
        if len(lines) != 2 + USES:
            message = f"curl did not do all of {2 + USES} exchanges: {lines}"
            raise ConnectionError(message)
        found = [of_curl(line) for line in lines[1:]]
        if [opened for _, opened in found] != [1] + USES * [0]:
            message = f"curl did not reuse what it should: {lines}"
            raise ConnectionError(message)
        times = [times for times, _ in found]
        return Turn(cold=times[0], reused=middle(times[1:]))


def curl_command(ca_file: Path, spec: RequestSpec) -> list[str]:
    """Return a curl that sends one request to be discarded, a cold one and the uses.

    The discarded one goes to 127.0.0.1 in place of localhost, or curl would know the
    address of the next one already.
    """
    wanted = " ".join(f"%{{time_{name}}}" for name in _CURL_TIMES)
    options = [
        *("--silent", "--show-error", "--http1.1", "--no-sessionid"),
        *("--noproxy", "*", "--cacert", str(ca_file), "--capath", "/nonexistent"),
        *("--write-out", f"{wanted} %{{num_connects}} %{{response_code}}\\n"),
    ]
    for name, value in spec.headers:
        options += ["--header", f"{name}: {value}"]
    discard = ("--output", os.devnull)
    first = spec.url.replace("//localhost:", "//127.0.0.1:")
    argv = ["curl", "--disable", *options, "--header", "Connection: close"]
    argv += [*discard, first, "--next", *options]
    for _ in range(1 + USES):
        argv += [*discard, spec.url]
    return argv


@dataclass(slots=True)
class Route:
    """An exchange, the clients that share it, and what they saw."""

    rtt_ms: float
    processing_ms: float
    sim: SimulatedVenue
    clients: dict[str, Any]
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    report: LinkReport | None = None


def open_route(
    rtt_ms: float, processing_ms: float, seed: int, cleanup: ExitStack
) -> Route:
    """Start an exchange, its link and the clients at the other end of it."""
    link = LinkSpec(rtt_ms=rtt_ms, seed=seed) if rtt_ms else None
    exchange = ExchangeSpec(processing_ms=processing_ms)
    sim = cleanup.enter_context(SimulatedVenue(exchange, link))
    if sim.engine == "relay":
        sys.exit(f"no packet link on this machine: {sim.refusals}")
    spawn = sim.spawn if sim.has_link else None
    url = sim.base_url().replace("//127.0.0.1:", "//localhost:")
    venue = vest("sim", url)
    spec = venue.request(venue.endpoint(), now_ms=0)
    stack = cleanup.enter_context(RemoteStack(spawn, ca_pem=sim.ca_pem))
    raw = Raw(spawn, sim.ca_pem, spec)
    cleanup.callback(raw.close)
    folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
    ca_file = folder / "ca.pem"
    ca_file.write_text(sim.ca_pem)
    clients = {
        "vestbench": Ours(stack, spec),
        "raw": raw,
        "curl": Curl(spawn, ca_file, spec),
    }
    return Route(rtt_ms, processing_ms, sim, clients)


def measure(rounds: int, seed: int, console: Console) -> list[Route]:
    """Let all clients take turns on all routes."""
    rng = random.Random(seed)
    with ExitStack() as cleanup:
        routes = [open_route(*place, seed, cleanup) for place in ROUTES]
        for route in routes:  # caches of the processes
            for client in route.clients.values():
                client.turn()
        for _ in track(range(rounds), "rounds", console=console):
            for route in rng.sample(routes, len(routes)):
                for name in rng.sample(list(route.clients), len(route.clients)):
                    turn = route.clients[name].turn()
                    route.turns.setdefault(name, []).append(turn)
        for route in routes:
            route.report = route.sim.stop()
    return routes
