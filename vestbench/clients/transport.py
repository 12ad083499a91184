"""httpx or httpx2, the httpcore that belongs to it, and the way from one to the other.

The clients only take a network backend through a transport, and their own transport
takes none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class Library:
    """One of the two libraries and its core."""

    name: str
    client: ModuleType
    core: ModuleType


def library(name: str = "httpx") -> Library:
    """Import `httpx` or `httpx2`, with the core that belongs to it."""
    if name == "httpx2":
        import httpcore2
        import httpx2

        return Library(name, httpx2, httpcore2)
    import httpcore
    import httpx

    return Library(name, httpx, httpcore)


@cache
def transport(used: Library) -> type[Any]:
    """Return the transport that hands requests of a client to a pool of ours."""
    client: Any = used.client
    core = used.core

    class Body(client.SyncByteStream):  # type: ignore[misc]
        def __init__(self, response: Any) -> None:
            self._response = response

        def __iter__(self) -> Iterator[bytes]:
            yield from self._response.iter_stream()

        def close(self) -> None:
            self._response.close()

    class Transport(client.BaseTransport):  # type: ignore[misc]
        def __init__(self, pool: Any) -> None:
            self.pool = pool

        def handle_request(self, request: Any) -> Any:
            url = request.url
            response = self.pool.handle_request(
                core.Request(
                    method=request.method,
                    url=core.URL(
                        scheme=url.raw_scheme,
                        host=url.raw_host,
                        port=url.port,
                        target=url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
            return client.Response(
                status_code=response.status,
                headers=response.headers,
                stream=Body(response),
                extensions=response.extensions,
            )

        def close(self) -> None:
            self.pool.close()

    return Transport
