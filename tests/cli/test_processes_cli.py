"""Commands as processes: interrupted, killed, and serving."""

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

from tests.support.command import QUICK, vestbench
from tests.support.servers import ScriptedServer
from vestbench.studies.registry import load_run

pytestmark = pytest.mark.usefixtures("empty_folder")


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


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)],
)
def test_an_interrupted_run_keeps_and_shows_what_was_measured(
    number: signal.Signals, code: int
) -> None:
    words = ("bench", "-n", "1000", "--interval", "5ms", *QUICK)
    with _started(*words, "-o", "run.toml") as process:
        partial = Path("run.toml.partial")
        while not (partial.exists() and "[[samples]]" in partial.read_text()):
            time.sleep(0.02)
        process.send_signal(number)
        shown, errors = process.communicate(timeout=60)

    assert process.returncode == code, errors
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

    assert process.returncode == 143
    assert ready["base_url"].startswith(f"https://{platform.node()}:")
    assert errors == (
        "warning: listening on 0.0.0.0: every machine that reaches it can use this "
        "exchange\ninterrupted by SIGTERM\n"
    )


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 143)],
)
def test_ctrl_c_is_the_end_of_serve_and_other_signals_are_not(
    number: signal.Signals, code: int
) -> None:
    with _started("serve", "--port", "0", "--json") as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == code
    assert errors == (f"interrupted by {number.name}\n" if code else "")
    assert not Path(ready["ca_file"]).exists()


# A command that gets a signal at the moment when it calls a function.
_AT = """
import importlib, signal, sys
module, name, number = sys.argv[1:4]
del sys.argv[1:4]
def interrupted(*_, **__):
    signal.raise_signal(int(number))
at = importlib.import_module(module)
for each in name.split(".")[:-1]:
    at = getattr(at, each)
setattr(at, name.split(".")[-1], interrupted)
from vestbench.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("at", "when"),
    [
        ("vestbench.cli.measuring carry_out", " before anything was measured"),
        ("vestbench.cli.settings exchange_spec", ""),
        ("vestbench.cli _ReportingGroup.parse_args", ""),
    ],
)
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)],
)
def test_a_command_that_a_signal_ends_while_it_starts_says_so_in_one_line(
    at: str, when: str, number: signal.Signals, code: int
) -> None:
    words = [*at.split(), str(int(number)), "bench", "--json-file", "out.json"]
    done = subprocess.run(
        [sys.executable, "-c", _AT, *words], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == code
    assert (done.stdout, done.stderr) == ("", f"interrupted by {number.name}{when}\n")
    if "_ReportingGroup" not in at:  # there it is not known yet what was asked for
        found = json.loads(Path("out.json").read_text("utf-8"))
        assert found["error"].startswith(f"interrupted by {number.name} before")
        assert found["exit_code"] == code


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
