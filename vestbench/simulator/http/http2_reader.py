"""What HTTP/2 needs for reading besides python-h2: limits, and heads as requests."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vestbench.simulator.http.request_reader import MAX_HEADERS, Head, RefusedError

MAX_FRAME_BYTES = 16_384  # the least that there may be (RFC 9113, 4.2)
_PREFACE_BYTES = 24
_FRAME_HEAD_BYTES = 9
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"/[!-~]*")


class FrameLengths:
    """Looks ahead at the length of each frame.

    python-h2 refuses a frame that is too long, but only when it has all of it.
    """

    def __init__(self) -> None:
        self._skip = _PREFACE_BYTES
        self._head = b""

    def fits(self, data: bytes) -> bool:
        """Say whether no frame that begins in `data`, or before, is too long."""
        data, at = self._head + data, self._skip
        while at + _FRAME_HEAD_BYTES <= len(data):
            length = int.from_bytes(data[at : at + 3])
            if length > MAX_FRAME_BYTES:
                return False
            at += _FRAME_HEAD_BYTES + length
        self._head, self._skip = data[at:], max(0, at - len(data))
        return True


def read_head(headers: Iterable[tuple[bytes, bytes]]) -> Head:
    """Return the fields of a request as those of HTTP/1.1.

    A `RefusedError` says that it cannot be served. h2 checks the protocol before.
    """
    fields: dict[str, str] = {}
    for count, (raw_name, raw_value) in enumerate(headers, 1):
        if count > MAX_HEADERS:
            raise RefusedError(431, "Too many header fields")
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name in fields:
            # RFC 9113, 8.2.3: only cookies are joined with a semicolon.
            value = ("; " if name == "cookie" else ", ").join((fields[name], value))
        fields[name] = value
    method, target = fields.pop(":method", ""), fields.pop(":path", "")
    fields.setdefault("host", fields.get(":authority", ""))
    if not _METHOD.fullmatch(method) or not _TARGET.fullmatch(target):
        raise RefusedError(400, "Invalid request target")
    regular = {name: text for name, text in fields.items() if name[:1] != ":"}
    return Head(method, target, 1, regular)
