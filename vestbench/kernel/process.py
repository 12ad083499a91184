"""What a process asks of the kernel for itself; it does nothing where that cannot be.

The simulated venue's link reads this as well, while nothing else is loaded, so this
does not import `typing`.
"""

from __future__ import annotations

import sys
from contextlib import suppress

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from typing import Any

# How much later than asked a wait for sockets may end: epoll counts milliseconds;
# Windows looks every 15.6 ms whether a wait is over.
COARSE_NS = 20_000_000 if sys.platform == "win32" else 2_000_000

_PR_SET_NAME = 15
_PR_SET_TIMERSLACK = 29


def prctl(option: int, value: Any) -> None:
    """Call the function of Linux, which may refuse; nothing elsewhere.

    Raises:
        ImportError: This Python was built without ctypes.
    """
    if sys.platform == "linux":
        import ctypes

        # A bare int would be passed as 32 bits where the kernel reads 64.
        word = ctypes.c_ulong(value) if isinstance(value, int) else value
        ctypes.CDLL(None).prctl(option, word, 0, 0, 0)


def sharpen_timers() -> None:
    """Take away the 50 µs by which the kernel may delay each timer of this process.

    Children inherit it: call it only where nothing is started afterwards.
    """
    with suppress(ImportError, OSError, AttributeError):
        prctl(_PR_SET_TIMERSLACK, 1)


def name_process(name: str) -> None:
    """Set the name that `ps` and `top` show, of at most 15 bytes."""
    with suppress(ImportError, OSError, AttributeError):
        prctl(_PR_SET_NAME, name.encode())
