"""What became of one exchange: a sample or a failure, made alike by every stack."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from sys import intern
from time import time
from typing import Any, NamedTuple

from vestbench.characters import plain
from vestbench.model.request import (
    Failure,
    FailureKind,
    Outcome,
    RequestSpec,
    Sample,
    Slot,
)
from vestbench.stacks.wire.connection import UNKNOWN, Carried, Opening
from vestbench.stacks.wire.failures import one_line
from vestbench.stacks.wire.timestamps import Phases

TOO_MANY_REQUESTS = 429
_REDIRECTION = 300  # and above: what asks to wait, and is not only still at work

_LONGEST_PAUSE_S = 366 * 86_400.0
_LONGEST_TYPE = 80  # of a header that a stranger has written

# A stack that only shows the whole call.
NO_PHASES = Phases()


class Answer(NamedTuple):
    """What an answer says, whichever library has read it."""

    status: int
    reason: str
    retry_after: str | None
    http_version: str  # such as HTTP/1.1
    body: bytes
    content_type: str | None


class Exchange(NamedTuple):
    """One request and the time of its call."""

    spec: RequestSpec
    slot: Slot
    start_ns: int  # since the start of the run
    elapsed_ns: int

    def answered(
        self, answer: Answer, carried: Carried, phases: Phases = NO_PHASES
    ) -> Outcome:
        """Return the sample of an answer, or the failure if its status is unwanted."""
        asked = pause_s(answer.retry_after, now_s=time())
        refused = answer.status >= _REDIRECTION and asked is not None
        if refused or not self.spec.accepts(answer.status):
            limited = answer.status == TOO_MANY_REQUESTS
            return self.failed(
                FailureKind.RATE_LIMITED if limited else FailureKind.STATUS,
                one_line(f"HTTP {answer.status} {answer.reason}"),
                reused=carried.reused,
                opening=carried.opening,
                status=answer.status,
                retry_after_s=asked,
            )
        connection = carried.connection
        return Sample(
            slot=self.slot,
            start_ns=self.start_ns,
            latency_ns=self.elapsed_ns,
            dns_ns=phases.dns_ns,
            connect_ns=phases.connect_ns,
            tls_ns=phases.tls_ns,
            send_ns=phases.send_ns,
            wait_ns=phases.wait_ns,
            receive_ns=phases.receive_ns,
            status=answer.status,
            reused=carried.reused,
            connection=connection.serial,
            use=carried.use,
            local_port=connection.local_port,
            resumed=connection.resumed,
            http_version=answer.http_version,
            tls_version=connection.tls_version,
            cipher=connection.cipher,
            remote=connection.remote,
            rtt_us=carried.rtt_us,
            syn_rtt_us=connection.syn_rtt_us,
            retransmits=carried.retransmits,
            body_bytes=len(answer.body),
            content_type=_media_type(answer.content_type),
            kernel_send_ns=phases.kernel_send_ns,
            kernel_receive_ns=phases.kernel_receive_ns,
            opened=carried.opening.connections,
            addresses=carried.opening.addresses,
            unanswered_ns=phases.unanswered_ns,
            unanswered_by=carried.opening.unanswered,
            extra=_extra(carried.opening, phases),
        )

    def failed(
        self,
        kind: FailureKind,
        detail: str,
        *,
        reused: bool | None,
        opening: Opening = UNKNOWN,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> Failure:
        """Return the failure of a request, by default of one without an answer."""
        return Failure(
            slot=self.slot,
            start_ns=self.start_ns,
            elapsed_ns=self.elapsed_ns,
            kind=kind,
            detail=detail,
            status=status,
            reused=reused,
            retry_after_s=retry_after_s,
            opened=opening.connections,
            unanswered_by=opening.unanswered,
            extra=_extra(opening),
        )


def _extra(opening: Opening, phases: Phases = NO_PHASES) -> dict[str, Any] | None:
    """Return the values of columns that few requests have."""
    found = dict(opening.lost.columns()) if opening.lost is not None else {}
    if phases.interim is not None:
        found["interim"] = phases.interim
    return found or None


def _media_type(header: str | None) -> str | None:
    """Return the type in a Content-Type header, without its parameters."""
    found = plain(header or "", "").partition(";")[0].strip().lower()
    return intern(found[:_LONGEST_TYPE]) or None  # the same for a million requests


def pause_s(retry_after: str | None, *, now_s: float) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3).

    Args:
        retry_after: Seconds, or a date in one of the three forms of HTTP, always UTC.
        now_s: The time, in seconds since the epoch.

    Returns:
        How long it asks to wait, in seconds, a year at most; 0 for anything that is
        neither, as it still asks for a pause; None without the header.
    """
    if retry_after is None:
        return None
    retry_after = retry_after.strip()
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), _LONGEST_PAUSE_S)
    try:
        found = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    # A date without a zone, or of the zone -0000, would be read as local time.
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return min(max(0.0, found.timestamp() - now_s), _LONGEST_PAUSE_S)
