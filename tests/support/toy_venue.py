"""A second venue with accounts, which shares nothing with the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.records import failure
from vestbench.errors import UsageError, VenueError
from vestbench.model.request import (
    NS_PER_MS,
    Outcome,
    RequestSpec,
    Sample,
    Signer,
    Subscription,
)
from vestbench.venues.base import Endpoint, Venue, by_name
from vestbench.venues.secret import Secret
from vestbench.venues.trading import Question, StartStep

PING = Endpoint(name="ping", method="GET", path="/ping")
LOGIN = Endpoint(name="login", method="POST", path="/login", private=True)
BALANCE = Endpoint(name="balance", method="GET", path="/balance", private=True)
BUY = Endpoint(
    name="buy",
    method="POST",
    path="/buy",
    private=True,
    signed=True,
    moves_money=True,
    looked_up=True,
)
BOUGHT = Endpoint(name="bought", method="GET", path="/bought", private=True)


class ToyAccount:
    """Logs in with its key, and buys what nobody sells."""

    filled_states: tuple[str, ...] = ("DONE",)
    open_states: tuple[str, ...] = ("WAITING",)

    def __init__(
        self, venue: Venue, key: Secret, max_orders: int | None = None
    ) -> None:
        self.venue = venue
        self.key = key
        self.max_orders = max_orders
        self.token = ""
        self.sign_ns: list[int] = []
        self.orders = 0

    def signer(self) -> Signer:
        raise UsageError("a toy does not sign on the path")

    def questions(self, endpoint: Endpoint) -> Iterator[Question]:
        if not self.token:
            yield self.request(LOGIN), lambda body: self.learn(LOGIN, body)

    def outdated(self, endpoint: Endpoint) -> bool:
        return False

    def request(self, endpoint: Endpoint) -> RequestSpec:
        secret = self.key.reveal() if endpoint == LOGIN else self.token
        if endpoint.looked_up:
            if self.orders == self.max_orders:
                raise UsageError("so many were bought")
            self.orders += 1
            self.sign_ns.append(NS_PER_MS)
        spec = self.venue.request(endpoint, now_ms=0)
        return replace(spec, headers=(("x-toy", secret),))

    def learn(self, endpoint: Endpoint, body: bytes) -> None:
        if endpoint == LOGIN:
            if not body.startswith(b"token-"):
                raise VenueError("the answer to /login holds no token")
            self.token = body.decode()

    def subscription(self) -> Subscription:
        raise AssertionError("toys have no WebSocket")

    def hear(self, body: bytes, event: bytes) -> None:
        raise AssertionError("toys have no WebSocket")

    def forget(self) -> None:
        self.token = ""

    def judged(self, spec: RequestSpec, outcome: Outcome, body: bytes) -> Outcome:
        if isinstance(outcome, Sample) and body == b"no":
            return replace(failure(status=200, detail="no"), slot=outcome.slot)
        return outcome

    def last_order(self) -> RequestSpec:
        return self.request(BOUGHT)

    def order_states(self, body: bytes) -> tuple[str, ...] | None:
        return tuple(body.decode().split())

    def described(self) -> str:
        return "one toy"


@dataclass(frozen=True)
class ToyAccounts:
    """One key is all that a toy's account has."""

    title: str = "Toy"
    keys_help: str = "TOY_KEY"
    start_endpoint: str = "balance"

    def find_keys(self, environment: Mapping[str, str], file: Path | None) -> Secret:
        return Secret(environment.get("TOY_KEY", ""))

    def missing(self, keys: Secret, endpoint: Endpoint) -> tuple[str, ...]:
        return () if keys.reveal() else ("toy_key",)

    def with_typed(self, keys: Secret, name: str, text: str) -> Secret:
        return Secret(text)

    def check(self, keys: Secret | None, endpoint: Endpoint) -> None:
        if keys is None or not keys.reveal():
            raise UsageError(f"{endpoint.name} wants TOY_KEY")

    def start(self, keys: Secret | None) -> tuple[StartStep, ...]:
        return (
            StartStep(endpoint=LOGIN, log="Toy login", retried=True),
            StartStep(endpoint=BALANCE, log="Toy balance"),
        )

    def account(
        self,
        venue: Venue,
        keys: Secret | None,
        *,
        now_ms: Callable[[], int],
        request_timeout_s: float,
        max_orders: int | None,
        on_path: bool,
    ) -> ToyAccount:
        return ToyAccount(venue, keys or Secret("made"), max_orders)

    def write_new_key(self, file: Path) -> str:
        raise UsageError("toys give their keys away themselves")


def toy(base_url: str) -> Venue:
    return Venue(
        name="toy",
        base_url=base_url,
        endpoints=by_name(PING, LOGIN, BALANCE, BUY, BOUGHT),
        warm_up=PING,
        title="Toy HTTP",
        accounts=ToyAccounts(),
    )
