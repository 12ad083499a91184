"""The httpx2 stack: that of httpx over the other library."""

from __future__ import annotations

from vestbench.stacks.httpx_stack import HttpxStack


class Httpx2Stack(HttpxStack):
    """Makes sessions of httpx2; everything else is as with httpx."""

    def __init__(self, ca_pem: str = "", origin_ns: int | None = None) -> None:
        super().__init__(ca_pem, origin_ns, "httpx2")
