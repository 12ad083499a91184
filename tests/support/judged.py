"""Assertions as they were judged."""

from __future__ import annotations

from vestbench.assertions.judge import AssertionResult
from vestbench.model.verdict import Verdict


def result(outcome: Verdict, text: str = "saving >= 50ms") -> AssertionResult:
    return AssertionResult(
        text=text,
        quantity="saving",
        unit="ms",
        outcome=outcome,
        value=48.04,
        low=44.0,
        high=51.26,
        n=20,
        n_of="session",
        reason="what was measured does not settle it",
        reason_code="noisy",
    )
