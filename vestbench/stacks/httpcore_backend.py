"""A network backend for httpcore and httpcore2 that opens the streams of the wire.

httpcore's own trace events put name resolution and TCP into one, and its window round a
request is wider than the wire by some 0.15 ms of parsing.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from vestbench.stacks.wire.connecting import SocketOption
from vestbench.stacks.wire.failures import WriteError
from vestbench.stacks.wire.instrument import Instrument
from vestbench.stacks.wire.stream import TimedStream
from vestbench.stacks.wire.timestamps import Timestamps


class TimedBackend:
    """Opens connections for httpcore's pool; it is an `httpcore.NetworkBackend`.

    Args:
        instrument: Has the limits, and the stamps of the exchange under way.
        core: The module `httpcore` or `httpcore2`.
    """

    def __init__(self, instrument: Instrument, core: ModuleType) -> None:
        self._instrument = instrument
        self._core = core

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the settings' budget is shared
        local_address: str | None = None,  # noqa: ARG002 - never asked for
        socket_options: Iterable[SocketOption] | None = None,  # noqa: ARG002
    ) -> CoreStream:
        """Resolve `host` and connect."""
        stream = TimedStream.connect(self._instrument, host, port)
        return CoreStream(stream, self._core)


class CoreStream:
    """A timed stream as an `httpcore.NetworkStream`.

    Of the wire's errors httpcore has to know only one: it reads after a `WriteError` of
    its own, because an answer may have come before. All others pass through it.
    """

    def __init__(self, stream: TimedStream, core: ModuleType) -> None:
        self._stream = stream
        self._core = core
        self.read = stream.read
        self.close = stream.close

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of `buffer`; httpcore ends a request by an empty write."""
        try:
            self._stream.write(buffer, timeout)
        except WriteError as error:
            raise self._core.WriteError(str(error)) from error

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the connect budget is shared
    ) -> CoreStream:
        """Shake hands."""
        self._stream.start_tls(ssl_context, server_hostname)
        return self

    def get_extra_info(self, info: str) -> Any:
        """Answer httpcore's questions about the stream."""
        sock = self._stream.sock
        if info == "ssl_object":
            return sock if isinstance(sock, ssl.SSLSocket) else None
        if info == "is_readable":
            return self._stream.is_readable()
        return sock if info == "socket" else None


def trace_http2(stamps: Timestamps, event: str) -> None:
    """Take a trace event of HTTP/2, which reads and writes on its own account.

    Its settings may arrive before the response and are acknowledged after the request,
    so the first read and the last write are not the exchange's.
    """
    if event == "http2.send_request_body.complete":
        stamps.sent = stamps.last_write
    elif event == "http2.receive_response_headers.complete":
        stamps.first_read = stamps.last_read
