"""The client that sends: its pool settings, its abilities, what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vestbench.model.strategy import POOLED, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """The five settings of the bot's HTTP client; the defaults are the bot's."""

    max_idle: int = 2  # idle connections kept per host; 0 keeps none
    idle_timeout_s: float = 60.0  # an older idle connection is not used again
    tcp_keepalive_s: float = 30.0  # idle time before the first probe; 0 turns it off
    connect_timeout_s: float = 10.0  # name resolution, TCP and TLS together
    request_timeout_s: float = 10.0  # the whole exchange, body included


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """How to build one client and its pool."""

    pool: PoolSettings
    strategy: Strategy = POOLED
    concurrency: int = 1  # requests in flight at once
    http2: bool = False  # offer HTTP/2 in the handshake; the server decides
    # Sessions with the same number connect to the addresses that a name had for the
    # first of them. None: each asks for itself.
    round: int | None = None
    stack: str = ""  # which HTTP library, where there are several; empty is the first
    kernel_timestamps: bool = (
        False  # ask the kernel when requests left and answers came
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFacts:
    """What the process that sends the requests says of itself."""

    stack: str = ""  # by its name in the registry, which gives it
    versions: Mapping[str, str]
    tls_context_ns: int | None  # the context in use, built once; None if it has none
    default_context_ns: int | None  # one with the usual trust store, for comparison
    # What the first TLS handshake of the process cost beyond the second, where that was
    # burnt off on purpose; None where there is nothing to burn off.
    first_handshake_ns: int | None = None
    origin_ns: int  # CLOCK_MONOTONIC when `Sample.start_ns` was 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StackAbility:
    """What one stack can do on this machine."""

    stack: str
    installed: bool
    version: str  # empty where it is not installed
    install: str  # what to type to have it, or to have all of it; empty with all of it
    phases: bool  # it shows the phases of a request; else only the whole call
    proof: str  # how the reuse of a connection is proved
    strategies: tuple[str, ...]  # those it can honour here
    refused: Mapping[str, str]  # the others, with the reason
    unhonoured: Mapping[str, str]  # pool settings not quite the bot's, and why
    addresses: str = ""  # which of a name's addresses it connects to, and how
