"""How many requests a real venue is sent, and how fast."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.support.command import vestbench
from tests.support.exact import always, received
from vestbench.defaults import BUDGET
from vestbench.errors import UsageError
from vestbench.running.pace import check_budget, polite_rate
from vestbench.running.ports import Pacer

pytestmark = pytest.mark.usefixtures("empty_folder")


@dataclass
class Nap:
    """A clock that moves only when somebody sleeps."""

    now_ns: int = 0

    def __post_init__(self) -> None:
        self.slept: list[float] = []

    def clock(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 9))
        self.now_ns += round(seconds * 1e9)

    def pacer(self, max_rate: float | None) -> Pacer:
        return Pacer(max_rate=max_rate, clock=self.clock, sleep=self.sleep)


def test_a_real_venue_is_sent_ten_requests_a_second_by_default() -> None:
    nap = Nap()
    pacer = nap.pacer(polite_rate(None, real=True))

    for _ in range(11):
        pacer.wait()

    assert nap.slept == 10 * [0.1]


def test_concurrent_requests_count_one_by_one() -> None:
    nap = Nap()
    pacer = nap.pacer(polite_rate(None, real=True))

    pacer.wait(4)
    pacer.wait(1)
    pacer.wait(1)

    assert nap.slept == [0.4, 0.1]


def test_the_time_that_a_request_takes_is_not_waited_for_again() -> None:
    nap = Nap()
    pacer = nap.pacer(polite_rate(None, real=True))

    pacer.wait()
    nap.now_ns += 60_000_000
    pacer.wait()
    nap.now_ns += 160_000_000
    pacer.wait()

    assert nap.slept == [0.04]


def test_the_simulated_exchange_is_not_spared() -> None:
    nap = Nap()
    pacer = nap.pacer(polite_rate(None, real=False))

    for _ in range(5):
        pacer.wait()

    assert nap.slept == []


@pytest.mark.parametrize(
    ("real", "rate", "limit"),
    [
        (True, None, 10.0),
        (True, 50.0, 50.0),
        (True, 0.5, 0.5),
        (False, None, None),
        (False, 3.0, 3.0),
    ],
)
def test_an_explicit_rate_is_taken_at_its_word(
    real: bool, rate: float | None, limit: float | None
) -> None:
    assert polite_rate(rate, real=real) == limit


def test_the_budget_of_a_real_venue_is_a_thousand_requests() -> None:
    check_budget(1000, BUDGET, real=True)
    check_budget(1001, 1001, real=True)
    check_budget(100_000, BUDGET, real=False)
    with pytest.raises(UsageError, match="--budget 1001 allows them"):
        check_budget(1001, BUDGET, real=True)


@pytest.mark.parametrize("rate", [0.0, -1.0])
@pytest.mark.parametrize("real", [True, False])
def test_no_rate_at_all_is_refused(real: bool, rate: float) -> None:
    with pytest.raises(UsageError, match="--rate"):
        polite_rate(rate, real=real)


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (("bench", "-n", "997"), 1001),
        (("warmup", "--rounds", "250", "--connections", "2"), 1004),
        (("compare", "pooled", "unpooled", "--max-rounds", "331"), 1002),
    ],
    ids=["bench", "warmup", "compare"],
)
def test_the_budget_counts_the_discarded_requests_too(
    httpserver: HTTPServer, words: tuple[str, ...], refused: int
) -> None:
    always(httpserver)

    result = vestbench(*words, "--venue", httpserver.url_for("/"))

    assert result.exit_code == 2
    assert f"--budget {refused} allows them" in result.stderr
    assert received(httpserver) == []


@pytest.mark.parametrize(
    ("words", "limit"), [((), 10.0), (("--rate", "25"), 25.0)], ids=["default", "given"]
)
@pytest.mark.parametrize(
    ("command", "code"),
    [
        # This server closes each connection, so nothing is reused.
        (("bench", "-n", "4"), 5),
        (("warmup", "--rounds", "1"), 5),
        (("compare", "pooled", "unpooled", "--max-rounds", "12"), 5),
    ],
    ids=["bench", "warmup", "compare"],
)
def test_the_command_paces_itself_by_that_limit(
    httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    code: int,
    words: tuple[str, ...],
    limit: float,
) -> None:
    always(httpserver)
    limits: list[float | None] = []

    def unhurried(*, max_rate: float | None, **_: Any) -> Pacer:
        limits.append(max_rate)
        return Nap().pacer(max_rate)

    monkeypatch.setattr("vestbench.running.pace.Pacer", unhurried)

    result = vestbench(*command, "--venue", httpserver.url_for("/"), *words, "--json")

    assert result.exit_code == code, result.output
    assert limits == [limit]
    assert json.loads(result.stdout)["plan"]["max_rate"] == limit
