"""Names with several addresses: which are tried, what that takes, and which is met."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    ScriptedServer,
    failed,
    plan,
    sampled,
)
from vestbench.kernel.sockets import Address
from vestbench.model.request import NS_PER_S, FailureKind, RequestSpec
from vestbench.model.strategy import UNPOOLED
from vestbench.stacks import httpx_stack
from vestbench.stacks.httpx_stack import Httpx2Stack, HttpxStack
from vestbench.stacks.wire.choosing import Choice
from vestbench.stacks.wire.connecting import Resolver, SharedAnswers, in_turn

if TYPE_CHECKING:
    from vestbench.stacks.reqwest_stack import ReqwestStack

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs 127.0.0.2 and /proc")
HTTPX = (HttpxStack, Httpx2Stack)
NAME = "several.test"
LIMIT_S = 0.3


def answering(*hosts: str) -> Resolver:
    """Return a resolver that knows one name, and these addresses of it."""

    def resolve(host: str, port: int) -> list[tuple[int, Address]]:
        assert host == NAME
        return [(socket.AF_INET, (each, port)) for each in hosts]

    return resolve


@contextmanager
def silent(host: str, port: int) -> Iterator[None]:
    """Have an address that answers nobody: its queue is full, so a SYN is dropped."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(3):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect((host, port))
        time.sleep(0.05)
        yield


def ask(server: ScriptedServer) -> RequestSpec:
    return RequestSpec(endpoint="test", method="GET", url=server.url_of(NAME))


# --- one after the other, as httpcore does -------------------------------------------


@LINUX
def test_the_library_itself_gives_each_address_the_whole_connect_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedServer() as server, silent("127.0.0.2", server.port):
        resolve = answering("127.0.0.2", "127.0.0.1")
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, port, *_, **__: [
                (family, socket.SOCK_STREAM, 6, "", address)
                for family, address in resolve(host, port)
            ],
        )
        timeout = httpx.Timeout(PATIENCE_S, connect=LIMIT_S)
        with httpx.Client(timeout=timeout, trust_env=False) as client:
            begin = time.monotonic()
            response = client.get(server.url_of(NAME))
            taken = time.monotonic() - begin

    assert response.status_code == 200
    assert taken >= LIMIT_S  # and not half of it


@LINUX
@pytest.mark.parametrize("make", HTTPX)
def test_an_address_that_does_not_answer_is_a_phase_of_its_own(
    make: type[HttpxStack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        httpx_stack, "system_resolver", answering("127.0.0.2", "127.0.0.1")
    )
    with ScriptedServer() as server, silent("127.0.0.2", server.port):
        session = make().open(plan(connect_timeout_s=LIMIT_S))
        first, second = (sampled(session.send(ask(server), SLOT)) for _ in range(2))
        session.close()

        assert server.connections == 1
        dead = f"127.0.0.2:{server.port}"
    assert (first.addresses, first.opened, first.unanswered_by) == (2, 1, dead)
    assert first.unanswered_ns is not None
    assert first.unanswered_ns >= LIMIT_S * NS_PER_S
    assert first.connect_ns is not None
    assert first.latency_ns > first.unanswered_ns + first.connect_ns
    assert first.remote == f"127.0.0.1:{server.port}"
    assert (second.addresses, second.opened, second.unanswered_by) == (0, 0, None)
    assert second.unanswered_ns is None


@LINUX
@pytest.mark.parametrize("make", HTTPX)
def test_a_failure_names_each_address_and_what_it_did(
    make: type[HttpxStack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        httpx_stack, "system_resolver", answering("127.0.0.2", "127.0.0.3")
    )
    with ScriptedServer() as server, silent("127.0.0.2", server.port):
        session = make().open(plan(connect_timeout_s=LIMIT_S))
        found = failed(session, ask(server))
        session.close()
        port = server.port

    assert found.kind is FailureKind.CONNECT
    assert found.detail == (
        f"127.0.0.2:{port}: connect timeout; 127.0.0.3:{port}: connection refused"
    )
    assert found.unanswered_by == f"127.0.0.2:{port}, 127.0.0.3:{port}"
    assert found.opened == 0


# --- the same address for all sessions of a round ------------------------------------


class Rotating:
    """Answers as a name server does that has its addresses in turn."""

    def __init__(self, *hosts: str) -> None:
        self._hosts = list(hosts)
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[tuple[int, Address]]:
        assert host == NAME
        self.asked += 1
        self._hosts.append(self._hosts.pop(0))
        return [(socket.AF_INET, (each, port)) for each in self._hosts]


def test_sessions_of_a_round_share_its_first_answer_and_each_of_them_asks() -> None:
    name_server = Rotating("10.9.0.1", "10.9.0.2")
    shared = SharedAnswers(name_server)

    met = [
        [shared.of(number)(NAME, 443)[0][1][0] for _ in range(3)]
        for number in (0, 1, 2)
    ]

    assert met == [["10.9.0.1"] * 3, ["10.9.0.2"] * 3, ["10.9.0.1"] * 3]
    assert name_server.asked == 9


def test_without_a_round_each_answer_is_taken_as_it_is() -> None:
    ask = SharedAnswers(Rotating("10.9.0.1", "10.9.0.2")).of(None)

    assert [ask(NAME, 443)[0][1][0] for _ in range(2)] == ["10.9.0.2", "10.9.0.1"]


def test_a_name_server_that_gives_one_address_at_a_time_is_held_to_the_first() -> None:
    name_server = Rotating("10.9.0.1", "10.9.0.2", "10.9.0.3")
    shared = SharedAnswers(lambda host, port: name_server(host, port)[:1])

    met = {shared.of(5)(NAME, 443)[0][1][0] for _ in range(3)}

    assert met == {"10.9.0.2"}


def test_rounds_take_addresses_in_turn_and_leave_the_family_to_the_system() -> None:
    v6, v4 = socket.AF_INET6, socket.AF_INET
    found: list[tuple[int, Address]] = [
        (v6, ("::2", 1)),
        (v6, ("::1", 1)),
        (v4, ("10.0.0.1", 1)),
    ]

    each = [[address[0] for _, address in in_turn(found, n)] for n in range(3)]

    assert each == [
        ["::1", "::2", "10.0.0.1"],
        ["::2", "::1", "10.0.0.1"],
        ["::1", "::2", "10.0.0.1"],
    ]
    assert in_turn([], 3) == []


@LINUX
@pytest.mark.parametrize("make", HTTPX)
def test_two_clients_of_a_round_meet_the_same_server(
    make: type[HttpxStack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        httpx_stack, "system_resolver", Rotating("127.0.0.1", "127.0.0.2")
    )
    with (
        ScriptedServer() as one,
        ScriptedServer(host="127.0.0.2", port=one.port) as other,
    ):
        stack = make()
        for number in range(4):
            for strategy in (UNPOOLED, UNPOOLED, UNPOOLED):
                session = stack.open(plan(strategy=strategy, round=number))
                sampled(session.send(ask(one), SLOT))
                session.close()

        assert [one.connections, other.connections] == [6, 6]
        remotes = [visit.number for visit in one.visits]
    assert remotes == [1, 2, 3, 4, 5, 6]


# --- reqwest, which chooses by itself ------------------------------------------------


@contextmanager
def reqwest_with(choice: Choice) -> Iterator[ReqwestStack]:
    pytest.importorskip("pyreqwest")
    from vestbench.stacks.reqwest_stack import ReqwestStack

    stack = ReqwestStack()
    stack._choice = choice
    yield stack


@LINUX
def test_reqwest_is_handed_the_address_of_the_round_and_the_name_is_resolved() -> None:
    name_server = Rotating("127.0.0.1", "127.0.0.2")
    with (
        ScriptedServer() as one,
        ScriptedServer(host="127.0.0.2", port=one.port) as other,
        reqwest_with(Choice("reqwest", name_server)) as stack,
    ):
        for number in range(4):
            for _ in range(3):
                session = stack.open(plan(strategy=UNPOOLED, round=number))
                sampled(session.send(ask(one), SLOT))
                session.close()
        served = [one.requests, other.requests]

    assert served == [6, 6]
    assert name_server.asked == 1 + 12  # to know of them, and for each connection


@LINUX
def test_reqwest_does_not_resolve_for_a_connection_that_it_has() -> None:
    name_server = Rotating("127.0.0.1", "127.0.0.2")
    with (
        ScriptedServer() as one,
        ScriptedServer(host="127.0.0.2", port=one.port),
        reqwest_with(Choice("reqwest", name_server)) as stack,
    ):
        session = stack.open(plan(round=0))
        reused = [sampled(session.send(ask(one), SLOT)).reused for _ in range(3)]
        session.close()

    assert reused == [False, True, True]
    assert name_server.asked == 2


@LINUX
def test_reqwest_is_not_handed_an_address_that_does_not_answer_and_that_is_noted() -> (
    None
):
    choice = Choice("reqwest", answering("127.0.0.2", "127.0.0.1"))
    with (
        ScriptedServer() as server,
        silent("127.0.0.2", server.port),
        reqwest_with(choice) as stack,
    ):
        for number in range(3):
            session = stack.open(plan(round=number, connect_timeout_s=LIMIT_S))
            sampled(session.send(ask(server), SLOT))
            session.close()
        notes = " ".join(choice.notes())
        port = server.port

    assert "the name has several addresses, of which reqwest is handed one" in notes
    assert f"127.0.0.2:{port} did not answer, or refused, and was left out" in notes


def test_a_name_with_one_address_is_left_to_the_library() -> None:
    choice = Choice("reqwest", answering("127.0.0.1"))

    assert choice.address(NAME, 1, 0, 1.0) == ""
    assert choice.address("127.0.0.1", 1, 0, 1.0) == ""
    assert choice.notes() == ()


def test_a_name_without_an_address_that_answers_is_left_to_the_library() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    choice = Choice("reqwest", answering("127.0.0.1", "127.0.0.2"))

    assert choice.address(NAME, port, 0, LIMIT_S) == ""


@LINUX
def test_a_name_that_is_gone_inside_the_clock_is_a_failure_of_the_name() -> None:
    known = answering("127.0.0.1", "127.0.0.2")
    answers = [known]

    def once(host: str, port: int) -> list[tuple[int, Address]]:
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answers.pop()(host, port)

    with ScriptedServer() as server, reqwest_with(Choice("reqwest", once)) as stack:
        session = stack.open(plan())
        found = failed(session, ask(server))
        session.close()

        assert server.connections == 1  # which saw whether the address answers
    assert (found.kind, found.opened) == (FailureKind.DNS, 0)
    assert found.detail == f"cannot resolve {NAME}: name or service not known"


# --- the whole command, with a host file of its own ----------------------------------

_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_UNSHARE, "true"], capture_output=True).returncode == 0


needs_a_mount = pytest.mark.skipif(
    not can_mount(), reason="this user can have no mount namespace"
)


def with_hosts(
    folder: Path, lines: str, *words: str, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with a host file of its own."""
    hosts = folder / "hosts"
    hosts.write_text(lines)
    script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
    return subprocess.run(
        [*_UNSHARE, "sh", "-c", script, "sh", str(hosts), sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=60.0,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "400", **env},
    )


HOSTS = f"127.0.0.1 localhost\n127.0.0.1 {NAME}\n127.0.0.2 {NAME}\n"


@LINUX
@needs_a_mount
@pytest.mark.parametrize("stack", ["httpx", "httpx2", "reqwest"])
def test_a_dead_address_is_named_and_no_saving_rests_on_it(
    stack: str, tmp_path: Path
) -> None:
    with ScriptedServer() as server, silent("127.0.0.2", server.port):
        done = with_hosts(
            *(tmp_path, HOSTS, "-m", "vestbench", "bench", "--stack", stack),
            *("--venue", f"http://{NAME}:{server.port}/", "-n", "24"),
            *("--sessions", "12", "--rate", "1000", "--connect-timeout", "200ms"),
            *("--gate", "--min-saving", "100ms"),
        )
        dead = f"127.0.0.2:{server.port}"

    assert f"{dead} did not answer" in done.stdout + done.stderr
    # httpx lost time on it in half of its sessions; reqwest was not given it.
    assert done.returncode == (1 if stack == "reqwest" else 5), done.stdout
