"""The HTTP libraries that can send: what each needs, can do, and cannot honour.

Nothing here imports a library: whether it is installed is found out without that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from vestbench.errors import UsageError
from vestbench.model.client import PoolSettings, StackAbility
from vestbench.model.session import LocalStack
from vestbench.model.strategy import STRATEGIES, find_strategy

ALL = "all"  # every stack that is installed

# httpcore 1.0.9 compares all connections, not the idle ones, with its keep-alive
# limit: with three or more in flight it closes each one as it is done
# (encode/httpcore #1000, #1035).
_FAITHFUL_CONCURRENCY = 2


class MakeStack(Protocol):
    """Makes a stack: its class."""

    def __call__(self, ca_pem: str = "", origin_ns: int | None = None) -> LocalStack:
        """Make it, with certificates to trust and the moment when the run began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackInfo:
    """One stack by name."""

    name: str
    module: str  # where its class is
    factory: str  # the class
    requires: tuple[str, ...]  # modules that must be there
    distribution: str  # whose version is shown
    extra: str = ""  # of vestbench, that installs it; empty where it always is
    http2: tuple[str, ...] = ()  # modules that HTTP/2 needs on top
    # Several requests at once over HTTP/2. The synchronous httpcore 1.0.9 and httpcore2
    # number their streams, and fill and empty one buffer, without a lock: threads take
    # the same number (StreamIDTooLow, KeyError), or lose what another one wrote.
    http2_bursts: bool = True
    # Up to how many requests at once it keeps `max_idle` connections, no fewer; above,
    # the limit is raised. None: always.
    faithful_concurrency: int | None = None
    phases: bool = True  # it shows name resolution, TCP, TLS, send, wait, receive
    proof: str  # how the reuse of a connection is proved
    linux_only: str = ""  # why it runs on Linux only, or empty
    # Pool settings that work otherwise than in the bot's client, and how.
    unhonoured: Mapping[str, str] = field(default_factory=dict)
    addresses: str = ""  # which of a name's addresses it connects to, and how

    def installed(self) -> bool:
        """Say whether the library is there."""
        return all(find_spec(name) is not None for name in self.requires)

    def version(self) -> str:
        """Return the version of the library, or nothing where it is not there."""
        # Imported here, because a measuring process never needs it.
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as version_of

        try:
            return version_of(self.distribution) if self.installed() else ""
        except PackageNotFoundError:  # copied to the path rather than installed
            return "unknown"

    def refusal(self, strategy: str = "", *, http2: bool = False) -> str:
        """Say why this stack cannot connect in that way here; empty if it can."""
        if self.linux_only and sys.platform != "linux":
            return f"stack {self.name} runs on Linux only: {self.linux_only}"
        if not self.installed():
            return (
                f"stack {self.name} is not installed: "
                f"pip install 'vestbench[{self.extra}]'"
            )
        wants_http2 = http2 or (strategy and find_strategy(strategy).http2)
        missing = [name for name in self.http2 if find_spec(name) is None]
        if wants_http2 and missing:
            return (
                f"HTTP/2 on {self.name} needs {', '.join(missing)}: "
                "pip install 'vestbench[http2]'"
            )
        return ""

    def kept_idle(self, pool: PoolSettings, concurrency: int) -> int:
        """Return how many idle connections a client of this stack really keeps."""
        limit = self.faithful_concurrency
        faithful = limit is None or concurrency <= limit
        if faithful or not 0 < pool.max_idle < concurrency:
            return pool.max_idle
        return concurrency

    def load(self) -> MakeStack:
        """Import its module and return what makes the stack, called as it is here."""
        kind: MakeStack = getattr(import_module(self.module), self.factory)

        def made(ca_pem: str = "", origin_ns: int | None = None) -> LocalStack:
            stack = kind(ca_pem=ca_pem, origin_ns=origin_ns)
            stack.facts = replace(stack.facts, stack=self.name)
            return stack

        return made

    def ability(self) -> StackAbility:
        """Return what it can do on this machine."""
        refusals = {name: self.refusal(name) for name in STRATEGIES}
        missing = [text for text in refusals.values() if "pip install" in text]
        return StackAbility(
            stack=self.name,
            installed=self.installed(),
            version=self.version(),
            install=missing[0].partition(": ")[2] if missing else "",
            phases=self.phases,
            proof=self.proof,
            strategies=tuple(name for name, why in refusals.items() if not why),
            refused={name: why for name, why in refusals.items() if why},
            unhonoured=self.unhonoured,
            addresses=self.addresses,
        )


_ONE_BY_ONE = (
    "one after the other in the system's order, each with the whole connect timeout, "
    "as the library does"
)
_HTTPCORE = {
    "max_idle": "kept for all hosts together, not for each; no matter with one venue",
    "idle_timeout": "no timer: an idle connection beyond it stays open until the next "
    "request, which opens a new one",
    "connect_timeout": "name resolution cannot be interrupted; an overrun is noticed "
    "when it returns; after an address that does not answer, the next has all of it",
}

STACKS: dict[str, StackInfo] = {}  # by name


def register_stack(info: StackInfo) -> None:
    """Add a stack; the measuring process is told where its class is."""
    STACKS[info.name] = info


for _info in (
    StackInfo(
        name="httpx",
        module="vestbench.stacks.httpx_stack",
        factory="HttpxStack",
        requires=("httpx", "httpcore"),
        distribution="httpx",
        http2=("h2",),
        http2_bursts=False,
        faithful_concurrency=_FAITHFUL_CONCURRENCY,
        proof="every connect and every write is seen",
        addresses=_ONE_BY_ONE,
        unhonoured={
            **_HTTPCORE,
            "max_idle": f"above {_FAITHFUL_CONCURRENCY} concurrent requests httpcore 1 "
            "closes what it should keep (encode/httpcore #1000), so the limit is "
            "raised to the concurrency",
        },
    ),
    StackInfo(
        name="httpx2",
        module="vestbench.stacks.httpx_stack",
        factory="Httpx2Stack",
        requires=("httpx2", "httpcore2"),
        distribution="httpx2",
        extra="httpx2",
        http2=("h2",),
        http2_bursts=False,
        proof="every connect and every write is seen",
        addresses=_ONE_BY_ONE,
        unhonoured=_HTTPCORE,
    ),
    StackInfo(
        name="reqwest",
        module="vestbench.stacks.reqwest_stack",
        factory="ReqwestStack",
        requires=("pyreqwest",),
        distribution="pyreqwest",
        extra="reqwest",
        phases=False,
        proof="its connection log, and the bytes that each of its sockets has sent",
        addresses="by itself IPv6 and IPv4 race, the second 300 ms later; of a name "
        "with several, vestbench hands it one that answers for each round",
        linux_only="its sockets are found in /proc/self/fd",
    ),
):
    register_stack(_info)


def find_stack(name: str) -> StackInfo:
    """Return the stack called `name`.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in STACKS:
        raise UsageError(f"--stack {name!r} is none of {', '.join(STACKS)}")
    return STACKS[name]


def chosen_stacks(
    name: str, strategies: Iterable[str] = (), *, http2: bool = False
) -> tuple[str, ...]:
    """Return the names of the stacks that `name` stands for, the default first.

    Raises:
        UsageError: A stack is unknown or not installed, or cannot connect in one of
            the ways that are asked for.
    """
    if name == ALL:
        found = [info for info in STACKS.values() if not info.refusal()]
    else:
        found = [find_stack(name)]
    for info in found:
        for strategy in (*strategies, ""):
            refusal = info.refusal(strategy, http2=http2)
            if refusal:
                raise UsageError(refusal)
    return tuple(info.name for info in found)
