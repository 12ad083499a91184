"""Which failure kind an exception of httpx or httpx2, or of their cores, is."""

from __future__ import annotations

from vestbench.model.request import FailureKind
from vestbench.stacks.httpx_transport import Library
from vestbench.stacks.wire.failures import UNSENDABLE, WireError, detail_of
from vestbench.stacks.wire.timestamps import Timestamps


class Classifier:
    """Tells the exceptions of one httpx and its httpcore apart."""

    def __init__(self, used: Library) -> None:
        client, self._core = used.client, used.core
        # The first match decides, so the narrower classes come first. The core's come
        # through our transport as they are; the client adds its own, of the same names.
        # Neither has many to raise: what happens on the wire is a `WireError`.
        kinds: list[tuple[type[Exception], FailureKind]] = [
            (UnicodeError, FailureKind.PROTOCOL)
        ]
        for name, kind in (
            ("TimeoutException", FailureKind.TIMEOUT),
            ("ConnectError", FailureKind.CONNECT),
            ("ProxyError", FailureKind.CONNECT),
            ("NetworkError", FailureKind.RESET),
            ("ProtocolError", FailureKind.PROTOCOL),
            ("UnsupportedProtocol", FailureKind.PROTOCOL),
        ):
            kinds += [(getattr(each, name), kind) for each in (self._core, client)]
        for error in (client.DecodingError, client.TooManyRedirects, client.InvalidURL):
            kinds.append((error, FailureKind.PROTOCOL))
        self._kinds = tuple(kinds)
        self.errors: tuple[type[Exception], ...] = (
            WireError,
            *(known for known, _ in kinds),
        )

    def classify(self, error: Exception, stamps: Timestamps) -> tuple[FailureKind, str]:
        """Return the failure kind of `error`, and one line that says why.

        A peer that closes in the middle of an exchange reaches the caller as a protocol
        error; `stamps` knows that the end of the stream was read, so it is a reset,
        unless what came before was no beginning of an HTTP answer.
        """
        if isinstance(error, WireError):
            return error.kind, detail_of(error)
        kind = next(kind for known, kind in self._kinds if isinstance(error, known))
        cut_off = (
            isinstance(error, self._core.RemoteProtocolError) and stamps.peer_closed
        )
        http2 = stamps.connection is not None and stamps.connection.http2
        if cut_off and (http2 or b"HTTP/".startswith(stamps.head)):
            kind = FailureKind.RESET
        if isinstance(error, UnicodeError):
            return kind, UNSENDABLE
        return kind, detail_of(error)
