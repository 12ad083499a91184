"""The worker process: what it does, and what it does not while it measures."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.records import known
from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    ScriptedServer,
    answer,
    free_port,
    get,
    plan,
    post,
    tls_pair,
)
from tests.support.stacks import inside
from vestbench.children import Child, Process, Spawner
from vestbench.model.request import (
    Failure,
    FailureKind,
    Outcome,
    RequestSpec,
    Role,
    Sample,
    Slot,
)
from vestbench.model.strategy import UNPOOLED
from vestbench.workers.remote import RemoteSession, RemoteStack

SECRET = "vest-api-key-4711"


@pytest.fixture(scope="module")
def stack() -> Iterator[RemoteStack]:
    with RemoteStack(ca_pem=tls_pair().ca_pem) as stack:
        yield stack


def accidents(tls: ScriptedServer, untrusted: ScriptedServer) -> list[RequestSpec]:
    """Return a request for every sort of failure."""
    failing = ("503", "301", "404", "429", "date", "gzip", "echo")
    return [
        *(get(tls.url + path) for path in failing),
        *(get(tls.url + path) for path in ("reset", "close", "half", "stall")),
        get(f"https://127.0.0.1:{free_port()}/"),  # connect
        get(f"https://{'x' * 64}.test/"),  # dns
        get("https://h\n/"),
        untrusted.get(),
        get(tls.url.replace("https", "http")),  # HTTP to a TLS server
    ]


# --- what it does ---


def test_the_worker_says_what_it_is(stack: RemoteStack) -> None:
    facts = stack.facts

    assert facts.stack == "httpx"
    assert set(facts.versions) == {
        "vestbench",
        "httpx",
        "httpcore",
        "python",
        "openssl",
    }
    assert known(facts.tls_context_ns) > 0
    assert 0 < facts.origin_ns < time.monotonic_ns()


def test_requests_are_sent_by_the_worker_over_its_own_pool(stack: RemoteStack) -> None:
    with ScriptedServer(tls=tls_pair().server) as server:
        session = stack.open(plan())
        slots = [Slot(session=7, index=i, role=Role.SUBSEQUENT) for i in range(3)]
        outcomes = [session.send(server.get(), slot) for slot in slots]
        session.close()

    assert [outcome.slot for outcome in outcomes] == slots
    assert [isinstance(o, Sample) and o.reused for o in outcomes] == [False, True, True]
    assert server.connections == 1
    assert session.build_ns > 0
    assert session.notes == ()


def test_who_asks_gets_the_body_of_the_answer_as_well(
    stack: RemoteStack, servers: tuple[ScriptedServer, ScriptedServer]
) -> None:
    server, _ = servers
    session = stack.open(plan())
    try:
        asked = [
            session.ask(get(server.url + path), SLOT)
            for path in ("latin", "503", "reset")
        ]
    finally:
        session.close()

    (found, body), (refused, refusal), (lost, nothing) = asked
    assert isinstance(found, Sample)
    assert found.body_bytes == len(body)
    assert (body, refusal, nothing) == (
        b"\xe9",
        answer().partition(b"\r\n\r\n")[2],
        b"",
    )
    assert isinstance(refused, Failure)
    assert refused.status == 503
    assert isinstance(lost, Failure)
    assert lost.kind is FailureKind.RESET


def test_closing_a_session_closes_its_connections(stack: RemoteStack) -> None:
    with ScriptedServer() as server:
        session = stack.open(plan())
        session.send(server.get(), SLOT)
        session.close()

        assert server.visits[0].ended.wait(PATIENCE_S)


def test_sessions_in_the_worker_do_not_share_connections(stack: RemoteStack) -> None:
    with ScriptedServer() as server:
        sessions = [stack.open(plan()) for _ in range(2)]
        outcomes = [session.send(server.get(), SLOT) for session in sessions * 2]
        for session in sessions:
            session.close()

    serials = [
        outcome.connection for outcome in outcomes if isinstance(outcome, Sample)
    ]
    assert serials[:2] == serials[2:]
    assert serials[0] != serials[1]
    assert server.connections == 2


def test_a_burst_is_answered_in_the_order_of_its_requests(
    stack: RemoteStack, servers: tuple[ScriptedServer, ScriptedServer]
) -> None:
    paths = ("", "503", "", "404")
    slots = [Slot(session=0, index=i, role=Role.COLD) for i in range(4)]
    session = stack.open(plan(concurrency=4))
    outcomes = session.burst([get(servers[0].url + path) for path in paths], slots)
    session.close()

    assert [outcome.status for outcome in outcomes] == [200, 503, 200, 404]
    assert [outcome.slot for outcome in outcomes] == slots
    assert "raised from 2 to 4" in session.notes[0]


# --- nothing happens in the background of a measurement ---


def exercise(
    stack: RemoteStack, servers: tuple[ScriptedServer, ScriptedServer]
) -> list[Outcome]:
    """Send a request of every sort, and return what became of them."""
    server, untrusted = servers
    outcomes: list[Outcome] = []

    def through(session: RemoteSession, *specs: RequestSpec) -> None:
        outcomes.extend(session.send(spec, SLOT) for spec in specs)
        outcomes.extend(session.burst(specs[:3], [SLOT] * len(specs[:3])))
        session.close()

    good = [
        server.get(),
        get(server.url + "latin"),
        get(server.url + "chunked"),
        post(server.url, b'{"order": 1}', headers=(("x-api-key", SECRET),)),
        get(server.url_of("localhost")),
    ]
    through(stack.open(plan(concurrency=3)), *good)
    through(stack.open(plan(strategy=UNPOOLED)), *good)
    through(
        stack.open(plan(request_timeout_s=0.2)),
        *accidents(server, untrusted),
        server.get(headers=(("x-api-key", "line\nbreak"),)),
        *good * 2,  # enough of them for a collection of garbage
    )
    return outcomes


def test_no_request_imports_anything(
    fresh: RemoteStack, servers: tuple[ScriptedServer, ScriptedServer]
) -> None:
    before = set(inside(fresh).modules)

    outcomes = exercise(fresh, servers)

    assert set(inside(fresh).modules) - before == set()
    kinds = {outcome.kind for outcome in outcomes if isinstance(outcome, Failure)}
    assert kinds == set(FailureKind)


def test_garbage_is_only_collected_between_requests(
    stack: RemoteStack, servers: tuple[ScriptedServer, ScriptedServer]
) -> None:
    before = inside(stack).collects
    session = stack.open(plan())
    for _ in range(20):
        session.send(servers[0].get(), SLOT)
    session.close()

    assert (before, inside(stack).collects) == (False, False)


def test_the_worker_loads_nothing_that_draws_or_computes(stack: RemoteStack) -> None:
    roots = {name.partition(".")[0] for name in inside(stack).modules}

    assert not roots & {"numpy", "typer", "trustme", "tomli_w"}


# --- secrets ---


def spawn_into(path: Path) -> Spawner:
    """Start workers whose messages go to a file."""

    def spawn(argv: Sequence[str], fds: Mapping[int, int]) -> Process:
        with path.open("ab") as file:
            started = subprocess.Popen(
                argv,
                pass_fds=tuple(fds.values()),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        return Child(started)

    return spawn


def test_secrets_are_in_no_text_that_a_request_leaves_behind(
    servers: tuple[ScriptedServer, ScriptedServer], tmp_path: Path
) -> None:
    server, untrusted = servers
    headers = (("x-api-key", SECRET), ("x-other", f"{SECRET}\n"))
    written = tmp_path / "stderr"

    with RemoteStack(spawn_into(written), ca_pem=tls_pair().ca_pem) as stack:
        session = stack.open(plan(request_timeout_s=0.2))
        specs = [
            RequestSpec(
                endpoint="test",
                method="POST",
                url=spec.url,
                body=SECRET.encode(),
                headers=headers[:count],
            )
            for spec in accidents(server, untrusted)
            for count in (1, 2)
        ]
        outcomes = [session.send(spec, SLOT) for spec in specs]
        session.close()

    assert all(isinstance(outcome, Failure) for outcome in outcomes)
    assert SECRET not in repr(specs)
    assert SECRET not in repr(outcomes)
    assert written.read_text() == ""
