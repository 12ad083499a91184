"""Which failure kind an exception of the HTTP libraries is."""

from __future__ import annotations

import re

import httpcore
import httpx

from vestbench.clients.timing import Marks, NameResolutionError, TlsError
from vestbench.models import FailureKind

# The first match decides, so the narrower classes come first. Both libraries are
# listed: httpcore's come through our transport as they are, httpx adds its own.
_KINDS: tuple[tuple[type[Exception], FailureKind], ...] = (
    (NameResolutionError, FailureKind.DNS),
    (TlsError, FailureKind.TLS),
    (httpcore.TimeoutException, FailureKind.TIMEOUT),
    (httpx.TimeoutException, FailureKind.TIMEOUT),
    (httpcore.ConnectError, FailureKind.CONNECT),
    (httpx.ConnectError, FailureKind.CONNECT),
    (httpcore.ProxyError, FailureKind.CONNECT),
    (httpx.ProxyError, FailureKind.CONNECT),
    (httpcore.NetworkError, FailureKind.RESET),
    (httpx.NetworkError, FailureKind.RESET),
    (httpcore.ProtocolError, FailureKind.PROTOCOL),
    (httpx.ProtocolError, FailureKind.PROTOCOL),
    (httpcore.UnsupportedProtocol, FailureKind.PROTOCOL),
    (httpx.UnsupportedProtocol, FailureKind.PROTOCOL),
    (httpx.DecodingError, FailureKind.PROTOCOL),
    (httpx.TooManyRedirects, FailureKind.PROTOCOL),
    (httpx.InvalidURL, FailureKind.PROTOCOL),
)

# h11 quotes the header line that it cannot read, or the header value of ours that it
# refuses to send: an API key with a line break at its end.
_QUOTED = re.compile(r":? *(\bbytearray\(|\bb['\"]).*", re.DOTALL)

_DETAIL_CHARS = 200

REQUEST_ERRORS = tuple(kind for kind, _ in _KINDS)


def classify(error: Exception, marks: Marks) -> tuple[FailureKind, str]:
    """Return the failure kind of `error`, and one line that says why.

    A peer that closes in the middle of an exchange reaches the caller as a protocol
    error; `marks` knows that the end of the stream was read, so it is a reset, unless
    what came before was no beginning of an HTTP answer.
    """
    kind = next(kind for known, kind in _KINDS if isinstance(error, known))
    cut_off = isinstance(error, httpcore.RemoteProtocolError) and marks.peer_closed
    if cut_off and b"HTTP/".startswith(marks.head):
        kind = FailureKind.RESET
    return kind, one_line(_QUOTED.sub("", str(error))) or type(error).__name__


def one_line(text: str) -> str:
    """Return `text` without line breaks, cut to what fits in a table or a log."""
    return " ".join(text.split())[:_DETAIL_CHARS]
