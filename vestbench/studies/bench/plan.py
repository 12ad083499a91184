"""What `bench` is asked for."""

from __future__ import annotations

from typing import TypeAlias

from vestbench.model.run import Confidence, Finite, Plan, RunOf
from vestbench.model.stored import Count, Duration, Seed
from vestbench.model.strategy import check_strategy


class BenchPlan(Plan, frozen=True, kw_only=True):
    """What was asked for."""

    requests: Count
    sessions: Count
    concurrency: Count
    strategy: str
    kept_idle: Count | None = None  # requests at once that can find an open connection
    burn_in: Count
    min_saving_ms: Finite
    confidence: Confidence
    gate: bool = False  # the run is judged by its saving
    interval_s: Duration
    max_rate: Duration
    seed: Seed
    http2: bool = False
    kernel_timestamps: bool = False
    assertions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an unknown strategy."""
        super().__post_init__()
        check_strategy(self.strategy)


BenchRun: TypeAlias = RunOf[BenchPlan]
