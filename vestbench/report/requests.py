"""Every request of a run as a row, failures included: for CSV and for a page.

Milliseconds have six decimals, so they are exact to the nanosecond. What does not
exist is an empty cell: a phase that did not happen, the latency of a failure.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import chain

from vestbench.model.request import Failure, Outcome, Sample
from vestbench.model.run import Run
from vestbench.studies.parts.conditions import label

# What a spreadsheet takes for the start of a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its name, what it holds, and how to get it."""

    name: str
    about: str
    value: Callable[[Outcome], str]
    is_number: bool = True


def in_order(run: Run) -> Iterator[Outcome]:
    """Yield the requests of `run` in the order sent, as far as they were in order.

    Those that were in flight at the same time come as they ended. Nothing is sorted,
    so a run of any length needs no memory.
    """
    return merge(run.samples, run.failures, key=lambda outcome: outcome.start_ns)


def rows_as_csv(run: Run) -> Iterator[str]:
    """Return the requests of `run` as RFC 4180 has it: a header, then a row each.

    The first column is the conditions: a figure without them says nothing.
    """
    conditions = _harmless(f"{run.conditions.venue}, {label(run)}")
    names = ["conditions", *(column.name for column in COLUMNS)]
    rows = ([conditions, *_cells(outcome)] for outcome in in_order(run))
    return map(_line, chain([names], rows))


def _cells(outcome: Outcome) -> Iterator[str]:
    for column in COLUMNS:
        cell = column.value(outcome)
        yield cell if column.is_number else _harmless(cell)


def _line(cells: list[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerow(cells)
    return stream.getvalue()


def _harmless(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _ms(ns: int | None) -> str:
    return "" if ns is None else f"{ns / 1e6:.6f}"


def _plain(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _slot(name: str, about: str, *, is_number: bool = True) -> Column:
    return Column(
        name=name,
        about=about,
        value=lambda outcome: _plain(getattr(outcome.slot, name)),
        is_number=is_number,
    )


def _any(name: str, about: str, *, is_number: bool = True) -> Column:
    """Return a column for what samples, failures or both have."""
    return Column(
        name=name,
        about=about,
        value=lambda outcome: _plain(getattr(outcome, name, None)),
        is_number=is_number,
    )


def _time(name: str, about: str) -> Column:
    return Column(
        name=f"{name}_ms",
        about=about,
        value=lambda outcome: _ms(getattr(outcome, f"{name}_ns", None)),
    )


def _micros(name: str, about: str) -> Column:
    def value(outcome: Outcome) -> str:
        found = getattr(outcome, f"{name}_us", None)
        return "" if found is None else f"{found / 1000:.3f}"

    return Column(name=f"{name}_ms", about=about, value=value)


COLUMNS = (
    _slot("session", "serial of the session or round, from 0"),
    _slot("index", "place in the session or round, from 0"),
    _slot("role", "what the plan intended", is_number=False),
    _slot("arm", "arm of a comparison, or sort of start", is_number=False),
    Column(
        name="outcome",
        about="`answered` or `failed`",
        value=lambda o: "answered" if isinstance(o, Sample) else "failed",
        is_number=False,
    ),
    _any("kind", "why it failed", is_number=False),
    _any("detail", "what the failure said", is_number=False),
    _any("status", "HTTP status, where there was one"),
    _time("start", "since the start of the run"),
    _time("latency", "from the call to the body drained; empty for a failure"),
    _time("elapsed", "what a failure took; empty for a sample"),
    _time("sign", "phase; empty where it was signed before, or not at all"),
    _time("dns", "phase; empty where it did not happen"),
    _time("connect", "phase; empty where it did not happen"),
    _time("tls", "phase; empty where it did not happen"),
    _time("send", "phase"),
    _time("wait", "phase"),
    _time("receive", "phase"),
    _time("client", "the latency minus the phases"),
    _any("reused", "proved: `true` or `false`", is_number=False),
    _any("connection", "serial of the connection"),
    _any("use", "which request on its connection, from 1"),
    _any("local_port", "of the connection"),
    _any("resumed", "whether the connection resumed a TLS session", is_number=False),
    _any("http_version", "as negotiated", is_number=False),
    _any("tls_version", "as negotiated", is_number=False),
    _any("cipher", "as negotiated", is_number=False),
    _any("remote", "address and port of the peer", is_number=False),
    _micros("rtt", "the kernel's round trip after the request"),
    _micros("syn_rtt", "the kernel's round trip of the handshake"),
    _any("retransmits", "segments sent again during the request"),
    _any("body_bytes", "length of the response's body"),
    _time("kernel_send", "from the first write to the departure; empty if not asked"),
    _time("kernel_receive", "from the arrival to the read; empty if not asked"),
    Column(
        name="retry_after_s",
        about="what a 429 asked for",
        value=lambda o: _plain(o.retry_after_s if isinstance(o, Failure) else None),
    ),
)
