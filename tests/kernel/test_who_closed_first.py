"""Who closed a connection first, as the kernel remembers it."""

from __future__ import annotations

import socket

import pytest

from vestbench.kernel.sockets import closed_first


@pytest.mark.parametrize("ours", [True, False], ids=["this end", "the other"])
def test_only_the_end_that_closes_first_leaves_a_trace(ours: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        server, _ = listener.accept()
        local = client.getsockname()[1]
        assert not closed_first(local, port)
        first, second = (client, server) if ours else (server, client)
        first.close()
        assert second.recv(1) == b""
        second.close()

        assert closed_first(local, port) is ours
        assert closed_first(port, local) is not ours
