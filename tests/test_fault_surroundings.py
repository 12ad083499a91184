"""Faults that are not the server's: names, addresses, servers, and clocks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import GUARD
from tests.support.command import PATIENCE_S, QUICK, run, started, vestbench
from tests.support.servers import ScriptedServer, Visit, free_port, has_ipv6
from tests.support.surroundings import PLAN, eventually
from vestbench.errors import ExitCode
from vestbench.model.run import Run
from vestbench.studies.registry import load_run

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture
def meddle(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that makes every Python started from here begin with a text."""

    def begin_with(code: str) -> None:
        guard = f"import runpy; runpy.run_path({str(GUARD / 'sitecustomize.py')!r})\n"
        Path("begin").mkdir()
        Path("begin", "sitecustomize.py").write_text(guard + code)
        folder = str(Path("begin").absolute())
        monkeypatch.setenv("PYTHONPATH", folder + os.pathsep + os.environ["PYTHONPATH"])

    return begin_with


# --- names and addresses -------------------------------------------------------------


NAME = "exchange.test"
RESOLVER = """
import socket
_answers, _turn, _real = %r, 0, socket.getaddrinfo
def _resolve(host, port, *rest, **named):
    global _turn
    if host != %r:
        return _real(host, port, *rest, **named)
    _turn, found = _turn + 1, _answers[_turn %% len(_answers)]
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    kinds = [(socket.AF_INET6 if ":" in a else socket.AF_INET, a) for a in found]
    return [(k, socket.SOCK_STREAM, 6, "", (a, port)) for k, a in kinds]
socket.getaddrinfo = _resolve
"""


def resolving(answers: Sequence[Sequence[str]]) -> str:
    """Return what makes a name have these addresses, one answer after the other."""
    return RESOLVER % (list(map(list, answers)), NAME)


def measured(url: str, *words: str, code: int = 0) -> Run:
    result = vestbench("bench", "--venue", url, *PLAN, "-o", "run.toml", *words)
    assert result.exit_code == code, result.output
    return load_run(Path("run.toml"))


def remotes(stored: Run) -> list[str]:
    """Return the address that each connection went to, in order."""
    found = {sample.connection: sample.remote for sample in stored.samples}
    return [remote.rpartition(":")[0] for _, remote in sorted(found.items())]


def test_a_name_without_an_address_is_dns(meddle: Callable[[str], None]) -> None:
    meddle(resolving([[]]))

    stored = measured(f"http://{NAME}:8000/", code=4)

    assert {str(failure.kind) for failure in stored.failures} == {"dns"}
    assert not stored.samples


def test_a_name_that_has_no_address_for_a_while_is_dns_for_a_while(
    meddle: Callable[[str], None],
) -> None:
    # The burn-in asks twice; then every second session has to ask once more.
    meddle(resolving([["127.0.0.1"], ["127.0.0.1"], ["127.0.0.1"], [], ["127.0.0.1"]]))
    with ScriptedServer() as server:
        # The request after the failure finds nothing to reuse: one of nine.
        stored = measured(server.url_of(NAME), code=ExitCode.INVALID)

    assert [str(failure.kind) for failure in stored.failures] == ["dns"]
    assert len(stored.samples) == 11


def test_a_name_that_moves_takes_new_connections_along_and_no_open_one(
    meddle: Callable[[str], None],
) -> None:
    meddle(resolving([["127.0.0.1"], ["127.0.0.2"]]))
    with (
        ScriptedServer() as first,
        ScriptedServer(host="127.0.0.2", port=first.port) as second,
    ):
        stored = measured(first.url_of(NAME))

    assert remotes(stored) == ["127.0.0.1", "127.0.0.2", "127.0.0.1"]
    assert [sample.reused for sample in stored.samples] == 3 * [False, *3 * [True]]
    assert all((s.dns_ns is None) == s.reused for s in stored.samples)
    assert (first.connections, second.connections) == (3, 2)  # the burn-in has two


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(
    ("addresses", "used"),
    [
        (["::1"], "[::1]"),
        (["::1", "127.0.0.1"], "[::1]"),
        (["127.0.0.1", "::1"], "[::1]"),
    ],
    ids=["IPv6 only", "both", "fallback to IPv6"],
)
def test_a_venue_that_listens_on_ipv6_is_reached(
    meddle: Callable[[str], None], addresses: list[str], used: str
) -> None:
    meddle(resolving([addresses]))
    with ScriptedServer(host="::1") as server:
        stored = measured(server.url_of(NAME))

    assert remotes(stored) == 3 * [used]
    assert not stored.failures


def test_an_ipv6_address_where_nobody_listens_falls_back_to_ipv4(
    meddle: Callable[[str], None],
) -> None:
    meddle(resolving([["::1", "127.0.0.1"]]))
    with ScriptedServer() as server:
        stored = measured(server.url_of(NAME))

    assert remotes(stored) == 3 * ["127.0.0.1"]
    assert not stored.failures


@pytest.mark.parametrize(
    "stack",
    [
        "httpx",
        "httpx2",
        pytest.param(
            "reqwest",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="it is refused"),
        ),
    ],
)
def test_proxies_in_the_environment_are_ignored(
    stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{free_port()}")
    with ScriptedServer() as server:
        stored = measured(server.url, "--stack", stack)

    assert len(stored.samples) == 12
    assert not stored.failures


# --- the server ----------------------------------------------------------------------


SERVER = """
import socket, sys, threading
def serve(sock):
    file = sock.makefile("rb")
    while file.readline():
        while file.readline().strip():
            pass
        sock.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
"""


@contextmanager
def served(port: int) -> Iterator[None]:
    """Serve from a process that is killed in the end."""
    words = [sys.executable, "-c", SERVER, str(port)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            yield
        finally:
            server.kill()


def stored_so_far() -> Run | None:
    partial = Path("run.toml.partial")
    return load_run(partial) if partial.exists() and partial.stat().st_size else None


def test_a_server_that_is_killed_and_started_again_costs_what_it_missed() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    words = ("-n", "5000", "--budget", "9000", "--sessions", "1", "-o", "run.toml")

    def count(what: str) -> int:
        stored = stored_so_far()
        return len(getattr(stored, what)) if stored is not None else 0

    with ExitStack() as cleanup:
        with served(port):
            bench = cleanup.enter_context(
                started("bench", "--venue", url, "--rate", "200", *words)
            )
            eventually(lambda: count("samples") > 0)
        eventually(lambda: count("failures") > 0)
        before = count("samples")
        with served(port):
            eventually(lambda: count("samples") > before)
            bench.send_signal(signal.SIGINT)
            _, errors = bench.communicate(timeout=PATIENCE_S)

    stored = load_run(Path("run.toml"))
    assert bench.returncode == 130, errors
    # Those that were under way, or in the queue, were cut off; the others found nobody.
    kinds = {str(failure.kind) for failure in stored.failures}
    assert {"connect"} <= kinds <= {"reset", "connect"}
    cold = [sample for sample in stored.samples if not sample.reused]
    assert [sample.use for sample in cold] == [1, 1]
    assert cold[1].start_ns > stored.failures[0].start_ns


def test_a_burst_of_server_errors_is_counted_and_changes_nothing_else() -> None:
    count = 0

    def script(visit: Visit) -> None:
        nonlocal count
        while visit.request():
            count += 1
            bad = 8 < count <= 12  # four are burnt in
            visit.answer(status="503 Service Unavailable" if bad else "200 OK")

    with ScriptedServer(script) as server:
        stored = measured(server.url)

    assert [(str(f.kind), f.status) for f in stored.failures] == 4 * [("status", 503)]
    assert len(stored.samples) == 8
    assert server.connections == 5  # an error answers on a connection that stays open


def test_a_run_that_is_told_to_wait_keeps_what_it_has() -> None:
    def script(visit: Visit) -> None:
        while visit.request():
            headers = ["Retry-After: 7"] if visit.number == 4 else []
            line = "429 Too Many Requests" if headers else "200 OK"
            visit.answer(status=line, headers=headers)

    with ScriptedServer(script) as server:
        stored = measured(server.url, code=4)

    (failure,) = stored.failures
    assert (str(failure.kind), failure.retry_after_s) == ("rate-limited", 7.0)
    assert len(stored.samples) == 4
    assert "429 with Retry-After" in str(stored.conclusion.stopped)
    assert server.requests == 4 + 4 + 1


# --- the clock -----------------------------------------------------------------------


LEAPS = """
import time
_turn, _time, _time_ns = 0, time.time, time.time_ns
def _leap():
    global _turn
    _turn += 1
    return 86_400 * (_turn % 7 - 3)
time.time = lambda: _time() + _leap()
time.time_ns = lambda: _time_ns() + _leap() * 10**9
"""
DAY_S = 86_400


def test_nothing_measured_depends_on_the_wall_clock(
    meddle: Callable[[str], None],
) -> None:
    meddle(LEAPS)

    done = run("bench", *PLAN[:4], *QUICK, "-o", "run.toml")

    stored = load_run(Path("run.toml"))
    assert done.returncode == 0, done.stderr
    assert len(stored.samples) == 12
    starts = [sample.start_ns for sample in stored.samples]
    assert starts == sorted(starts)
    longest_s = max(sample.latency_ns for sample in stored.samples) / 1e9
    assert longest_s < DAY_S / 2
    duration_s = stored.conclusion.duration_s
    assert duration_s is not None
    assert 0 < duration_s < DAY_S / 2
    assert [sample.reused for sample in stored.samples] == 3 * [False, *3 * [True]]
