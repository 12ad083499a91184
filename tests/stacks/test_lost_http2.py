"""Why a connection of HTTP/2 could not be used again, and its interim answers."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from tests.support.lost import lost
from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    ScriptedServer,
    Visit,
    opened,
    sampled,
    tls_pair,
)
from vestbench.model.lost import Lost
from vestbench.model.request import Failure
from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.stacks.wire.stream import TimedStream


class Talk:
    """The server's side of one connection."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._h2 = H2Connection(H2Configuration(client_side=False))
        self._h2.initiate_connection()

    def requests(self) -> Iterator[int]:
        """Yield the stream of each request."""
        self._flush()
        while data := self._visit.sock.recv(65_536):
            found = self._h2.receive_data(data)
            self._flush()
            yield from (e.stream_id for e in found if isinstance(e, RequestReceived))

    def answer(self, stream: int, *interim: str) -> None:
        for status in (*interim, "200"):
            self._h2.send_headers(stream, [(":status", status)])
        self._h2.send_data(stream, b"{}", end_stream=True)
        self._flush()

    def go_away(self, last: int) -> None:
        self._h2.close_connection(last_stream_id=last)
        self._flush()

    def _flush(self) -> None:
        self._visit.sock.sendall(self._h2.data_to_send())


def http2_server(script: object) -> ScriptedServer:
    context = tls_pair().server
    context.set_alpn_protocols(["h2"])
    return ScriptedServer(script, context)  # type: ignore[arg-type]


def test_a_goaway_while_idle_is_named(either: HttpxStack) -> None:
    told = threading.Event()

    def script(visit: Visit) -> None:
        talk = Talk(visit)
        for stream in talk.requests():
            talk.answer(stream)
            told.wait(PATIENCE_S)
            talk.go_away(stream)
            visit.stall()
            return

    with http2_server(script) as server, opened(either, http2=True) as session:
        sampled(session.send(server.get(), SLOT))
        stream = session._instrument.current().stream
        assert isinstance(stream, TimedStream)
        told.set()
        assert select.select([stream.sock], [], [], PATIENCE_S)[0]
        second = sampled(session.send(server.get(), SLOT))

    assert second.http_version == "HTTP/2"
    assert (lost(second)["lost"], lost(second)["lost_after"]) == (Lost.GOAWAY, 1)


def test_a_goaway_in_place_of_an_answer_is_the_idle_race(either: HttpxStack) -> None:
    def script(visit: Visit) -> None:
        talk = Talk(visit)
        for number, stream in enumerate(talk.requests()):
            if number:
                talk.go_away(stream)
                return
            talk.answer(stream)

    with http2_server(script) as server, opened(either, http2=True) as session:
        sampled(session.send(server.get(), SLOT))
        failure = session.send(server.get(), SLOT)

    assert isinstance(failure, Failure)
    assert failure.reused
    assert (lost(failure)["lost"], lost(failure)["lost_after"]) == (Lost.RACE, 1)


def test_interim_answers_are_counted(either: HttpxStack) -> None:
    def script(visit: Visit) -> None:
        talk = Talk(visit)
        for stream in talk.requests():
            talk.answer(stream, "103", "103")

    with http2_server(script) as server, opened(either, http2=True) as session:
        found = [sampled(session.send(server.get(), SLOT)) for _ in range(2)]

    assert [lost(sample) for sample in found] == [{"interim": "1xx, 1xx"}] * 2
    assert found[1].reused
