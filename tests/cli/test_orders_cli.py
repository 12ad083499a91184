"""Signed requests by the commands: what is allowed where, and what is made of answers.

No real exchange is asked: where one is meant, the code is made to take an exchange on
loopback for it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.command import QUICK
from tests.support.loopback_venue import exchange_as_real, script_as_real
from tests.support.machine import demand
from tests.support.records import known
from vestbench.cli import app
from vestbench.errors import ExitCode
from vestbench.model.columns import client_ns
from vestbench.studies.parts.interruptions import is_interrupted
from vestbench.studies.registry import load_run

REAL = ("--venue", "vest-dev", "--rate", "1000")


def vestbench(*words: str) -> Result:
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"})


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # What politeness to a real venue would wait.
    monkeypatch.setattr("vestbench.running.trader.POLITE_RATE", 1e6)


# --- the simulated venue -------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint",
    ["account", "nonce", "listen-key", "leverage", "order", "cancel", "orders"],
)
def test_each_endpoint_with_an_account_is_measured_on_sim(endpoint: str) -> None:
    words = ("--endpoint", endpoint, "-n", "12", "-o", "run.toml")

    result = vestbench("bench", *words, *QUICK, "--quiet")

    assert result.exit_code == 0, result.output
    run = load_run(Path("run.toml"))
    assert (len(run.samples), len(run.failures)) == (12, 0)
    assert {sample.status for sample in run.samples} == {
        400 if endpoint == "cancel" else 200
    }
    assert run.conditions.endpoint == endpoint
    assert all(sample.sign_ns is None for sample in run.samples)


def test_registering_is_outside_every_time_and_connection() -> None:
    result = vestbench("bench", "--endpoint", "nonce", "-n", "12", *QUICK, "--json")

    run = json.loads(result.stdout)
    # Two connections and four requests burnt in, one of each to register.
    assert run["conclusion"]["server"] == {"connections": 6 + 3, "requests": 12 + 5}
    assert run["summary"]["reuse"]["connections"] == 6


def test_orders_are_looked_up_and_what_became_of_them_is_shown() -> None:
    result = vestbench(
        "bench", "--endpoint", "order", "-n", "12", *QUICK, "-o", "r.toml"
    )

    assert result.exit_code == 0, result.output
    orders = load_run(Path("r.toml")).conclusion.orders
    assert orders is not None
    assert (orders.sent, orders.filled) == (16, 0)
    assert orders.states == {"REJECTED": 16}
    assert "16 sent: LIMIT FOK buy 0.0001 BTC-PERP at " in result.stdout
    assert "looked up: 16 REJECTED" in result.stdout
    assert "signing     before the clock: " in result.stdout


@pytest.mark.parametrize("endpoint", ["order", "cancel"])
def test_signing_on_the_path_is_a_phase_of_its_own(endpoint: str) -> None:
    words = ("--endpoint", endpoint, "--sign-on-path", "-n", "12", "-o", "run.toml")

    result = vestbench("bench", *words, *QUICK)

    assert result.exit_code == 0, result.output
    run = load_run(Path("run.toml"))
    assert len(run.samples) == 12
    for sample in run.samples:
        assert sample.sign_ns is not None
        assert 0 < sample.sign_ns < sample.latency_ns
        assert known(client_ns(sample)) > 0
    rows = [line.split() for line in result.stdout.splitlines()]
    # A request that this machine has interrupted is in no distribution.
    sides = Counter(s.reused for s in run.samples if not is_interrupted(s))
    assert [row[1] for row in rows if row[:1] == ["sign"] and len(row) > 5] == [
        f"{sides[False]}",
        f"{sides[True]}",
    ]
    assert "on the path: the phase `sign`" in result.stdout
    again = vestbench("report", "run.toml")
    assert again.stdout == result.stdout


def test_signed_requests_are_compared() -> None:
    words = ("--endpoint", "cancel", "--min-saving", "0.01ms", "--max-rounds", "40")

    result = vestbench(
        "compare", "pooled", "unpooled", *words, *QUICK, "-o", "run.toml"
    )

    run = load_run(Path("run.toml"))
    assert run.failures == ()
    assert {sample.status for sample in run.samples} == {400}
    assert result.exit_code in (0, 3), result.output  # so small a saving is no FAIL


def test_a_warm_up_may_be_for_an_order() -> None:
    words = ("--endpoint", "order", "--rounds", "2", "--sign-on-path")

    result = vestbench("warmup", *words, *QUICK, "-o", "run.toml")

    assert result.exit_code == 0, result.output
    run = load_run(Path("run.toml"))
    signed = {str(s.slot.role) for s in run.samples if s.sign_ns is not None}
    assert signed == {"cold", "subsequent"}


def test_orders_may_take_the_exchange_longer_than_other_requests() -> None:
    words = ("-n", "12", "--rtt", "0ms", "--processing", "1ms")
    slow = ("--order-processing", "60ms", "--json")

    order = vestbench("bench", "--endpoint", "cancel", *words, *slow)
    other = vestbench("bench", "--endpoint", "nonce", *words, *slow)

    waits = [
        next(
            metric["p50"]["point"]
            for metric in json.loads(found.stdout)["summary"]["subsequent"]["metrics"]
            if metric["name"] == "wait"
        )
        for found in (order, other)
    ]
    # Not 60: the clock of a client that was held up starts late.
    assert waits[0] > 30
    demand(waits[1] < 30, f"{waits=}")
    exchange = json.loads(order.stdout)["conditions"]["exchange"]
    assert exchange["order_processing_ms"] == 60


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--sign-on-path"], "ticker is not signed"),
        (["--endpoint", "account", "--sign-on-path"], "account is not signed"),
        (["--endpoint", "order", "-c", "2"], "order is sent one at a time"),
        (["--keys", "keys.toml"], "sim has keys of its own"),
        (["--endpoint", "place"], "has no endpoint 'place'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    words: list[str], why: str
) -> None:
    result = vestbench("bench", *words, *QUICK)

    assert result.exit_code == ExitCode.USAGE
    assert why in result.stderr
    assert not Path("results").exists()


# --- a real venue, on loopback -------------------------------------------------------


def test_the_safe_cancel_needs_no_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--endpoint", "cancel", "-n", "12", "-o", "run.toml")

    with exchange_as_real(monkeypatch, tmp_path):
        result = vestbench("bench", *REAL, *words)

    assert result.exit_code == 0, result.output
    run = load_run(Path("run.toml"))
    assert (len(run.samples), len(run.failures)) == (12, 0)
    assert run.conditions.simulated is False


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"code":1022,"msg":"no"}', "code 1022 (invalid signature)"),
        (b'{"id":"0xab"}', "without an error code"),
        (b"<html>", "without an error code"),
    ],
)
def test_another_answer_to_the_safe_cancel_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes, said: str
) -> None:
    words = ("--endpoint", "cancel", "-n", "12", "-o", "run.toml")
    answers = {"/orders/cancel": ("400 Bad Request", body)}

    with script_as_real(monkeypatch, tmp_path, answers):
        result = vestbench("bench", *REAL, *words)

    assert result.exit_code == ExitCode.UNREACHABLE
    assert said in result.stderr
    assert len(load_run(Path("run.toml")).failures) == 5


@pytest.mark.parametrize("endpoint", ["order", "leverage"])
@pytest.mark.parametrize("command", ["bench", "compare", "warmup"])
def test_what_is_not_read_only_is_refused_without_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, endpoint: str
) -> None:
    with script_as_real(monkeypatch, tmp_path) as asked:
        result = vestbench(command, *REAL, "--endpoint", endpoint)

    assert result.exit_code == ExitCode.USAGE
    assert "--allow-orders" in result.stderr
    assert asked.asked == []
    assert not Path("results").exists()


def test_more_orders_than_allowed_are_refused_before_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--endpoint", "order", "--allow-orders", "-n", "40")

    with script_as_real(monkeypatch, tmp_path) as asked:
        default = vestbench("bench", *REAL, *words)
        chosen = vestbench("bench", *REAL, *words, "--max-orders", "43")

    for result, most in ((default, 20), (chosen, 43)):
        assert result.exit_code == ExitCode.USAGE
        assert f"up to 44 requests to order are more than --max-orders {most}" in (
            result.stderr
        )
    assert asked.asked == []


def test_the_look_ups_of_orders_count_against_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--endpoint", "order", "--allow-orders", "-n", "12", "--budget", "31")

    with script_as_real(monkeypatch, tmp_path) as asked:
        result = vestbench("bench", *REAL, *words)

    assert result.exit_code == ExitCode.USAGE
    assert "--budget 32 allows them" in result.stderr
    assert asked.asked == []


def test_orders_that_are_allowed_are_far_small_and_fill_or_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--endpoint", "order", "--allow-orders", "-n", "12", "-o", "run.toml")

    with script_as_real(monkeypatch, tmp_path) as asked:
        result = vestbench("bench", *REAL, *words)

    assert result.exit_code == 0, result.output
    # Four of them are burnt in; each is looked up.
    assert asked.count("POST", "/orders") == 16
    assert asked.count("GET", "/orders") == 16
    assert asked.count("POST", "/register") == 1
    assert asked.count("GET", "/ticker/latest") == 1
    assert "16 sent: LIMIT FOK buy 0.0001 BTC-PERP at 50.00, market 100.00" in (
        result.stdout
    )
    assert "16 REJECTED" in result.stdout


def test_a_leverage_that_is_allowed_is_set_to_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--endpoint", "leverage", "--allow-orders", "-n", "12")
    answers = {"/account/leverage": ("200 OK", b"{}")}

    with script_as_real(monkeypatch, tmp_path, answers) as asked:
        result = vestbench("bench", *REAL, *words)

    assert result.exit_code == 0, result.output
    assert asked.count("POST", "/account/leverage") == 16
    assert asked.count("POST", "/orders") == 0


@pytest.mark.parametrize("state", ["FILLED", "PARTIALLY_FILLED"])
def test_a_fill_stops_the_run_at_once_and_is_said_in_red(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    words = ("--endpoint", "order", "--allow-orders", "-n", "12", "-o", "run.toml")
    answers = {"/orders": ("200 OK", b'[{"status":"%s"}]' % state.encode())}
    monkeypatch.setenv("FORCE_COLOR", "1")

    with script_as_real(monkeypatch, tmp_path, answers) as asked:
        result = CliRunner().invoke(
            app, ("bench", *REAL, *words), env={"COLUMNS": "200"}, color=True
        )

    assert result.exit_code == ExitCode.FILLED
    assert asked.count("POST", "/orders") == 1
    assert "an order was " + state.replace("_", " ").lower() in result.stderr
    assert "\x1b[31m" in result.stderr


def test_a_fill_in_the_middle_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--endpoint", "order", "--allow-orders", "-n", "12", "-o", "run.toml")

    with script_as_real(monkeypatch, tmp_path) as paths:
        original = paths.count

        class Turning(dict[str, tuple[str, bytes]]):
            """Say from the tenth order on that it was filled."""

            def __getitem__(self, key: str) -> tuple[str, bytes]:
                if key == "/orders" and original("POST", "/orders") > 9:
                    return "200 OK", b'[{"status":"FILLED"}]'
                return super().__getitem__(key)

        paths.answers = Turning(paths.answers)
        result = vestbench("bench", *REAL, *words)

    assert result.exit_code == ExitCode.FILLED
    assert paths.count("POST", "/orders") == 10
    assert "FILLED: 1 order had an effect on the market" in result.stdout
    run = load_run(Path("run.toml"))
    assert len(run.samples) == 5
    assert run.conclusion.orders is not None
    assert run.conclusion.orders.states == {"FILLED": 1, "REJECTED": 9}


def test_without_keys_a_real_venue_is_not_even_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with script_as_real(monkeypatch, tmp_path) as asked:
        monkeypatch.delenv("VEST_PRIMARY_KEY")
        monkeypatch.delenv("VEST_SIGNING_KEY")
        result = vestbench("bench", *REAL, "--endpoint", "account")

    assert result.exit_code == ExitCode.USAGE
    assert "account wants an account: set VEST_PRIMARY_KEY and" in result.stderr
    assert asked.asked == []


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("VEST_PRODUCTION", "true", "the keys are not for venue vest-dev"),
        ("VEST_PRIMARY_ADDR", "0x" + "1" * 40, "is not the address of"),
        ("VEST_SIGNING_KEY", "0x12", "VEST_SIGNING_KEY is not a private key"),
        ("VEST_ACCOUNT_GROUP", "11", "VEST_ACCOUNT_GROUP is not an account group"),
    ],
)
def test_keys_that_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    with script_as_real(monkeypatch, tmp_path) as asked:
        monkeypatch.setenv(name, value)
        result = vestbench("bench", *REAL, "--endpoint", "account")

    assert result.exit_code == ExitCode.USAGE
    assert why in result.stderr
    assert asked.asked == []


def test_a_registration_that_is_refused_ends_the_run_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"/register": ("400 Bad Request", b'{"code":1022,"msg":"no"}')}
    monkeypatch.setattr("vestbench.running.asking.BACKOFF_S", 0.0)

    with script_as_real(monkeypatch, tmp_path, answers) as asked:
        result = vestbench("bench", *REAL, "--endpoint", "account")

    assert result.exit_code == ExitCode.UNREACHABLE
    assert "register: POST https://127.0.0.1:" in result.stderr
    assert "code 1022 (invalid signature)" in result.stderr
    assert asked.asked == 3 * [("POST", "/register")]
