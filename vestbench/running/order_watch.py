"""What became of the orders that a run has sent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from vestbench.errors import FilledOrderError, VenueError
from vestbench.model.request import Outcome, RequestSpec, Role, Sample, Slot
from vestbench.running.asking import BACKOFF_S, TRIES
from vestbench.running.ports import Session

FILLED = ("FILLED", "PARTIALLY_FILLED")
_OPEN = "NEW"
REFUSED = "refused"
_SLOT = Slot(session=-1, index=0, role=Role.BURN_IN)


@dataclass(slots=True, kw_only=True)
class OrderWatch:
    """Looks up each order after it was sent, over a connection of its own.

    Args:
        session: The client that asks.
        look_up: Builds the request that tells what became of the last order.
        states_of: Reads the states in its answer; None where there are none.
        sleep: Waits before another look.

    Attributes:
        states: How many orders ended in which state.
    """

    session: Session
    look_up: Callable[[], RequestSpec]
    states_of: Callable[[bytes], tuple[str, ...] | None]
    sleep: Callable[[float], None] = time.sleep
    states: Counter[str] = field(default_factory=Counter)

    def look(self, outcome: Outcome) -> None:
        """Find out what became of the last order.

        Args:
            outcome: Of sending it; after a failure too it may have been taken.

        Raises:
            FilledOrderError: It was filled, wholly or in part.
            VenueError: It cannot be told, or the order is still open.
        """
        state = self._state(outcome)
        if state is None:
            self.states["unknown"] += 1
            raise VenueError(
                "what became of an order cannot be told: GET /orders does not say; "
                "look at the account"
            )
        self.states[state] += 1
        if state in FILLED:
            raise FilledOrderError(
                f"an order was {state.replace('_', ' ').lower()}, although it was far "
                "from the market: look at the account"
            )
        if state == _OPEN:
            raise VenueError(
                "an order is still open, although it was fill or kill: look at the "
                "account"
            )

    def _state(self, outcome: Outcome) -> str | None:
        """Return the state of the last order, None where nobody says."""
        refused = not isinstance(outcome, Sample) and outcome.status is not None
        state = None
        for number in range(TRIES):
            if number:
                self.sleep(BACKOFF_S * 2 ** (number - 1))
            answered, body = self.session.ask(self.look_up(), _SLOT)
            states = self.states_of(body) if isinstance(answered, Sample) else None
            if states:
                state = states[0]
                if state != _OPEN:
                    break
            elif states is not None and refused:
                return REFUSED
        return state
