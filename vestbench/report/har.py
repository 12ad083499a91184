"""The requests of a run as HAR 1.2, which browsers' developer tools open.

http://www.softwareishard.com/blog/har-12-spec/. There are no bodies, no headers but the
type and length of an answer, and no values of queries. `blocked` is what is no phase of
the network: the HTTP library's own time, or the program's. What the format has no place
for begins with an underscore, as it asks for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from vestbench._version import __version__
from vestbench.characters import plain
from vestbench.model.record import Record
from vestbench.model.request import NS_PER_MS, Failure, Outcome, Sample
from vestbench.model.run import Run
from vestbench.report.requests import in_order

_ABSENT = -1  # as HAR has it, of a timing or a size
_PLAIN_TEXT = {"ensure_ascii": False, "separators": (",", ":")}


class Sent(Record, frozen=True, kw_only=True):
    """What a request was, as far as a study knows it."""

    method: str
    url: str
    comment: str = ""
    transferred: int | None = None  # bytes of the answer on the wire
    sized: bool = True  # whether the body's length is known


Describe = Callable[[Outcome], Sent]


def har_of(run: Run, where: str, describe: Describe) -> Iterator[str]:
    """Yield all requests of a run as HAR, one a line.

    Args:
        run: What was measured.
        where: Its conditions in a few words.
        describe: Returns what a request was.
    """
    time_of = run.clock()
    comment = f"{run.conditions.venue}, {where}; run {run.name}"
    yield _head(comment, _simulated=bool(run.conditions.simulated))
    comma = ""
    for outcome in in_order(run):
        entry = _entry(outcome, describe(outcome), time_of(outcome.start_ns))
        yield f"{comma}\n{json.dumps(entry, **_PLAIN_TEXT)}"  # type: ignore[arg-type]
        comma = ","
    yield "\n]}}\n"


def empty_har(error: str) -> Iterator[str]:
    """Yield HAR without a request, and why there is none."""
    yield _head(f"error: {error}")
    yield "]}}\n"


def _head(comment: str, **more: bool) -> str:
    creator = {"name": "vestbench", "version": __version__}
    log = {"version": "1.2", "creator": creator, "comment": plain(comment), **more}
    return f'{{"log":{json.dumps(log, ensure_ascii=False)[:-1]},"entries":['


def without_values(url: str) -> tuple[str, list[str]]:
    """Return a URL whose query has names only, and these."""
    parts = urlsplit(url)
    names = [pair.partition("=")[0] for pair in parts.query.split("&") if pair]
    clean = (parts.scheme, parts.netloc.rpartition("@")[2], parts.path)
    return urlunsplit((*clean, "&".join(names), "")), names


def _entry(outcome: Outcome, sent: Sent, began: str) -> dict[str, Any]:
    timings, total = _timings(outcome)
    entry: dict[str, Any] = {
        "startedDateTime": began,
        "time": total,
        "request": _request(sent, _version(outcome)),
        "response": _response(outcome, sent),
        "cache": {},
        "timings": timings,
    }
    if isinstance(outcome, Sample):
        entry["connection"] = str(outcome.connection)
        if address := outcome.remote.rpartition(":")[0].strip("[]"):
            entry["serverIPAddress"] = address
        entry["_reused"] = outcome.reused
    if sent.comment:
        entry["comment"] = plain(sent.comment)
    return entry


def _version(outcome: Outcome) -> str:
    return (outcome.http_version if isinstance(outcome, Sample) else "") or "HTTP/1.1"


def _request(sent: Sent, version: str) -> dict[str, Any]:
    url, names = without_values(plain(sent.url))
    return {
        "method": sent.method,
        "url": url,
        "httpVersion": version,
        "cookies": [],
        "headers": [],
        "queryString": [{"name": name, "value": ""} for name in names],
        "headersSize": _ABSENT,
        "bodySize": _ABSENT,
    }


def _response(outcome: Outcome, sent: Sent) -> dict[str, Any]:
    status = outcome.status or 0
    content_type, size = None, _ABSENT
    if isinstance(outcome, Sample):
        content_type = outcome.content_type
        size = outcome.body_bytes if sent.sized else _ABSENT
    headers = [("Content-Type", content_type)] if content_type else []
    headers += [("Content-Length", str(size))] if size != _ABSENT else []
    found: dict[str, Any] = {
        "status": status,
        "statusText": HTTPStatus(status).phrase if status in _STATUSES else "",
        "httpVersion": _version(outcome),
        "cookies": [],
        "headers": [{"name": name, "value": plain(value)} for name, value in headers],
        "content": {"size": max(0, size), "mimeType": content_type or "x-unknown"},
        "redirectURL": "",
        "headersSize": _ABSENT,
        "bodySize": size,
    }
    if sent.transferred is not None:
        found["_transferSize"] = sent.transferred
    if isinstance(outcome, Failure):
        found["_error"] = plain(f"{outcome.kind}: {outcome.detail}")
    return found


_STATUSES = frozenset(HTTPStatus)


def _timings(outcome: Outcome) -> tuple[dict[str, float], float]:
    """Return the phases in ms, and their sum; TLS is a part of `connect` too.

    Where a phase is not known the whole time is that of waiting.
    """
    found: dict[str, float] = dict.fromkeys(("blocked", "dns", "connect", "ssl"), -1.0)
    if isinstance(outcome, Failure) or outcome.wait_ns is None:
        taken = outcome.timed[0]
        return {**found, "send": 0.0, "wait": taken, "receive": 0.0}, taken
    connect, tls = outcome.connect_ns, outcome.tls_ns
    if connect is not None or tls is not None:
        found["connect"] = _ms((connect or 0) + (tls or 0))
    if tls is not None:
        found["ssl"] = _ms(tls)
    if outcome.dns_ns is not None:
        found["dns"] = _ms(outcome.dns_ns)
    found |= {
        "send": _ms(outcome.send_ns or 0),
        "wait": _ms(outcome.wait_ns),
        "receive": _ms(outcome.receive_ns or 0),
    }
    known = sum(ms for name, ms in found.items() if ms >= 0 and name != "ssl")
    found["blocked"] = max(0.0, round(outcome.latency_ms - known, 6))
    return found, round(known + found["blocked"], 6)


def _ms(ns: int) -> float:
    return round(ns / NS_PER_MS, 6)
