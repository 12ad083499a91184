"""Requests to an exchange that a command serves."""

from __future__ import annotations

import ssl
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit


def ask(url: str, ca: Path, *, times: int) -> None:
    """Send requests over one connection."""
    context = ssl.create_default_context(cafile=str(ca))
    connection = HTTPSConnection(urlsplit(url).netloc, context=context)
    for _ in range(times):
        connection.request("GET", "/v2/ticker/latest")
        assert connection.getresponse().read()
    connection.close()
