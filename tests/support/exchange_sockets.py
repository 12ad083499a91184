"""Sockets to an exchange that is a process."""

from __future__ import annotations

import socket
import ssl

from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.exchange_process import ExchangeProcess

GET = b"GET /v2/exchangeInfo HTTP/1.1\r\nHost: h\r\nxrestservermm: restserver0\r\n\r\n"
FAST = ExchangeSpec(processing_ms=0.0)


def client_context(exchange: ExchangeProcess) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=exchange.ca_pem)


def connect(
    exchange: ExchangeProcess,
    context: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
) -> ssl.SSLSocket:
    tcp = socket.create_connection((exchange.host, exchange.port), timeout=10.0)
    # An end without close_notify must not pass for an end in good order.
    return (context or client_context(exchange)).wrap_socket(
        tcp,
        server_hostname="127.0.0.1",
        session=session,
        suppress_ragged_eofs=False,
    )


def ask(stream: ssl.SSLSocket, request: bytes = GET) -> tuple[str, dict[str, str]]:
    """Send a request, read the whole response, return its first line and headers."""
    stream.sendall(request)
    data = stream.recv(65_536)
    head, end, body = data.partition(b"\r\n\r\n")
    assert end
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    # The record that holds the head holds the body too.
    assert len(body) == int(headers["content-length"])
    return first, headers
