"""How many requests a client may send: a bucket of tokens for each of them."""

from __future__ import annotations

import math
from collections import OrderedDict

MAX_CLIENTS = 1_024


class RateLimit:
    """A limit for each client; it may send a second's worth of requests at once.

    Args:
        per_second: How many requests; 0 is no limit.
    """

    def __init__(self, per_second: float) -> None:
        if not (0 <= per_second < math.inf):
            raise ValueError("rate_limit must not be negative")
        self._rate = per_second
        self._most = max(1.0, per_second)
        # Tokens left, and when that was. Who has not asked for longest is forgotten.
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, client: str, now_ms: int) -> int:
        """Count a request; return 0, or after how many seconds to try again.

        A request that is refused costs nothing.
        """
        if not self._rate:
            return 0
        tokens, then_ms = self._left.get(client, (self._most, now_ms))
        passed_s = max(0, now_ms - then_ms) / 1000
        tokens = min(self._most, tokens + passed_s * self._rate)
        wait_s = 0
        if tokens >= 1:
            tokens -= 1
        else:
            wait_s = max(1, math.ceil((1 - tokens) / self._rate))
        self._left[client] = (tokens, now_ms)
        self._left.move_to_end(client)
        if len(self._left) > MAX_CLIENTS:
            self._left.popitem(last=False)
        return wait_s
