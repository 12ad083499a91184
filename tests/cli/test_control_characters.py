"""What comes from outside gives no orders to a terminal, in any document or message."""

from __future__ import annotations

import logging
import unicodedata
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.command import run
from tests.support.documents import document, hostile
from tests.support.printed import rendered
from tests.support.records import store
from vestbench.cli.measuring import log_handler
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


def test_a_log_line_stays_one_line_and_gives_no_orders(
    capfd: pytest.CaptureFixture[str],
) -> None:
    handler = log_handler()
    handler.handle(logging.makeLogRecord({"msg": f"{ORDERS}\n::error::forged"}))

    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert orders_in(said) == set()


@pytest.mark.usefixtures("empty_folder")
def test_a_file_name_of_two_lines_forges_none() -> None:
    store(hostile("words")["bench"], Path("run.toml"))
    name = "n\n::error::forged.csv"
    done = run("report", "run.toml", "--csv", name)

    assert Path(name).exists()
    assert "forged" in done.stderr
    assert not any(line.startswith("::") for line in done.stderr.splitlines())


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
    moment, zone = line.split(",")[0], line.split()[2]
    begun = next(each for each in done.stdout.splitlines() if each.startswith("run"))
    assert zone == "UTC"
    shown = datetime.fromisoformat(" ".join(begun.split()[1:3]))
    assert abs((datetime.fromisoformat(moment) - shown).total_seconds()) < 3600
