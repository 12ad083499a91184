"""What a run does with an account: registers, builds requests, reads the answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from vestbench.defaults import POLITE_RATE
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import NS_PER_MS, Outcome, RequestSpec
from vestbench.model.run import Orders
from vestbench.model.session import Stack
from vestbench.running.access import Access
from vestbench.running.asking import JudgingStack, ask_all
from vestbench.running.order_watch import OrderWatch
from vestbench.venues import Endpoint, Venue
from vestbench.venues.trading import TradingAccount
from vestbench.workers.remote import RemoteStacks


class Trader:
    """Sends the requests of an experiment in the name of an account.

    What the account has to know is asked for when the first request is built, outside
    every measured time, over a connection of its own. After each order, a second
    connection is used to look up what became of the order.

    Args:
        remote: What sends.
        venue: Where the account is.
        endpoint: The endpoint of the requests that are measured.
        access: The keys, and what may be done with them.
        pool: Settings of the clients.
        say: Shows what is being done.
        now_ms: The clock of the requests, in Unix time.

    Raises:
        UsageError: The keys do not fit the venue, or each other.

    Attributes:
        stack: Sends, and judges each answer by what it says.
        account: What builds the requests.
    """

    def __init__(
        self,
        remote: RemoteStacks,
        venue: Venue,
        endpoint: Endpoint,
        access: Access,
        *,
        pool: PoolSettings,
        say: Callable[[str], None],
        now_ms: Callable[[], int],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._simulated = venue.simulated
        self._endpoint = endpoint
        self._remote = remote
        self._plan = SessionPlan(pool=pool)
        self._sleep = sleep
        self._cleanup = ExitStack()
        self._ready = False
        self._watch: OrderWatch | None = None
        say("loading what signs")
        self.account: TradingAccount = venue.account_kind().account(
            venue,
            access.credentials,
            now_ms=now_ms,
            request_timeout_s=pool.request_timeout_s,
            max_orders=None if venue.throws_away else access.max_orders,
            on_path=access.on_path,
        )
        if access.on_path:
            remote.sign_with(self.account.signer())
        self.stack: Stack = JudgingStack(remote, self.account.judged, self._after)

    def request(self) -> RequestSpec:
        """Build the next request; before it, ask for what it depends on.

        Raises:
            VenueError: The venue did not answer a question as it should.
        """
        if not self._ready or self.account.outdated(self._endpoint):
            self.ask(self._endpoint)
            self._ready = True
        return self.account.request(self._endpoint)

    def ask(self, endpoint: Endpoint) -> None:
        """Ask for what requests to an endpoint depend on.

        Raises:
            VenueError: The venue did not answer a question as it should.
        """
        session = self.stack.open(self._plan)
        try:
            questions = self.account.questions(endpoint)
            ask_all(session, questions, wait=self._pause, sleep=self._sleep)
        finally:
            session.close()

    def _after(self, spec: RequestSpec, outcome: Outcome) -> None:
        endpoint = self._endpoint
        if not endpoint.looked_up or spec.endpoint != endpoint.name:
            return
        if self._watch is None:
            session = self._remote.open(self._plan)
            self._cleanup.callback(session.close)
            self._watch = OrderWatch(session, self.account, sleep=self._sleep)
        self._watch.look(outcome)
        self._pause()

    def _pause(self) -> None:
        """Wait on a real venue, because the pace does not count these requests."""
        if not self._simulated:
            self._sleep(1 / POLITE_RATE)

    def conclusion(self) -> dict[str, Any]:
        """Return what is to be stored of the account's use; none of it is secret."""
        found: dict[str, Any] = {}
        if self.account.sign_ns:
            found["sign_ms"] = tuple(ns / NS_PER_MS for ns in self.account.sign_ns)
        if self._watch is not None:
            states = dict(sorted(self._watch.states.items()))
            filled = self.account.filled_states
            found["orders"] = Orders(
                sent=self.account.orders,
                what=self.account.described(),
                filled=sum(states.get(state, 0) for state in filled),
                states=states,
            )
        return found

    def close(self) -> None:
        """Close the connections of its own."""
        self._cleanup.close()
