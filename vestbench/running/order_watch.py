"""What became of the orders that a run has sent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from vestbench.errors import FilledOrderError, VenueError
from vestbench.model.request import Failure, Outcome, Role, Sample, Slot
from vestbench.model.session import Session
from vestbench.running.asking import BACKOFF_S, TRIES
from vestbench.venues.trading import TradingAccount

REFUSED = "refused"
_SLOT = Slot(session=-1, index=0, role=Role.BURN_IN)


@dataclass(slots=True)
class OrderWatch:
    """Looks up each order after it was sent, over a connection of its own.

    Args:
        session: The client that asks.
        account: Builds the request that tells what became of the last order, and reads
            its answer.
        sleep: Waits before another look.

    Attributes:
        states: How many orders ended in which state.
    """

    session: Session
    account: TradingAccount
    sleep: Callable[[float], None] = time.sleep
    states: Counter[str] = field(default_factory=Counter)
    _asked: str = field(default="", init=False)

    def look(self, outcome: Outcome) -> None:
        """Find out what became of the last order.

        Args:
            outcome: Of sending it; after a failure too it may have been taken.

        Raises:
            FilledOrderError: It was filled, wholly or in part.
            VenueError: Its state cannot be told, or it is still open.
        """
        state = self._state(outcome)
        if state is None:
            self.states["unknown"] += 1
            raise VenueError(
                f"what became of an order cannot be told: {self._asked} does not say; "
                "look at the account"
            )
        self.states[state] += 1
        if state in self.account.filled_states:
            raise FilledOrderError(
                f"an order was {state.replace('_', ' ').lower()}, although it was far "
                "from the market: look at the account"
            )
        if state in self.account.open_states:
            raise VenueError(
                "an order is still open, although it was fill or kill: look at the "
                "account"
            )

    def _state(self, outcome: Outcome) -> str | None:
        """Return the state of the last order; None where no answer has one."""
        refused = not isinstance(outcome, Sample) and outcome.status is not None
        state = None
        for number in range(TRIES):
            if number:
                self.sleep(BACKOFF_S * 2 ** (number - 1))
            spec = self.account.last_order()
            self._asked = f"{spec.method} /{spec.endpoint}"
            answered, body = self.session.ask(spec, _SLOT)
            got = isinstance(answered, Sample)
            if isinstance(answered, Failure) and answered.retry_after_s is not None:
                break  # the run ends with this, and its user looks
            states = self.account.order_states(body) if got else None
            if states:
                state = states[0]
                if state not in self.account.open_states:
                    break
            elif states is not None and refused:
                return REFUSED
        return state
