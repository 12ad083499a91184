"""Bytes in, requests out: HTTP/1.1 as the simulated exchange reads it.

Reading is strict (RFC 9112): what could be understood in two ways is refused and ends
the connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from vestbench.simulator.http.messages import Request

MAX_HEAD_BYTES = 16_384
MAX_HEADERS = 100
MAX_BODY_BYTES = 1_048_576
_CHUNK_LINE_BYTES = 1_024


class RefusedError(Exception):
    """A request that cannot be served; the connection ends with the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


_TOKEN = rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
_REQUEST_LINE = re.compile(_TOKEN + rb" ([!-~]+) HTTP/([0-9])\.([0-9])")
_HEADER = re.compile(_TOKEN + rb":([\t -~\x80-\xff]*)")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t -~\x80-\xff]*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_AUTHORITY = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Head:
    """The first part of a request: everything before its body."""

    method: str
    target: str
    minor: int  # of the HTTP version; the major one is 1
    headers: dict[str, str]  # names in lower case; values of equal names joined

    @property
    def keeps_alive(self) -> bool:
        """Whether the client wants the connection to stay open."""
        options = _options(self.headers.get("connection", ""))
        return "close" not in options and (self.minor > 0 or "keep-alive" in options)

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a word before it sends the body."""
        return self.minor > 0 and "expect" in self.headers

    def request(self, body: bytes, peer: str = "") -> Request:
        """Return the whole request, its target taken apart."""
        path, _, query = _AUTHORITY.sub("", self.target, count=1).partition("?")
        pairs = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        path = unquote(path or "/")
        return Request(self.method, path, pairs, self.headers, body, peer)


class RequestReader:
    """Bytes in, requests out, one at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # the head does not end before this
        self._length = 0  # of the body
        self._chunks: bytearray | None = None  # of the body, where it has no length
        self.head: Head | None = None  # of the request that is being read

    def __len__(self) -> int:
        """Return how many bytes have not been taken yet."""
        return len(self._buffer)

    @property
    def is_idle(self) -> bool:
        """True between requests."""
        return self.head is None and not self._buffer

    def feed(self, data: bytes) -> None:
        """Take in what has arrived."""
        self._buffer += data

    def rest(self) -> bytes:
        """Take all that has arrived after the last request."""
        return self._take(len(self._buffer)) or b""

    def next(self) -> tuple[Head, bytes] | None:
        """Return the next whole request as head and body, or None if there is none.

        A `RefusedError` says that what has arrived cannot be served.
        """
        if self.head is None:
            self.head = self._read_head()
            if self.head is None:
                return None
            self._begin_body(self.head)
        chunks = self._chunks
        body = self._take(self._length) if chunks is None else self._read_chunks(chunks)
        if body is None:
            return None
        head, self.head = self.head, None
        return head, body

    def _read_head(self) -> Head | None:
        buffer = self._buffer
        # Empty lines before a request are to be ignored (RFC 9112, 2.2).
        while buffer[:2] == b"\r\n":
            del buffer[:2]
            self._searched = 0
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        seen = len(buffer) if end < 0 else end
        if _BARE_LF.search(buffer, max(0, self._searched - 1), seen):
            raise RefusedError(400, "Line without carriage return")
        if seen > MAX_HEAD_BYTES:
            raise RefusedError(431, "Request header fields too large")
        if end < 0:
            self._searched = seen
            return None
        lines = bytes(buffer[:end]).split(b"\r\n")
        del buffer[: end + 4]
        self._searched = 0
        return _parse_head(lines)

    def _begin_body(self, head: Head) -> None:
        headers = head.headers
        if headers.get("expect", "100-continue").lower() != "100-continue":
            raise RefusedError(417, "Expectation failed")
        self._length, self._chunks = 0, None
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if coding is not None:
            # Both at once, or a coding from an HTTP/1.0 client, is how requests are
            # smuggled past a proxy (RFC 9112, 6.1).
            if length is not None or head.minor == 0:
                raise RefusedError(400, "Ambiguous body length")
            if coding.lower() != "chunked":
                raise RefusedError(501, "Transfer coding not implemented")
            self._chunks = bytearray()
        elif length is not None:
            values = set(_options(length))
            if len(values) != 1 or not _LENGTH.fullmatch(value := values.pop()):
                raise RefusedError(400, "Invalid content length")
            self._length = int(value)
            if self._length > MAX_BODY_BYTES:
                raise RefusedError(413, "Content too large")

    def _read_chunks(self, chunks: bytearray) -> bytes | None:
        while True:
            end = self._buffer.find(b"\r\n", 0, _CHUNK_LINE_BYTES)
            if end < 0 and len(self._buffer) < _CHUNK_LINE_BYTES:
                return None
            match = _CHUNK.fullmatch(self._buffer, 0, max(0, end))
            if match is None:
                raise RefusedError(400, "Invalid chunk size")
            size = int(match[1], 16)
            if size == 0:
                return self._end_chunks(chunks, end)
            if len(chunks) + size > MAX_BODY_BYTES:
                raise RefusedError(413, "Content too large")
            chunk = self._take(end + 2 + size + 2)
            if chunk is None:
                return None
            if not chunk.endswith(b"\r\n"):
                raise RefusedError(400, "Invalid chunk")
            chunks += chunk[end + 2 : -2]

    def _end_chunks(self, chunks: bytearray, line: int) -> bytes | None:
        """Take the last chunk, whose first line ends at `line`, and the trailer."""
        end = self._buffer.find(b"\r\n\r\n", line)
        if (len(self._buffer) if end < 0 else end) > line + MAX_HEAD_BYTES:
            raise RefusedError(431, "Trailer fields too large")
        if end < 0:
            return None
        for field_line in bytes(self._buffer[line + 2 : end]).split(b"\r\n"):
            if field_line:
                _parse_header(field_line)
        del self._buffer[: end + 4]
        return bytes(chunks)

    def _take(self, count: int) -> bytes | None:
        if len(self._buffer) < count:
            return None
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


def _options(value: str) -> list[str]:
    return [option.strip().lower() for option in value.split(",")]


def _parse_head(lines: list[bytes]) -> Head:
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise RefusedError(400, "Invalid request line")
    method, target, major, minor = (part.decode() for part in match.groups())
    if major != "1":
        raise RefusedError(505, "HTTP version not supported")
    if not target.startswith("/") and not _AUTHORITY.match(target):
        raise RefusedError(400, "Invalid request target")
    if len(lines) > MAX_HEADERS + 1:
        raise RefusedError(431, "Too many header fields")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, value = _parse_header(line)
        if name in headers:
            if name == "host":
                raise RefusedError(400, "More than one Host")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    if minor != "0" and "host" not in headers:
        raise RefusedError(400, "Host is missing")
    return Head(method, target, int(minor), headers)


def _parse_header(line: bytes) -> tuple[str, str]:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise RefusedError(400, "Invalid header field")
    return match[1].decode().lower(), match[2].strip(b" \t").decode("latin-1")
