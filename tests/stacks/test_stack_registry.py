"""Which stacks there are, what each can do here, and how that is said."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import QUICK, vestbench
from tests.support.paths import ROOT
from tests.support.servers import SLOT, ScriptedServer, plan, tls_pair
from tests.support.stacks import inside
from tests.support.toy_stack import TOY
from vestbench.errors import UsageError
from vestbench.model.client import PoolSettings
from vestbench.model.request import Sample
from vestbench.model.strategy import POOLED, RESUMED, STRATEGIES, UNPOOLED
from vestbench.stacks import registry as stacks
from vestbench.stacks.registry import STACKS, chosen_stacks, find_stack
from vestbench.workers.remote import RemoteStack, RemoteStacks

NAMES = list(STACKS)


def without(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    """Let modules be missing."""
    found = importlib.util.find_spec

    def find_spec(name: str) -> Any:
        return None if name in missing else found(name)

    monkeypatch.setattr(stacks, "find_spec", find_spec)


# --- what there is ---


def test_all_stacks_are_installed_where_the_tests_run() -> None:
    assert chosen_stacks("all", list(STRATEGIES), http2=True) == tuple(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_that_is_named_is_the_one_that_is_meant(name: str) -> None:
    assert chosen_stacks(name) == (name,)
    assert find_stack(name).ability().stack == name


def test_an_unknown_stack_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="'curl' is none of httpx, httpx2, reqwest"):
        chosen_stacks("curl")


@pytest.mark.parametrize(
    ("module", "name"), [("pyreqwest", "reqwest"), ("httpx2", "httpx2")]
)
def test_a_stack_that_is_not_installed_is_refused_with_what_to_type(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    without(monkeypatch, module)

    with pytest.raises(UsageError) as caught:
        chosen_stacks(name)

    assert str(caught.value) == (
        f"stack {name} is not installed: pip install 'vestbench[{name}]'"
    )
    assert chosen_stacks("all") == tuple(each for each in NAMES if each != name)
    assert find_stack(name).ability().install == f"pip install 'vestbench[{name}]'"


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_http2_without_its_library_is_refused_with_what_to_type(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    without(monkeypatch, "h2")
    expected = f"HTTP/2 on {name} needs h2: pip install 'vestbench\\[http2\\]'"

    with pytest.raises(UsageError, match=expected):
        chosen_stacks(name, ["pooled", "http2"])
    with pytest.raises(UsageError, match=expected):
        chosen_stacks(name, http2=True)
    assert chosen_stacks(name, ["pooled", "resumed"]) == (name,)
    assert "http2" in find_stack(name).ability().refused


def test_reqwest_needs_no_library_for_http2(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "h2")

    assert chosen_stacks("reqwest", ["http2"], http2=True) == ("reqwest",)


def test_reqwest_is_refused_where_its_sockets_cannot_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    with pytest.raises(UsageError, match="runs on Linux only: its sockets are found"):
        chosen_stacks("reqwest")
    assert chosen_stacks("all") == ("httpx", "httpx2")


def test_the_extras_that_are_named_are_those_of_the_package() -> None:
    import tomllib

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]

    assert {info.extra for info in STACKS.values() if info.extra} | {"http2"} <= set(
        extras
    )
    assert "all" in extras


@pytest.mark.parametrize(
    ("name", "concurrency", "max_idle", "kept"),
    [
        ("httpx", 1, 2, 2),
        ("httpx", 2, 1, 1),
        ("httpx", 3, 2, 3),
        ("httpx", 8, 2, 8),
        ("httpx", 8, 0, 0),
        ("httpx", 8, 9, 9),
        ("httpx2", 8, 2, 2),
        ("reqwest", 8, 2, 2),
    ],
)
def test_what_a_stack_keeps_is_what_is_asked_for_but_on_httpx_above_two(
    name: str, concurrency: int, max_idle: int, kept: int
) -> None:
    pool = PoolSettings(max_idle=max_idle)

    assert find_stack(name).kept_idle(pool, concurrency) == kept


# --- workers ---


@pytest.mark.parametrize("name", NAMES)
def test_a_worker_has_the_stack_that_it_was_told(name: str) -> None:
    with (
        ScriptedServer(tls=tls_pair().server) as server,
        RemoteStack(ca_pem=tls_pair().ca_pem, stack=name) as stack,
    ):
        session = stack.open(plan())
        outcomes = [session.send(server.get(), SLOT) for _ in range(3)]
        session.close()

        assert stack.facts.stack == name
        assert not inside(stack).collects
        assert server.connections == 1
    assert [outcome.reused for outcome in outcomes] == [False, True, True]


@pytest.mark.parametrize("name", NAMES)
def test_a_worker_imports_nothing_while_it_measures(name: str) -> None:
    with (
        ScriptedServer(tls=tls_pair().server) as server,
        RemoteStack(ca_pem=tls_pair().ca_pem, stack=name) as stack,
    ):
        before = inside(stack).modules
        for strategy in (POOLED, UNPOOLED, RESUMED):
            session = stack.open(plan(strategy=strategy))
            assert isinstance(session.send(server.get(), SLOT), Sample)
            assert isinstance(session.send(server.get(), SLOT), Sample)
            session.close()
        after = inside(stack).modules

    assert set(after) == set(before)


def test_the_reqwest_worker_does_not_load_the_other_libraries() -> None:
    with RemoteStack(ca_pem=tls_pair().ca_pem, stack="reqwest") as stack:
        modules = set(inside(stack).modules)

    assert not modules & {"httpx", "httpcore", "httpx2", "httpcore2"}


def test_samples_of_several_workers_have_one_time_line() -> None:
    names = tuple(NAMES)
    with (
        ScriptedServer() as server,
        RemoteStacks(names, ca_pem=tls_pair().ca_pem) as workers,
    ):
        sessions = [workers.open(plan(stack=name)) for name in names * 2]
        outcomes = [session.send(server.get(), SLOT) for session in sessions]
        for session in sessions:
            session.close()

        assert {facts.stack for facts in workers.facts} == set(names)
        assert len({facts.origin_ns for facts in workers.facts}) == 1
    starts = [outcome.start_ns for outcome in outcomes]
    assert starts == sorted(starts)


def test_a_session_that_names_no_stack_is_opened_on_the_first() -> None:
    with (
        ScriptedServer() as server,
        RemoteStacks(("reqwest", "httpx"), ca_pem=tls_pair().ca_pem) as workers,
    ):
        session = workers.open(plan())
        outcome = session.send(server.get(), SLOT)
        session.close()

    assert isinstance(outcome, Sample)
    assert outcome.wait_ns is None


# --- the command ---


def test_the_command_shows_every_stack_and_how_it_proves_reuse() -> None:
    result = vestbench("stacks")

    assert result.exit_code == 0
    for info in STACKS.values():
        assert info.name in result.stdout
        assert info.version() in result.stdout
        assert info.proof in result.stdout
        for why in info.unhonoured.values():
            assert why in result.stdout


def test_the_command_says_what_to_type_for_a_stack_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(monkeypatch, "pyreqwest")

    result = vestbench("stacks")

    assert result.exit_code == 0
    assert "not installed" in result.stdout
    assert "pip install 'vestbench[reqwest]'" in result.stdout


def test_the_command_says_the_same_to_machines() -> None:
    result = vestbench("stacks", "--json")

    found = {each["stack"]: each for each in json.loads(result.stdout)["stacks"]}
    assert list(found) == NAMES
    assert found["reqwest"]["phases"] is False
    assert found["httpx"]["phases"] is True
    assert found["httpx"]["strategies"] == list(STRATEGIES)
    assert all(each["installed"] for each in found.values())


@pytest.mark.parametrize("command", ["bench", "warmup"])
def test_commands_that_measure_one_stack_refuse_all(command: str) -> None:
    result = vestbench(command, "--stack", "all")

    assert result.exit_code == 2
    assert f"{command} measures one stack" in result.stderr


@pytest.mark.parametrize("command", ["bench", "warmup", "compare"])
def test_a_stack_that_is_missing_is_one_line_and_exit_2(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "pyreqwest")

    result = vestbench(command, "--stack", "reqwest")

    assert result.exit_code == 2
    assert result.stderr == (
        "error: stack reqwest is not installed: pip install 'vestbench[reqwest]'\n"
    )


@pytest.mark.parametrize("way", ["resumed", "http2"])
def test_what_is_settled_in_tls_is_refused_without_it(way: str) -> None:
    result = vestbench("compare", way, "pooled", "--venue", "http://127.0.0.1:1/")

    assert result.exit_code == 2
    assert f"{way} needs TLS: an http:// venue has none" in result.stderr


def test_more_arms_than_a_round_can_hold_are_refused() -> None:
    ways = ["pooled", "unpooled", "warmed", "resumed", "pooled"]

    result = vestbench("compare", *ways, "--stack", "all")

    assert result.exit_code == 2
    assert "5 ways of connecting on 3 stacks" in result.stderr


# --- a stack that only this test registers ---


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "STACKS", dict(STACKS))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # where the measuring process finds it
    stacks.register_stack(TOY)


@pytest.mark.usefixtures("toy")
def test_a_registered_stack_is_shown_with_what_it_can_do() -> None:
    shown = json.loads(vestbench("stacks", "--json").stdout)["stacks"]

    found = {each["stack"]: each for each in shown}
    assert list(found) == [*NAMES, "toy"]
    assert found["toy"]["proof"] == "the word of the test"
    assert found["toy"]["strategies"] == list(STRATEGIES)
    assert "the word of the test" in vestbench("stacks").stdout


@pytest.mark.usefixtures("toy")
def test_a_registered_stack_measures_and_its_result_is_reported(tmp_path: Path) -> None:
    stored = tmp_path / "toy.toml"

    measured = vestbench(
        "bench", "--stack", "toy", "-n", "3", *QUICK, "--output", str(stored)
    )
    reported = vestbench("report", str(stored), "--json")

    assert measured.exit_code == 0, measured.output
    run = json.loads(reported.stdout)
    assert run["conditions"]["stack"] == "toy"
    assert run["plan"]["requests"] == 3


@pytest.mark.usefixtures("toy")
def test_a_registered_stack_is_compared_beside_another(tmp_path: Path) -> None:
    stored = tmp_path / "both.toml"

    measured = vestbench(
        *("compare", "pooled", "unpooled", "--stack", "all", "--max-rounds", "12"),
        *(*QUICK, "--output", str(stored), "--json"),
    )

    run = json.loads(measured.stdout)
    assert {arm["stack"] for arm in run["plan"]["arms"]} == {*NAMES, "toy"}


def test_a_stack_is_called_as_it_is_registered_and_not_as_its_class_says() -> None:
    other = replace(find_stack("httpx"), name="other")

    assert other.load()(ca_pem=tls_pair().ca_pem).facts.stack == "other"
