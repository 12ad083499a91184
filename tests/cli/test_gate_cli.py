"""Assertions and gates from outside: every kind by its exit code, live and stored."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.command import QUICK
from tests.support.folders import broken, stored
from tests.support.paths import RESULTS
from tests.support.records import bench_run, failure, sample, sessions
from vestbench.cli import app
from vestbench.model.request import Role
from vestbench.model.run import Run
from vestbench.model.strategy import UNPOOLED

POOLING_BROKEN = {
    "the exchange closes": ("--max-requests", "1"),
    "the pool keeps nothing": ("--pool-max-idle", "0"),
}


def vestbench(*words: str) -> Result:
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"})


def asserted(*texts: str) -> list[str]:
    return [word for text in texts for word in ("--assert", text)]


pytestmark = pytest.mark.usefixtures("empty_folder")


def plain_run(**changes: object) -> Run:
    """Return a bench run that saves about 65 ms, with 500 requests."""
    cold = [100 + 0.1 * place for place in range(20)]
    return bench_run(sessions(cold, later=24), **changes)  # type: ignore[arg-type]


def failing_run() -> Run:
    failed = [
        failure(n, 30, role=Role.SUBSEQUENT, reused=True, elapsed=40) for n in range(9)
    ]
    return bench_run([*plain_run().samples, *failed])


# Each kind on a stored run, where the figures are known


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("saving >= 60ms", 0),
        ("saving >= 65ms", 3),
        ("saving >= 70ms", 1),
        ("saving >= 60%", 0),
        ("saving >= 70%", 1),
        ("saving >= 2 round trips", 0),
        ("saving >= 3 round trips", 1),
        ("cold.p50 <= 120ms", 0),
        ("cold.p50 <= 101ms", 3),
        ("cold.p50 <= 50ms", 1),
        ("cold.p90 <= 120ms", 3),
        ("subsequent.p99 <= 120ms", 0),
        ("subsequent.p99 <= 30ms", 1),
        ("subsequent.max <= 36ms", 0),
        ("subsequent.max < 36ms", 1),
        ("cold.tls.p50 <= 32ms", 0),
        ("cold.tls.p50 <= 30ms", 1),
        ("cold.dns.p50 <= 30ms", 5),
        ("subsequent.client.p50 <= 1ms", 0),
        ("reused == 100%", 0),
        ("reused >= 99%", 0),
        ("reused >= 99.9%", 3),
        ("failures == 0", 0),
        ("failures <= 1%", 0),
        ("failures <= 0.1%", 3),
        ("connections == 20", 0),
        ("connections <= 19", 1),
        ("subsequent.connections == 0", 0),
    ],
)
def test_each_kind_of_assertion_has_its_exit_code(text: str, code: int) -> None:
    path = stored(Path(), plain_run())

    result = vestbench("gate", str(path), "--assert", text)

    assert result.exit_code == code, result.output
    assert text in result.stdout


def test_failures_are_missed_by_count_and_by_rate() -> None:
    path = str(stored(Path(), failing_run()))

    assert vestbench("gate", path, *asserted("failures == 0")).exit_code == 1
    assert vestbench("gate", path, *asserted("failures <= 0.1%")).exit_code == 1
    assert vestbench("gate", path, *asserted("cold.failures == 0")).exit_code == 0


def test_a_pool_that_did_not_pool_is_invalid_whatever_is_asked() -> None:
    path = str(stored(Path(), broken()))

    assert vestbench("gate", path).exit_code == 5
    assert vestbench("gate", path, *asserted("reused == 100%")).exit_code == 5
    assert vestbench("gate", path, *asserted("failures == 0")).exit_code == 5
    assert vestbench("gate", path, *asserted("saving >= 1ms")).exit_code == 5
    assert vestbench("gate", path, *asserted("subsequent.p50 <= 1s")).exit_code == 5


# Doubt


@pytest.mark.parametrize(("policy", "code"), [("fail", 1), ("pass", 0), ("neutral", 3)])
def test_doubt_counts_as_what_it_is_said_to(policy: str, code: int) -> None:
    path = str(stored(Path(), plain_run()))
    words = ("--on-inconclusive", policy)

    doubt = vestbench("gate", path, *asserted("saving >= 65ms"), *words)
    missed = vestbench("gate", path, *asserted("saving >= 70ms"), *words)

    assert doubt.exit_code == code
    assert "INCONCLUSIVE" in doubt.stdout
    assert missed.exit_code == 1


# Several, and what runs were asked themselves


def test_several_results_are_judged_together_and_the_worst_decides() -> None:
    good = str(stored(Path(), plain_run()))
    doubtful = str(stored(Path(), bench_run(sessions([100.0] * 5))))
    bad = str(stored(Path(), plain_run(plan={"min_saving_ms": 90.0})))
    invalid = str(stored(Path(), broken()))

    assert vestbench("gate", good, good).exit_code == 0
    assert vestbench("gate", good, doubtful).exit_code == 3
    assert vestbench("gate", bad, doubtful, good).exit_code == 1
    assert vestbench("gate", bad, invalid).exit_code == 5
    text = vestbench("gate", good, bad, "--quiet").stdout
    assert text.splitlines() == [f"{good}: PASS", f"{bad}: FAIL", "2 results: FAIL"]


def test_a_run_is_judged_by_what_it_was_asked() -> None:
    asked = {"assertions": ["cold.p50 <= 50ms"]}
    path = str(stored(Path(), plain_run(plan=asked)))

    result = vestbench("gate", path, "--json")

    document = json.loads(result.stdout)
    assert result.exit_code == document["exit_code"] == 1
    (run,) = document["runs"]
    (found,) = run["assertions"]
    assert (found["text"], found["outcome"]) == ("cold.p50 <= 50ms", "FAIL")
    assert found["low"] > 50


def test_a_run_that_was_asked_nothing_needs_an_assertion() -> None:
    run = plain_run(strategy=UNPOOLED)
    path = str(stored(Path(), run))

    result = vestbench("gate", path)

    assert result.exit_code == 2
    assert "say what with --assert" in result.stderr
    assert vestbench("gate", path, *asserted("failures == 0")).exit_code == 0


def test_documents_of_a_gate_say_what_was_asserted() -> None:
    path = str(stored(Path(), plain_run()))
    texts = asserted("saving >= 65ms", "failures == 0")

    doubt = vestbench("gate", path, *texts, "--junit", "doubt.xml")
    lenient = ("--on-inconclusive", "pass", "--junit", "-")
    passed = vestbench("gate", path, *texts, *lenient)

    assert doubt.exit_code == 3
    cases = re.findall(r'<testcase name="(.*?)"', Path("doubt.xml").read_text())
    assert cases == ["saving &gt;= 65ms", "failures == 0"]
    assert 'errors="1"' in Path("doubt.xml").read_text()
    assert passed.exit_code == 0
    assert 'errors="0"' in passed.stdout


def test_documents_are_made_of_one_result_only() -> None:
    path = str(stored(Path(), plain_run()))

    result = vestbench("gate", path, path, "--html", "page.html")

    assert result.exit_code == 2
    assert "documents are made of one run" in result.stderr
    assert not Path("page.html").exists()


def test_an_unreadable_result_is_invalid() -> None:
    Path("cut.toml").write_text("format = 1\n")

    assert vestbench("gate", "cut.toml").exit_code == 5
    assert vestbench("gate", "missing.toml").exit_code == 2


@pytest.mark.parametrize(
    ("changes", "said", "code"),
    [
        ({"plan": {"min_saving_ms": 90.0}}, "FAIL", 1),
        ({"plan": {"min_saving_ms": 65.0}}, "INCONCLUSIVE", 3),
        ({"conclusion": {"interrupted": True}}, "Interrupted", 0),
    ],
)
def test_report_shows_what_gate_judges(
    changes: dict[str, object], said: str, code: int
) -> None:
    path = str(stored(Path(), plain_run(**changes)))

    shown = vestbench("report", path)

    assert said in shown.stdout
    assert shown.exit_code == 0
    assert vestbench("gate", path).exit_code == code


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (asserted("saving >= 50"), "saving takes ms, % or round trips"),
        (asserted("pooled.p50 <= 5ms"), "there is no pooled, only cold, subsequent"),
        (["--on-inconclusive", "maybe"], "fail, pass, neutral"),
    ],
)
@pytest.mark.parametrize("command", ["gate", "bench"])
def test_a_wrong_assertion_is_refused_in_one_line(
    command: str, words: list[str], hint: str
) -> None:
    path = stored(Path("kept"), plain_run())
    first = ["gate", str(path)] if command == "gate" else ["bench", *QUICK]

    result = vestbench(*first, *words)

    assert result.exit_code == 2, result.output
    assert hint in result.stderr
    assert result.stderr.count("\n") == 1
    assert not Path("results").exists()


@pytest.mark.parametrize("command", ["bench", "warmup", "connect"])
def test_doubt_about_nothing_is_refused(command: str) -> None:
    result = vestbench(command, *QUICK, "--on-inconclusive", "fail")

    assert result.exit_code == 2
    assert "nothing is asserted of this run" in result.stderr


# Live runs


@pytest.mark.parametrize(
    ("words", "texts", "code"),
    [
        (["bench", "-n", "40"], ["failures == 0", "reused == 100%"], 0),
        (["bench", "-n", "40"], ["saving >= 500ms"], 1),
        (["bench", "-n", "40", "--sessions", "5"], ["saving >= 0.01ms"], 3),
        (["warmup", "--rounds", "3"], ["warmed.failures == 0", "reused == 100%"], 0),
        (["warmup", "--rounds", "3"], ["not-warmed.max <= 0.001ms"], 1),
        (["connect", "--rounds", "2"], ["cancel.failures == 0", "failures == 0"], 0),
        (["connect", "--rounds", "2"], ["warmed.max <= 0.001ms"], 1),
        (
            ["compare", "pooled", "unpooled", "--min-saving", "0.01ms"],
            ["pooled.connections == 0", "pooled.reused == 100%", "failures == 0"],
            0,
        ),
        (
            ["compare", "pooled", "unpooled", "--min-saving", "0.01ms"],
            ["unpooled.max <= 0.001ms"],
            1,
        ),
    ],
    ids=[
        *("bench", "bench-missed", "bench-doubt", "warmup", "warmup-missed"),
        *("connect", "connect-missed"),
        *("compare", "compare-missed"),
    ],
)
def test_a_measuring_command_judges_shows_and_stores_what_is_asserted(
    words: list[str], texts: list[str], code: int
) -> None:
    result = vestbench(*words, *QUICK, *asserted(*texts), "-o", "run.toml")

    assert result.exit_code == code, result.output
    for text in texts:
        assert text in result.stdout
    assert vestbench("report", "run.toml").stdout == result.stdout
    assert vestbench("gate", "run.toml").exit_code == code


def test_json_has_what_was_asserted() -> None:
    words = ("bench", "-n", "24", *QUICK, "--gate", *asserted("failures == 0"))

    result = vestbench(*words, "--json")

    document = json.loads(result.stdout)
    assert document["plan"]["assertions"] == ["failures == 0"]
    assert [found["text"] for found in document["assertions"]] == [
        "saving >= 50ms",
        "failures == 0",
    ]
    assert result.exit_code == 1


@pytest.mark.parametrize("how", POOLING_BROKEN)
def test_a_gate_goes_red_when_pooling_is_broken_on_purpose(how: str) -> None:
    common = ("-n", "36", *QUICK, *POOLING_BROKEN[how], "--quiet")
    easy = ("--min-saving", "0.01ms")

    gated = vestbench("bench", *common, *easy, "--gate")
    claimed = vestbench("bench", *common, *asserted("reused == 100%"))
    compared = vestbench("compare", *common[2:], *easy)

    assert gated.exit_code == 5, gated.output
    assert claimed.exit_code == 5, claimed.output
    assert compared.exit_code == 5, compared.output


def test_the_reference_runs_meet_what_the_readme_says_of_them() -> None:
    folder = RESULTS
    files = [
        str(folder / f"reference-{name}-30ms.toml") for name in ("bench", "compare")
    ]

    result = vestbench("gate", *files, *asserted("saving >= 50ms", "failures == 0"))

    assert result.exit_code == 0, result.output


def test_stored_runs_are_judged_by_gate_and_not_by_compare() -> None:
    result = vestbench("compare", "a.toml", "b.toml", *asserted("failures == 0"))

    assert result.exit_code == 2
    assert "vestbench gate judges stored results" in result.stderr


def test_samples_may_come_in_any_order() -> None:
    run = bench_run(
        reversed([sample(n, k, reused=k > 0) for n in range(12) for k in (0, 1)])
    )
    path = str(stored(Path(), run))

    assert vestbench("gate", path, *asserted("reused == 100%")).exit_code == 0
