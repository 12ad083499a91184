"""What a console of Windows has to be asked for; elsewhere there is none to ask."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STDERR = -12
_ESCAPES = 0x4  # ENABLE_VIRTUAL_TERMINAL_PROCESSING
_CLOSING = (2, 5, 6)  # CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT
# Windows ends a program some seconds after it was told, however long this is.
_PATIENCE_S = 30.0


def heeds_orders() -> bool:
    """Say whether the terminal of stderr, which is one, heeds escape sequences."""
    if sys.platform == "win32":
        import ctypes
        from ctypes import wintypes

        kernel = ctypes.WinDLL("kernel32")
        kernel.GetStdHandle.restype = wintypes.HANDLE
        console = wintypes.HANDLE(kernel.GetStdHandle(_STDERR))
        mode = wintypes.DWORD()
        if not kernel.GetConsoleMode(console, ctypes.byref(mode)):
            return False
        wanted = wintypes.DWORD(mode.value | _ESCAPES)
        return bool(kernel.SetConsoleMode(console, wanted))
    return True


@contextmanager
def told_of_closing(tell: Callable[[], None]) -> Iterator[None]:
    """Have the end of the console, or of the session, told while the block lasts.

    Windows ends the process once its handler returns: so that waits for the block.

    Args:
        tell: Called at the end, in another thread.
    """
    if sys.platform == "win32":
        import ctypes
        from ctypes import wintypes
        from threading import Event

        over = Event()

        def handle(event: int) -> bool:
            if event not in _CLOSING:
                return False
            tell()
            over.wait(_PATIENCE_S)
            return True

        handler = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)(handle)
        kernel = ctypes.WinDLL("kernel32")
        kernel.SetConsoleCtrlHandler(handler, True)
        try:
            yield
        finally:
            over.set()
            kernel.SetConsoleCtrlHandler(handler, False)
    else:
        yield
