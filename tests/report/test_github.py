"""What GitHub Actions is told: one line each, whatever the texts hold."""

from __future__ import annotations

import pytest

from tests.support.documents import HOSTILE, RUNS, hostile
from tests.support.judged import result
from vestbench.model.verdict import Verdict
from vestbench.report.found import Undecided
from vestbench.report.github import annotations_of, command
from vestbench.studies.exports import found_in


def levels(
    outcome: Verdict, *, gated: bool, undecided: Undecided = "fail"
) -> list[str]:
    results = (result(outcome),)
    found = found_in(RUNS["compare"](), "", results=results, undecided=undecided)
    return [line.split()[0] for line in annotations_of(found, gated=gated)]


@pytest.mark.parametrize(
    ("outcome", "gated", "expected"),
    [
        (Verdict.PASS, True, []),
        (Verdict.FAIL, True, ["::error"]),
        (Verdict.INVALID, True, ["::error"]),
        (Verdict.INCONCLUSIVE, True, ["::error"]),
        (Verdict.FAIL, False, ["::warning"]),
        (Verdict.INCONCLUSIVE, False, ["::warning"]),
    ],
)
def test_only_what_makes_the_job_fail_is_an_error(
    outcome: Verdict, gated: bool, expected: list[str]
) -> None:
    assert levels(outcome, gated=gated) == expected


def test_an_undecided_assertion_that_may_pass_is_a_warning() -> None:
    outcome = Verdict.INCONCLUSIVE

    assert levels(outcome, gated=True, undecided="neutral") == ["::warning"]
    assert levels(Verdict.FAIL, gated=True, undecided="pass") == ["::error"]


def test_an_annotation_has_the_interval_the_reason_and_the_conditions() -> None:
    found = found_in(RUNS["compare"](), "", results=(result(Verdict.FAIL),))

    (line,) = annotations_of(found, gated=True)

    assert line == (
        "::error title=vestbench compare%3A FAIL::saving >= 50ms: FAIL, 48.0 ms "
        "[44.0, 51.3], 20 sessions (what was measured does not settle it); "
        "simulated link, RTT 30 ms"
    )


def test_a_command_is_escaped_as_the_runner_reads_it() -> None:
    line = command("error", "a:b,c%\n", "100 %: a, b\r\n::stop-commands::x")

    assert line == (
        "::error title=a%3Ab%2Cc%25%0A::100 %25: a, b�%0A::stop-commands::x"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_from_outside_stay_in_their_line(text: str) -> None:
    line = command("error", text, text)

    assert len(line.splitlines()) == 1 or "\n" not in line + "\r"
    for run in hostile(text).values():
        found = found_in(run, "", results=(result(Verdict.FAIL, text),))
        for shown in annotations_of(found, gated=True):
            assert "\n" not in shown
            assert "\r" not in shown
            assert shown.startswith("::error title=vestbench ")
