"""One WebSocket, between its connection and the conversation that goes on over it.

wsproto takes frames apart; this decides how long and how large things may be, and how
it ends. Only texts are taken. Imported by the first client that upgrades.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from vestbench.simulator.http.messages import Conversation, Talk
from vestbench.simulator.http.seen import Witness
from vestbench.simulator.http.service import Service, Stream, Timer

# Without it no handshake succeeds, so nothing here is ever called.
if find_spec("wsproto") is not None:
    from wsproto.connection import Connection, ConnectionState, ConnectionType
    from wsproto.events import (
        BytesMessage,
        CloseConnection,
        Event,
        Message,
        Ping,
        Pong,
        TextMessage,
    )
    from wsproto.frame_protocol import CloseReason

MAX_MESSAGE_BYTES = 65_536
MAX_FRAGMENTS = 256  # of one message
PING_S = 20.0  # without a word from the client
# For the client to answer a ping, to close after the exchange has, or to read on.
PATIENCE_S = 10.0
TURN_S = 1.0  # between two turns of the conversation


class WebSocket:
    """One WebSocket; it is the `Listener` of its conversation.

    Args:
        service: Its timers and its tally are used.
        stream: What carries it.
        talk: Begins the conversation.
        end: Ends the connection below, for the reason given.
        witness: Counts what is sent on that, where an account is wanted.
    """

    def __init__(
        self,
        service: Service,
        stream: Stream,
        talk: Talk,
        end: Callable[[str], None],
        witness: Witness | None = None,
    ) -> None:
        self._witness = witness
        self._timers = service.timers
        self._tally = service.tally
        self._stream = stream
        self._end = end
        self._frames = Connection(ConnectionType.SERVER)
        self._parts: list[str] = []  # of a message that is not complete
        self._size = 0
        self._closing = False  # a close was sent, or the connection is lost
        self._silence: Timer | None = None
        self._tally.websockets += 1
        self._listen()
        self._turn = self._call_in(TURN_S, self._take_turn)
        self._conversation: Conversation | None = None
        self._conversation = talk(self)  # which may close it at once

    # What the connection calls.

    def received(self, data: bytes) -> None:
        """Take frames in, and answer them."""
        self._frames.receive_data(data)
        if not self._closing:
            self._listen()
        for event in self._frames.events():
            if not self._closing:
                self._take(event)
            elif isinstance(event, CloseConnection):
                self._end("websocket")  # all that was still of interest
                return

    def lost(self) -> None:
        """Forget it: its connection has ended."""
        self._stop()
        self._listen_no_more()

    def pause_writing(self) -> None:
        """Take nothing more from a client that does not read, and end it in time."""
        if not self._closing:
            self._stream.pause_reading()
            self._wait(PATIENCE_S, self._give_up)

    def resume_writing(self) -> None:
        """Go on."""
        if not self._closing:
            self._stream.resume_reading()
            self._listen()

    # What the conversation calls.

    def say(self, text: str) -> None:
        """Send a text to the client, unless it is closed."""
        if not self._closing:
            self._send(TextMessage(text))

    def close(self, code: int, reason: str = "") -> None:
        """Close it; more than once does nothing.

        Args:
            code: Of RFC 6455, or of the exchange.
            reason: In words; wsproto leaves out the end of a long one.
        """
        if self._closing:
            return
        self._leave(CloseConnection(code=code, reason=reason))
        self._wait(PATIENCE_S, self._give_up)

    def mark(self) -> tuple[int, int] | None:
        """Return its connection in the account, and the bytes sent on it until now."""
        witness = self._witness
        return None if witness is None else (witness.seen.serial, witness.down)

    # Its own.

    def _take(self, event: Event) -> None:
        if isinstance(event, Ping):
            self._send(Pong(event.payload))
        elif isinstance(event, BytesMessage):
            self._fail(CloseReason.UNSUPPORTED_DATA, "only texts are understood")
        elif isinstance(event, TextMessage):
            self._read(event)
        elif isinstance(event, CloseConnection):
            self._answer_close(event)

    def _read(self, event: Message[str]) -> None:
        self._parts.append(event.data)
        self._size += len(event.data.encode())
        if self._size > MAX_MESSAGE_BYTES or len(self._parts) > MAX_FRAGMENTS:
            limit = f"a message has at most {MAX_MESSAGE_BYTES} bytes"
            self._fail(CloseReason.MESSAGE_TOO_BIG, limit)
        elif event.message_finished:
            text = "".join(self._parts)
            self._parts.clear()
            self._size = 0
            if self._conversation is not None:
                self._conversation.heard(text)

    def _answer_close(self, event: CloseConnection) -> None:
        """Answer the client's close, or say what was wrong with what it sent."""
        if self._frames.state is ConnectionState.OPEN:  # there was no such close
            self._fail(event.code, event.reason or "")
        else:
            self._leave(event.response())
            self._end("client")

    def _fail(self, code: int, reason: str) -> None:
        """End it at once: what comes next cannot be understood (RFC 6455, 7.1.7)."""
        self._leave(CloseConnection(code=code, reason=reason))
        self._end("error")

    def _leave(self, close: CloseConnection) -> None:
        code = "none" if close.code == CloseReason.NO_STATUS_RCVD else int(close.code)
        self._tally.websocket_closes[str(code)] += 1
        self._send(close)
        self._stop()

    def _stop(self) -> None:
        """End the conversation, once."""
        if self._closing:
            return
        self._closing = True
        self._turn.cancel()
        self._listen_no_more()
        if self._conversation is not None:
            self._conversation.left()

    def _send(self, event: Event) -> None:
        self._stream.write(self._frames.send(event))

    def _take_turn(self) -> None:
        self._turn = self._call_in(TURN_S, self._take_turn)
        if self._conversation is not None:
            self._conversation.turn()

    # Silence.

    def _listen(self) -> None:
        """Ask for a sign of life if none comes."""
        self._wait(PING_S, self._ask)

    def _ask(self) -> None:
        self._wait(PATIENCE_S, self._unanswered)
        self._send(Ping())

    def _unanswered(self) -> None:
        self.close(CloseReason.INTERNAL_ERROR, "a ping was not answered")

    def _give_up(self) -> None:
        self._stop()
        self._end("error")

    def _listen_no_more(self) -> None:
        if self._silence is not None:
            self._silence.cancel()

    def _wait(self, delay_s: float, action: Callable[[], None]) -> None:
        self._listen_no_more()
        self._silence = self._call_in(delay_s, action)

    def _call_in(self, delay_s: float, action: Callable[[], None]) -> Timer:
        return self._timers.call_at(self._timers.time() + delay_s, action)
