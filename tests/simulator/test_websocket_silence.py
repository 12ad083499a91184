"""A WebSocket whose client does not answer, does not read, or does not leave."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.exchange_talk import Answering, RecordedStream, ScriptedTimers
from tests.support.websocket_talk import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    UPGRADE,
    closed_with,
    frame,
    frames_of,
)
from vestbench.simulator.http.http11 import Http11Connection
from vestbench.simulator.http.messages import Listener, Response
from vestbench.simulator.http.service import Service
from vestbench.simulator.websocket.connection import PATIENCE_S, PING_S, TURN_S


class Said:
    """A conversation that counts its turns."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.heard_texts: list[str] = []
        self.turns = 0
        self.over = False

    def heard(self, text: str) -> None:
        self.heard_texts.append(text)

    def turn(self) -> None:
        self.turns += 1

    def left(self) -> None:
        self.over = True


class Silent:
    """A WebSocket over a connection without sockets."""

    def __init__(self) -> None:
        self.timers = ScriptedTimers()
        self.stream = RecordedStream()
        self.service = Service(
            application=Answering(lambda _: Response(101, b"", talk=self._talk)),
            timers=self.timers,
        )
        self.connection = Http11Connection(self.service, self.stream, resumed=False)
        self.connection.data_received(UPGRADE)
        self._answer = len(self.stream.written)

    def _talk(self, listener: Listener) -> Said:
        self.said = Said(listener)
        return self.said

    @property
    def written(self) -> bytes:
        return self.stream.written[self._answer :]

    def opcodes(self) -> list[int]:
        return [opcode for opcode, _ in frames_of(self.written)]


def test_silent_client_is_asked_and_then_closed() -> None:
    talk = Silent()

    talk.timers.pass_s(PING_S)
    assert talk.opcodes() == [PING]
    talk.timers.pass_s(PATIENCE_S)

    assert talk.opcodes() == [PING, CLOSE]
    assert closed_with(talk.written) == 1011
    assert talk.said.over


def test_pong_keeps_it_open() -> None:
    talk = Silent()

    for _ in range(5):
        talk.timers.pass_s(PING_S + PATIENCE_S / 2)
        talk.connection.data_received(frame(PONG))

    assert talk.opcodes() == [PING] * 5
    assert not talk.stream.ended


def test_whoever_talks_is_not_asked() -> None:
    talk = Silent()

    for _ in range(10):
        talk.timers.pass_s(PING_S - 1)
        talk.connection.data_received(frame(TEXT, b"hello"))

    assert talk.opcodes() == []
    assert talk.said.heard_texts == ["hello"] * 10


def test_client_that_does_not_close_is_left() -> None:
    talk = Silent()

    talk.said.listener.close(4005, "expired")
    talk.said.listener.close(4000, "again")
    talk.said.listener.say("after the close")
    assert (talk.opcodes(), closed_with(talk.written)) == ([CLOSE], 4005)
    talk.timers.pass_s(PATIENCE_S)

    assert talk.stream.ended == "fin"
    assert talk.service.tally.websocket_closes == {"4005": 1}
    assert talk.service.tally.open == 0


def test_client_that_does_not_read_is_left_and_not_listened_to() -> None:
    talk = Silent()

    talk.connection.pause_writing()
    assert talk.stream.paused
    talk.timers.pass_s(PATIENCE_S)

    assert talk.stream.ended == "fin"
    assert talk.said.over


def test_client_that_reads_again_goes_on() -> None:
    talk = Silent()

    talk.connection.pause_writing()
    talk.timers.pass_s(PATIENCE_S - 1)
    talk.connection.resume_writing()
    talk.timers.pass_s(PATIENCE_S)

    assert not talk.stream.paused
    assert not talk.stream.ended


def test_conversation_has_a_turn_each_second_until_the_client_is_gone() -> None:
    talk = Silent()

    talk.timers.pass_s(5 * TURN_S)
    talk.connection.connection_lost()
    talk.timers.pass_s(100.0)

    assert talk.said.turns == 5
    assert talk.said.over
    assert talk.opcodes() == []
    assert not [each for each in talk.timers.alarms if not each.cancelled]


def test_message_in_parts_is_heard_as_one_between_which_pings_are_answered() -> None:
    talk = Silent()

    talk.connection.data_received(frame(TEXT, b"\xe2\x82", first=0))
    talk.connection.data_received(frame(PING, b"here?"))
    talk.connection.data_received(frame(0, b"\xac"))

    assert talk.said.heard_texts == ["€"]
    assert list(frames_of(talk.written)) == [(PONG, b"here?")]


FRAMES = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=200),
    first=st.sampled_from([0, 0x80, 0x40, 0xF0]),
    masked=st.booleans(),
    length=st.none() | st.sampled_from([0, 1, 125, 126, 65_536, 2**31, 2**63]),
)


@given(st.lists(FRAMES | st.binary(max_size=50), max_size=12), st.integers(1, 64))
def test_whatever_comes_is_answered_or_ends_it(sent: list[bytes], size: int) -> None:
    talk, data = Silent(), b"".join(sent)

    for at in range(0, len(data), size):
        if not talk.stream.ended:  # as the transport does
            talk.connection.data_received(data[at : at + size])
    talk.timers.pass_s(PING_S + PATIENCE_S)
    talk.timers.pass_s(PATIENCE_S)

    assert talk.stream.ended == "fin"
    assert talk.said.over
    assert talk.opcodes().count(CLOSE) == 1
