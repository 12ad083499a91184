"""What many tests of stacks send through and to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers import ScriptedServer, tls_pair
from vestbench.stacks.httpx_stack import Httpx2Stack, HttpxStack


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    """Where the servers of pytest-httpserver listen."""
    return ("127.0.0.1", 0)


@pytest.fixture(scope="module")
def stack() -> HttpxStack:
    """Return the stack of most modules; those of other stacks have their own."""
    return HttpxStack(tls_pair().ca_pem)


@pytest.fixture(params=[HttpxStack, Httpx2Stack], ids=["httpx", "httpx2"])
def either(request: pytest.FixtureRequest) -> HttpxStack:
    made: HttpxStack = request.param(tls_pair().ca_pem)
    return made


@pytest.fixture
def tls_server() -> Iterator[ScriptedServer]:
    with ScriptedServer(tls=tls_pair().server) as server:
        yield server
