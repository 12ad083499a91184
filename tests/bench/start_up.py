"""How long until the command answers, and until the first byte is on the wire?

Run it as `python -m tests.bench.start_up`; it stores its figures in
`results/overhead-start-up.toml` and exits 1 when a bar is missed. It takes a minute.

Everything is a ratio to something bare that was started in the same round, in an order
drawn by lot:

- `vestbench --help` and `--version` against `python -c "import typer"`;
- `vestbench bench` against a listener of the study, which notes when the first byte
  arrives: against the bare imports that it needs, which are a Typer command of one
  option that starts a process that imports what sends requests and sends a byte. (What
  a command imports includes what Typer imports when it reads an option.) The same in a
  single process is stored beside it, without a bar: that the requests have a process of
  their own is a decision;
- the simulated exchange, alone and behind a link of 30 ms, in seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import trustme
from rich.console import Console
from rich.table import Table

from tests.bench.figures import FEWEST, Bar, at_least, carry_out, figure, in_turns
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.simulator.venue import SimulatedVenue

ROUNDS = 30
LINK_RTT_MS = 30.0
SEED = 20261128
RATIO_LIMIT = 1.5
SIMULATOR_LIMIT_S = 0.5
_PATIENCE_S = 30.0

COMMAND = [sys.executable, "-m", "vestbench"]
# What the measuring process and the command line import of others, when a request to a
# URL is the first thing that is sent. (httpx imports httpcore with its first client.)
OF_COMMAND = "typer, tomli_w, subprocess"
OF_WORKER = "httpx, httpcore, h11, certifi"


def seconds_to_end(
    argv: Sequence[str], environment: Mapping[str, str] | None = None
) -> float:
    """Run a program, in our environment or in one, and return how long it took.

    Raises:
        CalledProcessError: It failed.
    """
    begin = time.perf_counter()
    subprocess.run(argv, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


class Listener:
    """Notes when the first byte of a program arrives."""

    def __init__(self, folder: Path) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._server.settimeout(_PATIENCE_S)
        self.port: int = self._server.getsockname()[1]
        certificate = folder / "ca.pem"
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        authority.cert_pem.write_to_path(str(certificate))
        # One certificate to trust: loading the usual store takes 30 ms, for everybody.
        self._environment = {**os.environ, "SSL_CERT_FILE": str(certificate)}
        self._folder = folder

    def seconds_to_first_byte(self, argv: Sequence[str]) -> float:
        """Start a program, return when its first byte came, and end it."""
        begin = time.perf_counter()
        program = subprocess.Popen(
            argv,
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            visitor, _ = self._server.accept()
            with visitor:
                visitor.settimeout(_PATIENCE_S)
                if not visitor.recv(1):
                    message = f"{argv} sent nothing"
                    raise ConnectionError(message)
                taken = time.perf_counter() - begin
                program.kill()  # before it is answered; what it started ends as well
                program.wait()
        finally:
            if program.poll() is None:
                program.kill()
                program.wait()
        self._drain()
        return taken

    def _drain(self) -> None:
        """Take leave of what the program may have sent meanwhile."""
        self._server.settimeout(0.05)
        with suppress(TimeoutError):
            while True:
                self._server.accept()[0].close()
        self._server.settimeout(_PATIENCE_S)

    def close(self) -> None:
        """Stop listening."""
        self._server.close()


def bench_command(port: int) -> list[str]:
    """Return a bench of the listener."""
    url = f"https://127.0.0.1:{port}/"
    return [*COMMAND, "bench", "--venue", url, "--requests", "2", "--quiet"]


def bare_pair(port: int) -> list[str]:
    """Return two processes that import what bench needs; the second sends a byte."""
    worker = f"import socket, {OF_WORKER}; {_send(port)}"
    return _bare(f"subprocess.run([sys.executable, '-c', {worker!r}])")


def bare_single(port: int) -> list[str]:
    """Return the same in one process."""
    return _bare(f"import socket, {OF_WORKER}; {_send(port)}")


def _bare(deed: str) -> list[str]:
    """Return a command of one option that does something."""
    lines = (
        f"import sys, {OF_COMMAND}",
        "def main(requests: int = 2) -> None:",
        f"    {deed}",
        "typer.run(main)",
    )
    return [sys.executable, "-c", "\n".join(lines), "--requests", "2"]


def _send(port: int) -> str:
    return f"socket.create_connection(('127.0.0.1', {port})).sendall(b'x')"


def simulator_s(link: LinkSpec | None) -> float:
    """Start the simulated venue, and return how long that took."""
    begin = time.perf_counter()
    with SimulatedVenue(ExchangeSpec(), link) as sim:
        if sim.engine == "relay":
            sys.exit(f"no packet link on this machine: {sim.refusals}")
        return time.perf_counter() - begin


def measure(rounds: int, seed: int) -> dict[str, list[float]]:
    """Start everything in turns, and return seconds by name."""
    rng = random.Random(seed)
    typer = [sys.executable, "-c", "import typer"]
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        listener = Listener(folder)
        cleanup.callback(listener.close)
        bench, pair = bench_command(listener.port), bare_pair(listener.port)
        single = bare_single(listener.port)
        things: dict[str, Callable[[], float]] = {
            "import typer": lambda: seconds_to_end(typer),
            "vestbench --help": lambda: seconds_to_end([*COMMAND, "--help"]),
            "vestbench --version": lambda: seconds_to_end([*COMMAND, "--version"]),
            "vestbench bench": lambda: listener.seconds_to_first_byte(bench),
            "bare imports": lambda: listener.seconds_to_first_byte(pair),
            "bare imports, one process": lambda: listener.seconds_to_first_byte(single),
            "simulator": lambda: simulator_s(None),
            "simulator, 30 ms": lambda: simulator_s(LinkSpec(rtt_ms=LINK_RTT_MS)),
        }
        for thing in things.values():  # files into the page cache
            thing()
        return in_turns(rounds, rng, things)


RATIOS = (
    ("vestbench --help", "import typer", RATIO_LIMIT),
    ("vestbench --version", "import typer", RATIO_LIMIT),
    ("vestbench bench", "bare imports", RATIO_LIMIT),
    ("vestbench bench", "bare imports, one process", None),
)


def bars(taken: Mapping[str, Sequence[float]]) -> list[Bar]:
    """Return the limits, each with what was found."""
    found = [
        Bar(
            name=f"{ours}, of {theirs}",
            limit=limit,
            found=figure(ratios(taken[ours], taken[theirs])),
            unit="ratio",
        )
        for ours, theirs, limit in RATIOS
        if limit is not None
    ]
    found += [
        Bar(
            name=f"{name}, up",
            limit=SIMULATOR_LIMIT_S,
            found=figure(taken[name]),
            unit="s",
        )
        for name in taken
        if name.startswith("simulator")
    ]
    return found


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return what was measured in a round over what else was measured in it."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def table(taken: Mapping[str, Sequence[float]], found: Iterable[Bar]) -> Table:
    """Return times and bars."""
    shown = Table(title="start-up, medians")
    for name in ("what", "n", "found", "limit", ""):
        shown.add_column(name, justify="right")
    for what, values in taken.items():
        one = figure([1e3 * value for value in values])
        shown.add_row(what, str(one.n), f"{one} ms", "", "")
    for bar in found:
        limit = f"{bar.limit:g} {bar.unit}"
        shown.add_row(bar.name, str(bar.found.n), str(bar.found), limit, bar.outcome)
    return shown


def study(options: argparse.Namespace, _: Console) -> tuple[dict[str, Any], Table]:
    """Measure, and return what is stored and what is shown."""
    taken = measure(options.rounds, options.seed)
    found = bars(taken)
    content = {
        "rounds": options.rounds,
        "bare": {"command": OF_COMMAND, "worker": OF_WORKER},
        "bar": [bar.row() for bar in found],
        "ratio": [
            {
                "of": ours,
                "to": theirs,
                **asdict(figure(ratios(taken[ours], taken[theirs]))),
            }
            for ours, theirs, _ in RATIOS
        ],
        "seconds": [
            {"what": what, **asdict(figure(values))} for what, values in taken.items()
        ],
    }
    return content, table(taken, found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.start_up",
        description="Hold the start of the command against bare imports.",
    )
    parser.add_argument("--rounds", type=at_least(FEWEST), default=ROUNDS)
    return carry_out(
        parser,
        study,
        kind="start-up",
        output="results/overhead-start-up.toml",
        seed=SEED,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
