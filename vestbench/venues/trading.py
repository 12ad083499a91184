"""What a venue with accounts has to offer: its keys, and requests that use them.

A run asks the venue's `AccountKind` before it starts, and a `TradingAccount` while it
sends. Both know what is specific to the exchange; nobody else does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from vestbench.model.request import Outcome, RequestSpec, Signer, Subscription

if TYPE_CHECKING:
    from vestbench.venues.base import Endpoint, Venue

# A request, and what takes the body of its answer.
Question = tuple[RequestSpec, Callable[[bytes], None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartStep:
    """One request of a bot's start."""

    endpoint: Endpoint
    log: str  # what log lines call it
    remark: str = ""  # for who reads its figures
    retried: bool = False  # sent again after a failure
    listens: bool = False  # it opens the WebSocket, beside the pool
    hears: bool = False  # it leads to an event on the WebSocket


class TradingAccount(Protocol):
    """Builds the requests of one account, and reads the answers to them.

    Whatever builds a request raises `UsageError` where a key is not given; whatever
    takes an answer raises `VenueError` where it cannot be used.
    """

    @property
    def sign_ns(self) -> Sequence[int]:
        """What it took to build each request that was signed here."""

    @property
    def orders(self) -> int:
        """How many orders were built."""

    @property
    def filled_states(self) -> Sequence[str]:
        """The states of an order that was executed, wholly or in part."""

    @property
    def open_states(self) -> Sequence[str]:
        """The states of an order that may still be executed."""

    def signer(self) -> Signer:
        """Return what signs requests in the process that sends them."""

    def questions(self, endpoint: Endpoint) -> Iterator[Question]:
        """Yield what has to be asked before requests to `endpoint` can be built.

        The answer to each must be taken before the next one is built.
        """

    def outdated(self, endpoint: Endpoint) -> bool:
        """Say whether `questions` have to be asked again before the next request."""

    def request(self, endpoint: Endpoint) -> RequestSpec:
        """Build the next request to `endpoint`, signed unless that is left to others.

        Raises:
            UsageError: As many orders as are allowed were built already.
        """

    def learn(self, endpoint: Endpoint, body: bytes) -> None:
        """Take from an answer of `endpoint` what later requests of a start need."""

    def subscription(self) -> Subscription:
        """Return what a start wants of the WebSocket, once it has asked for it."""

    def hear(self, body: bytes, event: bytes) -> None:
        """Look at the event that the last order has led to, and at its answer."""

    def forget(self) -> None:
        """Be again as before the first answer, for another start of the bot."""

    def judged(self, spec: RequestSpec, outcome: Outcome, body: bytes) -> Outcome:
        """Return what `outcome` is in the light of the body of its answer."""

    def last_order(self) -> RequestSpec:
        """Build the request that tells what became of the last order."""

    def order_states(self, body: bytes) -> tuple[str, ...] | None:
        """Return the states in the answer to `last_order`; None for another answer."""

    def described(self) -> str:
        """Say what an order is; empty as long as that is not known."""


Keys = TypeVar("Keys")


class AccountKind(Protocol[Keys]):
    """The accounts of one venue: which keys they have, and where these come from.

    Only the venue looks into `Keys`; all others hand them on. Each method raises
    `UsageError` for keys that cannot be used, in words that contain no part of a key.
    """

    @property
    def title(self) -> str:
        """How a prompt calls the exchange."""

    @property
    def keys_help(self) -> str:
        """Where keys come from that no file holds, in a few words."""

    @property
    def start_endpoint(self) -> str:
        """The name of the endpoint that a start ends with."""

    def find_keys(self, environment: Mapping[str, str], file: Path | None) -> Keys:
        """Return the keys that a file and the environment hold; the file's win."""

    def missing(self, keys: Keys, endpoint: Endpoint) -> Sequence[str]:
        """Return the names of keys that `endpoint` needs and a user could type."""

    def with_typed(self, keys: Keys, name: str, text: str) -> Keys:
        """Return `keys` with one of the `missing` ones, as it was typed."""

    def check(self, keys: Keys | None, endpoint: Endpoint) -> None:
        """Refuse keys that are not enough for requests to `endpoint`."""

    def start(self, keys: Keys | None) -> tuple[StartStep, ...]:
        """Return the steps of a bot's start with `keys`, or with throw-away ones."""

    def account(
        self,
        venue: Venue,
        keys: Keys | None,
        *,
        now_ms: Callable[[], int],
        request_timeout_s: float,
        max_orders: int | None,
        on_path: bool,
    ) -> TradingAccount:
        """Return the account that `keys` belong to, ready to sign without a delay.

        Args:
            venue: Where the account is.
            keys: None makes throw-away keys.
            now_ms: The clock of the requests, in Unix time.
            request_timeout_s: A signature is good for at least so long.
            max_orders: How many orders are built at most; None is no limit.
            on_path: Leave signing to whoever sends, with `TradingAccount.signer`.
        """

    def write_new_key(self, file: Path) -> str:
        """Write a new signing key to a new keys file, and return its address."""
