"""The faults that the simulated exchange can be told to have.

Some come with every n-th request, for tests that count; others by chance, with a seed.

The parent process makes `Behaviour` objects too, so nothing here may import asyncio:
it would cost its start-up 90 ms. What draws by chance is in `service`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

# How a connection ends: with close_notify and FIN, with FIN alone, with a reset.
Ending = Literal["fin", "bare-fin", "rst"]
CloseMode = Literal["keep", "fin", "bare-fin", "rst", "close-unanswered"]

# What can happen to a request by chance. Such a request has no effect on the exchange,
# except with "close", where the connection ends after the usual answer.
#   5xx    500, 502, 503 or 504 instead of the answer
#   reset  a TCP reset instead of the answer
#   stall  no answer, and the connection stays open
#   close  the answer, and after it the connection's end, not announced in its head
#   429    429 with code 1003 and Retry-After instead of the answer
Fault = Literal["5xx", "reset", "stall", "close", "429"]
FAULTS: tuple[Fault, ...] = ("5xx", "reset", "stall", "close", "429")
SERVER_ERRORS = (500, 502, 503, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the exchange deviates from a well-behaved one. The default does not."""

    # What follows a response: nothing, or an end. "close-unanswered" closes instead of
    # giving the response.
    after_response: CloseMode = "keep"
    close_every: int = 1  # `after_response` holds for every n-th one of a connection
    # A "fin" after a response is announced: in its head, in HTTP/2 by GOAWAY.
    announce: bool = True
    # Time from the response to the end. A request that comes in between is not read,
    # and never answered.
    close_delay_ms: float = 0.0
    idle_close: Ending = "fin"  # how the idle timeout ends a connection
    # Answer every n-th request, counted over all connections, with a status; 0 never.
    status: int = 0
    status_every: int = 1
    retry_after_s: int | None = None  # Retry-After of these
    stall: bool = False  # read requests and never answer
    garbage: bool = False  # answer with bytes that are not HTTP, and close
    trickle_ms: float = 0.0  # time between two bytes of the body; 0 sends it at once
    # Send the body chunked instead of with its length; HTTP/2 has no such thing.
    chunked: bool = False
    # Probabilities that a request meets a fault; one request never meets two.
    fault_5xx: float = 0.0
    fault_reset: float = 0.0
    fault_stall: float = 0.0
    fault_close: float = 0.0
    fault_429: float = 0.0
    seed: int = 1  # of all that happens by chance

    def __post_init__(self) -> None:
        if min(self.close_every, self.status_every) < 1:
            raise ValueError("every n-th: n must be at least 1")
        if min(self.close_delay_ms, self.trickle_ms) < 0:
            raise ValueError("a time must not be negative")
        if self.status and not 200 <= self.status <= 599:
            raise ValueError("status must be between 200 and 599")
        if not all(0 <= chance <= 1 for chance in self.chances.values()):
            raise ValueError("the probability of a fault must be between 0 and 1")
        _check_sum(self.chances.values())

    @property
    def ending(self) -> Ending | None:
        """How a connection ends after a response; None where it does not."""
        how = self.after_response
        return None if how == "keep" or how == "close-unanswered" else how

    @property
    def chances(self) -> dict[Fault, float]:
        """The probability of each fault."""
        return {each: float(getattr(self, f"fault_{each}")) for each in FAULTS}


def parse_faults(text: str) -> dict[str, float]:
    """Read faults as users write them, `5xx=0.05,reset=0.01`, as fields of `Behaviour`.

    A `ValueError` says in one line what whoever wrote the text has to change.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in FAULTS:
            raise ValueError(f"unknown fault {name!r}: use {', '.join(FAULTS)}")
        if f"fault_{name}" in found:
            raise ValueError(f"fault {name} is given twice")
        try:
            chance = float(value)
        except ValueError:
            chance = -1.0
        if not equals or not 0 <= chance <= 1:
            raise ValueError(
                f"fault {name} needs a probability between 0 and 1, as in {name}=0.05"
            )
        found[f"fault_{name}"] = chance
    _check_sum(found.values())
    return found


def _check_sum(chances: Iterable[float]) -> None:
    if sum(chances) > 1 + 1e-9:
        raise ValueError("the probabilities of all faults add up to more than 1")
