"""HTTP libraries of Python: python_clients.py LIBRARY URL REQUESTS.

Each sends as its documentation shows, and its runtime counts: an audit hook of Python
sees every connect of a socket (PEP 578), aiohttp has its tracing, and pyreqwest, whose
sockets are Rust's, logs each connection that it opens. The last line is JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import socket
import sys
from collections.abc import Callable
from typing import Any

_DNS = 53


class Counted:
    """What the runtime has counted."""

    def __init__(self) -> None:
        self.requests = 0
        self.connections = 0

    def answered(self, *_: Any, **_options: Any) -> None:
        self.requests += 1

    def opened(self) -> None:
        self.connections += 1

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count the connects of TCP sockets, but for those to a resolver."""
        if event != "socket.connect":
            return
        sock, address = arguments
        streams = sock.type & ~getattr(socket, "SOCK_NONBLOCK", 0) == socket.SOCK_STREAM
        if sock.family == socket.AF_INET and streams and address[1] != _DNS:
            self.opened()


def urllib(url: str, requests: int, counted: Counted) -> None:
    """Send with urllib.request, which asks every server to close."""
    from urllib.request import urlopen

    for _ in range(requests):
        with urlopen(url) as answer:  # noqa: S310 - a test gives the URL
            answer.read()
        counted.answered()


def requests_session(url: str, requests: int, counted: Counted) -> None:
    """Send with one Session."""
    library = importlib.import_module("requests")
    with library.Session() as session:
        session.hooks["response"].append(counted.answered)
        for _ in range(requests):
            session.get(url).raise_for_status()


def requests_bare(url: str, requests: int, counted: Counted) -> None:
    """Send with requests.get, which makes a Session for each call."""
    library = importlib.import_module("requests")
    for _ in range(requests):
        library.get(url, hooks={"response": counted.answered}).raise_for_status()


def httpx_client(url: str, requests: int, counted: Counted) -> None:
    """Send with one Client."""
    library = importlib.import_module("httpx")
    with library.Client(event_hooks={"response": [counted.answered]}) as client:
        for _ in range(requests):
            client.get(url).raise_for_status()


def httpx_bare(url: str, requests: int, counted: Counted) -> None:
    """Send with a client for each request, as httpx.get does."""
    library = importlib.import_module("httpx")
    for _ in range(requests):
        library.get(url).raise_for_status()
        counted.answered()


async def aiohttp_session(url: str, requests: int, counted: Counted) -> None:
    """Send with one ClientSession; its tracing counts, and not the audit hook."""
    library = importlib.import_module("aiohttp")
    trace = library.TraceConfig()

    async def answered(*_: Any) -> None:
        counted.answered()

    async def opened(*_: Any) -> None:
        counted.opened()

    trace.on_request_end.append(answered)
    trace.on_connection_create_end.append(opened)
    async with library.ClientSession(trace_configs=[trace]) as session:
        for _ in range(requests):
            async with session.get(url) as answer:
                await answer.read()


def ccxt_sync(url: str, requests: int, counted: Counted) -> None:
    """Ask Paradex for its time through ccxt, wherever that name leads."""
    del url  # it knows its own
    exchange = importlib.import_module("ccxt").paradex()
    for _ in range(requests):
        exchange.fetch_time()
        counted.answered()


async def ccxt_async(url: str, requests: int, counted: Counted) -> None:
    """Ask Paradex for its time through ccxt's asynchronous half."""
    del url
    exchange = importlib.import_module("ccxt.async_support").paradex()
    try:
        for _ in range(requests):
            await exchange.fetch_time()
            counted.answered()
    finally:
        await exchange.close()


def pyreqwest(url: str, requests: int, counted: Counted) -> None:
    """Send with one client of pyreqwest, and read its log."""

    class Opened(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("starting new connection"):
                counted.opened()

    log = logging.getLogger("reqwest::connect")
    log.setLevel(logging.DEBUG)
    log.addHandler(Opened())
    builder = importlib.import_module("pyreqwest.client").SyncClientBuilder
    flush = importlib.import_module("pyreqwest.logging").flush_logs
    with builder().connection_verbose(True).build() as client:
        for _ in range(requests):
            client.get(url).build().send().bytes()
            counted.answered()
    flush()


PROGRAMS: dict[str, Callable[[str, int, Counted], Any]] = {
    "urllib": urllib,
    "requests": requests_session,
    "requests.get": requests_bare,
    "httpx": httpx_client,
    "httpx.get": httpx_bare,
    "aiohttp": aiohttp_session,
    "ccxt": ccxt_sync,
    "ccxt-async": ccxt_async,
    "pyreqwest": pyreqwest,
}
_COUNT_BY_THEMSELVES = ("aiohttp", "pyreqwest")


def main(name: str, base: str, requests: str) -> None:
    """Send so many requests with a library, and print what was counted."""
    counted = Counted()
    if name not in _COUNT_BY_THEMSELVES:
        sys.addaudithook(counted.audit)
    done = PROGRAMS[name](f"{base}/ticker/latest", int(requests), counted)
    if done is not None:
        asyncio.run(done)
    print(json.dumps(vars(counted)))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main(*sys.argv[1:])
