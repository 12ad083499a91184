"""Why a connection could not be used again, as far as reqwest lets it be seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.faults import fin, rst
from tests.support.lost import CLOSES, KEPT, OK, Ends, lost, stays
from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    ScriptedServer,
    Visit,
    opened,
    sampled,
    tls_pair,
)
from vestbench.kernel.sockets import scan
from vestbench.model.lost import Lost
from vestbench.model.request import Failure, FailureKind
from vestbench.model.strategy import UNPOOLED
from vestbench.stacks.reqwest_stack import ReqwestStack


@pytest.fixture(scope="module")
def stack() -> ReqwestStack:
    return ReqwestStack(tls_pair().ca_pem)


def test_a_connection_close_is_named_with_the_next_request(stack: ReqwestStack) -> None:
    with ScriptedServer(stays(CLOSES)) as server, opened(stack) as session:
        first, second = (sampled(session.send(server.get(), SLOT)) for _ in range(2))

    assert lost(first) == {}
    assert lost(second)["lost"] is Lost.CONNECTION_CLOSE
    assert lost(second)["lost_said"] == "Connection: close"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("end", [fin, rst], ids=["FIN", "RST"])
def test_what_was_not_seen_blames_nobody(
    stack: ReqwestStack, scheme: str, end: Callable[[Visit], None]
) -> None:
    script = Ends(KEPT, end)
    tls = tls_pair().server if scheme == "https" else None
    with ScriptedServer(script, tls) as server, opened(stack) as session:
        sampled(session.send(server.get(), SLOT))
        script.told.set()
        wait_until_gone(server)
        second = sampled(session.send(server.get(), SLOT))

    assert lost(second)["lost"] is Lost.GONE
    assert lost(second)["lost_after"] == 1
    assert lost(second)["lost_said"] == "Keep-Alive: timeout=5, max=9"


@pytest.mark.parametrize(
    ("pool", "why"),
    [({"idle_timeout_s": 0.01}, Lost.POOL_IDLE), ({"max_idle": 0}, Lost.POOL_FULL)],
)
def test_the_rules_of_the_pool_are_not_the_servers(
    stack: ReqwestStack, pool: dict[str, Any], why: Lost
) -> None:
    with ScriptedServer(stays(OK)) as server, opened(stack, **pool) as session:
        sampled(session.send(server.get(), SLOT))
        time.sleep(0.02)
        second = sampled(session.send(server.get(), SLOT))

    assert lost(second)["lost"] is why


def test_a_reset_on_a_reused_connection_is_named_as_the_idle_race(
    stack: ReqwestStack,
) -> None:
    def script(visit: Visit) -> None:
        visit.request()
        visit.send(KEPT)
        visit.request()
        visit.reset()

    with ScriptedServer(script) as server, opened(stack) as session:
        sampled(session.send(server.get(), SLOT))
        failure = session.send(server.get(), SLOT)

    assert isinstance(failure, Failure)
    assert (failure.kind, failure.reused) == (FailureKind.RESET, True)
    assert (lost(failure)["lost"], lost(failure)["lost_after"]) == (Lost.RACE, 1)


def test_a_connection_for_each_request_loses_none(stack: ReqwestStack) -> None:
    with (
        ScriptedServer(stays(OK)) as server,
        opened(stack, strategy=UNPOOLED) as session,
    ):
        found = [sampled(session.send(server.get(), SLOT)) for _ in range(3)]

    assert [lost(sample) for sample in found] == [{}, {}, {}]


def wait_until_gone(server: ScriptedServer) -> None:
    """Wait until this process has no connection to the server any more."""
    port = int(server.url.rpartition(":")[2].rstrip("/"))
    until = time.monotonic() + PATIENCE_S
    while any(state.remote.endswith(f":{port}") for state in scan(port).values()):
        assert time.monotonic() < until
        time.sleep(0.005)
