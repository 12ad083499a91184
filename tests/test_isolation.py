"""Nothing of the folder in which a command runs is imported, and no child has a key."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.command import PATIENCE_S, QUICK, WIDE
from tests.support.paths import ROOT
from tests.support.servers import ScriptedServer
from vestbench.children import child_environment
from vestbench.cli.commands import COMMANDS
from vestbench.isolation import elsewhere
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.simulator.venue import ServedExchange, SimulatedVenue
from vestbench.stacks.registry import STACKS
from vestbench.workers.remote import RemoteStack

MARK = "was-imported"
STORED = str(ROOT / "results" / "reference-bench-30ms.toml")
SMALL = ("-n", "4", "--sessions", "2", "--rate", "10000", *QUICK)
# At least one way to call each command; URL is a server's.
WORDS = (
    ("bench", *SMALL),
    ("bench", "-n", "2", "--sessions", "1", "--rtt", "1ms", "--http2"),
    ("bench", *SMALL, "--endpoint", "cancel", "--sign-on-path"),
    *(
        ("bench", *SMALL[:6], "--venue", "URL", "--stack", stack, "--html", "a.html")
        for stack in STACKS
    ),
    ("compare", "--max-rounds", "12", *QUICK),
    ("warmup", "--rounds", "1", *QUICK),
    ("connect", "--rounds", "1", *QUICK),
    ("report", STORED, "--html", "a.html", "--junit", "a.xml", "--csv", "a.csv"),
    ("gate", STORED, "--assert", "failures == 0"),
    ("history", str(ROOT / "results")),
    ("trend", str(ROOT / "results")),
    ("config",),
    ("doctor",),
    ("stacks",),
    ("keys", "new", "keys.toml"),
    ("serve", "--port", "0", "--rtt", "1ms"),
    ("exec", "--rtt", "0ms", "--", "true"),
)
NAMES = {*sys.stdlib_module_names, *packages_distributions()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in the folder of a bot."""
    here = tmp_path / "bot"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def poison(folder: Path, names: Iterable[str]) -> None:
    """Put a module there under each name, which tells when it is imported."""
    told = f"open({str(folder / MARK)!r}, 'a').write(__name__ + ' ')\n"
    for name in names:
        (folder / f"{name}.py").write_text(told)
    package = folder / "vestbench"
    package.mkdir()
    (package / "__init__.py").write_text(told)


def imported(folder: Path) -> str:
    path = folder / MARK
    return path.read_text() if path.exists() else ""


@pytest.fixture
def script(tmp_path: Path) -> tuple[str, ...]:
    """Return the command as pip installs it: a file that calls its entry point."""
    path = tmp_path / "bin" / "vestbench"
    path.parent.mkdir()
    path.write_text("from vestbench.__main__ import main\nmain()\n")
    return sys.executable, str(path)


def ends(command: Iterable[str], *words: str) -> tuple[int, str]:
    """Run a command to its end; one that serves is ended when it has begun to."""
    with subprocess.Popen(
        [*command, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **WIDE},
    ) as process:
        try:
            said = ""
            if words[0] == "serve":
                assert process.stdout is not None
                said = process.stdout.readline()
                process.send_signal(signal.SIGINT)
            said += process.communicate(timeout=PATIENCE_S)[0]
        finally:
            process.kill()
    return process.returncode, said


def at(url: str, words: Iterable[str]) -> list[str]:
    return [url if word == "URL" else word for word in words]


def test_each_command_is_tried_in_a_bots_folder() -> None:
    assert {words[0] for words in WORDS} == set(COMMANDS)


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_no_command_imports_anything_of_the_folder_it_runs_in(
    folder: Path, script: tuple[str, ...], words: tuple[str, ...]
) -> None:
    poison(folder, NAMES)

    with ScriptedServer() as server:
        code, said = ends(script, *at(server.url, words))

    assert imported(folder) == ""
    assert code in (0, 1, 3), said


def loaded(code: str = "") -> set[str]:
    """Return the modules that Python has before it runs anything of ours."""
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in told.stdout.split()}


@pytest.mark.parametrize("words", WORDS[:2], ids=" ".join)
def test_run_as_a_module_only_python_itself_looks_into_the_folder(
    folder: Path, words: tuple[str, ...]
) -> None:
    poison(folder, NAMES - loaded("import runpy"))
    (folder / "vestbench" / "__init__.py").unlink()  # it is what was asked for
    (folder / "vestbench").rmdir()

    code, said = ends((sys.executable, "-m", "vestbench"), *words)

    assert imported(folder) == ""
    assert code == 0, said


@pytest.mark.parametrize("path", ["", ".", "FOLDER", "FOLDER:.:"])
def test_a_python_path_that_leads_to_the_folder_is_not_followed(
    folder: Path, script: tuple[str, ...], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.environ["PYTHONPATH"]
    poison(folder, NAMES - loaded())
    path = path.replace("FOLDER", str(folder))
    monkeypatch.setenv("PYTHONPATH", f"{path}{os.pathsep}{before}")
    # The first import of ours is found where it is installed, as by a script of pip.
    (folder / "vestbench" / "__init__.py").unlink()
    (folder / "vestbench").rmdir()

    code, said = ends(script, "bench", *SMALL)

    assert imported(folder) == ""
    assert code == 0, said


def test_only_folders_elsewhere_stay_on_a_path(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    other = str(tmp_path)

    paths = ["", ".", "..", "lib", str(folder), f"{folder}/", str(link), other]

    assert elsewhere(paths) == [other]


def test_a_working_directory_that_was_deleted_hides_nothing(
    folder: Path, tmp_path: Path
) -> None:
    folder.rmdir()

    assert elsewhere(["", str(tmp_path)]) == [str(tmp_path)]


SECRETS = {
    "VEST_PRIMARY_KEY": "secret-1",
    "VEST_API_KEY": "secret-2",
    "VEST_ACCOUNT_GROUP": "secret-3",
    "VESTBENCH_VENUE": "https://example.com/?token=secret-4",
    "PARADEX_PRIVATE_KEY": "secret-5",
    "GITHUB_TOKEN": "secret-6",
    "AWS_SECRET_ACCESS_KEY": "secret-7",
    "db_password": "secret-8",
}
NEEDED = {"SSLKEYLOGFILE": "/keys", "KEYBOARD": "de", "TOKENIZERS": "2", "LC_ALL": "C"}


def descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from descendants(child)


def seen_by_children() -> list[bytes]:
    """Return the environment of each process that this one has started."""
    pids = list(descendants(os.getpid()))
    return [Path(f"/proc/{pid}/environ").read_bytes() for pid in pids]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in SECRETS.items():
        monkeypatch.setenv(name, text)


@pytest.mark.usefixtures("secrets")
@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
@pytest.mark.parametrize("linked", [True, False], ids=["link", "loopback"])
def test_no_process_of_ours_has_a_secret_in_its_environment(linked: bool) -> None:
    link = LinkSpec(rtt_ms=1.0) if linked else None
    with ExitStack() as cleanup:
        sim = cleanup.enter_context(SimulatedVenue(ExchangeSpec(), link))
        spawn = sim.spawn if linked else None
        worker = cleanup.enter_context(RemoteStack(spawn, ca_pem=sim.ca_pem))
        assert worker.facts.stack == "httpx"  # it runs
        served = ServedExchange(ExchangeSpec(), link, port=0)
        cleanup.enter_context(served)
        found = seen_by_children()

    # The exchanges and the worker; with links a lab, its forwarder and a relay.
    assert len(found) == (6 if linked else 3)
    assert [each for each in found if b"secret-" in each] == []


@pytest.mark.usefixtures("secrets")
def test_what_is_no_secret_stays_in_the_environment_of_a_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in NEEDED.items():
        monkeypatch.setenv(name, text)

    found = child_environment()

    assert found.items() >= NEEDED.items()
    assert not SECRETS.keys() & found.keys()
    assert json.dumps(found).count("secret-") == 0
