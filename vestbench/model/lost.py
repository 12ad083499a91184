"""What became of a connection that was open and could not be used again."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Lost(StrEnum):
    """What was seen of a connection that a later request should have reused."""

    # What an answer on it had said.
    CONNECTION_CLOSE = "connection-close"  # a header asked for the end
    HTTP_1_0 = "http-1.0"  # the version of HTTP that keeps none by itself
    UNTIL_CLOSE = "until-close"  # a body that only the end of the connection ends
    GOAWAY = "goaway"  # the server of HTTP/2 takes no more requests on it
    # Who ended it while it was idle.
    FIN = "fin"  # the server, in good order
    RESET = "reset"  # the server, by a reset
    UNASKED = "unasked-bytes"  # the client, for bytes that no request had asked for
    POOL_IDLE = "pool-idle"  # the client, after the idle time-out of the pool
    POOL_FULL = "pool-full"  # the client, whose pool keeps no more
    CLIENT = "client"  # the client, by a rule that is not known here
    GONE = "gone"  # no longer there; nothing shows who ended it
    # A request before had failed on it.
    LEFT_OVER = "left-over-bytes"  # bytes after an answer were taken for the next one
    RACE = "race"  # the server ended it in place of an answer
    FAILED = "failed"


class LostConnection(NamedTuple):
    """One such connection, with what goes with it."""

    why: Lost
    idle_ns: int | None = None  # from its last answer until its end was found
    uses: int | None = None  # requests that it had carried
    said: str | None = None  # what an answer had said of its end, if it did

    def columns(self) -> Mapping[str, Any]:
        """Return the values of the columns of a request that show this."""
        values = {
            "lost": self.why,
            "lost_idle_ns": self.idle_ns,
            "lost_after": self.uses,
            "lost_said": self.said,
        }
        return {name: value for name, value in values.items() if value is not None}
