"""Small real servers whose every byte a test decides, and what to send to them."""

from __future__ import annotations

import datetime
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Literal, Protocol, Self, TypeVar

import trustme

from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import Failure, Outcome, RequestSpec, Role, Sample, Slot
from vestbench.model.session import Session

# When a helper gives up on something that should have happened long ago.
PATIENCE_S = 10.0

SLOT = Slot(session=0, index=0, role=Role.COLD)

S = TypeVar("S", bound=Session, covariant=True)

Leaf = Literal["good", "expired", "not-yet", "wrong-name", "unknown-ca", "ca-itself"]


@dataclass(frozen=True, slots=True)
class TlsPair:
    """The server's context, and the certificate that a client has to trust for it."""

    server: ssl.SSLContext
    ca_pem: str


@cache
def _ca(name: str) -> trustme.CA:
    return trustme.CA(organization_name=name)


@cache
def _leaf(leaf: Leaf) -> trustme.LeafCert:
    here = ("127.0.0.1", "::1", "localhost")
    if leaf in ("expired", "not-yet"):
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        begin = now - 2 * day if leaf == "expired" else now + day
        return _ca("known").issue_cert(*here, not_before=begin, not_after=begin + day)
    if leaf == "ca-itself":  # self-signed
        ca = _ca("known")
        key = ca.private_key_pem.bytes()
        return trustme.LeafCert(key, ca.cert_pem.bytes(), [])
    if leaf == "wrong-name":
        return _ca("known").issue_cert("elsewhere.test")
    return _ca("unknown" if leaf == "unknown-ca" else "known").issue_cert(*here)


def tls_pair(leaf: Leaf = "good", version: ssl.TLSVersion | None = None) -> TlsPair:
    """Return a server context and a CA; they fit together unless `leaf` says how not.

    Args:
        leaf: What is wrong with the server's certificate.
        version: The only TLS version that the server speaks.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _leaf(leaf).configure_cert(context)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return TlsPair(context, _ca("known").cert_pem.bytes().decode())


class Visit:
    """One connection as the server sees it.

    Attributes:
        number: How many connections were accepted up to this one.
        client_port: The port at the client's side.
        sock: For what the methods do not offer.
        requests: How many requests were read from it.
        seen: The requests, header and body together.
        ended: Set when the script is over and the socket is closed.
        closing: Set when the whole server is closing.
    """

    def __init__(
        self, number: int, sock: socket.socket, closing: threading.Event
    ) -> None:
        self.number = number
        self.client_port: int = sock.getpeername()[1]
        self.sock = sock
        self.seen: list[bytes] = []
        self.ended = threading.Event()
        self.closing = closing
        self._unread = b""

    @property
    def requests(self) -> int:
        return len(self.seen)

    def request(self) -> bytes:
        """Read one whole request; empty when the client has closed."""
        data = self._unread
        while b"\r\n\r\n" not in data:
            more = self.sock.recv(1 << 16)
            if not more:
                return b""
            data += more
        head = data.index(b"\r\n\r\n") + 4
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", data[:head])
        end = head + (int(length[1]) if length else 0)
        while len(data) < end:
            data += self.sock.recv(1 << 16)
        request, self._unread = data[:end], data[end:]
        self.seen.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(
        self, body: bytes = b"{}", status: str = "200 OK", headers: Iterable[str] = ()
    ) -> None:
        """Send a whole answer in one write."""
        self.send(answer(body, status, headers))

    def stall(self) -> None:
        """Do nothing until the server closes."""
        self.closing.wait()

    def reset(self) -> None:
        """Close with a TCP RST in place of a FIN."""
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.sock.close()

    def close_notify(self) -> None:
        """Take leave in TLS, and leave TCP open."""
        assert isinstance(self.sock, ssl.SSLSocket)
        self.sock.setblocking(False)
        with suppress(ssl.SSLError):  # the client has not taken its leave yet
            self.sock.unwrap()


def answer(
    body: bytes = b"{}", status: str = "200 OK", headers: Iterable[str] = ()
) -> bytes:
    """Return a whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


Script = Callable[[Visit], None]


def keep_alive(visit: Visit) -> None:
    """Answer every request and never close."""
    while visit.request():
        visit.answer()


class ScriptedServer:
    """A server that does to each connection what a function does to it.

    Used as a context manager. An `OSError` in the script only ends the connection;
    anything else fails the test when the server closes.

    Args:
        script: Called in a thread of its own for each connection, after the TLS
            handshake; the socket is closed when it returns.
        tls: The server's TLS context; plain TCP without.
        host: The address to listen on.
        port: The port to listen on; 0 takes any free one.
        greet: Called before the TLS handshake.

    Attributes:
        visits: The connections in the order in which they came.
        refusals: The errors of TLS handshakes.
    """

    def __init__(
        self,
        script: Script = keep_alive,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        greet: Script | None = None,
        *,
        port: int = 0,
    ) -> None:
        self.visits: list[Visit] = []
        self.refusals: list[OSError] = []
        self._script = script
        self._greet = greet
        self._tls = tls
        self._host = host
        self._closing = threading.Event()
        self._errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return self.url_of(f"[{self._host}]" if ":" in self._host else self._host)

    def url_of(self, host: str) -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/"

    @property
    def connections(self) -> int:
        """How many connections were accepted."""
        return len(self.visits)

    @property
    def requests(self) -> int:
        """How many whole requests arrived."""
        return sum(visit.requests for visit in self.visits)

    def get(self, **values: object) -> RequestSpec:
        """Return a GET request for this server."""
        return get(self.url, **values)

    def post(self, body: bytes, **values: object) -> RequestSpec:
        """Return a POST request for this server."""
        return post(self.url, body, **values)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                visit = Visit(len(self.visits) + 1, sock, self._closing)
            except OSError:  # gone already
                sock.close()
                continue
            self.visits.append(visit)
            self._start(self._serve, visit)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self, visit: Visit) -> None:
        try:
            if self._greet is not None:
                self._greet(visit)
            if self._tls is None or self._shake_hands(visit, self._tls):
                self._script(visit)
        except OSError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in __exit__
            self._errors.append(error)
        finally:
            visit.sock.close()
            visit.ended.set()

    def _shake_hands(self, visit: Visit, tls: ssl.SSLContext) -> bool:
        visit.sock = tls.wrap_socket(
            visit.sock, server_side=True, do_handshake_on_connect=False
        )
        assert isinstance(visit.sock, ssl.SSLSocket)
        try:
            visit.sock.do_handshake()
        except OSError as error:
            self.refusals.append(error)
            # To close on unread data would send a RST after the alert, and undo it.
            while socket.socket.recv(visit.sock, 1 << 16):
                pass
            return False
        return True

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(PATIENCE_S)
        self._listener.close()
        for visit in self.visits:
            with suppress(OSError):  # not SSLSocket's, which a reader would trip over
                socket.socket.shutdown(visit.sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        if self._errors and error is None:
            raise self._errors[0]


def get(url: str, **values: object) -> RequestSpec:
    """Return a GET request."""
    return RequestSpec(endpoint="test", method="GET", url=url, **values)  # type: ignore[arg-type]


def post(url: str, body: bytes, **values: object) -> RequestSpec:
    """Return a POST request."""
    return RequestSpec(endpoint="test", method="POST", url=url, body=body, **values)  # type: ignore[arg-type]


def plan(**values: object) -> SessionPlan:
    """Return a plan with the bot's pool settings, except those given.

    `strategy`, `concurrency`, `http2`, `stack` and `round` go to the plan, all others
    to the pool.
    """
    of_plan = {
        key: values.pop(key)
        for key in ("strategy", "concurrency", "http2", "stack", "round")
        if key in values
    }
    return SessionPlan(pool=PoolSettings(**values), **of_plan)  # type: ignore[arg-type]


class Opens(Protocol[S]):
    """A stack, of whichever kind of session."""

    def open(self, plan: SessionPlan) -> S: ...


@contextmanager
def opened(stack: Opens[S], **values: object) -> Iterator[S]:
    """Open a session for a `plan` of these values, and close it."""
    session = stack.open(plan(**values))
    try:
        yield session
    finally:
        session.close()


def sampled(outcome: Outcome) -> Sample:
    assert isinstance(outcome, Sample), outcome
    return outcome


def failed(session: Session, spec: RequestSpec) -> Failure:
    """Send what has to fail, and return how; its detail is one short line."""
    outcome = session.send(spec, SLOT)
    assert isinstance(outcome, Failure), outcome
    assert outcome.elapsed_ns > 0
    assert 0 < len(outcome.detail) <= 200
    assert outcome.detail.splitlines() == [outcome.detail]
    return outcome


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def has_ipv6() -> bool:
    """Say whether ::1 can be listened on."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
