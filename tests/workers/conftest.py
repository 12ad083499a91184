"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers import ScriptedServer, tls_pair
from tests.support.workers import by_path
from vestbench.workers.remote import RemoteStack


@pytest.fixture
def fresh() -> Iterator[RemoteStack]:
    with RemoteStack(ca_pem=tls_pair().ca_pem) as stack:
        assert stack.facts.stack == "httpx"
        yield stack


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ScriptedServer, ScriptedServer]]:
    with (
        ScriptedServer(by_path, tls_pair().server) as server,
        ScriptedServer(tls=tls_pair("unknown-ca").server) as untrusted,
    ):
        yield server, untrusted
