"""Names with several addresses on reqwest, which chooses among them by itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.addresses import (
    LIMIT_S,
    LINUX,
    NAME,
    Rotating,
    answering,
    ask,
    silent,
)
from tests.support.servers import (
    SLOT,
    ScriptedServer,
    failed,
    plan,
    sampled,
)
from vestbench.kernel.sockets import Address
from vestbench.model.request import FailureKind
from vestbench.model.strategy import UNPOOLED
from vestbench.stacks.wire.choosing import Choice

if TYPE_CHECKING:
    from vestbench.stacks.reqwest_stack import ReqwestStack


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
