"""The accounts of Vest, as everybody else asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vestbench.errors import UsageError
from vestbench.venues.base import Endpoint, Venue
from vestbench.venues.trading import StartStep
from vestbench.venues.vest import signing
from vestbench.venues.vest.credentials import (
    THROW_AWAY,
    Credentials,
    from_prompt,
    random_credentials,
    random_key,
)
from vestbench.venues.vest.private import (
    ACCOUNT,
    CANCEL,
    LISTEN_KEY,
    ORDER,
    REGISTER,
    WEBSOCKET,
)

if TYPE_CHECKING:
    from vestbench.venues.vest.account import Account

_REGISTRATION = StartStep(endpoint=REGISTER, log="Vest registration", retried=True)
_START = (
    StartStep(endpoint=LISTEN_KEY, log="Vest listen key"),
    StartStep(
        endpoint=WEBSOCKET,
        log="Vest WebSocket",
        remark="websocket: opened beside the pool, to the answer 101; the first event "
        "comes after its subscription",
        listens=True,
    ),
    StartStep(endpoint=ACCOUNT, log="Vest account"),
    StartStep(
        endpoint=CANCEL,
        log="Vest order path, safe cancel",
        remark="register and cancel are signed; there is no order to cancel, so 3017 "
        "is the answer wanted",
    ),
)

# Only where nothing is traded: an order, and what the WebSocket says of it.
_ORDER = StartStep(
    endpoint=ORDER,
    log="Vest order",
    remark="order: fill or kill at half the price, so REJECTED is the event wanted",
    hears=True,
)


@dataclass(frozen=True, slots=True)
class VestAccounts:
    """The accounts of one environment of Vest; implements `AccountKind`.

    What reads keys files or signs is imported on first use.
    """

    venue: str  # name of the environment
    title: str = "Vest"
    keys_help: str = "VEST_SIGNING_KEY and the like"
    start_endpoint: str = CANCEL.name

    def find_keys(
        self, environment: Mapping[str, str], file: Path | None
    ) -> Credentials:
        """Return the keys of the file first, then those of the environment."""
        from vestbench.venues.vest.keys_file import find_credentials

        return find_credentials(self.venue, environment=environment, keys_file=file)

    def missing(self, keys: Credentials, endpoint: Endpoint) -> tuple[str, ...]:
        """Return which private keys `endpoint` needs and `keys` does not have."""
        registers = keys.api_key is None
        needed = {"signing_key": registers or endpoint.signed, "primary_key": registers}
        return tuple(
            name for name, need in needed.items() if need and not getattr(keys, name)
        )

    def with_typed(self, keys: Credentials, name: str, text: str) -> Credentials:
        """Return `keys` with the one called `name`, as it was typed."""
        return keys.over(from_prompt(name, text)).for_venue(self.venue)

    def check(self, keys: Credentials | None, endpoint: Endpoint) -> None:
        """Refuse keys that are not enough for requests to `endpoint`."""
        found = keys or Credentials()
        if found == Credentials(contract=found.contract):
            raise UsageError(
                f"{endpoint.name} wants an account: set VEST_PRIMARY_KEY and "
                "VEST_SIGNING_KEY, or VEST_API_KEY of one that is registered, or name "
                "a file with --keys"
            )
        if found.api_key is None:
            found.need("primary_key" if found.signing_key else "signing_key")
        if endpoint.signed:
            found.need("signing_key")

    def start(self, keys: Credentials | None) -> tuple[StartStep, ...]:
        """Return the steps of a start.

        A start registers where there is a primary key; with an API key alone its first
        step is the listen key.
        """
        registers = keys is None or keys.primary_key is not None
        steps = (_REGISTRATION, *_START) if registers else _START
        return (*steps, _ORDER) if self.venue == THROW_AWAY else steps

    def account(
        self,
        venue: Venue,
        keys: Credentials | None,
        *,
        now_ms: Callable[[], int],
        request_timeout_s: float,
        max_orders: int | None,
        on_path: bool,
    ) -> Account:
        """Return the account that `keys` belong to, after a first signature."""
        from vestbench.venues.vest.account import Account

        signing.prepare()
        return Account(
            venue,
            keys or random_credentials(),
            now_ms=now_ms,
            request_timeout_s=request_timeout_s,
            max_orders=max_orders,
            on_path=on_path,
        )

    def write_new_key(self, file: Path) -> str:
        """Write a new signing key to a new keys file, and return its address."""
        from vestbench.venues.vest.keys_file import save

        key = random_key()
        save(file, Credentials(signing_key=key))
        return signing.address_of(key)
