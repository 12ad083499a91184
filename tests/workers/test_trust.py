"""Certificates that the environment names, and what is said of those of no use."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from subprocess import run

import pytest

from tests.support.command import QUICK, vestbench
from tests.support.servers import Leaf, ScriptedServer, tls_pair
from vestbench.errors import UsageError
from vestbench.stacks.registry import STACKS
from vestbench.studies.registry import load_run
from vestbench.workers.trust import check_trust

pytestmark = pytest.mark.usefixtures("empty_folder", "nothing_set")

NAMES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
PEM = tls_pair().ca_pem


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def _folder_of(text: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        path.mkdir()
        (path / "a.pem").write_text(text)

    return make


Make = Callable[[Path], object]
MISSING: Make = lambda path: None  # noqa: E731
FILES: dict[str, Make] = {
    "missing": MISSING,
    "empty": Path.touch,
    "junk": lambda path: path.write_text("no certificate\n"),
    "cut off": lambda path: path.write_text(PEM[:200]),
    "broken": lambda path: path.write_text(PEM.replace("MII", "AAA")),
    "good, then broken": lambda path: path.write_text(PEM + PEM.replace("MII", "AAA")),
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "socket": _socket,
}
FOLDERS: dict[str, Make] = {
    "missing": MISSING,
    "empty": Path.mkdir,
    "junk": _folder_of("no certificate\n"),
    "file": lambda path: path.write_text(PEM),
}
LOGS: dict[str, Make] = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "socket": _socket,
    "in a file": lambda path: path.parent.write_text("no folder"),
}
UNUSABLE = [
    *(("SSL_CERT_FILE", kind, make) for kind, make in FILES.items()),
    *(("SSL_CERT_DIR", kind, make) for kind, make in FOLDERS.items()),
    *(("SSLKEYLOGFILE", kind, make) for kind, make in LOGS.items()),
]
USABLE: list[tuple[str, Make]] = [
    ("SSL_CERT_FILE", lambda path: path.write_text(PEM)),
    ("SSL_CERT_DIR", _folder_of(PEM)),
    ("SSLKEYLOGFILE", MISSING),
    ("SSLKEYLOGFILE", Path.touch),
]


@pytest.mark.parametrize(
    ("name", "make"), [(n, m) for n, _, m in UNUSABLE], ids=lambda v: str(v)[:20]
)
def test_what_cannot_be_used_is_named_with_its_variable(
    name: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("deep/named").absolute()
    if make is not LOGS["in a file"]:
        path.parent.mkdir()
    make(path)
    monkeypatch.setenv(name, str(path))

    with pytest.raises(UsageError) as refusal:
        check_trust(simulated=False)

    said = str(refusal.value)
    assert said.startswith(f"{name}: cannot use {path}: ")
    assert said.endswith("; correct it or unset it")
    assert said.isprintable()


@pytest.mark.parametrize(("name", "make"), USABLE)
def test_what_can_be_used_is_taken(
    name: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(Path("named"))
    monkeypatch.setenv(name, "named")

    check_trust(simulated=False)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_variable_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")

    check_trust(simulated=False)


def test_one_folder_of_several_that_has_a_certificate_will_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _folder_of(PEM)(Path("good"))
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(["none", "good"]))

    check_trust(simulated=False)


def test_the_folder_is_not_looked_at_where_a_file_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("ca.pem").write_text(PEM)
    monkeypatch.setenv("SSL_CERT_FILE", "ca.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "none")

    check_trust(simulated=False)


def test_the_simulated_exchange_brings_its_own_certificates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "none")
    check_trust(simulated=True)

    monkeypatch.setenv("SSLKEYLOGFILE", "none/keys")
    with pytest.raises(
        UsageError, match="SSLKEYLOGFILE: cannot use none/keys: no such"
    ):
        check_trust(simulated=True)


def test_a_log_of_secrets_that_is_made_is_for_its_owner_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "keys")

    check_trust(simulated=True)

    assert stat.S_IMODE(Path("keys").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("ca.pem").write_text(PEM)
    Path("ca.pem").chmod(0)
    monkeypatch.setenv("SSL_CERT_FILE", "ca.pem")

    with pytest.raises(UsageError, match=r"cannot use ca\.pem: permission denied"):
        check_trust(simulated=False)


# --- of a command --------------------------------------------------------------------


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> None:
        pytest.fail("a process was started")

    for module in ("workers.remote", "simulator.exchange_process"):
        monkeypatch.setattr(f"vestbench.{module}.start_module", started)


REAL = ("--venue", "https://127.0.0.1:1/")
MEASURING = (
    *(("bench", *REAL, "--stack", stack) for stack in STACKS),
    ("bench", "--venue", "http://127.0.0.1:1/"),
    ("compare", *REAL, "--stack", "all"),
    ("warmup", *REAL),
    ("connect", *REAL),
)


@pytest.mark.usefixtures("no_process")
@pytest.mark.parametrize("words", MEASURING, ids=" ".join)
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"])
def test_every_command_and_stack_refuses_before_it_starts_a_process(
    words: tuple[str, ...], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "/none/ca.pem")

    result = vestbench(*words)

    assert result.exit_code == 2, result.output
    assert f"{name}: cannot use /none/ca.pem: no such file" in result.stderr
    assert not list(Path("results").glob("*"))


@pytest.mark.usefixtures("no_process")
@pytest.mark.parametrize("stack", STACKS)
def test_so_does_a_run_on_the_simulated_exchange(
    stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "/none/keys.log")

    result = vestbench("bench", *QUICK, "--stack", stack)

    assert result.exit_code == 2, result.output
    assert "SSLKEYLOGFILE: cannot use /none/keys.log" in result.stderr


# --- a CA of one's own ---------------------------------------------------------------


@pytest.fixture
def served() -> Iterator[ScriptedServer]:
    with ScriptedServer(tls=tls_pair().server) as server:
        yield server


def bench(server: ScriptedServer, stack: str, code: int) -> str:
    words = ("-n", "2", "--sessions", "1", "--rate", "1000", "-o", "run.toml")
    result = vestbench("bench", "--venue", server.url, "--stack", stack, *words)
    assert result.exit_code == code, result.output
    return result.stderr


HINT = "to trust a CA of your own, set SSL_CERT_FILE to a file with its certificate"


@pytest.mark.parametrize("stack", STACKS)
def test_a_ca_that_is_not_known_is_told_how_to_be(
    served: ScriptedServer, stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrusted = bench(served, stack, 4)
    Path("ca.pem").write_text(PEM)
    monkeypatch.setenv("SSL_CERT_FILE", "ca.pem")
    bench(served, stack, 0)

    assert HINT in untrusted
    assert len(load_run(Path("run.toml")).samples) == 2


@pytest.mark.parametrize(
    "words",
    [
        *(
            ("compare", "--max-rounds", "12"),
            ("compare", "--stack", "all", "--max-rounds", "12"),
            ("connect", "--rounds", "1"),
        ),
        ("warmup", "--rounds", "1"),
    ],
    ids=" ".join,
)
def test_so_it_is_by_every_command(
    served: ScriptedServer, words: tuple[str, ...]
) -> None:
    at = ("--venue", served.url, "--rate", "1000", "-o", "run.toml")

    live = vestbench(*words, *at)

    assert live.exit_code == 4, live.output
    assert HINT in live.stderr
    assert served.requests == 0


@pytest.mark.parametrize("leaf", ["expired", "wrong-name"])
@pytest.mark.parametrize("stack", STACKS)
def test_what_no_ca_would_help_is_not_told_of_one(
    stack: str, leaf: Leaf, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("ca.pem").write_text(PEM)
    monkeypatch.setenv("SSL_CERT_FILE", "ca.pem")
    with ScriptedServer(tls=tls_pair(leaf).server) as server:
        said = bench(server, stack, 4)

    assert "SSL_CERT_FILE" not in said


@pytest.mark.parametrize("stack", STACKS)
def test_a_folder_of_certificates_is_trusted_on_every_stack(
    served: ScriptedServer, stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("trusted").mkdir()
    Path("trusted", "ca.pem").write_text(PEM)
    openssl = which("openssl")
    if openssl is None or run([openssl, "rehash", "trusted"]).returncode:
        pytest.skip("there is no openssl that makes links by hash")
    monkeypatch.setenv("SSL_CERT_DIR", "trusted")

    bench(served, stack, 0)


@pytest.mark.parametrize("stack", STACKS)
def test_variables_that_are_empty_count_as_none_on_every_stack(
    stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")

    result = vestbench("bench", "-n", "2", "--sessions", "1", "--stack", stack, *QUICK)

    assert result.exit_code == 0, result.output


def test_a_stack_that_can_be_had_nowhere_is_said_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("none").mkdir()
    monkeypatch.setenv("SSL_CERT_DIR", "none")  # which a simulated run does not check

    result = vestbench("bench", "-n", "2", "--sessions", "1", "--stack", "reqwest")

    assert result.exit_code == 2, result.output
    assert "reqwest can build no client: " in result.stderr
    assert "No CA certificates" in result.stderr
    assert capfd.readouterr().err == ""
