"""`vestbench connect` and `vestbench keys` from outside."""

from __future__ import annotations

import json
import re
import stat
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.loopback_venue import (
    PRIMARY,
    SIGNING,
    exchange_as_real,
    script_as_real,
    trust,
)
from tests.support.machine import demand
from tests.support.servers import ScriptedServer, tls_pair
from tests.support.studies import connect_of
from vestbench.cli import app
from vestbench.errors import ExitCode
from vestbench.model.request import Role
from vestbench.studies.registry import load_run
from vestbench.venues.vest.keys_file import load as load_keys
from vestbench.venues.vest.signing import address_of

QUICK = ("--rtt", "0ms", "--processing", "0ms", "--rounds", "2")
STEPS = ("register", "listen-key", "websocket", "account", "cancel", "order")
REAL = ("--venue", "vest-dev", "--rate", "1000")


def vestbench(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"}, input=typed)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vestbench.running.asking.BACKOFF_S", 0.0)


@pytest.mark.parametrize("words", [("connect",), ("keys",), ("keys", "new")])
def test_help_has_an_example(words: tuple[str, ...]) -> None:
    result = vestbench(*words, "--help")

    assert result.exit_code == 0
    assert f"Example: vestbench {words[0]}" in result.stdout


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """Return what a run on the simulated venue showed, and where it is kept."""
    path = tmp_path_factory.mktemp("connect") / "run.toml"
    return vestbench("connect", *QUICK, "-o", str(path)), path


def test_connect_shows_each_step_and_keeps_the_result(
    shown: tuple[Result, Path],
) -> None:
    result, path = shown

    assert result.exit_code == 0, result.output
    for step in ("warm-up", *STEPS):
        assert re.search(rf"^ {step}  .*\d", result.stdout, re.MULTILINE)
    assert "4 of 4 starts got through to their last step" in result.stdout
    run = load_run(path)
    assert run.failures == ()
    assert len(run.samples) == 2 * (7 + 6)
    statuses = {place: set[int]() for place in range(7)}
    for sample in run.samples:
        statuses[sample.slot.index].add(sample.status)
    assert statuses == {
        **{place: {200} for place in (1, 2, 4, 6)},
        **{0: {401}, 3: {101}, 5: {400}},
    }


def test_connect_opens_one_connection_a_start_beside_its_websocket(
    shown: tuple[Result, Path],
) -> None:
    opened = [s for s in load_run(shown[1]).samples if not s.reused]

    beside = [s for s in opened if s.slot.index == 3]
    assert {s.slot.role for s in beside} == {Role.COLD}
    assert len(beside) == 4
    pooled = [s.slot.role for s in opened if s not in beside]
    assert sorted(pooled) == [Role.COLD] * 2 + [Role.WARM_UP] * 2


def test_connect_tells_when_an_order_was_answered_and_when_its_event_came(
    shown: tuple[Result, Path],
) -> None:
    result, path = shown

    told = [s for s in load_run(path).samples if (s.extra or {}).get("event_ns")]
    assert sorted(s.slot.index for s in told) == [3] * 4 + [6] * 4
    for sample in told:  # neither comes before its answer, which is read first
        event_ns = (sample.extra or {})["event_ns"]
        assert event_ns > (sample.send_ns or 0) + (sample.wait_ns or 0) > 0
    assert re.search(r"^ order +4 +[0-9.]+ ", result.stdout, re.MULTILINE)


def test_without_its_extra_a_start_has_no_websocket_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> object:
        return None if name == "wsproto" else find_spec(name)

    monkeypatch.setattr("vestbench.studies.starts.job.find_spec", missing)
    result = vestbench("connect", *QUICK, "--json")

    found = json.loads(result.stdout)
    assert found["plan"]["steps"] == ["register", "listen-key", "account", "cancel"]
    assert any("vestbench[ws]" in each for each in found["plan"]["remarks"])


def test_report_shows_a_stored_start_identically(shown: tuple[Result, Path]) -> None:
    result, path = shown

    again = vestbench("report", str(path))
    brief = vestbench("report", str(path), "--quiet")

    assert again.stdout == result.stdout
    assert brief.exit_code == 0
    assert result.stdout.startswith(brief.stdout)


def test_json_is_all_that_goes_to_stdout() -> None:
    result = vestbench("connect", *QUICK, "--json")

    found = json.loads(result.stdout)
    assert found["command"] == "connect"
    assert found["plan"]["steps"] == list(STEPS)
    assert [each["name"] for each in found["summary"]["events"]] == [
        *("websocket", "order")
    ]
    assert found["summary"]["rounds"] == 2
    assert result.stderr == ""


def test_a_real_venue_is_started_at_six_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with exchange_as_real(monkeypatch, tmp_path):
        result = vestbench("connect", *REAL, "--json")

    found = json.loads(result.stdout)
    assert found["plan"]["rounds"] == 6
    assert found["summary"]["completed"] == [6, 6]
    assert found["conditions"]["simulated"] is False


def test_with_an_api_key_alone_nothing_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with script_as_real(monkeypatch, tmp_path) as asked:
        monkeypatch.delenv("VEST_PRIMARY_KEY")
        monkeypatch.setenv("VEST_API_KEY", "api-key-4711")
        result = vestbench("connect", *REAL, "--rounds", "1", "-o", "run.toml")

    assert result.exit_code == 0, result.output
    assert asked.count("POST", "/register") == 0
    assert asked.count("POST", "/orders/cancel") == 4
    steps = connect_of(load_run(Path("run.toml"))).plan.steps
    assert steps == ("listen-key", "websocket", "account", "cancel")


def test_starts_that_all_fail_are_shown_and_end_with_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"/orders/cancel": ("400 Bad Request", b'{"code":1022,"msg":""}')}

    with script_as_real(monkeypatch, tmp_path, answers):
        result = vestbench("connect", *REAL, "--rounds", "1")

    assert result.exit_code == ExitCode.UNREACHABLE
    assert "0 of 2 starts got through to their last step" in result.stdout
    assert "HTTP 400, code 1022 (invalid signature)" in result.stdout


def test_a_registration_that_fails_is_tried_three_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"/register": ("503 No", b"")}

    with script_as_real(monkeypatch, tmp_path, answers) as asked:
        result = vestbench("connect", *REAL, "--rounds", "1")

    assert result.exit_code == ExitCode.UNREACHABLE
    assert asked.count("POST", "/register") == 3 + 2  # and then it is left alone
    assert asked.count("POST", "/account/listenKey") == 0


def test_connect_wants_keys_of_a_real_venue() -> None:
    result = vestbench("connect", "--venue", "vest-dev")

    assert result.exit_code == ExitCode.USAGE
    assert "VEST_PRIMARY_KEY" in result.stderr


def test_a_venue_without_accounts_is_warmed_up_and_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = tls_pair()
    trust(monkeypatch, tmp_path, pair.ca_pem)

    with ScriptedServer(tls=pair.server) as server:
        words = ("--venue", f"{server.url}here", "--rate", "1000", "--rounds", "2")
        result = vestbench("connect", *words, "-o", "run.toml")
        asked = server.requests

    assert result.exit_code == 0, result.output
    assert asked == 3 * (2 + 1)
    run = load_run(Path("run.toml"))
    assert connect_of(run).plan.steps == ("get",)
    assert "4 of 4 starts got through to their last step" in result.stdout


@pytest.mark.link
def test_warmed_up_the_first_signed_request_costs_one_round_trip_and_else_three() -> (
    None
):
    # Tolerances as in test_link_phases: a round trip has no upper end but for what
    # the exchange (5 ms), the crypto of a handshake and the client take.
    for _ in range(4):
        found = json.loads(vestbench("connect", "--rtt", "30ms", "--json").stdout)
        if found["conditions"]["link"]["engine"] == "relay":
            pytest.skip(f"no packet link: {found['conditions']['link']['refusals']}")
        first = found["summary"]["steps"][0]
        cold = first["not_warmed"]["p50"]["point"] - 5
        warm = first["warmed"]["p50"]["point"] - 5
        met = 89.5 <= cold <= 89.5 + 17 and 29.5 <= warm <= 29.5 + 8
        if met:
            break

    assert first["name"] == "register"
    assert first["opened"] == [12, 0]  # and so many rounds where none are asked for
    demand(met, f"3 round trips of 30 ms: {cold:.1f} ms; 1: {warm:.1f} ms")


# --- keys ----------------------------------------------------------------------------


def test_a_new_key_is_for_its_owner_alone_and_only_its_address_is_shown() -> None:
    result = vestbench("keys", "new", "signing.toml")

    path = Path("signing.toml")
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = load_keys(path).need("signing_key")
    assert result.stdout == address_of(key) + "\n"
    assert key.reveal()[2:] not in result.output


def test_every_new_key_is_another_one() -> None:
    shown = {vestbench("keys", "new", f"{n}.toml").stdout for n in range(3)}

    assert len(shown) == 3
    assert all(re.fullmatch("0x[0-9a-f]{40}\n", text) for text in shown)


def test_a_file_that_exists_is_not_overwritten() -> None:
    Path("signing.toml").write_text("mine")

    result = vestbench("keys", "new", "signing.toml")

    assert result.exit_code == ExitCode.USAGE
    assert "is not overwritten" in result.stderr
    assert Path("signing.toml").read_text() == "mine"


def test_keys_come_from_a_file_and_the_environment_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with exchange_as_real(monkeypatch, tmp_path):
        monkeypatch.delenv("VEST_SIGNING_KEY")
        vestbench("keys", "new", "signing.toml")
        words = ("--rounds", "1", "--keys", "signing.toml")
        result = vestbench("connect", *REAL, *words)

    assert result.exit_code == 0, result.output


def test_a_keys_file_that_others_may_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vestbench("keys", "new", "signing.toml")
    Path("signing.toml").chmod(0o644)

    with script_as_real(monkeypatch, tmp_path) as asked:
        result = vestbench("connect", *REAL, "--keys", "signing.toml")

    assert result.exit_code == ExitCode.USAGE
    assert "chmod 600" in result.stderr
    assert asked.asked == []


def test_a_key_in_place_of_a_file_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with script_as_real(monkeypatch, tmp_path):
        result = vestbench("connect", *REAL, "--keys", SIGNING)

    assert result.exit_code == ExitCode.USAGE
    assert SIGNING[2:] not in result.output


def test_on_a_terminal_missing_keys_are_asked_for_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestbench.cli.access._is_terminal", lambda: True)

    with exchange_as_real(monkeypatch, tmp_path):
        monkeypatch.delenv("VEST_PRIMARY_KEY")
        monkeypatch.delenv("VEST_SIGNING_KEY")
        typed = f"{SIGNING}\n{PRIMARY}\n"
        result = vestbench("connect", *REAL, "--rounds", "1", typed=typed)

    assert result.exit_code == 0, result.output
    assert "Vest signing key" in result.stderr
    assert "Vest primary key" in result.stderr
    for key in (SIGNING, PRIMARY):
        assert key[2:] not in result.output


def test_what_is_typed_and_is_no_key_is_refused_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestbench.cli.access._is_terminal", lambda: True)

    with script_as_real(monkeypatch, tmp_path):
        monkeypatch.delenv("VEST_SIGNING_KEY")
        result = vestbench("connect", *REAL, typed="hunter2\n")

    assert result.exit_code == ExitCode.USAGE
    assert "the signing key that was typed is not a private key" in result.stderr
    assert "hunter2" not in result.output


def test_no_key_is_an_option() -> None:
    for words in (["--signing-key", SIGNING], ["--primary-key", PRIMARY]):
        result = vestbench("connect", *words)

        assert result.exit_code == ExitCode.USAGE
        assert "no such option" in result.stderr
