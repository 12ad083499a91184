"""Does nginx count the same connections? Its own log against what vestbench claims.

Run it as `python -m tests.bench.servers`; it stores its figures in
`results/accuracy-servers.toml` and exits 1 when one request is counted otherwise. It
takes a minute, most of it silence, and needs nginx (`apt-get install nginx-light`).

nginx is started in a temporary folder, on loopback, and ended. It speaks TLS 1.2 on
three ports and TLS 1.3 on three others, and closes connections that are idle for 1, 5
and 75 s. Sessions of several strategies and pools send requests to all six, with pauses
between them that some of the idle times survive and some do not. Each request carries a
number, by which it is found in the log; there, its connection, its place on it, the
client's port, the versions and whether the TLS session was resumed must be what the
sample says.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any

from rich.console import Console, Group
from rich.progress import track
from rich.table import Table

from tests.bench.figures import carry_out
from tests.bench.nginx import (
    Logged,
    Nginx,
    disagreements,
    mixed_up,
    read_log,
    running_nginx,
)
from tests.bench.programs import find
from tests.bench.stored import positive
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import Outcome, RequestSpec, Role, Sample, Slot
from vestbench.model.strategy import HTTP2, POOLED, RESUMED, UNPOOLED
from vestbench.workers.remote import RemoteSession, RemoteStack

REPEATS = 4
# A pause, then so many requests of every session: nothing, half a second, longer than
# the shortest idle time-out, longer than the middle one and than the small pool's.
SCHEDULE = ((0.0, 3), (0.5, 2), (1.8, 2), (6.2, 3))
POOLS = {
    "the bot's": PoolSettings(),
    "idle 3 s": PoolSettings(idle_timeout_s=3.0),
}
SEED = 20261126


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What sessions are told apart by."""

    tls: str
    idle_s: int  # after which nginx closes
    strategy: str
    pool: str


@dataclass(slots=True)
class Visit:
    """One session to one port of nginx."""

    kind: Kind
    port: int
    session: RemoteSession


def plans(pool: PoolSettings) -> list[SessionPlan]:
    """Return a plan for each strategy whose reuse depends on connections alone."""
    found = []
    for strategy in (POOLED, UNPOOLED, RESUMED, HTTP2):
        if not strategy.http2 or find_spec("h2") is not None:
            offers = strategy.http2
            found.append(SessionPlan(pool=pool, strategy=strategy, http2=offers))
    return found


def send_all(
    nginx: Nginx, repeats: int, console: Console
) -> list[tuple[Kind, int, Outcome]]:
    """Send everything, and return (kind, number of the request, outcome)."""
    found: list[tuple[Kind, int, Outcome]] = []
    with RemoteStack(ca_pem=nginx.ca_pem) as stack:
        for _ in track(range(repeats), "repeats", console=console):
            with ExitStack() as cleanup:
                visits = list(_open(nginx, stack, cleanup))
                for pause_s, requests in SCHEDULE:
                    time.sleep(pause_s)
                    for visit in visits:
                        for _ in range(requests):
                            number = len(found)
                            outcome = visit.session.send(*_numbered(visit, number))
                            found.append((visit.kind, number, outcome))
    return found


def _open(nginx: Nginx, stack: RemoteStack, cleanup: ExitStack) -> Iterator[Visit]:
    for (tls, idle_s), port in nginx.ports.items():
        for name, pool in POOLS.items():
            for plan in plans(pool):
                session = stack.open(plan)
                cleanup.callback(session.close)
                strategy = plan.strategy.name
                kind = Kind(tls=tls, idle_s=idle_s, strategy=strategy, pool=name)
                yield Visit(kind, port, session)


def _numbered(visit: Visit, number: int) -> tuple[RequestSpec, Slot]:
    url = f"https://127.0.0.1:{visit.port}/?n={number}"
    spec = RequestSpec(endpoint="numbered", method="GET", url=url)
    return spec, Slot(session=0, index=number, role=Role.SUBSEQUENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far both counts agree, for one kind of session."""

    tls: str
    idle_s: int
    strategy: str
    pool: str
    requests: int
    failures: int  # on our side; nothing is compared
    reused_here: int
    reused_there: int
    connections_here: int
    connections_there: int
    disagreements: tuple[str, ...]


def judge(
    outcomes: Iterable[tuple[Kind, int, Outcome]], logged: Mapping[int, Logged]
) -> list[Agreement]:
    """Hold what was claimed against the log, kind by kind."""
    kinds: dict[Kind, list[tuple[int, Outcome]]] = {}
    for kind, number, outcome in outcomes:
        kinds.setdefault(kind, []).append((number, outcome))
    return [_judge(kind, sent, logged) for kind, sent in kinds.items()]


def _judge(
    kind: Kind, sent: Sequence[tuple[int, Outcome]], logged: Mapping[int, Logged]
) -> Agreement:
    samples = [(n, outcome) for n, outcome in sent if isinstance(outcome, Sample)]
    pairs = [(s, logged[n]) for n, s in samples if n in logged]
    wrong = [f"request {n} is not in the log" for n, _ in samples if n not in logged]
    wrong += [
        f"request {n}: {text}"
        for n, sample in samples
        if n in logged
        for text in disagreements(sample, logged[n])
    ]
    wrong += mixed_up((sample.connection, there.connection) for sample, there in pairs)
    return Agreement(
        **asdict(kind),
        requests=len(sent),
        failures=len(sent) - len(samples),
        reused_here=sum(sample.reused for sample, _ in pairs),
        reused_there=sum(there.use > 1 for _, there in pairs),
        connections_here=len({sample.connection for sample, _ in pairs}),
        connections_there=len({there.connection for _, there in pairs}),
        disagreements=tuple(wrong),
    )


def agreement_table(found: Iterable[Agreement]) -> Table:
    """Return both counts side by side."""
    table = Table(title="as vestbench and as nginx count")
    for name in (
        *("TLS", "idle s", "strategy", "pool", "requests", "failed"),
        *("reused: ours", "nginx's", "connections: ours", "nginx's", "disagree"),
    ):
        table.add_column(name, justify="right")
    for row in found:
        values = list(asdict(row).values())
        table.add_row(*map(str, values[:-1]), str(len(row.disagreements)))
    return table


def study(
    options: argparse.Namespace, console: Console
) -> tuple[dict[str, Any], Group]:
    """Measure, and return what is stored and what is shown."""
    with running_nginx() as nginx:
        outcomes = send_all(nginx, options.repeats, console)
        logged = read_log(nginx.stop())
    found = judge(outcomes, logged)
    version = subprocess.run(
        [find("nginx") or "nginx", "-v"],
        capture_output=True,
        text=True,
        check=True,
    )
    wrong = [text for row in found for text in row.disagreements]
    failures = Counter(
        outcome.kind for _, _, outcome in outcomes if not isinstance(outcome, Sample)
    )
    content = {
        "repeats": options.repeats,
        "nginx": version.stderr.strip(),
        "requests": len(outcomes),
        "logged": len(logged),
        "failures": {str(kind): n for kind, n in failures.items()},
        "schedule": [{"pause_s": pause, "requests": n} for pause, n in SCHEDULE],
        "bar": [
            {
                "name": "requests that are counted otherwise",
                "limit": 0,
                "n": len(outcomes),
                "found": len(wrong),
                "outcome": "missed" if wrong or not outcomes else "met",
            }
        ],
        "agreement": [asdict(row) for row in found],
    }
    text = f"{len(wrong)} disagreements in {len(outcomes)} requests"
    return content, Group(agreement_table(found), text, *wrong[:10])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if counts disagree."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.servers",
        description="Hold what vestbench claims of reuse against nginx's own log.",
    )
    parser.add_argument("--repeats", type=positive, default=REPEATS)
    return carry_out(
        parser,
        study,
        kind="reuse as nginx counts it",
        output="results/accuracy-servers.toml",
        seed=SEED,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
