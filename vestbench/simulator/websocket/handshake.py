"""The upgrade of a connection of HTTP/1.1 to WebSocket.

wsproto, of the extra `ws`, is imported by the first client that asks for it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from importlib.util import find_spec

from vestbench.simulator.http.messages import Headers

INSTALL = "pip install 'vestbench[ws]'"
_KEY_BYTES = 16
_ASKED = ("connection", "upgrade", "sec-websocket-key", "sec-websocket-version")


class RefusedUpgradeError(Exception):
    """No WebSocket begins, and why."""

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def accepted(headers: Mapping[str, str]) -> Headers:
    """Return the headers of the answer 101 to a request that asks for WebSocket.

    No extension is taken, so nothing that arrives has to be decompressed.

    Args:
        headers: Those of the request, names in lower case.

    Raises:
        RefusedUpgradeError: It does not ask for WebSocket as the standard wants it, or
            wsproto is not installed.
    """
    if "websocket" not in headers.get("upgrade", "").lower():
        raise RefusedUpgradeError(400, "This is a WebSocket: ask for it over HTTP/1.1")
    if find_spec("wsproto") is None:
        missing = "WebSocket is an extra that is not installed"
        raise RefusedUpgradeError(501, f"{missing}: {INSTALL}")
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import AcceptConnection, RejectConnection
    from wsproto.utilities import RemoteProtocolError

    asked = [(name, headers[name]) for name in _ASKED if name in headers]
    given = [(name.encode(), value.encode("latin-1")) for name, value in asked]
    server = WSConnection(ConnectionType.SERVER)
    try:
        server.initiate_upgrade_connection([(b"host", b"h"), *given], "/")
    except UnicodeError as error:
        raise RefusedUpgradeError(400, "A header is not ASCII") from error
    except RemoteProtocolError as error:
        hint = error.event_hint
        refused = hint if isinstance(hint, RejectConnection) else RejectConnection()
        more = tuple((a.decode(), b.decode()) for a, b in refused.headers)
        raise RefusedUpgradeError(refused.status_code, str(error), more) from error
    _check_key(headers["sec-websocket-key"])
    answer = server.send(AcceptConnection()).decode("latin-1")
    lines = (line.partition(": ") for line in answer.split("\r\n")[1:] if line)
    return tuple((name, value) for name, _, value in lines)


def _check_key(key: str) -> None:
    """Refuse a key that is not 16 bytes in base64, as no client makes (4.2.1)."""
    try:
        size = len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if size != _KEY_BYTES:
        raise RefusedUpgradeError(400, "Sec-WebSocket-Key must be 16 bytes in base64")
