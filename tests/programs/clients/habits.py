"""Clients that do one thing each, of which the account has to tell what it was.

Run as a program of its own: python habits.py NAME.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Callable
from http.client import HTTPSConnection, RemoteDisconnected

HOST = "habits.example"
BODY = b"GET /x HTTP/1.1\r\nHost: habits.example\r\n"


def kept() -> HTTPSConnection:
    return HTTPSConnection(HOST)


def ask(connection: HTTPSConnection, **headers: str) -> None:
    connection.request("GET", "/x", headers=headers)
    connection.getresponse().read()


def raw(*, nodelay: bool = True) -> ssl.SSLSocket:
    """Return a connection without a library that sets options of its own."""
    plain = socket.create_connection((HOST, 443))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(nodelay))
    return ssl.create_default_context().wrap_socket(plain, server_hostname=HOST)


def answer(connection: ssl.SSLSocket) -> None:
    while b"{}" not in connection.recv(65536):
        pass


def one() -> None:
    ask(kept())


def four() -> None:
    connection = kept()  # which opens a new one where the server has said it ends
    for _ in range(4):
        try:
            ask(connection)
        except RemoteDisconnected:
            connection.close()
            ask(connection)


def failed() -> None:
    socket.create_connection((HOST, 443)).close()
    time.sleep(0.1)
    ask(kept())


def ahead() -> None:
    spare = raw()
    ask(kept())
    time.sleep(0.1)
    spare.close()


def nagle() -> None:
    connection = raw(nodelay=False)
    connection.sendall(BODY + b"\r\n")
    answer(connection)


def split() -> None:
    connection = raw(nodelay=False)
    time.sleep(0.3)  # so that the handshake is acknowledged
    connection.sendall(BODY)
    connection.sendall(b"\r\n")
    answer(connection)


def delayed_ack() -> None:
    connection = raw(nodelay=False)
    for _ in range(20):  # until the exchange's kernel acknowledges by its answers
        connection.sendall(BODY + b"\r\n")
        answer(connection)
    connection.sendall(BODY)
    connection.sendall(b"\r\n")
    answer(connection)


HABITS: dict[str, Callable[[], None]] = {
    habit.__name__: habit
    for habit in (*(one, four, failed, ahead, nagle, split, delayed_ack),)
}

if __name__ == "__main__":
    HABITS[sys.argv[1]]()
