"""What `compare` is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from msgspec import Meta

from vestbench.errors import InvalidValueError
from vestbench.model.run import Confidence, Finite, Plan, RunOf
from vestbench.model.stored import Count, Duration, Seed, Stored
from vestbench.model.strategy import Strategy, check_strategy, find_strategy

Asking: TypeAlias = Literal["all", "any"]  # which candidates have to pass
Vote: TypeAlias = Literal["round", "pair"]  # what has a vote: one round, or two


class Arm(Stored, frozen=True, kw_only=True):
    """One way of connecting, by the name it has in a comparison."""

    label: str
    strategy: str
    stack: str = ""  # empty where there is only one
    against: str = ""  # label of its control, where there are several

    def __post_init__(self) -> None:
        """Refuse an unknown strategy."""
        check_strategy(self.strategy)

    @property
    def way(self) -> Strategy:
        """The record of the strategy."""
        return find_strategy(self.strategy)


class ComparePlan(Plan, frozen=True, kw_only=True):
    """What was asked for; exactly one sort of target."""

    SCHEMA: ClassVar[Mapping[str, Any]] = {
        "oneOf": [
            {"required": [name]}
            for name in ("min_saving_ms", "min_saving_percent", "min_saving")
        ]
    }

    arms: Annotated[tuple[Arm, ...], Meta(min_length=2)]
    control: str
    question: Asking
    vote: Vote
    idle_s: Duration
    warm_connections: Count
    confidence: Confidence
    min_rounds: Annotated[int, Meta(ge=12)]
    min_saving_percent: Finite | None = None
    min_saving_ms: Finite | None = None
    min_saving: Literal["auto"] | None = None
    interval_s: Duration
    max_rate: Duration
    seed: Seed
    http2: bool = False
    max_rounds: Annotated[int, Meta(ge=12, le=1000)]
    min_duration_s: Duration | None = None
    # Within this of the target a saving is too close to tell; None is the usual margin.
    close: Duration | None = None
    gate: bool = True  # judged by its target, whatever else is asserted
    resumed: str = ""  # the result that was continued
    assertions: tuple[str, ...] = ()
    identity: Mapping[str, Any] = {}  # what makes two runs the same experiment

    def __post_init__(self) -> None:
        """Refuse all but one target, and arms that do not fit."""
        super().__post_init__()
        targets = (self.min_saving_percent, self.min_saving_ms, self.min_saving)
        if sum(target is not None for target in targets) != 1:
            raise InvalidValueError(
                "exactly one of min_saving_ms, min_saving_percent and min_saving is "
                "needed"
            )
        labels = [arm.label for arm in self.arms]
        if len(set(labels)) < len(labels):
            raise InvalidValueError("two strategies have the same label")
        controls = {control_of(self, arm) for arm in self.arms}
        if not controls <= {*labels} or not {*labels} - controls:
            raise InvalidValueError(
                "its control is none of its strategies, or all of them are"
            )


CompareRun: TypeAlias = RunOf[ComparePlan]


def control_of(plan: ComparePlan, arm: Arm) -> str:
    """Return the label of what `arm` is compared with: the control of its own stack."""
    return arm.against or plan.control


def controls_of(plan: ComparePlan) -> dict[str, str]:
    """Return the label of each candidate with that of its control."""
    controls = {arm.label: control_of(plan, arm) for arm in plan.arms}
    return {label: control for label, control in controls.items() if label != control}
