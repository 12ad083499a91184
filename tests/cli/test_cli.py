"""The commands from outside: exit codes, streams, files, and what is refused first."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.command import vestbench
from tests.support.servers import ScriptedServer
from vestbench import __version__
from vestbench.studies.registry import load_run

COMMANDS = (
    *("bench", "warmup", "serve", "report", "gate", "history", "trend"),
    *("config", "doctor"),
)

# Loopback: no link to start, and a few milliseconds a request.
QUICK = ("--rtt", "0ms", "--processing", "0ms")


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
        (["--min-saving", "0.01ms"], 0),
        (["--min-saving", "500ms"], 1),
        (["--sessions", "5"], 3),
        (["--max-requests", "1"], 5),
    ],
    ids=["met", "missed", "too-few-sessions", "not-pooled"],
)
def test_with_a_gate_the_exit_code_follows_the_acceptance(
    words: list[str], code: int
) -> None:
    common = ["bench", "-n", "40", *QUICK, *words]

    assert vestbench(*common, "--gate").exit_code == code
    assert vestbench(*common).exit_code == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--pool-max-idle", "0"], "the pool keeps no idle connection"),
        (["--max-requests", "1"], "the server closed it"),
        (
            ["--pool-idle-timeout", "10ms", "--interval", "50ms"],
            "beyond the pool's idle timeout",
        ),
    ],
    ids=["keeps-nothing", "server-closes", "idle-gap"],
)
def test_the_table_says_when_connections_were_not_reused(
    words: list[str], why: str
) -> None:
    result = vestbench("bench", "-n", "24", "--sessions", "6", *QUICK, *words)

    assert result.exit_code == 0
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


def test_warmup_logs_as_the_bot_does_and_proves_it() -> None:
    # Long enough for both requests of a warm-up to be under way at once.
    slow = ("--rtt", "0ms", "--processing", "50ms")
    words = [sys.executable, "-m", "vestbench", "warmup", "--rounds", "3", *slow]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert (
        "[INIT] Vest HTTP client configured: "
        "pool_max_idle=2, pool_idle_timeout=60s, tcp_keepalive=30s"
    ) in done.stderr
    assert re.search(
        r"\[INIT\] Vest HTTP connection pool warmed up \(latency=\d+ms\)", done.stderr
    )
    assert "3 of 3 first requests after a warm-up reused a connection" in done.stdout
    shown = " ".join(done.stdout.split())
    assert "6 connections opened by 6 warm-up requests" in shown


def _started(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "vestbench", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_and_shows_what_was_measured(
    number: signal.Signals,
) -> None:
    words = ("bench", "-n", "1000", "--interval", "5ms", *QUICK)
    with _started(*words, "-o", "run.toml") as process:
        partial = Path("run.toml.partial")
        while not (partial.exists() and "[[samples]]" in partial.read_text()):
            time.sleep(0.02)
        process.send_signal(number)
        shown, errors = process.communicate(timeout=60)

    assert process.returncode == 130, errors
    assert "Interrupted: this is what was measured until then." in shown
    run = load_run(Path("run.toml"))
    assert run.interrupted
    assert run.samples
    assert not partial.exists()


def test_a_killed_run_leaves_a_file_that_loads() -> None:
    words = ("bench", "-n", "1000", "--interval", "5ms", *QUICK)
    with _started(*words, "-o", "run.toml") as process:
        partial = Path("run.toml.partial")
        while not (partial.exists() and "[[samples]]" in partial.read_text()):
            time.sleep(0.02)
        process.kill()
        process.communicate(timeout=60)

    assert load_run(partial).samples
    assert vestbench("report", str(partial)).exit_code == 0


def test_serve_says_where_it_is_until_it_is_interrupted() -> None:
    with _started("serve", "--port", "0", "--processing", "0ms", "--json") as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert Path(ready["ca_file"]).read_text().startswith("-----BEGIN CERT")
        code = _curl(ready["base_url"], ready["ca_file"])
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    assert code == 200
    assert process.returncode == 0
    assert not Path(ready["ca_file"]).exists()


@pytest.mark.parametrize(
    ("words", "host"),
    [
        ((), "127.0.0.1"),
        (("--host", "127.0.0.2"), "127.0.0.2"),
        (("--host", "127.0.0.2", "--rtt", "5ms"), "127.0.0.2"),
    ],
)
def test_serve_listens_where_it_is_told_to_with_a_certificate_for_it(
    words: tuple[str, ...], host: str
) -> None:
    common = ("--port", "0", "--processing", "0ms", "--json")
    with _started("serve", *common, *words) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        code = _curl(ready["base_url"], ready["ca_file"])
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert ready["base_url"].startswith(f"https://{host}:")
    assert code == 200
    assert "warning" not in errors


def test_serve_neither_overwrites_nor_removes_a_file_that_exists(
    tmp_path: Path,
) -> None:
    precious = tmp_path / "ca.pem"
    precious.write_text("mine\n")

    result = vestbench("serve", "--port", "0", "--ca-file", str(precious))

    assert result.exit_code == 2
    assert "file exists; choose another --ca-file" in result.stderr
    assert precious.read_text() == "mine\n"


def test_serve_warns_where_others_can_reach_it() -> None:
    common = ("--port", "0", "--processing", "0ms", "--json")
    with _started("serve", "--host", "0.0.0.0", *common) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 0
    assert ready["base_url"].startswith(f"https://{platform.node()}:")
    assert errors == (
        "warning: listening on 0.0.0.0: every machine that reaches it can use this "
        "exchange\n"
    )


def _curl(base_url: str, ca_file: str) -> int:
    import ssl
    from urllib.request import Request, urlopen

    request = Request(  # noqa: S310 - loopback
        base_url + "/exchangeInfo", headers={"xrestservermm": "restserver0"}
    )
    context = ssl.create_default_context(cafile=ca_file)
    with urlopen(request, context=context, timeout=30) as response:  # noqa: S310
        status: int = response.status
        return status


def test_serve_says_when_its_port_is_taken() -> None:
    with ScriptedServer(lambda _: None) as server:
        result = vestbench("serve", "--port", str(server.port))

    assert result.exit_code == 4
    assert str(server.port) in result.stderr
    assert result.stderr.count("\n") == 1


def test_doctor_says_what_each_link_can_do() -> None:
    result = vestbench("doctor")

    assert result.exit_code == 0
    for engine in ("packet", "tun", "relay"):
        assert engine in result.stdout


@pytest.mark.link
def test_the_main_job_passes_over_the_emulated_link() -> None:
    result = vestbench("bench", "--requests", "40", "--gate", "--seed", "1")

    assert result.exit_code == 0, result.output
    assert "saving ≥ 50 ms: PASS" in result.stdout
    assert "RTT 30 ms" in result.stdout


def test_the_relay_is_named_wherever_its_figures_are() -> None:
    result = vestbench("bench", "-n", "40", "--rtt", "10ms", "--link", "relay")

    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "simulated in user space, RTT 10 ms" in text
    assert "the TCP handshake is charged to TLS" in text
    assert "TCP connect + TLS handshake *" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bench", "--requests", "x"], "--requests/-n: "),
        (["bench", "--requests", "0"], "--requests/-n: "),
        (["bench", "--budget", "0"], "--budget: "),
        (["bench", "--rate", "nan"], "--rate: nan is not a number above 0"),
        (["bench", "--rate", "inf"], "--rate: inf is not a number above 0"),
        (["bench", "--rtts", "5ms"], "no such option: --rtts; did you mean "),
        (["bench", "--requests"], "option '--requests' requires an argument"),
        (["bench", "surplus"], "got unexpected extra argument"),
        (["benhc"], "no such command 'benhc'"),
        (["--versoin"], "no such option: --versoin; did you mean --version?"),
        (["keys", "nwe"], "no such command 'nwe'"),
        (["report"], "missing argument 'FILE"),
    ],
)
def test_what_is_typed_wrong_is_one_line_that_says_where_the_help_is(
    words: list[str], said: str
) -> None:
    result = vestbench(*words)

    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {said}")
    assert line.endswith("--help)") or "--rate" in words


@pytest.mark.parametrize("words", [[], ["keys"]])
def test_a_group_without_a_command_shows_its_help(words: list[str]) -> None:
    result = vestbench(*words)

    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")
    assert "Commands:" in result.stderr
