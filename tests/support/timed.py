"""Sessions of httpx on the timed backend."""

from __future__ import annotations

import time

from tests.support.servers import PATIENCE_S, SLOT, ScriptedServer, sampled
from vestbench.model.request import NS_PER_MS, RequestSpec, Sample
from vestbench.stacks.httpx_stack import HttpxSession

MS = NS_PER_MS


def send(session: HttpxSession, *specs: RequestSpec) -> list[Sample]:
    return [sampled(session.send(spec, SLOT)) for spec in specs]


def wait_for_visits(server: ScriptedServer, number: int) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while server.connections < number:
        assert time.monotonic() < give_up, "nobody came"
        time.sleep(0.001)
