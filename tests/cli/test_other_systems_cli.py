"""What works where the names of Linux are missing: a simulation, children included.

Whether a real Windows does the same, `nox -s windows` shows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.elsewhere import run_elsewhere
from vestbench.studies.registry import load_run

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture(
    params=[("SelectSelector", False), ("PollSelector", True)],
    ids=["as-on-windows", "as-on-macos"],
)
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Run a command as on Windows, and as on macOS."""
    selector, inherited = request.param
    return partial(
        run_elsewhere, folder=tmp_path, selector=selector, inherited=inherited
    )


def test_bench_as_it_is_typed_goes_over_the_relay(
    elsewhere: Run, tmp_path: Path
) -> None:
    words = ("bench", "--requests", "12", "--output", "run.toml", "--rtt", "2ms")
    done = elsewhere(*words)

    assert done.returncode == 0, done.stderr
    run = load_run(tmp_path / "run.toml")
    assert len(run.samples) == 12
    assert run.conditions.link is not None
    assert run.conditions.link.engine == "relay"
    assert run.conclusion.link is not None
    assert run.conclusion.link.packets


def test_no_link_is_needed(elsewhere: Run, tmp_path: Path) -> None:
    done = elsewhere("bench", "-n", "12", "--output", "run.toml", "--rtt", "0ms")

    assert done.returncode == 0, done.stderr
    assert len(load_run(tmp_path / "run.toml").samples) == 12


def test_a_comparison_and_two_starts_are_measured(tmp_path: Path) -> None:
    short = ("--rtt", "2ms", "--quiet")
    for words in (
        ("compare", "pooled", "unpooled", "--max-rounds", "12", *short),
        ("warmup", "--rounds", "2", *short),
        ("connect", "--rounds", "2", *short),
    ):
        file = f"{words[0]}.toml"
        done = run_elsewhere(*words, "--output", file, folder=tmp_path, inherited=False)
        assert done.returncode in (0, 1, 3), done.stderr  # 2 ms save less than 50
        assert load_run(tmp_path / file).samples


def test_a_packet_link_is_refused_in_one_line_with_what_works(tmp_path: Path) -> None:
    done = run_elsewhere("bench", "--link", "packet", folder=tmp_path)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--link relay and --rtt 0ms work on every system" in done.stderr


def test_doctor_says_what_works_and_names_the_way(tmp_path: Path) -> None:
    said = run_elsewhere("doctor", folder=tmp_path, inherited=False).stdout

    assert "--venue sim uses the relay link" in said
    assert said.count("not-linux") == 2
    assert said.count("packet, tun: network namespaces are Linux's") == 1
    assert "/dev/net/tun" not in said  # it is no lack of theirs


def test_a_key_is_made(tmp_path: Path) -> None:
    done = run_elsewhere("keys", "new", "bot.toml", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bot.toml").stat().st_mode & 0o777 == 0o600


def test_exec_says_what_to_use_instead(elsewhere: Run, tmp_path: Path) -> None:
    done = elsewhere("exec", "--", "curl", "https://api.example/")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: a program cannot be kept inside here (it needs Linux): point it at "
        "the exchange that `vestbench serve` runs\n"
    )
    assert not [*tmp_path.rglob("*.toml")]
