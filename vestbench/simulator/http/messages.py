"""What the server and the application pass to each other: requests and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Headers = tuple[tuple[str, str], ...]
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as `request_reader` has read it."""

    method: str
    path: str  # decoded, without the query
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Names in lower case. Never shown: one of them is the API key.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    peer: str = ""  # the client's address


class Listener(Protocol):
    """The client of a WebSocket, as a conversation sees it."""

    def say(self, text: str) -> None:
        """Send a text, unless it is closed."""

    def close(self, code: int, reason: str = "") -> None:
        """Close it with a code; more than once does nothing."""

    def mark(self) -> tuple[int, int] | None:
        """Return its connection in the account, and the bytes sent on it until now."""


class Conversation(Protocol):
    """What goes on over a WebSocket."""

    def heard(self, text: str) -> None:
        """Take what the client has said."""

    def turn(self) -> None:
        """Say what is new; called about once a second."""

    def left(self) -> None:
        """Stop: nobody listens any more."""


Talk = Callable[[Listener], Conversation]


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered: JSON, if nothing else is said, or a WebSocket that begins."""

    status: int
    body: bytes = field(repr=False)
    headers: Headers = ()
    content_type: str = JSON
    talk: Talk | None = None  # over the WebSocket that begins with this answer
    # What else happens when the answer is due, whether or not its client is there.
    # Returned is who was told of it, if anybody was.
    besides: Callable[[], Listener | None] | None = None

    def typed(self, fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the headers of every answer, as they are for this one."""
        if self.content_type == JSON:
            return fields
        others = [each for each in fields if each[0] != "Content-Type"]
        return [*others, ("Content-Type", self.content_type)]


@dataclass(frozen=True, slots=True)
class Deferred:
    """An answer that first takes some computing.

    `work` may run in any thread, as it touches nothing that others do; what it returns
    goes to `finish`, which gives the response and runs where the exchange runs.
    """

    work: Callable[[], Any] = field(repr=False)
    finish: Callable[[Any], Response] = field(repr=False)


class Application(Protocol):
    """What answers the requests."""

    def begin(self, request: Request) -> Response | Deferred:
        """Answer a request, or say what has to be computed first."""

    def refusal(self, status: int, message: str, headers: Headers = ()) -> Response:
        """Word an error that is not the application's own."""

    def is_order(self, request: Request) -> bool:
        """Say whether a request has the service time of orders."""

    def prepare(self) -> None:
        """Make what the first request would have to wait for; in any thread."""
