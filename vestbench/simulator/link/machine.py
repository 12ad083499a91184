"""What a machine says of itself, and what it refuses; imports on every system."""

from __future__ import annotations

import errno
import sys
from contextlib import contextmanager

from vestbench.ipc import FailedError

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TUN_PATH = "/dev/net/tun"
NOT_LINUX_HINT = (
    "network namespaces are Linux's; --link relay and --rtt 0ms work on every system"
)


class LinkRefusedError(FailedError):
    """This machine refuses a step that a link engine needs.

    Attributes:
        step: The step as users see it.
        code: Which refusal it is; it never changes.
        errno: The name of the system error; empty when there was none.
        hint: What would help.
    """

    def __init__(
        self, step: str, code: str, cause: OSError | None = None, hint: str = ""
    ) -> None:
        super().__init__(step, code)
        self.step = step
        self.code = code
        self.errno = errno.errorcode.get(cause.errno or 0, "") if cause else ""
        self.hint = hint

    def __str__(self) -> str:
        """Say all of it in one line."""
        why = f" ({self.errno})" if self.errno else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.step}: {self.code}{why}{hint}"


@contextmanager
def refusing(
    step: str, code: str, codes: Mapping[int, str] | None = None, hint: str = ""
) -> Iterator[None]:
    """Turn the system errors of a `with` block into `LinkRefusedError`.

    What an error means `codes` says by its number; `code` is for all others.
    """
    try:
        yield
    except OSError as error:
        meaning = (codes or {}).get(error.errno or 0, code)
        raise LinkRefusedError(step, meaning, error, hint) from error


def read_text(path: str) -> str:
    """Return what a small file of Linux holds, stripped; empty without it."""
    if sys.platform != "linux":
        return ""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def congestion_control() -> str:
    """Name the algorithm that new TCP connections use; empty when unknown."""
    return read_text("/proc/sys/net/ipv4/tcp_congestion_control")
