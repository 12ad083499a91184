"""Who may do what, and how often: accounts, API keys of signers, listen keys, nonces.

All of it is bounded: what was not used for the longest time is forgotten. Nothing here
is ever shown; keys are looked up, never compared piece by piece.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import ceil, inf
from typing import Any

from vestbench.simulator.http.messages import Listener
from vestbench.simulator.vest.answers import ErrorCode, refusal
from vestbench.simulator.vest.portfolio import Portfolio

MAX_ACCOUNTS = 256
MAX_SIGNERS = 16  # of one account
LISTEN_KEY_MS = 60 * 60_000
ANYBODY = ""  # as a signer
_FOR_EVER_MS = 2**62
MAX_CLIENTS = 1_024  # whose requests are counted
_GROUPS = 10


@dataclass(slots=True)
class Nonces:
    """The nonces of an account, each of which must be higher than the last one."""

    last: int = 0

    def use(self, nonce: int) -> None:
        """Take a nonce; an `ApiError` if it is not higher than the last one."""
        if nonce == self.last:
            raise refusal(ErrorCode.DUPLICATE, "the nonce was used before")
        if nonce < self.last:
            detail = "it must be higher than the last, which /account/nonce tells"
            raise refusal(ErrorCode.INVALID_NONCE, detail)
        self.last = nonce


@dataclass(slots=True)
class Account:
    """What the exchange knows of one primary address."""

    address: str
    group: int
    portfolio: Portfolio
    nonces: Nonces = field(default_factory=Nonces)
    # The API key of each signing address, the one registered last at the end.
    keys: OrderedDict[str, str] = field(default_factory=OrderedDict, repr=False)
    # Who is told what becomes of orders.
    listeners: set[Callable[[Any], Listener]] = field(default_factory=set, repr=False)
    _listen_key: str = field(default="", repr=False)
    _listen_end_ms: int = 0

    def open_listen_key(self, now_ms: int) -> str:
        """Return the listen key, a new one if there is none, and extend its life."""
        if now_ms >= self._listen_end_ms:
            self._listen_key = _token()
        self._listen_end_ms = now_ms + LISTEN_KEY_MS
        return self._listen_key

    def limit_listen_key(self, now_ms: int, life_ms: int) -> str:
        """Let the listen key live that long from now, and return it.

        An `ApiError` says that none lives.
        """
        if now_ms >= self._listen_end_ms:
            raise refusal(ErrorCode.INVALID_LISTEN_KEY)
        self._listen_end_ms = now_ms + life_ms
        return self._listen_key

    def knows(self, listen_key: str) -> bool:
        """Say whether this is its listen key, or was its last one."""
        return listen_key != "" and listen_key == self._listen_key

    def listens(self, now_ms: int) -> bool:
        """Say whether its listen key lives."""
        return now_ms < self._listen_end_ms

    def tell(self, news: Sequence[Any]) -> Listener | None:
        """Tell all who listen what has become of orders, and return one of them."""
        told = [listen(each) for each in news for listen in tuple(self.listeners)]
        return told[0] if told else None


@dataclass(frozen=True, slots=True)
class Credential:
    """What an API key stands for."""

    account: Account
    signer: str  # the address that signs its orders, besides the account's own
    end_ms: int  # when the primary key's approval ends


class Accounts:
    """All accounts and the API keys that lead to them."""

    def __init__(self) -> None:
        self._accounts: OrderedDict[str, Account] = OrderedDict()
        self._credentials: dict[str, Credential] = {}

    def __len__(self) -> int:
        """Return how many accounts there are."""
        return len(self._accounts)

    def register(
        self, address: str, signer: str, end_ms: int, portfolio: Portfolio
    ) -> tuple[str, int]:
        """Give a signing address an API key; the one it had is void.

        `address` is the primary one, of the account, which begins with `portfolio` if
        it is new. The approval of the signer ends at `end_ms`, in ms since the epoch.
        Returned are the API key and the account group.
        """
        group = int(address, 16) % _GROUPS
        new = Account(address, group, portfolio)
        account = self._accounts.setdefault(address, new)
        self._accounts.move_to_end(address)
        if old := account.keys.pop(signer, ""):
            del self._credentials[old]
        api_key = account.keys[signer] = _token()
        self._credentials[api_key] = Credential(account, signer, end_ms)
        if len(account.keys) > MAX_SIGNERS:
            _, oldest = account.keys.popitem(last=False)
            del self._credentials[oldest]
        if len(self._accounts) > MAX_ACCOUNTS:
            _, unused = self._accounts.popitem(last=False)
            for each in unused.keys.values():
                del self._credentials[each]
        return api_key, group

    def listening(self, listen_key: str) -> Account | None:
        """Return the account of a listen key, live or expired."""
        found = (each for each in self._accounts.values() if each.knows(listen_key))
        return next(found, None)

    def adopt(self, api_key: str, group: int, portfolio: Portfolio) -> Credential:
        """Let an API key that was registered elsewhere lead to an account of its own.

        Who signs for it is not known here, so anybody may.
        """
        address = "0x" + sha256(api_key.encode()).hexdigest()[:40]
        self.register(address, ANYBODY, _FOR_EVER_MS, portfolio)
        account = self._accounts[address]
        account.group = group
        del self._credentials[account.keys[ANYBODY]]
        account.keys[ANYBODY] = api_key
        found = self._credentials[api_key] = Credential(account, ANYBODY, _FOR_EVER_MS)
        return found

    def credential(self, api_key: str, now_ms: int) -> Credential | None:
        """Return what an API key stands for; None if it is void or never was."""
        found = self._credentials.get(api_key)
        if found is None or now_ms >= found.end_ms:
            return None
        self._accounts.move_to_end(found.account.address)
        return found


class RateLimit:
    """A bucket of tokens for each client, which may send a second's worth at once.

    `per_second` says how many requests that is; 0 is no limit.
    """

    def __init__(self, per_second: float) -> None:
        if not (0 <= per_second < inf):
            raise ValueError("rate_limit must not be negative")
        self._rate = per_second
        self._most = max(1.0, per_second)
        # Tokens left, and when that was. The client silent for longest is forgotten.
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
        wait_s = 0 if tokens >= 1 else max(1, ceil((1 - tokens) / self._rate))
        self._left[client] = (tokens if wait_s else tokens - 1, now_ms)
        self._left.move_to_end(client)
        if len(self._left) > MAX_CLIENTS:
            self._left.popitem(last=False)
        return wait_s


def _token() -> str:
    return os.urandom(32).hex()
