"""An exchange, as a process and without one, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.exchange_client import Client
from tests.support.exchange_sockets import FAST
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.simulator.http.behaviour import Behaviour


@pytest.fixture
def client() -> Client:
    return Client().register()


@pytest.fixture(scope="module")
def shared() -> Iterator[ExchangeProcess]:
    """One exchange for the tests that leave it as it was."""
    with ExchangeProcess(FAST) as process:
        yield process


@pytest.fixture
def exchange(shared: ExchangeProcess) -> Iterator[ExchangeProcess]:
    yield shared
    shared.behave(Behaviour())
