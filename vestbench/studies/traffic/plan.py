"""What `exec` is asked for."""

from __future__ import annotations

from typing import TypeAlias

from vestbench.model.run import Confidence, Plan, RunOf
from vestbench.model.stored import Count, Duration, Seed


class TrafficPlan(Plan, frozen=True, kw_only=True):
    """What was asked for of a program that is not ours."""

    program: str  # its name, without folder and arguments, which may be secrets
    runs: Count = 1
    limit_s: Duration | None = None  # after which it was to be ended
    until: str = ""  # what was to be reached then
    faults: str = ""  # asked of the exchange
    confidence: Confidence = 0.95
    interval_s: Duration = 0.0
    max_rate: Duration = 0.0
    seed: Seed = 1
    http2: bool = False
    assertions: tuple[str, ...] = ()


TrafficRun: TypeAlias = RunOf[TrafficPlan]
