"""No secret in anything that a command emits, whatever goes wrong.

What is searched: both streams, what child processes write to them, log lines of all
levels and libraries, every file, and the tracebacks of bugs. What is searched for:
every private key, API key, listen key and signature that there was, those of the
simulated exchange included: each is one while it is made or read.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.support.command import QUICK
from tests.support.loopback_venue import (
    PRIMARY,
    SIGNING,
    exchange_as_real,
    pretend,
    script_as_real,
    trust,
)
from tests.support.servers import ScriptedServer, Visit, free_port, tls_pair
from vestbench.cli import app
from vestbench.venues.secret import Secret
from vestbench.venues.vest import signing

REAL = ("--venue", "vest-dev", "--rate", "1000")
DOCUMENTS = (
    *("--html", "run.html", "--markdown", "run.md", "--csv", "run.csv"),
    *("--json-file", "run.json", "--junit", "run.xml", "--prometheus", "run.prom"),
    *("--har", "run.har"),
)
API_KEY, LISTEN_KEY = "api-key-4711", "listen-key-4711"


class Secrets:
    """Every secret that was made or read, and a search for them."""

    def __init__(self) -> None:
        self.known: set[str] = {API_KEY, LISTEN_KEY}

    def add(self, text: str) -> None:
        # As a part of something else, or in another case, it is as good as whole.
        self.known.add(text.removeprefix("0x"))

    def found_in(self, text: str) -> list[str]:
        lower = text.lower()
        return [secret for secret in self.known if secret.lower() in lower]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    found = Secrets()
    init: Callable[[Secret, str], None] = Secret.__init__
    sign: Callable[..., str] = signing._signature

    def remember(self: Secret, text: str) -> None:
        found.add(text)
        init(self, text)

    def remember_signature(*arguments: Any) -> str:
        signature = sign(*arguments)
        found.add(signature)
        return signature

    monkeypatch.setattr(Secret, "__init__", remember)
    monkeypatch.setattr(signing, "_signature", remember_signature)
    return found


@pytest.fixture
def everything(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    secrets: Secrets,
) -> Iterator[Callable[..., Result]]:
    """Run commands as `vestbench(…)` does, and search all that they leave behind."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("vestbench.running.asking.BACKOFF_S", 0.0)
    monkeypatch.setattr("vestbench.running.trader.POLITE_RATE", 1e6)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("vestbench").setLevel(logging.DEBUG)
    emitted: list[str] = []

    def run(*words: str, typed: str | None = None) -> Result:
        result = CliRunner().invoke(app, words, env={"COLUMNS": "500"}, input=typed)
        emitted.append(result.output)
        if result.exc_info is not None:
            emitted.append("".join(traceback.format_exception(*result.exc_info)))
        return result

    yield run

    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("keys"):
            emitted.append(path.name + path.read_text())
    emitted += capfd.readouterr()
    emitted += [caplog.handler.format(r) for r in caplog.get_records("call")]
    everything = "\n".join(emitted)
    assert len(secrets.known) > 2
    assert secrets.found_in(everything) == []


Run = Callable[..., Result]


@pytest.mark.parametrize(
    "words",
    [
        ("connect", "--rounds", "1", *DOCUMENTS),
        ("bench", "-n", "4", "--endpoint", "listen-key"),
        ("bench", "-n", "4", "--endpoint", "order", *DOCUMENTS),
        ("bench", "-n", "4", "--endpoint", "order", "--sign-on-path", "--json"),
        ("compare", "--max-rounds", "12", "--endpoint", "cancel"),
        ("warmup", "--rounds", "1", "--endpoint", "account"),
    ],
    ids=lambda words: " ".join(words[:6]),
)
def test_measuring_on_sim_shows_no_secret(
    everything: Run, words: tuple[str, ...], secrets: Secrets
) -> None:
    before = len(secrets.known)

    result = everything(*words, *QUICK, "-o", "run.toml")

    assert result.exit_code in (0, 1, 3), result.output
    # Two keys and an API key; signatures too, unless the worker makes them.
    assert len(secrets.known) >= before + 3
    again = everything("report", "run.toml")
    assert again.exit_code == 0


def test_keys_and_settings_show_no_secret(
    everything: Run, monkeypatch: pytest.MonkeyPatch, secrets: Secrets
) -> None:
    monkeypatch.setenv("VEST_SIGNING_KEY", SIGNING)
    monkeypatch.setenv("VEST_PRIMARY_KEY", PRIMARY)
    monkeypatch.setenv("VEST_API_KEY", API_KEY)
    secrets.add(SIGNING)
    secrets.add(PRIMARY)

    for words in (
        ("keys", "new", "keys.toml"),
        ("keys", "new", "keys.toml"),  # it exists
        ("keys", "new", "/proc/keys.toml"),
        ("keys", "new", SIGNING),
        ("config",),
        ("config", "--json"),
        ("doctor",),
        ("connect", "--venue", "vest-dev", "--keys", SIGNING),
    ):
        everything(*words)


def _answers(body: bytes, status: str = "400 Bad Request") -> dict[str, Any]:
    return {
        name: (status, body)
        for name in ("/account", "/account/listenKey", "/orders/cancel", "POST /orders")
    }


def _registered(body: bytes, status: str = "200 OK") -> dict[str, Any]:
    return {"/register": (status, body)}


QUOTED = b'{"code":1022,"msg":"' + API_KEY.encode() + b" " + SIGNING.encode() + b'"}'
START = ("connect", *REAL, "--rounds", "1")
ORDERS = ("bench", *REAL, "-n", "4", "--endpoint", "order", "--allow-orders", "--json")
FAULTS: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, bytes]]]] = {
    "none": (START, {}),
    "unauthorized": (START, _answers(b'{"code":1002}', "401 Unauthorized")),
    "wrong-signature": (START, _answers(QUOTED)),
    "nested": (ORDERS, _answers(b'{"detail":' + QUOTED + b"}")),
    "server-error": (ORDERS, _answers(QUOTED, "500 Internal Server Error")),
    "rate-limited": (ORDERS, _answers(QUOTED, "429 Too Many Requests")),
    "no-json": (START, _answers(API_KEY.encode(), "200 OK")),
    "register-refused": (ORDERS, _registered(QUOTED, "400 Bad Request")),
    "register-odd": (START, _registered(b'{"apiKey":"api-key-4711 ","accGroup":1}')),
    "register-group": (ORDERS, _registered(b'{"apiKey":"api-key-4711","accGroup":77}')),
    "register-empty": (START, _registered(b"")),
    "filled": (ORDERS, {"/orders": ("200 OK", b'[{"status":"FILLED"}]')}),
    "open": (ORDERS, {"/orders": ("200 OK", b'[{"status":"NEW"}]')}),
    "lost": (ORDERS, {"/orders": ("500 No", b"")}),
    "no-ticker": (ORDERS, {"/ticker/latest": ("200 OK", QUOTED)}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_failure_of_a_venue_shows_a_secret(
    everything: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    words, answers = FAULTS[fault]

    with script_as_real(monkeypatch, tmp_path, answers) as asked:
        result = everything(*words)

    assert asked.asked != []
    assert (result.exit_code == 0) is (fault == "none"), result.output


def _reset(visit: Visit) -> None:
    if visit.request():
        visit.reset()


def _echo(visit: Visit) -> None:
    """Send the request back, as an answer that is none."""
    request = visit.request()
    visit.send(b"HTTP/1.1 200 OK\r\n" + request.replace(b": ", b" "))


def _half(visit: Visit) -> None:
    if request := visit.request():
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"
        visit.send(head + request)


def _stall(visit: Visit) -> None:
    if visit.request():
        visit.stall()


@pytest.mark.parametrize(
    ("script", "signed"),
    [(_reset, ()), (_echo, ()), (_half, ("--sign-on-path",)), (_stall, ())],
)
def test_no_failure_of_a_connection_shows_a_secret(
    everything: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: Callable[[Visit], None],
    signed: tuple[str, ...],
) -> None:
    monkeypatch.setenv("VEST_SIGNING_KEY", SIGNING)
    monkeypatch.setenv("VEST_API_KEY", API_KEY)
    pair = tls_pair()

    with ScriptedServer(script, pair.server) as server:
        pretend(monkeypatch, f"https://127.0.0.1:{server.port}/v2")
        trust(monkeypatch, tmp_path, pair.ca_pem)
        words = ("--endpoint", "cancel", "--timeout", "200ms", "-n", "4", *signed)
        result = everything("bench", *REAL, *words)

    assert result.exit_code == 4, result.output


@pytest.mark.parametrize("leaf", ["expired", "unknown-ca"])
def test_no_failure_of_tls_or_tcp_shows_a_secret(
    everything: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaf: Any
) -> None:
    monkeypatch.setenv("VEST_SIGNING_KEY", SIGNING)
    monkeypatch.setenv("VEST_PRIMARY_KEY", PRIMARY)
    pair = tls_pair(leaf)
    trust(monkeypatch, tmp_path, pair.ca_pem)

    with ScriptedServer(tls=pair.server) as server:
        pretend(monkeypatch, f"https://127.0.0.1:{server.port}/v2")
        assert everything("connect", *REAL, "--rounds", "1").exit_code == 4
    pretend(monkeypatch, f"https://127.0.0.1:{free_port()}/v2")
    assert everything("connect", *REAL, "--rounds", "1").exit_code == 4


@pytest.mark.parametrize(
    "place",
    [
        "vestbench.venues.vest.account.Account._build",
        "vestbench.venues.vest.answers._depth",
        "vestbench.results.writing.RunWriter.add",
    ],
)
def test_the_traceback_of_a_bug_shows_no_secret(
    everything: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def bug(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    with exchange_as_real(monkeypatch, tmp_path):
        monkeypatch.setattr(place, bug)
        result = everything("bench", *REAL, "-n", "4", "--endpoint", "cancel")

    assert result.exit_code == 1
    assert isinstance(result.exception, RuntimeError)


def test_the_traceback_of_a_bug_in_the_worker_shows_no_secret(
    everything: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vestbench.venues.vest.account import Account
    from vestbench.venues.vest.path_signer import PathSigner

    # A key that was never checked: the worker ends with a traceback.
    monkeypatch.setattr(Account, "signer", lambda _: PathSigner(Secret(SIGNING + "00")))
    words = ("--endpoint", "cancel", "--sign-on-path", "-n", "4")

    with exchange_as_real(monkeypatch, tmp_path):
        result = everything("bench", *REAL, *words)

    assert result.exit_code == 70
    assert "the measuring process ended with status" in result.stderr


def test_the_search_finds_what_it_searches_for(secrets: Secrets) -> None:
    Secret("0x" + "ab" * 32)
    signature = signing.cancel_signature(
        Secret(SIGNING), time_ms=1, nonce=1, order_id="0x0"
    )

    for text in ("AB" * 32, signature, SIGNING, API_KEY):
        assert secrets.found_in(f"… {text} …") != []
    assert secrets.found_in("nothing") == []
