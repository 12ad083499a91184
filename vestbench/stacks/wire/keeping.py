"""Why a connection could not be used again, from what was seen of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from vestbench.characters import plain
from vestbench.model.client import PoolSettings
from vestbench.model.lost import Lost, LostConnection
from vestbench.model.request import NS_PER_S
from vestbench.stacks.wire.frames import GOAWAY, frames_in

_LONGEST_SAID = 80  # of headers that a stranger has written
_WITHOUT_BODY = (204, 304)


class Said(NamedTuple):
    """What an answer says of its connection and of its own end."""

    http_version: str
    connection: str  # the header; empty without one, as the next
    keep_alive: str
    body_bytes: int | None  # on the wire; None where it does not say

    @classmethod
    def of(cls, status: int, http_version: str, header: Callable[[str], Any]) -> Self:
        """Return what an answer says; `header` gets a header's value by its name."""
        length = str(header("content-length") or "")
        bodiless = status in _WITHOUT_BODY
        return cls(
            http_version,
            header("connection") or "",
            header("keep-alive") or "",
            0 if bodiless else int(length) if length.isdecimal() else None,
        )


class Rules(NamedTuple):
    """When the client itself does not keep a connection."""

    idle_timeout_ns: int | None = None
    crowded: bool = False  # it may have more connections than its pool keeps
    keeps_none: bool = False  # its pool keeps no idle connection at all

    @classmethod
    def of(cls, pool: PoolSettings, concurrency: int) -> Self:
        """Return the rules of a pool that serves so many requests at once."""
        limit_ns = int(pool.idle_timeout_s * NS_PER_S)
        return cls(limit_ns, concurrency > pool.max_idle, pool.max_idle == 0)


NO_RULES = Rules()


@dataclass(slots=True)
class Keeping:
    """What is known of whether, and how long, one connection may be kept."""

    rules: Rules = NO_RULES
    http_version: str = ""  # of its last answer
    closes: bool = False  # a header of that said that this is the end
    said: str | None = None  # that header, or the one that says how long it may be idle
    last_ns: int = 0  # when its last answer was there; 0 without one
    lost_ns: int = 0  # when its end was found; 0 while it is open
    end: Lost | None = None  # how it was ended, if not by the client
    failed: Lost | None = None  # a request failed on it
    left_over: bool = False  # bytes came after the end of its last answer

    def answered(self, at_ns: int, answer: Said) -> None:
        """Take in the last answer; outside the clock."""
        self.last_ns, self.http_version = at_ns, answer.http_version
        tokens = answer.connection.lower().split(",")
        self.closes = "close" in map(str.strip, tokens)
        named = {"Connection": answer.connection, "Keep-Alive": answer.keep_alive}
        self.said = _shown("; ".join(f"{k}: {v}" for k, v in named.items() if v))

    def lost(self, uses: int) -> LostConnection:
        """Return why it could not be used again, after so many requests."""
        idle_ns = None
        if self.last_ns and self.lost_ns:
            idle_ns = max(0, self.lost_ns - self.last_ns)
        return LostConnection(self._why(idle_ns or 0), idle_ns, uses, self.said)

    def _why(self, idle_ns: int) -> Lost:
        """Return the surest of the reasons that were seen."""
        if self.failed is not None:
            return self.failed
        if self.closes:
            return Lost.CONNECTION_CLOSE
        if self.http_version == "HTTP/1.0":
            return Lost.HTTP_1_0
        if self.end not in (None, Lost.GONE):
            return self.end
        limit = self.rules.idle_timeout_ns
        if limit is not None and idle_ns >= limit:
            return Lost.POOL_IDLE
        if self.rules.keeps_none or (self.rules.crowded and self.end is None):
            return Lost.POOL_FULL
        return self.end or Lost.CLIENT


def end_of(data: bytes, *, http2: bool) -> tuple[Lost, str | None]:
    """Return what bytes that no request had asked for mean, and what they say."""
    if http2 and goes_away(data):
        return Lost.GOAWAY, None
    line = data.partition(b"\r\n")[0] if data.startswith(b"HTTP/1.") else b""
    return Lost.UNASKED, _shown(line.decode("latin-1"))


def goes_away(data: bytes) -> bool:
    """Say whether there is a GOAWAY among whole frames of HTTP/2."""
    return any(frame.kind == GOAWAY for frame in frames_in(data))


def _shown(said: str) -> str | None:
    return plain(said, "")[:_LONGEST_SAID] or None
