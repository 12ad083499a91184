"""The help of a command names what is registered, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.command import vestbench
from tests.support.toy_stack import TOY
from tests.support.toy_venue import toy
from vestbench import venues
from vestbench.model import strategy
from vestbench.model.strategy import POOLED, STRATEGIES
from vestbench.stacks import registry


def help_of(command: str) -> str:
    return " ".join(vestbench(command, "--help").stdout.split())


def test_it_names_every_strategy_stack_and_venue() -> None:
    shown = help_of("compare")

    assert "Two or more of pooled, unpooled, warmed, resumed and http2; or" in shown
    assert "sends: httpx, httpx2, reqwest; compare" in shown
    assert "measured: sim, vest, vest-dev, paradex, or an https://" in shown
    assert "on sim, vest and vest-dev ticker, depth, exchange-info; with an" in shown
    assert "; on paradex system-time." in shown
    assert "comes from VEST_SIGNING_KEY and the like." in shown
    assert "{" not in shown


def test_a_new_strategy_stack_and_venue_are_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways = {**STRATEGIES, "guessed": replace(POOLED, name="guessed")}
    monkeypatch.setattr(strategy, "STRATEGIES", ways)
    monkeypatch.setattr(registry, "STACKS", {**registry.STACKS, "toy": TOY})
    known = {**venues._VENUES, "toy": toy("https://127.0.0.1")}
    monkeypatch.setattr(venues, "_VENUES", known)

    shown = help_of("compare")

    assert "resumed, http2 and guessed; or" in shown
    assert "reqwest, toy; compare" in shown
    assert "paradex, toy, or an https://" in shown
    assert "VEST_SIGNING_KEY and the like; TOY_KEY." in shown
