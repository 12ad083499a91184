"""What a user types, on a system that is not Linux: Windows, or macOS, simulated.

Run by `nox -s windows` and `nox -s macos`, which say what that is; the other tests need
neither.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.systems.conftest import Typed
from tests.systems.system import System, run
from vestbench.studies.registry import load_run

QUICK = ("--rtt", "0ms", "--processing", "0ms")

# --- measuring ---


def test_doctor_names_what_works_and_what_does_not(typed: Typed) -> None:
    said = typed("doctor").stdout

    rows = dict(re.findall(r"\b(packet|tun|relay)\b[ │|]+(yes|no) ", said))
    assert rows == {"packet": "no", "tun": "no", "relay": "yes"}


def test_bench_proves_reuse_on_loopback(typed: Typed, tmp_path: Path) -> None:
    said = typed("bench", *QUICK, "-n", "40", "--output", "run.toml").stdout

    assert "20 of 20 subsequent requests reused their connection" in said
    run = load_run(tmp_path / "run.toml")
    assert len(run.samples) == 40
    assert not run.failures


def test_bench_as_typed_goes_over_the_relay(typed: Typed, tmp_path: Path) -> None:
    said = typed("bench", "--requests", "100", "--output", "run.toml").stdout

    assert "80 of 80 subsequent requests reused their connection" in said
    run = load_run(tmp_path / "run.toml")
    assert run.conditions.link is not None
    assert run.conditions.link.engine == "relay"


def test_compare_decides(typed: Typed, tmp_path: Path) -> None:
    words = ("--min-saving", "10ms", "--output", "run.toml")
    said = typed("compare", "pooled", "unpooled", *words).stdout

    assert "PASS" in said
    assert load_run(tmp_path / "run.toml").command == "compare"


@pytest.mark.parametrize("command", ["warmup", "connect"])
def test_the_start_of_a_bot_is_measured(
    command: str, typed: Typed, tmp_path: Path
) -> None:
    typed(command, "--rounds", "3", "--output", "run.toml")

    assert load_run(tmp_path / "run.toml").command == command


def test_a_packet_link_is_refused_with_what_works_there(typed: Typed) -> None:
    said = typed("bench", "-n", "20", "--link", "packet", code=2).stderr

    assert said.count("\n") == 1
    assert "relay" in said


# --- what is stored ---


def test_a_stored_run_is_shown_judged_and_listed(typed: Typed) -> None:
    shown = typed("bench", *QUICK, "-n", "24", "--output", "results/one.toml").stdout
    again = typed("report", "results/one.toml").stdout
    typed("gate", "results/one.toml", "--assert", "failures == 0")
    typed("gate", "results/one.toml", "--assert", "failures > 0", code=1)
    listed = typed("history", "results").stdout

    assert again == shown
    assert "one.toml" in listed


def test_documents_are_written(typed: Typed, tmp_path: Path) -> None:
    names = {
        "--html": "run.html",
        "--markdown": "run.md",
        "--json-file": "run.json",
        "--junit": "run.xml",
        "--prometheus": "run.prom",
        "--csv": "run.csv",
    }
    typed("bench", *QUICK, "-n", "24", *(w for pair in names.items() for w in pair))

    for name in names.values():
        text = (tmp_path / name).read_bytes()
        assert text
        assert b"\r\r" not in text
        text.decode("utf-8")


def test_csv_on_standard_output_is_what_a_file_has(
    typed: Typed, tmp_path: Path
) -> None:
    typed("bench", *QUICK, "-n", "24", "--output", "run.toml")
    typed("report", "run.toml", "--csv", "run.csv")
    said = typed("report", "run.toml", "--csv", "-").stdout

    assert said.count("\n") == 25
    assert said.encode() == (tmp_path / "run.csv").read_bytes()


def test_redirected_output_is_in_what_its_encoding_has(typed: Typed) -> None:
    done = typed("bench", *QUICK, "-n", "24")

    assert "\\u" not in done.stdout + done.stderr
    assert "\ufffd" not in done.stdout + done.stderr


# --- keys and settings ---


def test_a_key_is_made_once(typed: Typed, tmp_path: Path) -> None:
    typed("keys", "new", "bot.toml")
    before = (tmp_path / "bot.toml").read_bytes()
    typed("keys", "new", "bot.toml", code=2)

    assert (tmp_path / "bot.toml").read_bytes() == before


def test_orders_are_signed(typed: Typed, system: System, tmp_path: Path) -> None:
    signs = run(system, ["-c", "import eth_account"], tmp_path)
    if signs.returncode:
        pytest.skip(f"this wine has not what signs: {signs.stderr.splitlines()[-1]}")
    words = ("--endpoint", "order", "--allow-orders", "--max-orders", "40")
    typed("bench", *QUICK, "-n", "20", *words, "--output", "run.toml")

    found = load_run(tmp_path / "run.toml")
    assert len(found.samples) == 20
    assert not found.failures


def test_settings_are_read(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "vestbench.toml").write_text("[pool]\nmax_idle = 3\n", encoding="utf-8")

    assert "vestbench.toml" in typed("config").stdout


# --- the plugin ---


def test_the_pytest_plugin_works(system: System, tmp_path: Path) -> None:
    # The folder is a root: below one of the checkout, pytest on Windows would find the
    # test again by each of the links that it makes to its newest folders.
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "test_it.py").write_text(
        "def test_it(vestbench):\n"
        "    quick = dict(rtt='0ms', requests=24, assertions=['failures == 0'])\n"
        "    assert vestbench.bench(**quick).passed\n",
        encoding="utf-8",
    )
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")

    done = run(system, words, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
