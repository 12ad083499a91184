"""Runs with the kernel's timestamps."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from vestbench.kernel.stamped import StampedSocket
from vestbench.kernel.timestamps import KernelStamps, unsupported


def kernel(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test of the kernel's own stamps, which are on when it begins."""
    why = unsupported()
    marked: Callable[..., None] = pytest.mark.usefixtures("stamping")(test)
    skipped: Callable[..., None] = pytest.mark.skipif(bool(why), reason=why)(marked)
    return skipped


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), timeout=10.0)
        theirs, _ = listener.accept()
        theirs.settimeout(10.0)
        with ours, theirs:
            yield ours, theirs


def until(true: Callable[[], bool]) -> bool:
    """Wait for what happens within microseconds, or on a busy machine later."""
    for _ in range(1_000):
        if true():
            return True
        time.sleep(0.01)
    return False


def is_stamping() -> bool:
    """Say whether stamps come: the kernel begins with a delay after the first ask."""
    with connected() as (ours, theirs):
        stamped, stamps = StampedSocket(ours), KernelStamps()
        theirs.sendall(b"x")
        stamped.arrived(stamps, 10.0)
        stamped.close()
        return stamps.arrived_ns > 0
