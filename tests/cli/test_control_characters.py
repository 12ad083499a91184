"""What comes from outside gives no orders to a terminal, in any document or message."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.command import run
from tests.support.documents import document, hostile
from tests.support.printed import rendered
from tests.support.records import store
from tests.support.servers import ScriptedServer, Visit
from vestbench.model.formats import FORMATS
from vestbench.report.github import command

# Colours, a bell, the direction of writing, C1 controls, lines, and nothing at all.
ORDERS = "a\x1b[31mb\x07\u202ec\x9b31m\x85\r\x00\u2028d"
DOCUMENTS = [each.name for each in FORMATS.values()]


def orders_in(text: str) -> set[str]:
    """Return the characters that a terminal could take for an order."""
    kinds = ("Cc", "Cf", "Zl", "Zp")
    lines = text.replace("\r\n", "\n").replace("\n", "")
    return {c for c in lines if unicodedata.category(c) in kinds}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("sort", ["bench", "compare", "warmup"])
def test_no_document_of_a_run_holds_any(sort: str, name: str) -> None:
    assert orders_in(document(hostile(ORDERS)[sort], name)) == set()


@pytest.mark.parametrize("sort", ["bench", "compare", "warmup"])
def test_no_table_of_a_run_holds_any(sort: str) -> None:
    assert orders_in(rendered(hostile(ORDERS)[sort])) == set()


def test_an_annotation_holds_none() -> None:
    found = command("error", ORDERS, f"{ORDERS}\n{ORDERS}")
    assert orders_in(found) == set()
    assert "%0A" in found


def _refuse(visit: Visit) -> None:
    while visit.request():
        text = ORDERS.replace("\r", "").replace("\u202e", "").replace("\u2028", "")
        head = f"HTTP/1.1 503 {text}\r\nRetry-After: {text}\r\nX: {text}\r\n"
        visit.send(f"{head}Content-Length: 0\r\n\r\n".encode("latin-1"))


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("stack", ["httpx", "reqwest"])
def test_nothing_that_a_server_says_comes_through(stack: str) -> None:
    words = ("-n", "6", "--sessions", "2", "--rate", "1000", "--stack", stack)
    files = ("--output", "run.toml", "--github", "--csv", "run.csv")
    with ScriptedServer(_refuse) as server:
        done = run("bench", "--venue", server.url_of("127.0.0.1"), *words, *files)

    assert done.returncode == 4, done.stderr
    for text in (done.stdout, done.stderr, Path("run.csv").read_text()):
        assert orders_in(text) == set()


@pytest.mark.usefixtures("empty_folder")
def test_nothing_in_a_name_or_a_stored_run_comes_through() -> None:
    name = "n\x1b[31m\x07\u202e.toml"
    store(hostile(ORDERS)["bench"], Path(name))
    Path(f"broken{name}").write_text("format = ")

    said = [
        run("report", name, "--github", "--html", f"{name}.html"),
        run("report", f"broken{name}"),
        run("history", "."),
        run("gate", name, "--assert", "reused == 100%"),
        run("trend", "."),
        run("bench", f"--{ORDERS.partition(chr(0))[0]}"),
        run("bench", "--venue", f"http://{ORDERS.partition(chr(0))[0]}/"),
    ]

    for done in said:
        assert orders_in(done.stdout + done.stderr) == set(), done.args
        assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("empty_folder")
def test_log_lines_tell_the_time_in_utc_and_say_so() -> None:
    quick = ("--rounds", "1", "--rtt", "0ms", "--processing", "0ms")
    done = run("warmup", *quick, "--output", "run.toml", TZ="America/New_York")

    line = next(each for each in done.stderr.splitlines() if "[INIT]" in each)
    moment, zone, _ = line.split(",")[0], line.split()[2], line
    begun = next(each for each in done.stdout.splitlines() if each.startswith("run"))
    assert zone == "UTC"
    shown = datetime.fromisoformat(" ".join(begun.split()[1:3]))
    assert abs((datetime.fromisoformat(moment) - shown).total_seconds()) < 3600
