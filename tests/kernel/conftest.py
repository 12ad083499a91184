"""Fixtures of these tests."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support.stamps import connected, is_stamping, until


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with connected() as both:
        yield both


@pytest.fixture
def stamping() -> None:
    assert until(is_stamping)
