"""What can go wrong on a connection, which failure kind that is, and how it is worded.

WireError
├── NameResolutionError   the host name has no address            dns
├── ConnectError          no address can be reached               connect
├── TlsError              the handshake failed, or an alert came  tls
├── WireTimeoutError      a limit of the pool settings passed     timeout
├── ReadError             the connection broke in a read          reset
└── WriteError            the connection broke in a write         reset
"""

from __future__ import annotations

import re
import ssl
from typing import ClassVar

from vestbench.errors import reason_of
from vestbench.model.request import FailureKind

# Said instead of an error's text that quotes a header, or a URL, that cannot be sent.
UNSENDABLE = "a header or the URL is not valid"

# Said where a certificate may be of a company's own CA.
TRUST = "; to trust a CA of your own, set SSL_CERT_FILE to a file with its certificate"

# What OpenSSL calls it (x509_vfy.h): no issuer, self-signed, the same in a chain, no
# issuer here, and nothing to verify the first one with.
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)

# Libraries quote the header line that they cannot read, or the header value of ours
# that they refuse to send: an API key with a line break at its end.
_QUOTED = re.compile(r":? *(\bbytearray\(|\bb['\"]).*", re.DOTALL)

_DETAIL_CHARS = 200


class WireError(Exception):
    """A connection that could not be made or used; `str()` says why in one line."""

    kind: ClassVar[FailureKind]


class NameResolutionError(WireError):
    """The host name has no address."""

    kind = FailureKind.DNS


class ConnectError(WireError):
    """No address of the host can be reached."""

    kind = FailureKind.CONNECT


class TlsError(WireError):
    """The TLS handshake failed, or an alert came in place of an answer.

    A server that refuses the client in TLS 1.3 says so after the handshake.
    """

    kind = FailureKind.TLS


class WireTimeoutError(WireError):
    """The connect timeout or the request timeout has passed."""

    kind = FailureKind.TIMEOUT


class ReadError(WireError):
    """The connection broke while an answer was read."""

    kind = FailureKind.RESET


class WriteError(WireError):
    """The connection broke while a request was written."""

    kind = FailureKind.RESET


def network_reason(error: OSError) -> str:
    """Word an operating system or TLS error without its class and number."""
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = TRUST if error.verify_code in _UNKNOWN_ISSUER else ""
        return f"certificate not trusted: {error.verify_message}{hint}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return reason_of(error)


def detail_of(error: Exception, text: str | None = None) -> str:
    """Return one line that says why, without what a library quotes of a header.

    Args:
        error: Its class is the detail where there is no text.
        text: What to say; None for what the error says.
    """
    said = _QUOTED.sub("", str(error) if text is None else text)
    return one_line(said) or type(error).__name__


def one_line(text: str) -> str:
    """Return `text` without line breaks, cut to what fits in a table or a log."""
    return " ".join(text.split())[:_DETAIL_CHARS]
