"""How connections are handled."""

from __future__ import annotations

from enum import StrEnum


class Strategy(StrEnum):
    """How connections are handled."""

    POOLED = "pooled"  # kept open and reused
    UNPOOLED = "unpooled"  # a new connection, fully shaken hands, for each request
    WARMED = "warmed"  # a fresh pool, warmed up as the bot does, then left idle
    RESUMED = "resumed"  # a new connection for each request, its TLS session resumed
    HTTP2 = "http2"  # one HTTP/2 connection, kept open and shared
