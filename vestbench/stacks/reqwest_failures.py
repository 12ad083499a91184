"""Which failure kind an exception of pyreqwest is.

Its `ConnectError` can also mean that an open connection has ended. Only the causes of
an error tell (`details["causes"]`, from the outermost to the innermost).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pyreqwest.exceptions import (
    BuilderError,
    ConnectTimeoutError,
    DetailedPyreqwestError,
    NetworkError,
    PyreqwestError,
    RequestTimeoutError,
)

from vestbench.ipc import FailedError
from vestbench.model.request import FailureKind
from vestbench.stacks.session import TOO_LONG
from vestbench.stacks.wire.connection import Opening
from vestbench.stacks.wire.failures import TRUST, UNSENDABLE, WireError, detail_of

_CONNECTING = "client error (Connect)"

# How hyper and the kernel word a peer that has gone away.
_GONE = (
    "connection closed before message completed",
    "connection reset by peer",
    "broken pipe",
    "peer closed connection without sending tls close_notify",
    "end of file before message length reached",
    "unexpected eof during chunk size line",
    "connection was not ready",
    "operation was canceled",
    "stream closed because of a broken pipe",
)


_NOT_TRUSTED = "invalid peer certificate: "

# What rustls says after that, by how it begins, and the words of the other stacks. What
# it says of time differs from request to request. It does not tell a self-signed
# certificate from one of an unknown issuer, and refuses a CA's in any case.
_CERTIFICATE = {
    "UnknownIssuer": f"self-signed certificate, or issuer unknown{TRUST}",
    "Other(OtherError(CaUsedAsEndEntity))": "it is a CA's own, and so no server's",
    "certificate expired": "certificate has expired",
    "certificate not valid yet": "certificate is not yet valid",
}


def header_of(answer: Any) -> Callable[[str], str | None]:
    """Return what finds a header of an answer; None for one that is no UTF-8 either.

    A server may send such a value, and pyreqwest then raises an error of its own.
    """

    def header(name: str) -> str | None:
        with suppress(ValueError):
            found: str | None = answer.get_header(name)
            return found
        return None

    return header


class TooLongError(Exception):
    """A body is longer than what is read of one."""


class Classified(NamedTuple):
    """What a failed call is."""

    kind: FailureKind
    detail: str  # one line
    reached: bool | None  # whether there was a connection; None where that is not said


@contextmanager
def building() -> Iterator[None]:
    """Raise `FailedError` if reqwest can build no client here, as without any CA."""
    try:
        yield
    except BuilderError as error:
        why = f"reqwest can build no client: {classify(error).detail}{TRUST}"
        raise FailedError(why) from error


def classify(error: Exception) -> Classified:
    """Return the failure kind of `error`, why, and whether a connection was reached."""
    if isinstance(error, TooLongError):
        return Classified(FailureKind.PROTOCOL, TOO_LONG, True)
    if isinstance(error, WireError):  # a name that was resolved beside it
        return Classified(error.kind, detail_of(error), False)
    if not isinstance(error, PyreqwestError):  # its text quotes the header
        return Classified(FailureKind.PROTOCOL, UNSENDABLE, False)
    causes = _causes(error)
    # The outermost names the URL, with its query.
    inner = [cause for cause in causes if " for url " not in cause]
    detail = detail_of(error, inner[-1] if inner else None)
    if detail.startswith(_NOT_TRUSTED):
        detail = _not_trusted(detail.removeprefix(_NOT_TRUSTED))
    if isinstance(error, RequestTimeoutError):
        reached = None if isinstance(error, ConnectTimeoutError) else True
        return Classified(FailureKind.TIMEOUT, detail, reached)
    if _CONNECTING in causes:
        return Classified(_of_connecting(causes), detail, False)
    if "received fatal alert" in detail:
        return Classified(FailureKind.TLS, detail, True)
    if any(gone in detail.lower() for gone in _GONE):
        return Classified(FailureKind.RESET, detail, True)
    reached = not isinstance(error, BuilderError)
    if isinstance(error, NetworkError):
        return Classified(FailureKind.RESET, detail, reached)
    return Classified(FailureKind.PROTOCOL, detail, reached)


def _not_trusted(why: str) -> str:
    found = (said for begin, said in _CERTIFICATE.items() if why.startswith(begin))
    return f"certificate not trusted: {next(found, why)}"


def unmade(kind: FailureKind, url: str, reached: bool | None) -> Opening:
    """Return what is known of a connection that was not made, and who to."""
    connecting = kind in (FailureKind.CONNECT, FailureKind.TIMEOUT)
    aimed = urlsplit(url).netloc.rpartition("@")[2]
    return Opening(
        0 if reached is False else None, unanswered=aimed if connecting else None
    )


def _of_connecting(causes: list[str]) -> FailureKind:
    if "dns error" in causes:
        return FailureKind.DNS
    if "tcp connect error" in causes:
        return FailureKind.CONNECT
    return FailureKind.TLS


def _causes(error: Exception) -> list[str]:
    if not isinstance(error, DetailedPyreqwestError):
        return []
    return [cause["message"] for cause in error.details.get("causes") or ()]
