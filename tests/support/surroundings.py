"""Measuring beside faults that are not the server's."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.support.command import PATIENCE_S

PLAN = ("-n", "12", "--sessions", "3", "--rate", "10000", "--seed", "1")


def eventually(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.02)
