"""Which failure kind an exception of an HTTP library is, and what an answer refuses."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from time import time
from types import ModuleType

from vestbench.model.request import Failure, FailureKind, Slot
from vestbench.stacks.timing import TlsError
from vestbench.stacks.wire.connecting import NameResolutionError
from vestbench.stacks.wire.timestamps import Timestamps

TOO_MANY_REQUESTS = 429

# h11 quotes the header line that it cannot read, or the header value of ours that it
# refuses to send: an API key with a line break at its end.
_QUOTED = re.compile(r":? *(\bbytearray\(|\bb['\"]).*", re.DOTALL)

# In place of a text that quotes what of a header, or of a URL, no library can encode.
UNSENDABLE = "a header or the URL is not valid"

_DETAIL_CHARS = 200


class Classifier:
    """Tells the exceptions of one httpx and its httpcore apart.

    Args:
        client: The module `httpx` or `httpx2`.
        core: The module `httpcore` or `httpcore2` that belongs to it.
    """

    def __init__(self, client: ModuleType, core: ModuleType) -> None:
        self._core = core
        # The first match decides, so the narrower classes come first. Both libraries
        # are listed: httpcore's come through our transport as they are, httpx adds its
        # own.
        self._kinds: tuple[tuple[type[Exception], FailureKind], ...] = (
            (UnicodeError, FailureKind.PROTOCOL),
            (NameResolutionError, FailureKind.DNS),
            (TlsError, FailureKind.TLS),
            (core.TimeoutException, FailureKind.TIMEOUT),
            (client.TimeoutException, FailureKind.TIMEOUT),
            (core.ConnectError, FailureKind.CONNECT),
            (client.ConnectError, FailureKind.CONNECT),
            (core.ProxyError, FailureKind.CONNECT),
            (client.ProxyError, FailureKind.CONNECT),
            (core.NetworkError, FailureKind.RESET),
            (client.NetworkError, FailureKind.RESET),
            (core.ProtocolError, FailureKind.PROTOCOL),
            (client.ProtocolError, FailureKind.PROTOCOL),
            (core.UnsupportedProtocol, FailureKind.PROTOCOL),
            (client.UnsupportedProtocol, FailureKind.PROTOCOL),
            (client.DecodingError, FailureKind.PROTOCOL),
            (client.TooManyRedirects, FailureKind.PROTOCOL),
            (client.InvalidURL, FailureKind.PROTOCOL),
        )
        self.errors = tuple(kind for kind, _ in self._kinds)

    def classify(self, error: Exception, stamps: Timestamps) -> tuple[FailureKind, str]:
        """Return the failure kind of `error`, and one line that says why.

        A peer that closes in the middle of an exchange reaches the caller as a protocol
        error; `stamps` knows that the end of the stream was read, so it is a reset,
        unless what came before was no beginning of an HTTP answer.
        """
        kind = next(kind for known, kind in self._kinds if isinstance(error, known))
        cut_off = (
            isinstance(error, self._core.RemoteProtocolError) and stamps.peer_closed
        )
        http2 = stamps.connection is not None and stamps.connection.http2
        if cut_off and (http2 or b"HTTP/".startswith(stamps.head)):
            kind = FailureKind.RESET
        if isinstance(error, UnicodeError):
            return kind, UNSENDABLE
        return kind, without_quotes(str(error)) or type(error).__name__


def refusal(
    slot: Slot,
    *,
    start_ns: int,
    elapsed_ns: int,
    status: int,
    reason: str,
    retry_after: str | None,
    reused: bool,
) -> Failure:
    """Return the failure that an answer with an unwanted status is."""
    limited = status == TOO_MANY_REQUESTS
    return Failure(
        slot=slot,
        start_ns=start_ns,
        elapsed_ns=elapsed_ns,
        kind=FailureKind.RATE_LIMITED if limited else FailureKind.STATUS,
        detail=one_line(f"HTTP {status} {reason}"),
        status=status,
        reused=reused,
        retry_after_s=_seconds(retry_after),
    )


def without_quotes(text: str) -> str:
    """Return `text` in one line, without what it quotes of a header."""
    return one_line(_QUOTED.sub("", text))


def one_line(text: str) -> str:
    """Return `text` without line breaks, cut to what fits in a table or a log."""
    return " ".join(text.split())[:_DETAIL_CHARS]


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After header, seconds or a date (RFC 9110, 10.2.3).

    One that is neither asked for a wait all the same: 0.
    """
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time())
    except (ValueError, OverflowError):
        return 0.0
