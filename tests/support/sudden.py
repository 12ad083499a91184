"""Ends a command at a moment drawn by lot, and looks at what it leaves behind."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.command import PATIENCE_S, started
from vestbench.errors import ExitCode
from vestbench.studies.registry import load_run

# A short run: a second or so from start to end on a quiet machine.
REQUESTS = 150
PLAN = ("--sessions", "3", "--interval", "2ms", "--json")
LATEST_S = 0.7  # at most, from what is waited for to the signal
AGAIN_S = 0.05  # at most, from the first signal to a second one

# What it exits with where a signal ended it.
CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.TERMINATED,
}

LISTENING = "0A"  # the state of a socket in /proc/net/tcp

# What a child process is called in its command line, or calls itself.
LINK = "vestbench-link|vestbench-relay"  # the forwarder, or what stands in for it
CHILDREN = ("workers.worker", "simulator.exchange", "vestbench-lab", LINK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What happens to a command, and when."""

    number: signal.Signals
    whom: str  # a child's name; empty is the command itself
    since: str  # up: it takes care of signals; measuring: there are samples on disk
    after_s: float
    again_s: float | None  # a second signal of the same sort, so much later
    rtt: str
    seed: int
    requests: int = REQUESTS
    gate: bool = False
    link: str = ""  # which one; empty is the best, or none where there is no round trip

    @property
    def kind(self) -> str:
        """What is done to whom."""
        return f"{self.number.name} to {self.whom or 'the command'}"

    @property
    def said(self) -> str:
        """What it is, for the message of a failed assertion."""
        whom = self.whom or "the command"
        again = "" if self.again_s is None else ", twice"
        when = f"{self.after_s:.3f} s after it was {self.since}"
        return f"seed {self.seed}: {self.number.name} to {whom} {when}{again}"


def drawn(seed: int, rtts: tuple[str, ...] = ("0ms", "2ms")) -> Disturbance:
    """Return the disturbance that a seed stands for."""
    rng = random.Random(seed)
    number = rng.choice((*CODES, signal.SIGKILL))
    whom = rng.choice(("", *CHILDREN)) if number is signal.SIGKILL else ""
    twice = number is not signal.SIGKILL and rng.random() < 0.3
    return Disturbance(
        number=number,
        whom=whom,
        since=rng.choice(("up", "measuring")),
        after_s=rng.uniform(0.0, LATEST_S),
        again_s=rng.uniform(0.0, AGAIN_S) if twice else None,
        rtt=rng.choice(rtts),
        seed=seed,
    )


@dataclass(slots=True)
class Traces:
    """What the processes of a command hold, as far as it was seen."""

    ports: set[int] = field(default_factory=set)  # that they listen on, on loopback
    networks: set[str] = field(default_factory=set)  # other than our own

    def look(self, mark: str) -> list[int]:
        """Add what can be seen now, and return the processes that have the mark."""
        found = list(marked(mark))
        ours = os.readlink("/proc/self/ns/net")
        for pid in found:
            with suppress(OSError):
                network = os.readlink(f"/proc/{pid}/ns/net")
                if network == ours:
                    self.ports |= _listening(pid)
                else:
                    self.networks.add(network)
        return found


def marked(mark: str) -> Iterator[int]:
    """Yield the living processes whose environment has `mark`."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


def _listening(pid: int) -> set[int]:
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(os.readlink(link))
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    cells = [row.split() for row in rows]
    return {
        int(cell[1].partition(":")[2], 16)
        for cell in cells
        if cell[3] == LISTENING and f"socket:[{cell[9]}]" in inodes
    }


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until it holds; say whether it ever did."""
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def _has_come(what: Disturbance, pid: int, output: Path) -> bool:
    """Say whether the command has come to where its disturbance is counted from."""
    if what.since == "measuring":
        partial = output.with_name(output.name + ".partial")
        return partial.exists() and b"[[samples]]" in partial.read_bytes()
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.findall(r"SigCgt:\s*([0-9a-f]+)", status)[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def victim(pid: int, whom: str, mark: str) -> int | None:
    """Return the child of a command that is called `whom`; empty is the command."""
    if not whom:
        return pid
    for child in marked(mark):
        with suppress(OSError):
            folder = Path(f"/proc/{child}")
            names = folder.joinpath("cmdline").read_bytes().decode().split("\0")
            names.append(folder.joinpath("comm").read_text().strip())
            wanted = tuple(whom.split("|"))
            if child != pid and any(name.endswith(wanted) for name in names):
                return child
    return None


def _strike(pid: int, what: Disturbance, mark: str) -> bool:
    """Send the signal; False where there was nobody to take it."""
    found = victim(pid, what.whom, mark)
    if found is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(found, what.number)
        if what.again_s is not None:
            time.sleep(what.again_s)
            os.kill(found, what.number)
    return True


def disturb(what: Disturbance, folder: Path) -> tuple[int, str]:
    """Start a run, disturb it, and assert what holds however it ended.

    Returns:
        Its exit status, and what it said of errors.
    """
    temporary, results = folder / "temporary", folder / "results"
    for each in (temporary, results):
        each.mkdir(parents=True)
    output, document = results / "run.toml", results / "run.csv"
    mark = f"TMPDIR={temporary}"
    traces = Traces()
    words = ("bench", *PLAN, "--rtt", what.rtt, "--processing", "0ms")
    more = [*(["--link", what.link] if what.link else ()), *what.gate * ["--gate"]]
    files = ("--output", str(output), "--csv", str(document))
    count = ("--requests", str(what.requests))
    with started(*words, *more, *files, *count, TMPDIR=str(temporary)) as process:

        def has_come() -> bool:
            traces.look(mark)
            return process.poll() is not None or _has_come(what, process.pid, output)

        assert eventually(has_come), "it never came so far"
        time.sleep(what.after_s)
        traces.look(mark)
        struck = process.poll() is None and _strike(process.pid, what, mark)
        out, errors = process.communicate(timeout=PATIENCE_S)

    said = f"{what.said}: {process.returncode}\n{out[-2000:]}\n{errors}"
    _check_end(process.returncode, what, errors, said, struck=struck)
    _check_file(output, process.returncode, what.requests, said)
    _check_document(document, process.returncode, what, said)
    _check_nothing_left(mark, temporary, traces, said)
    return process.returncode, errors


def _check_end(
    code: int, what: Disturbance, errors: str, said: str, *, struck: bool
) -> None:
    if not struck:
        assert code == ExitCode.OK, said
    elif what.whom:
        # Without the link, worker or exchange a run cannot go on; or it was over.
        assert code in (ExitCode.OK, ExitCode.BUG), said
        assert "Traceback" not in errors, said
    elif what.number is signal.SIGKILL:
        assert code in (ExitCode.OK, -signal.SIGKILL), said
    else:
        assert code in (ExitCode.OK, CODES[what.number]), said
        # Where it meets a callback of Python's, it is told and has no other effect.
        assert "Traceback" not in errors or "Exception ignored in" in errors, said


def _check_file(output: Path, code: int, requests: int, said: str) -> None:
    left = sorted(output.parent.glob("run.toml*"))
    assert len(left) <= 1, said
    for path in left:
        stored = load_run(path)
        outcomes = len(stored.outcomes)
        whole = not stored.interrupted and code == ExitCode.OK
        assert outcomes == requests if whole else outcomes <= requests, said
    if code == ExitCode.OK:
        assert left == [output], said


def _check_document(document: Path, code: int, what: Disturbance, said: str) -> None:
    left = {path.name for path in document.parent.iterdir()}
    left -= {"run.toml", "run.toml.partial"}
    if what.number is signal.SIGKILL and not what.whom:
        # In the middle of writing it; the next command clears it (`cli.exports`).
        left = {name for name in left if not name.startswith(".run.csv.")}
    assert left <= {document.name}, f"{sorted(left)} are left: {said}"
    if code == ExitCode.OK:
        rows = document.read_text().splitlines()
        assert len(rows) == 1 + what.requests, said


def _check_nothing_left(mark: str, temporary: Path, traces: Traces, said: str) -> None:
    assert eventually(lambda: not list(marked(mark))), f"a process is left: {said}"
    assert not list(temporary.iterdir()), f"files are left: {said}"
    for port in traces.ports:
        socket.create_server(("127.0.0.1", port)).close()
    # A network without a process stays only where it is mounted.
    mounted = re.findall(r" (net:\[\d+\]) ", Path("/proc/self/mountinfo").read_text())
    assert not traces.networks & set(mounted), f"a network is left: {said}"
