"""httpx or httpx2, the httpcore that belongs to it, and the way from one to the other.

A client takes a network backend only through a transport, and the transport of the
library takes none; so this module has a transport of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from vestbench.stacks.session import MAX_BODY_BYTES, TOO_LONG


@dataclass(frozen=True, slots=True)
class Library:
    """One of the two libraries and its core."""

    name: str
    client: ModuleType
    core: ModuleType


def library(name: str) -> Library:
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

    class Answer(client.Response):  # type: ignore[misc]
        def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
            # Codings on top of each other multiply: 64 KiB would be 64 GB at once.
            codings = self.headers.get_list("content-encoding", split_commas=True)
            if len(codings) > 1:
                raise client.DecodingError("the body has more than one content coding")
            size = 0
            for chunk in super().iter_bytes(chunk_size):
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise client.DecodingError(TOO_LONG)
                yield chunk

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
            return Answer(
                status_code=response.status,
                headers=response.headers,
                stream=Body(response),
                extensions=response.extensions,
            )

        def close(self) -> None:
            self.pool.close()

    return Transport
