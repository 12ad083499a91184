"""Each fault of a server, through the whole command: label, exit code, what is on disk.

The client's own tests hold the details of each; here it is what a user gets.
"""

from __future__ import annotations

import gzip
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from typer.testing import Result

from tests.bench.memory import most_resident
from tests.support.command import vestbench
from tests.support.faults import (
    BODY,
    BOMB,
    HEAD,
    WHOLE,
    after,
    alert,
    always,
    endless,
    fin,
    hello_then,
    notify,
    rst,
    stall,
    status,
    to_the_second,
    trickle,
    unread,
)
from tests.support.servers import (
    SLOT,
    Leaf,
    Script,
    ScriptedServer,
    Visit,
    keep_alive,
    plan,
    tls_pair,
)
from vestbench.model.request import Failure, FailureKind
from vestbench.model.run import Run
from vestbench.running import carry_out as run
from vestbench.studies.registry import load_run
from vestbench.workers import remote
from vestbench.workers.remote import RemoteStack, RemoteStacks

REQUESTS = 8  # in two sessions
HOPELESS = 5  # requests without any answer, after which a run gives up
SHORT = ("--timeout", "80ms", "--connect-timeout", "80ms")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class SharedWorker:
    """One measuring process for all rows: to start one takes as long as a row."""

    def __init__(self, worker: RemoteStacks) -> None:
        self._worker = worker

    def __call__(self, *_: object, **__: object) -> SharedWorker:
        return self

    def __enter__(self) -> RemoteStacks:
        return self._worker

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def worker() -> Iterator[RemoteStacks]:
    with RemoteStacks(ca_pem=tls_pair().ca_pem) as stacks:
        yield stacks


@pytest.fixture
def _shared_worker(worker: RemoteStacks, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (run, remote):  # which the command starts ahead of the run
        monkeypatch.setattr(module, "RemoteStacks", SharedWorker(worker))


def measure(url: str, *words: str) -> tuple[Result, Run]:
    """Measure, and return what the command said and what is on disk."""
    count = ("-n", str(REQUESTS), "--sessions", "2", "--rate", "10000", "--seed", "1")
    result = vestbench("bench", "--venue", url, *count, "-o", "run.toml", *words)
    assert not isinstance(result.exception, Exception), result.exception
    assert [path.name for path in Path().glob("run*")] == ["run.toml"]
    again = vestbench("report", "run.toml")
    assert again.exit_code == result.exit_code, again.output
    return result, load_run(Path("run.toml"))


def labels(run: Run) -> set[str]:
    return {str(failure.kind) for failure in run.failures}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fault that every request meets."""

    fault: str
    label: str
    script: Script = keep_alive
    greet: Script | None = None  # before the TLS handshake
    leaf: Leaf | None = None  # with TLS, and this certificate
    words: tuple[str, ...] = ()
    detail: str = ""
    recorded: int = HOPELESS


def _tls(fault: str, greet: Script, detail: str) -> Row:
    return Row(fault=fault, label="tls", leaf="good", greet=greet, detail=detail)


def _ended(fault: str, script: Script, *, leaf: Leaf | None = None) -> Row:
    return Row(fault=fault, label="reset", leaf=leaf, script=script)


def _slow(fault: str, script: Script, *, leaf: Leaf | None = None) -> Row:
    return Row(fault=fault, label="timeout", script=script, leaf=leaf, words=SHORT)


def _invalid(fault: str, data: bytes, *, then: Script = fin) -> Row:
    return Row(fault=fault, label="protocol", script=always(after(data, then)))


def _large(fault: str, start: bytes, piece: bytes, detail: str) -> Row:
    script = always(endless(start, piece))
    return Row(fault=fault, label="protocol", script=script, detail=detail)


def _refused(
    line: str, *headers: str, label: str = "status", recorded: int = HOPELESS
) -> Row:
    return Row(
        fault=" ".join([line, *headers]),
        label=label,
        script=always(status(line, *headers)),
        detail=f"HTTP {line}",
        recorded=recorded,
    )


OK = b"HTTP/1.1 200 OK\r\n"
INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PACKED = OK + b"Transfer-Encoding: chunked\r\nContent-Encoding: %s\r\n\r\n"
LENGTH = OK + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n"
MORE = b"10000\r\n" + b"x" * 2**16 + b"\r\n"

# How a server ends a connection, and with what certificate if it does so in TLS.
ENDINGS: tuple[tuple[str, Script, Leaf | None], ...] = (
    ("FIN", fin, None),
    ("RST", rst, None),
    ("FIN in TLS", fin, "good"),
    ("RST in TLS", rst, "good"),
    ("close_notify", notify, "good"),
)


def _after(data: bytes) -> Callable[[Script], Script]:
    return lambda ending: always(after(data, ending))


# When it does so: what an ending becomes there.
STAGES: Mapping[str, Callable[[Script], Script]] = {
    "for an unread request": unread,
    "for an answer": always,
    "in the status line": _after(b"HTTP/1"),
    "in the header": _after(HEAD[:-3]),
    "before the body": _after(HEAD),
    "in the body": _after(WHOLE[:-1]),
    "in a chunk": _after(CHUNKED + b"5\r\nab"),
    "between chunks": _after(CHUNKED + b"2\r\nab\r\n"),
    "before the last chunk's end": _after(CHUNKED + b"2\r\nab\r\n0\r\n"),
}

MATRIX = (
    # The handshake.
    _tls("FIN in the handshake", hello_then(fin), "eof"),
    _tls("RST in the handshake", hello_then(rst), "reset"),
    _tls("close_notify in the handshake", hello_then(alert(0, fatal=False)), ""),
    _tls("plain text in place of TLS", hello_then(after(WHOLE, fin)), "wrong version"),
    _tls("TLS version refused", hello_then(alert(70)), "protocol version"),
    _tls("TLS alert", hello_then(alert(40)), "handshake failure"),
    Row(
        fault="expired certificate", label="tls", leaf="expired", detail="has expired"
    ),
    Row(fault="wrong name", label="tls", leaf="wrong-name", detail="not valid for"),
    Row(fault="unknown authority", label="tls", leaf="unknown-ca", detail="issuer"),
    Row(
        fault="stall in the handshake",
        label="timeout",
        leaf="good",
        greet=stall,
        words=SHORT,
    ),
    # The end, too early.
    *(_ended(f"{ending} {stage}", start(fault), leaf=leaf)
      for stage, start in STAGES.items() for ending, fault, leaf in ENDINGS),
    # No end.
    _slow("stall for an answer", always(stall)),
    _slow("stall in the header", always(after(HEAD[:-3], stall)), leaf="good"),
    _slow("stall before the body", always(after(HEAD, stall))),
    _slow("stall in the body", always(after(WHOLE[:-1], stall))),
    _slow("trickle of a header", always(trickle(HEAD[:-2], b"a: b\r\n"))),
    _slow("trickle of a body", always(trickle(CHUNKED, b"1\r\nx\r\n"))),
    _slow("trickle of interim answers", always(trickle(b"", INTERIM))),
    # Too much.
    _large("endless header line", OK + b"a: ", b"x" * 2**16, ""),
    _large("endless headers", OK, b"a: b\r\n" * 2**10, ""),
    _large("endless body", OK + b"\r\n", b"x" * 2**16, "longer than 16 MiB"),
    _large("endless chunks", CHUNKED, MORE, "longer than 16 MiB"),
    _large("long body", OK + b"Content-Length: 1%s\r\n\r\n" % (b"0" * 12), BODY * 64,
           "longer than 16 MiB"),
    _large("compressed bomb", PACKED % b"gzip" + b"%x\r\n%s\r\n" % (len(BOMB), BOMB),
           MORE, "longer than 16 MiB"),
    _large("bomb in a bomb", PACKED % b"gzip, gzip", MORE, "more than one content"),
    # Not HTTP.
    _invalid("banner", b"SSH-2.0-OpenSSH_9.2\r\n"),
    _invalid("no status", b"HTTP/1.1 abc OK\r\n\r\n"),
    _invalid("a header without a name", OK + b": x\r\n\r\n"),
    _invalid("NUL in a header", OK + b"a: \x00\r\n\r\n"),
    _invalid("two lengths", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
    _invalid("negative length", OK + b"Content-Length: -2\r\n\r\nab"),
    _invalid("length in words", OK + b"Content-Length: two\r\n\r\nab"),
    _invalid("no chunk size", CHUNKED + b"zz\r\nab\r\n"),
    _invalid("broken gzip", OK + b"Content-Encoding: gzip\r\n"
             b"Content-Length: 4\r\n\r\nabcd", then=stall),
    # Answered, and refused.
    _refused("301 Moved Permanently", "Location: /"),
    _refused("302 Found", "Location: /"),
    _refused("500 Internal Server Error"),
    _refused("503 Service Unavailable"),
    _refused("429 Too Many Requests", label="rate-limited", recorded=3),
)  # fmt: skip


@pytest.mark.usefixtures("_shared_worker")
@pytest.mark.parametrize("row", MATRIX, ids=lambda row: row.fault.replace(" ", "-"))
def test_a_fault_that_every_request_meets(row: Row) -> None:
    tls = tls_pair(row.leaf).server if row.leaf else None
    with ScriptedServer(row.script, tls, greet=row.greet) as server:
        result, stored = measure(server.url, *row.words)

    assert result.exit_code == 4, result.output
    assert labels(stored) == {row.label}, stored.failures
    assert (len(stored.samples), len(stored.failures)) == (0, row.recorded)
    assert all(row.detail in each.detail for each in stored.failures), stored.failures
    assert result.stderr.startswith("error: no usable response from ")
    assert result.stderr.count("\n") == 1


MIDWAY_STAGES: Mapping[str, Callable[[Script], Script]] = {
    "for an answer": lambda ending: ending,
    "in the header": lambda ending: after(HEAD[:-3], ending),
    "in the body": lambda ending: after(WHOLE[:-1], ending),
}
MIDWAY = (
    *((f"{ending} {stage}", start(fault), leaf, "reset")
      for stage, start in MIDWAY_STAGES.items() for ending, fault, leaf in ENDINGS),
    ("no HTTP", after(b"SSH-2.0-OpenSSH_9.2\r\n", fin), None, "protocol"),
    ("endless chunks", endless(CHUNKED, MORE), None, "protocol"),
    ("TLS alert", lambda visit: refuse_late(visit), "good", "tls"),
)  # fmt: skip


def refuse_late(visit: Visit) -> None:
    """Send an alert that is no TLS record of this connection, and wait."""
    socket.socket.sendall(visit.sock, bytes([21, 3, 3, 0, 2, 2, 80]))
    visit.stall()


@pytest.mark.usefixtures("_shared_worker")
@pytest.mark.parametrize(
    ("fault", "leaf", "label"),
    [pytest.param(*row[1:], id=row[0].replace(" ", "-")) for row in MIDWAY],
)
def test_a_fault_that_only_the_second_request_of_a_connection_meets(
    fault: Script, leaf: Leaf | None, label: str
) -> None:
    tls = tls_pair(leaf).server if leaf else None
    with ScriptedServer(to_the_second(fault), tls) as server:
        result, stored = measure(server.url)

    # Each is followed by a cold request on a connection of its own.
    assert result.exit_code == 5, result.output
    assert labels(stored) == {label}, stored.failures
    assert (len(stored.samples), len(stored.failures)) == (4, 4)
    assert not any(sample.reused for sample in stored.samples)
    assert all(failure.reused for failure in stored.failures)


@pytest.mark.usefixtures("_shared_worker")
@pytest.mark.parametrize(
    ("fault", "leaf"),
    [pytest.param(*row[1:], id=row[0].replace(" ", "-")) for row in ENDINGS],
)
def test_a_connection_that_ends_between_two_requests_is_not_reused(
    fault: Script, leaf: Leaf | None
) -> None:
    def once(visit: Visit) -> None:
        visit.request()
        visit.answer()
        fault(visit)

    with ScriptedServer(once, tls_pair(leaf).server if leaf else None) as server:
        result, stored = measure(server.url)

    # The next request may be on its way before the end arrives, and meet it then.
    assert result.exit_code == 5, result.output
    assert labels(stored) <= {"reset"}, stored.failures
    assert len(stored.samples) + len(stored.failures) == REQUESTS
    assert not any(sample.reused for sample in stored.samples)
    assert all(failure.reused for failure in stored.failures)
    assert len({sample.connection for sample in stored.samples}) == len(stored.samples)


LEFT_OVER = (
    (b"xyz", "illegal status line"),
    (b"\r\n", "no response line received"),
    (WHOLE, "it was answered before it was sent"),
)


@pytest.mark.usefixtures("_shared_worker")
@pytest.mark.parametrize(("data", "detail"), LEFT_OVER, ids=["words", "line", "answer"])
def test_what_follows_an_answer_is_no_answer_to_the_next_request(
    data: bytes, detail: str
) -> None:
    def too_much(visit: Visit) -> None:
        while visit.request():
            visit.send(WHOLE + data)

    with ScriptedServer(too_much) as server:
        result, stored = measure(server.url)

    assert result.exit_code == 5, result.output
    assert {(str(f.kind), f.detail) for f in stored.failures} == {("protocol", detail)}
    assert (len(stored.samples), len(stored.failures)) == (4, 4)
    assert not any(sample.reused for sample in stored.samples)


@pytest.mark.parametrize("name", ["httpx", "httpx2", "reqwest"])
def test_no_answer_fills_the_memory_of_the_measuring_process(name: str) -> None:
    zeros = gzip.compress(bytes(2**26), 1) * 16  # 1 GiB, packed 4 MiB
    floods = (
        endless(OK + b"a: ", b"x" * 2**16),
        endless(OK + b"\r\n", b"x" * 2**16),
        endless(CHUNKED, MORE),
        after(PACKED % b"gzip" + b"%x\r\n%s\r\n" % (len(BOMB), BOMB), stall),
        after(LENGTH % (b"gzip", len(zeros)) + zeros, stall),
    )
    with RemoteStack(stack=name) as stack:
        session = stack.open(plan())
        before = peak_mib(stack)
        for flood in floods:
            with ScriptedServer(always(flood)) as server:
                outcome = session.send(server.get(), SLOT)
            assert isinstance(outcome, Failure), outcome
            assert outcome.kind is FailureKind.PROTOCOL
        grown = peak_mib(stack) - before

    # The limit for a body is 16 MiB, which is there twice when its parts are joined.
    assert grown < 64


def peak_mib(stack: RemoteStack) -> float:
    """Return the most memory that the measuring process ever had."""
    process = cast(subprocess.Popen[bytes], stack._process)
    return most_resident(process.pid) / 2**20
