"""What `warmup` and `connect` are asked for."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from vestbench.model.run import Confidence, Finite, Plan, RunOf
from vestbench.model.stored import Count, Duration, Seed
from vestbench.model.strategy import check_strategy

# The two sorts of start, as outcomes are labelled.
WARMED = "warmed"
NOT_WARMED = "not warmed"


class WarmUpPlan(Plan, frozen=True, kw_only=True):
    """What `warmup` was asked for."""

    rounds: Count
    connections: Count
    strategy: str
    min_saving_ms: Finite
    confidence: Confidence
    interval_s: Duration
    max_rate: Duration
    seed: Seed
    http2: bool = False
    assertions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an unknown strategy."""
        super().__post_init__()
        check_strategy(self.strategy)


class ConnectPlan(Plan, frozen=True, kw_only=True):
    """What `connect` was asked for."""

    rounds: Count
    steps: Annotated[tuple[str, ...], Meta(min_length=1)]
    remarks: tuple[str, ...] = ()  # what the venue says of these steps
    confidence: Confidence
    interval_s: Duration
    max_rate: Duration
    seed: Seed
    http2: bool = False
    assertions: tuple[str, ...] = ()


WarmUpRun: TypeAlias = RunOf[WarmUpPlan]
ConnectRun: TypeAlias = RunOf[ConnectPlan]
