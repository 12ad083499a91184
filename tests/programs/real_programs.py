"""Programs that bots are made of, each run inside, and each asked what it has done.

`nox -s programs` installs them and runs this. What the exchange has counted must be
what the program's own runtime says: undici's diagnostics channels, Go's httptrace,
curl's num_connects, the log of Java's client, of reqwest and of pyreqwest, Python's
audit hook, aiohttp's tracing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.inside import executed
from tests.support.paths import ROOT

pytestmark = pytest.mark.link

URL = "https://server-dev.hz.vestmarkets.com/v2"
WEBSOCKET = "wss://ws-dev.hz.vestmarkets.com/ws-api"
CLIENTS = ROOT / "tests" / "programs" / "clients"
RUST = ROOT / "tests" / "programs" / "rust_bot"
REQUESTS = 4
_SENT = re.compile(r"sent (\d+) requests? over (\d+) connections?")


@dataclass(frozen=True)
class Built:
    """Where the programs are that have to be compiled."""

    go: str
    java: str  # the class path
    rust: str


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    go, java, rust = folder / "get", folder / "java", folder / "rust"
    run = partial(subprocess.run, check=True)
    run(["go", "build", "-o", str(go), str(CLIENTS / "get.go")])
    run(["javac", "-d", str(java), str(CLIENTS / "Get.java")])
    words = ["cargo", "build", "--offline", "--release", "--target-dir", str(rust)]
    run(words, cwd=RUST)  # where its settings are
    return Built(str(go), str(java), str(rust / "release" / "rust_bot"))


Argv = Callable[[Built], tuple[str, ...]]


def script(interpreter: str, name: str, *more: str) -> Argv:
    words = (interpreter, str(CLIENTS / name), URL, str(REQUESTS), *more)
    return lambda _: words


def python(name: str) -> Argv:
    client = str(CLIENTS / "python_clients.py")
    return lambda _: (sys.executable, client, name, URL, str(REQUESTS))


def go(*more: str) -> Argv:
    return lambda built: (built.go, URL, str(REQUESTS), *more)


def java(built: Built) -> tuple[str, ...]:
    return ("java", "-cp", built.java, "Get", URL, str(REQUESTS))


def rust(*more: str) -> Argv:
    return lambda built: (built.rust, URL, str(REQUESTS), *more)


# How each is run; how many connections it should need, None where that is a race.
PROGRAMS: dict[str, tuple[Argv, int | None]] = {
    "curl": (script("sh", "curl.sh"), 1),
    "urllib": (python("urllib"), REQUESTS),
    "requests, one Session": (python("requests"), 1),
    "requests.get": (python("requests.get"), REQUESTS),
    "httpx, one Client": (python("httpx"), 1),
    "httpx.get": (python("httpx.get"), REQUESTS),
    "aiohttp, one ClientSession": (python("aiohttp"), 1),
    "ccxt, paradex": (python("ccxt"), 1),
    "ccxt, paradex, asynchronous": (python("ccxt-async"), 1),
    "pyreqwest": (python("pyreqwest"), 1),
    "Node fetch": (script("node", "fetch.mjs"), None),
    "Node fetch, 100 ms between": (script("node", "fetch.mjs", "100"), None),
    "Node https": (script("node", "https.mjs"), 1),
    "Node https, keepAlive: false": (script("node", "https.mjs", "close"), REQUESTS),
    "Go net/http, drained": (go("drained"), 1),
    "Go net/http, not drained": (go("undrained"), REQUESTS),
    "Java HttpClient": (java, 1),
    "Rust bot, after": (rust("after", "--no-warm-up"), 1),
    "Rust bot, before": (rust("before", "--no-warm-up"), 1),
    "Rust bot, a client for each request": (rust("each", "--no-warm-up"), REQUESTS),
    "Rust bot, nothing idle": (rust("no-idle", "--no-warm-up"), REQUESTS),
}


def both(argv: tuple[str, ...]) -> tuple[dict[str, Any], tuple[int, int], str]:
    """Run a program inside; return what it says, what we say, and its stderr."""
    done = executed("--rtt", "10ms", "--", *argv)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    found = _SENT.search(done.stderr)
    assert found is not None, done.stderr
    return said, (int(found[1]), int(found[2])), done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_account_is_what_the_program_says_of_itself(
    built: Built, name: str
) -> None:
    argv, connections = PROGRAMS[name]

    said, counted, _ = both(argv(built))

    assert counted == (said["requests"], said["connections"])
    assert said["requests"] == REQUESTS
    assert connections in (None, said["connections"])


INIT = "[INIT] Vest HTTP "
CONFIGURED = (
    f"{INIT}client configured: pool_max_idle=2, pool_idle_timeout=60s, "
    "tcp_keepalive=30s\n"
)


@pytest.mark.parametrize(("client", "connections"), [("after", 1), ("before", 1)])
def test_the_storys_bot_warms_up_and_logs_it(
    built: Built, client: str, connections: int
) -> None:
    said, counted, err = both(rust(client)(built))

    assert counted == (REQUESTS + 1, connections)
    assert (said["requests"], said["connections"]) == counted
    assert (CONFIGURED in err) is (client == "after")
    warmed = rf"{re.escape(INIT)}connection pool warmed up \(latency=\d+ms\)\n"
    assert re.search(warmed, err)


def test_a_whole_bot_gets_from_its_warm_up_to_the_events_of_its_orders() -> None:
    bot = str(CLIENTS / "whole_bot.py")

    said, counted, _ = both((sys.executable, bot, URL, WEBSOCKET, "3"))

    # Warm-up, registration, listen key, account, three orders; and the upgrade.
    assert counted == (said["requests"], said["connections"]) == (8, 2)
    assert len(said["orders"]) == 3
    assert all(order["event"] >= 10.0 for order in said["orders"])  # a round trip


def test_every_program_here_is_run() -> None:
    files = {path.name for path in Path(CLIENTS).iterdir() if path.is_file()}
    text = Path(__file__).read_text(encoding="utf-8")

    assert files
    assert {name for name in files if name not in text} == set()
