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
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import trustme
from rich.console import Console, Group
from rich.progress import track
from rich.table import Table

from tests.bench.figures import carry_out
from tests.bench.programs import find
from tests.bench.stored import positive
from tests.support.servers import free_port
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import Outcome, RequestSpec, Role, Sample, Slot
from vestbench.model.strategy import HTTP2, POOLED, RESUMED, UNPOOLED
from vestbench.workers.remote import RemoteSession, RemoteStack

TLS_VERSIONS = ("1.2", "1.3")
IDLE_TIMEOUTS_S = (1, 5, 75)
REPEATS = 4
# A pause, then so many requests of every session: nothing, half a second, longer than
# the shortest idle time-out, longer than the middle one and than the small pool's.
SCHEDULE = ((0.0, 3), (0.5, 2), (1.8, 2), (6.2, 3))
POOLS = {
    "the bot's": PoolSettings(),
    "idle 3 s": PoolSettings(idle_timeout_s=3.0),
}
SEED = 20261126
_START_S = 10.0

_LOG_FORMAT = (
    "$arg_n $connection $connection_requests $ssl_session_reused $remote_port "
    "$ssl_protocol $server_protocol $status"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One request as nginx saw it."""

    connection: int  # its own serial
    use: int  # how many requests this connection had carried, this one included
    resumed: bool
    client_port: int
    tls_version: str
    http_version: str
    status: int


def read_log(lines: Iterable[str]) -> dict[int, Logged]:
    """Return what a log says, by the number that the request carried.

    Raises:
        ValueError: A line is not of the format, or a number is there twice.
    """
    found: dict[int, Logged] = {}
    for line in lines:
        words = line.split()
        if len(words) != len(_LOG_FORMAT.split()):
            message = f"not a line of the log: {line!r}"
            raise ValueError(message)
        number, connection, use, resumed, port, tls, http, status = words
        if int(number) in found:
            message = f"request {number} was logged twice"
            raise ValueError(message)
        found[int(number)] = Logged(
            connection=int(connection),
            use=int(use),
            resumed=resumed == "r",
            client_port=int(port),
            tls_version=tls,
            # nginx has a zero in the version that httpx does not have.
            http_version="HTTP/2" if http == "HTTP/2.0" else http,
            status=int(status),
        )
    return found


def disagreements(sample: Sample, logged: Logged) -> list[str]:
    """Return in what a sample is not what nginx saw."""
    claims = {
        "reused": (sample.reused, logged.use > 1),
        "use": (sample.use, logged.use),
        "resumed": (sample.resumed, logged.resumed),
        "local port": (sample.local_port, logged.client_port),
        "TLS version": (sample.tls_version, logged.tls_version),
        "HTTP version": (sample.http_version, logged.http_version),
        "status": (sample.status, logged.status),
    }
    return [
        f"{name}: {ours} here, {theirs} there"
        for name, (ours, theirs) in claims.items()
        if ours != theirs
    ]


def mixed_up(pairs: Iterable[tuple[int, int]]) -> list[str]:
    """Return where connections here and there are not the same, one for one."""
    here: dict[int, int] = {}
    there: dict[int, int] = {}
    found = []
    for ours, theirs in pairs:
        if here.setdefault(ours, theirs) != theirs:
            found.append(f"connection {ours} is {here[ours]} and {theirs} there")
        if there.setdefault(theirs, ours) != ours:
            found.append(f"connection {theirs} there is {there[theirs]} and {ours}")
    return found


def configuration(
    folder: Path, ports: Mapping[tuple[str, int], int], *, as_root: bool
) -> str:
    """Return an nginx configuration that needs nothing but `folder`."""
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    servers = "\n".join(
        f"""  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_protocols TLSv{tls};
    keepalive_timeout {idle_s}s;
    location / {{ default_type application/json; return 200 "{{}}"; }}
  }}"""
        for (tls, idle_s), port in ports.items()
    )
    return f"""
{"user root;" if as_root else ""}
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
{temporary}
  log_format counted '{_LOG_FORMAT}';
  access_log {folder}/access.log counted;
  ssl_certificate {folder}/certificate.pem;
  ssl_certificate_key {folder}/key.pem;
  ssl_session_cache shared:sessions:1m;
{servers}
}}
"""


class Nginx:
    """A running nginx; `stop` ends it and returns its log."""

    def __init__(self, program: str, folder: Path) -> None:
        self._folder = folder
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        leaf = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
        leaf.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
        leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
        self.ca_pem = authority.cert_pem.bytes().decode()
        self.ports = {
            (tls, idle_s): free_port()
            for tls in TLS_VERSIONS
            for idle_s in IDLE_TIMEOUTS_S
        }
        path = folder / "nginx.conf"
        path.write_text(configuration(folder, self.ports, as_root=os.getuid() == 0))
        self._process = subprocess.Popen(
            [program, "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(path)],
            stdin=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        """Wait until it listens, or exit with what it has to say."""
        end = time.monotonic() + _START_S
        for port in self.ports.values():
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1.0).close()
                    break
                except OSError:
                    if self._process.poll() is not None or time.monotonic() > end:
                        said = (self._folder / "error.log").read_text()
                        sys.exit(f"nginx did not start: {said}")
                    time.sleep(0.02)

    def stop(self) -> list[str]:
        """End it, once what it is doing is done, and return the lines of its log."""
        self._process.send_signal(signal.SIGQUIT)
        try:
            self._process.wait(_START_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return (self._folder / "access.log").read_text().splitlines()

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


@contextmanager
def running_nginx() -> Iterator[Nginx]:
    """Start nginx in a temporary folder; nothing of it is left afterwards."""
    program = find("nginx")
    if program is None:
        sys.exit("nginx is missing: apt-get install nginx-light")
    with tempfile.TemporaryDirectory() as folder:
        nginx = Nginx(program, Path(folder))
        try:
            nginx.wait()
            yield nginx
        finally:
            nginx.kill()


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
