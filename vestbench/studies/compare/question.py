"""What a comparison is to decide: between which arms, by which target, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from msgspec.structs import replace

from vestbench import defaults
from vestbench.errors import UsageError
from vestbench.model.request import NS_PER_MS, Sample
from vestbench.model.strategy import STRATEGIES, Strategy, find_strategy
from vestbench.studies.compare.plan import Arm, ComparePlan, controls_of
from vestbench.studies.parts.route import tls_round_trips
from vestbench.values import chosen, duration, parse_duration, parse_percent, parsed

_MOST_ARMS = 6
_MOST_ARMS_IN_ALL = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The saving to reach; automatic without a figure.

    An automatic target is 80 % of what the route of the discarded rounds allows.
    """

    saving_s: float | None = None
    percent: float | None = None  # of the control

    @classmethod
    def asked(cls, name: str, text: str) -> Target:
        """Return the saving that `50ms`, `30%` or `auto` asks for.

        UsageError if the text asks for none; the message begins with `name`.
        """
        if text == "auto":
            return cls()
        if "%" in text:
            return cls(percent=parsed(name, text, parse_percent))
        return cls(saving_s=duration(name, text))

    def stored(self) -> dict[str, Any]:
        """Return it as a part of a stored plan."""
        if self.percent is not None:
            return {"min_saving_percent": self.percent}
        if self.saving_s is not None:
            return {"min_saving_ms": 1e3 * self.saving_s}
        return {"min_saving": "auto"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be decided between which arms, and when."""

    arms: tuple[Arm, ...]
    control: str  # the label of an arm
    target: Target
    confidence: float = defaults.CONFIDENCE / 100
    question: str = defaults.QUESTION  # "all" candidates have to pass, or "any"
    vote: str = defaults.VOTE  # what has a vote: a "round" or a "pair" of rounds
    idle_s: float = parse_duration(
        defaults.IDLE
    )  # pause of a warmed client before its request
    min_rounds: int = defaults.MIN_ROUNDS
    max_rounds: int | None = None  # in all; None is 200 more
    min_duration_s: float = 0.0
    assertions: Sequence[str] = ()  # what else has to be so
    gate: bool = True  # whether the target has to be reached where this is asserted

    @classmethod
    def asked(
        cls,
        named: Callable[[str], str],
        *,
        question: str,
        vote: str,
        idle: str,
        min_duration: str,
        **rest: Any,
    ) -> Question:
        """Return the question that is asked in words, or raise UsageError.

        `named` gives the name of an argument in messages; `rest` is taken as it is.
        """
        return cls(
            question=chosen(named("question"), question, defaults.QUESTIONS),
            vote=chosen(named("vote"), vote, defaults.VOTES),
            idle_s=duration(named("idle"), idle),
            min_duration_s=duration(named("min_duration"), min_duration),
            **rest,
        )


def arms_of(
    names: Sequence[str], control: str = "", stacks: Sequence[str] = (defaults.STACK,)
) -> tuple[tuple[Arm, ...], str]:
    """Return the arms that `names` mean, and the label of the first stack's control.

    On several stacks each arm is compared with the control of its own: libraries stop
    their clocks in different places. UsageError if a name is no strategy, if there are
    too few or too many, or if the control is none of them.
    """
    strategies = [find_strategy(name) for name in names]
    if len(names) < 2:
        raise UsageError(f"a comparison needs two or more of {', '.join(STRATEGIES)}")
    if len(names) > _MOST_ARMS:
        raise UsageError(
            "more than six ways of connecting make rounds too long to be comparable"
        )
    if len(names) * len(stacks) > _MOST_ARMS_IN_ALL:
        raise UsageError(
            f"{len(names)} ways of connecting on {len(stacks)} stacks make rounds too "
            f"long to be comparable: {_MOST_ARMS_IN_ALL} are the most"
        )
    arms = name_arms(strategies)
    control = control_of(arms, control)
    if len(stacks) == 1:
        return tuple(replace(arm, stack=stacks[0]) for arm in arms), control
    found = tuple(
        Arm(
            label=f"{stack}/{arm.label}",
            strategy=arm.strategy,
            stack=stack,
            against=f"{stack}/{control}",
        )
        for stack in stacks
        for arm in arms
    )
    return found, f"{stacks[0]}/{control}"


def name_arms(strategies: Sequence[Strategy]) -> tuple[Arm, ...]:
    """Return arms with different labels: a strategy named twice gets a number."""
    names = [strategy.name for strategy in strategies]
    counts = [names[: place + 1].count(name) for place, name in enumerate(names)]
    return tuple(
        Arm(label=name if count == 1 else f"{name}-{count}", strategy=name)
        for name, count in zip(names, counts, strict=True)
    )


def control_of(arms: Sequence[Arm], named: str = "") -> str:
    """Return the label of the control: the one named, the usual one, or the last."""
    labels = [arm.label for arm in arms]
    if named:
        if named not in labels:
            known = ", ".join(labels)
            raise UsageError(f"--control {named!r} is none of the strategies: {known}")
        return named
    usual = (arm.label for arm in arms if arm.way.is_control)
    return next(usual, labels[-1])


def theoretical_saving_ms(
    samples: Sequence[Sample], plan: ComparePlan | None = None
) -> float | None:
    """Return what the route allows to save in ms; None if no connection was opened.

    That is the round trips of a full handshake or, with a plan, the fewest that one of
    its candidates saves, if it saves any.
    """
    opened = [sample for sample in samples if not sample.reused]
    trips = [s.syn_rtt_us / 1000 for s in opened if s.syn_rtt_us is not None]
    trips = trips or [s.connect_ns / NS_PER_MS for s in opened if s.connect_ns]
    if not trips:
        return None
    tls = tls_round_trips(s.tls_version for s in opened)
    saved = []
    if plan is not None:
        each = {arm.label: arm.way.round_trips(tls) for arm in plan.arms}
        controls = controls_of(plan).items()
        saved = [each[control] - each[label] for label, control in controls]
    return min((n for n in saved if n > 0), default=1 + tls) * median(trips)
