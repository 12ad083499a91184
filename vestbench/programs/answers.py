"""The user's answers for hosts that are no venue: from a HAR file, or a small TOML."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from vestbench import toml_file
from vestbench.errors import InvalidValueError, UsageError, reason_of
from vestbench.files import read_bounded
from vestbench.model.simulated import CannedAnswer

MOST_BYTES = 64 * 2**20
_JSON = "application/json"


def read_answers(path: Path) -> tuple[CannedAnswer, ...]:
    """Return the answers that a file holds, in its order.

    A `.toml` file has a table `[[answer]]` for each: `url`, and if need be `method`,
    `status`, `body` (a text) or `json` (any value), `content_type`. Any other file is a
    HAR, as browsers and mitmproxy save it, of which method, URL, status, type and body
    are used.

    Raises:
        UsageError: It cannot be read, or is neither.
    """
    try:
        data = read_bounded(path, MOST_BYTES)
        if path.suffix == ".toml":
            return tuple(_of_toml(toml_file.parse(data)))
        return tuple(_of_har(data))
    except OSError as error:
        raise UsageError(f"--answers {path}: {reason_of(error)}") from error
    except ValueError as error:
        raise UsageError(f"--answers {path}: {error}") from error


def _of_toml(document: Mapping[str, Any]) -> Iterator[CannedAnswer]:
    tables = document.get("answer")
    if not isinstance(tables, list) or document.keys() != {"answer"}:
        raise InvalidValueError("expected tables [[answer]], and nothing else")
    known = {"url", "method", "status", "body", "json", "content_type"}
    for number, table in enumerate(tables):
        at = f"answer[{number}]"
        if not isinstance(table, dict):
            raise InvalidValueError("expected a table", at)
        if wrong := table.keys() - known:
            raise InvalidValueError(f"unknown key {min(wrong)!r}", at)
        body = table.get("body", "")
        if "json" in table:
            body = json.dumps(table["json"])
        yield _answer(
            at,
            method=table.get("method", "GET"),
            url=table.get("url"),
            status=table.get("status", 200),
            content_type=table.get("content_type", _JSON),
            body=_text(body, at).encode(),
        )


def _of_har(data: bytes | bytearray) -> Iterator[CannedAnswer]:
    try:
        entries = json.loads(data)["log"]["entries"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidValueError("it is no HAR: log.entries is missing") from error
    if not isinstance(entries, list):
        raise InvalidValueError("expected a list", "log.entries")
    for number, entry in enumerate(entries):
        at = f"log.entries[{number}]"
        try:
            asked, given = entry["request"], entry["response"]
            content = given.get("content") or {}
            yield _answer(
                at,
                method=asked["method"],
                url=asked["url"],
                status=given["status"],
                content_type=content.get("mimeType") or _JSON,
                body=_body(content, at),
            )
        except (KeyError, TypeError, AttributeError) as error:
            why = "request with method and url, and response with status, are needed"
            raise InvalidValueError(why, at) from error


def _body(content: Mapping[str, Any], at: str) -> bytes:
    text = _text(content.get("text") or "", at)
    if content.get("encoding") != "base64":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise InvalidValueError("the content is no base64", at) from error


def _answer(
    at: str, *, method: Any, url: Any, status: Any, content_type: Any, body: bytes
) -> CannedAnswer:
    parts = urlsplit(_text(url, f"{at}.url"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidValueError("expected http:// or https:// and a host", f"{at}.url")
    if type(status) is not int or not 200 <= status <= 599:
        # A HAR has 0 for what was never answered.
        raise InvalidValueError("expected 200 to 599", f"{at}.status")
    kind = _text(content_type, f"{at}.content_type")
    if not kind.isprintable() or not kind.isascii():
        raise InvalidValueError("expected a media type", f"{at}.content_type")
    return CannedAnswer(
        method=_text(method, f"{at}.method").upper(),
        host=parts.hostname.lower(),
        path=unquote(parts.path or "/"),
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        status=status,
        content_type=kind,
        body=body,
    )


def _text(value: Any, at: str) -> str:
    if not isinstance(value, str):
        raise InvalidValueError("expected a text", at)
    return value
