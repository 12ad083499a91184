"""An HTTP stack that only tests know; the measuring process imports it from here."""

from __future__ import annotations

from dataclasses import replace

from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.stacks.registry import StackInfo


class ToyStack(HttpxStack):
    """It sends as httpx does, under a name of its own."""

    def __init__(self, ca_pem: str = "", origin_ns: int | None = None) -> None:
        super().__init__(ca_pem, origin_ns)
        self.facts = replace(self.facts, stack=TOY.name)


TOY = StackInfo(
    name="toy",
    module=__name__,
    factory=ToyStack.__name__,
    requires=("httpx",),
    distribution="httpx",
    proof="the word of the test",
)
