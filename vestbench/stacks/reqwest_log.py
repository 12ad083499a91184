"""What reqwest and rustls say of their connections in their log.

They log that a connection is opened, and whether its TLS session was resumed. One
client with `connection_verbose`, which never sends anything, switches the logging of
the whole process on.

A verbose client also logs all that it writes, keys and signatures included. Of these
records only counts are kept, and which request went over which connection.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from functools import cache

from pyreqwest.client import SyncClientBuilder
from pyreqwest.logging import flush_logs

_CONNECT = "reqwest::connect"
_VERBOSE = "reqwest::connect::verbose"
_TLS12 = "rustls::client::tls12"
_TLS13 = "rustls::client::tls13"

_TAG = re.compile(r"\(request (\d+)\)")
_WRITE = re.compile(r"([0-9a-f]+) write\b")


def tag(number: int) -> str:
    """Return the header comment by which the log shows the request of this number."""
    return f"(request {number})"


@dataclass(slots=True)
class Seen:
    """What was logged between two looks."""

    started: int = 0  # connections that began to be opened
    full_tls12: int = 0  # full handshakes; a resumed one of TLS 1.2 logs nothing
    full_tls13: int = 0
    resumed_tls13: int = 0
    # Of a verbose client: the connection that carried the request with this tag.
    carriers: dict[int, str] = field(default_factory=dict)

    @property
    def tls13(self) -> int:
        """How many handshakes of TLS 1.3 went through."""
        return self.full_tls13 + self.resumed_tls13

    @property
    def full(self) -> int:
        """How many handshakes resumed nothing."""
        return self.full_tls12 + self.full_tls13


class ConnectionLog(logging.Handler):
    """Takes the log of reqwest and rustls in this process."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = Seen()
        # Parents of a name with :: do not pass their level on.
        for name in (_CONNECT, _VERBOSE, _TLS12, _TLS13):
            logger = logging.getLogger(name)
            logger.setLevel(logging.DEBUG)
            logger.propagate = False
            logger.addHandler(self)
        # Levels are read when the first client is built.
        SyncClientBuilder().connection_verbose(True).build()

    def emit(self, record: logging.LogRecord) -> None:
        """Count what a record says, and forget the record."""
        seen, name, text = self._seen, record.name, record.getMessage()
        if name == _CONNECT:
            seen.started += text.startswith("starting new connection")
        elif name == _TLS13:
            seen.resumed_tls13 += text == "Resuming using PSK"
            seen.full_tls13 += text == "Not resuming"
        elif name == _TLS12:
            seen.full_tls12 += text.startswith("Server cert is")
        elif name == _VERBOSE:
            write, number = _WRITE.match(text), _TAG.search(text)
            if write and number:
                seen.carriers[int(number[1])] = write[1]

    def take(self) -> Seen:
        """Return what was logged since the last call."""
        flush_logs()
        seen, self._seen = self._seen, Seen()
        return seen


@cache
def connection_log() -> ConnectionLog:
    """Return the log of this process; there is one for all clients in it."""
    return ConnectionLog()
