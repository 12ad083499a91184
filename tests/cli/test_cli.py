"""The commands from outside: exit codes, streams, files, and what is refused first."""

import json
import re
from pathlib import Path

import pytest

from tests.support.command import QUICK, vestbench
from tests.support.servers import ScriptedServer
from vestbench._version import __version__
from vestbench.studies.registry import load_run

COMMANDS = (
    *("bench", "warmup", "serve", "report", "gate", "history", "trend"),
    *("config", "doctor"),
)
pytestmark = pytest.mark.usefixtures("empty_folder")


def _stored(folder: str = "results") -> list[Path]:
    return sorted(Path(folder).glob("*"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = vestbench(command, "--help")

    assert result.exit_code == 0
    assert "Example:" in result.stdout
    assert f"vestbench {command}" in result.stdout


def test_the_version_is_shown() -> None:
    assert vestbench("--version").stdout == f"vestbench {__version__}\n"


def test_bench_shows_the_tables_and_keeps_the_result() -> None:
    result = vestbench("bench", "-n", "40", "--seed", "1", *QUICK)

    assert result.exit_code == 0, result.output
    assert "20 of 20 subsequent requests reused their connection" in result.stdout
    assert "20 connections for 20 sessions" in result.stdout
    assert "simulated exchange on loopback" in result.stdout
    assert "saving ≥ 50 ms: FAIL" in result.stdout
    assert "the route is too short" in result.stdout
    (path,) = _stored()
    assert re.fullmatch(r"\d{8}T\d{6}Z-bench-pooled\.toml", path.name)
    assert str(path) in result.stderr


def test_report_shows_a_stored_run_identically() -> None:
    shown = vestbench("bench", "-n", "40", "-o", "run.toml", *QUICK).stdout

    again = vestbench("report", "run.toml")

    assert again.exit_code == 0
    assert again.stdout == shown


def test_the_exchange_and_the_client_count_the_same() -> None:
    result = vestbench("bench", "-n", "30", "--sessions", "5", *QUICK, "--json")

    run = json.loads(result.stdout)
    assert run["summary"]["reuse"] == {
        "sessions": 5,
        "connections": 5,
        "expected": 25,
        "reused": 25,
    }
    # Two connections and four requests were burnt in before.
    assert run["conclusion"]["server"] == {"connections": 7, "requests": 34}


def test_json_is_all_that_goes_to_stdout() -> None:
    result = vestbench("bench", "-n", "24", *QUICK, "--json")

    document = json.loads(result.stdout)
    assert document["command"] == "bench"
    assert document["conditions"]["simulated"] is True
    assert Path(document["file"]).exists()


def test_quiet_prints_the_verdict_only() -> None:
    result = vestbench("bench", "-n", "24", *QUICK, "--quiet")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) <= 4
    assert "saving ≥ 50 ms" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        # So large a saving that no busy machine hides it.
        (["--min-saving", "0.01ms", "--rtt", "20ms"], 0),
        ([*QUICK, "--min-saving", "500ms"], 1),
        ([*QUICK, "--sessions", "5"], 3),
        ([*QUICK, "--max-requests", "1"], 5),
    ],
    ids=["met", "missed", "too-few-sessions", "not-pooled"],
)
def test_with_a_gate_the_exit_code_follows_the_acceptance(
    words: list[str], code: int
) -> None:
    common = ["bench", "-n", "40", *words]

    assert vestbench(*common, "--gate").exit_code == code
    assert vestbench(*common).exit_code == (5 if code == 5 else 0)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            ["--pool-max-idle", "0"],
            "whose pool keeps at most 0 idle (--pool-max-idle 0)",
        ),
        (
            ["--max-requests", "1"],
            "the last one on its connection (`Connection: close`), after 1 request",
        ),
        (
            ["--pool-idle-timeout", "10ms", "--interval", "50ms"],
            "idle for longer than the pool's idle timeout of 0.01 s",
        ),
    ],
    ids=["keeps-nothing", "server-closes", "idle-gap"],
)
def test_the_table_says_when_connections_were_not_reused(
    words: list[str], why: str
) -> None:
    result = vestbench("bench", "-n", "24", "--sessions", "6", *QUICK, *words)

    assert result.exit_code == 5
    assert "0 of 18 subsequent requests reused their connection" in result.stdout
    assert "INVALID" in result.stdout
    assert why in " ".join(result.stdout.split())


def test_unpooled_opens_a_connection_for_each_request() -> None:
    result = vestbench("bench", "-n", "20", "--unpooled", *QUICK)

    assert result.exit_code == 0
    assert "0 requests reused a connection, 20 connections" in result.stdout
    assert "No saving" in result.stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["bench", "--interval", "50"], "write 50ms or 50s"),
        (["bench", "--rtt", "fast"], "write for example 50ms"),
        (["bench", "--venue", "nowhere"], "use sim, vest, vest-dev, paradex"),
        (["bench", "--endpoint", "nothing"], "use ticker, depth"),
        (["bench", "--requests", "10", "--sessions", "20"], "at least 40"),
        (["bench", "--venue", "vest", "--requests", "5000"], "--budget"),
        (["bench", "--venue", "paradex", "--rtt", "30ms"], "only for --venue sim"),
        (["bench", "--output", "missing/\0/x"], "cannot write results"),
        (["bench", "--gate", "--unpooled"], "not with --unpooled"),
        (["bench", "--confidence", "42"], "90, 95, 99"),
        (["bench", "--rate", "0"], "not a number above 0"),
        (["warmup", "--pool-max-idle", "0"], "nothing can be warmed up"),
        (["report", "missing.toml"], "cannot read missing.toml"),
        (["config", "--timeout", "10"], "write 10ms or 10s"),
        (["serve", "--rtt", "x"], "--rtt"),
        (["serve", "--host", "localhost"], "--host"),
        (["serve", "--fault", "5xx=2"], "--fault"),
        (["serve", "--contract", "mine"], "development, production"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_before_anything_is_measured(
    words: list[str], hint: str
) -> None:
    result = vestbench(*words)

    assert result.exit_code == 2, result.output
    assert hint in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert not _stored()


def test_an_unreadable_settings_file_is_refused() -> None:
    Path("vestbench.toml").write_text("[pool\n", encoding="utf-8")

    result = vestbench("bench", *QUICK)

    assert result.exit_code == 2
    assert "vestbench.toml is not a settings file" in result.stderr


def test_settings_come_from_the_folder_and_options_win() -> None:
    text = '[pool]\nmax_idle = 5\nidle_timeout = "9s"\n'
    Path("vestbench.toml").write_text(text, encoding="utf-8")

    words = ("config", "--pool-max-idle", "7", "--json")
    values = json.loads(vestbench(*words).stdout)

    assert values["pool.max_idle"] == {"value": "7", "source": "--pool-max-idle"}
    assert values["pool.idle_timeout"]["value"] == "9s"
    assert values["pool.idle_timeout"]["source"].endswith("vestbench.toml")
    assert values["pool.tcp_keepalive"] == {"value": "30s", "source": "default"}


def test_config_does_not_tell_the_query_of_a_url() -> None:
    url = "https://127.0.0.1/here?token=4711"

    shown = vestbench("config", "--venue", url)
    document = vestbench("config", "--venue", url, "--json")

    assert (shown.exit_code, document.exit_code) == (0, 0)
    assert "https://127.0.0.1/here?…" in shown.stdout
    assert json.loads(document.stdout)["venue"]["value"] == "https://127.0.0.1/here?…"
    assert "4711" not in shown.output + document.output


def test_config_names_a_venue_that_nobody_knows() -> None:
    result = vestbench("config", "--venue", "nyse")

    assert result.exit_code == 2
    assert "unknown venue 'nyse'" in result.stderr


def test_no_answer_at_all_is_one_line_and_exit_code_4() -> None:
    with ScriptedServer(lambda _: None) as server:
        url = server.url  # nothing listens there once the server is closed
    result = vestbench("bench", "--venue", url, "--rate", "1000")

    assert result.exit_code == 4
    assert result.stderr.startswith(f"error: no usable response from {url}")
    assert "connect: connection refused" in result.stderr
    assert result.stderr.count("\n") == 1
    (path,) = _stored()
    assert load_run(path).failures


def test_a_damaged_result_is_exit_code_5() -> None:
    Path("run.toml").write_text("format = 1\n", encoding="utf-8")

    result = vestbench("report", "run.toml")

    assert result.exit_code == 5
    assert result.stderr.count("\n") == 1
