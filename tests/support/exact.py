"""A server that remembers what it got, byte for byte, and runs against it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from vestbench._version import __version__
from vestbench.errors import ExitCode

# Without these, every request would be a tenth of a second after the last one.
QUICK = ("--rate", "1000")
FEW = ("-n", "12", "--sessions", "3")

# How a run at this server ends that reached it: it closes each connection, so nothing
# that was to reuse one did.
CLOSED = ExitCode.INVALID


@dataclass(frozen=True)
class Received:
    """A request as the server got it."""

    method: str
    target: str  # path and query, as they stood in the request line
    headers: dict[str, str]  # names in lower case
    body: bytes


def received(httpserver: HTTPServer) -> list[Received]:
    return [
        Received(
            request.method,
            request.environ["RAW_URI"],
            {name.lower(): value for name, value in request.headers},
            request.data,
        )
        for request, _ in httpserver.log
    ]


def serve(httpserver: HTTPServer, answer: Callable[[Request], Response]) -> None:
    """Answer everything, whatever its path."""
    httpserver.expect_request(re.compile("")).respond_with_handler(answer)


def always(httpserver: HTTPServer, status: int = 200, **headers: str) -> None:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    serve(httpserver, lambda _: Response(b"{}", status, fields))


def nth(httpserver: HTTPServer, number: int, status: int, **headers: str) -> None:
    """Answer with `status` from the n-th request on, counted from 1."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(_: Request) -> Response:
        if len(httpserver.log) + 1 >= number:
            return Response(b"{}", status, fields)
        return Response(b"{}")

    serve(httpserver, answer)


def exact_headers(httpserver: HTTPServer, **further: str) -> dict[str, str]:
    return {
        "host": f"127.0.0.1:{httpserver.port}",
        "user-agent": f"vestbench/{__version__}",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",  # whatever decoders are installed
        "connection": "keep-alive",
        **further,
    }


VEST = {
    "ticker": "/v2/ticker/latest?symbols=BTC-PERP",
    "depth": "/v2/depth?symbol=BTC-PERP&limit=20",
    "exchange-info": "/v2/exchangeInfo",
}
