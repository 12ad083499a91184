"""An HTTP stack that only tests know; the measuring process imports it from here."""

from __future__ import annotations

from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.stacks.registry import StackInfo


class ToyStack(HttpxStack):
    """It sends as httpx does, under the name that it is registered by."""


TOY = StackInfo(
    name="toy",
    module=__name__,
    factory=ToyStack.__name__,
    requires=("httpx",),
    distribution="httpx",
    proof="the word of the test",
)
