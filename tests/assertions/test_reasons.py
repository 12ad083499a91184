"""Why an acceptance is what it is: in a sentence, with its code for machines beside."""

from __future__ import annotations

import re

import pytest

from tests.support import bench_runs, compare_runs
from tests.support.printed import written
from vestbench.model.run import Run
from vestbench.model.verdict import Reason, Verdict
from vestbench.report.tables import assertions_table, sentence_of
from vestbench.studies.judging import assertions_of
from vestbench.studies.shown import show_brief

RUNS = {**bench_runs.RUNS, **compare_runs.RUNS}
# As a word of its own; "noisy" and "close" are words of sentences, too.
CODE = re.compile(r"\(?(" + "|".join(r for r in Reason if "-" in r) + r")\)?[;,]?")
ALONE = re.compile(r"\((" + "|".join(filter(None, Reason)) + r")\)")


def text_of(run: Run) -> str:
    results = assertions_of(run)
    lines = [sentence_of(result) for result in results]
    shown = written([*show_brief(run), assertions_table(results)], 200)
    return "\n".join([shown, *lines])


@pytest.mark.parametrize("reason", [each for each in Reason if each])
def test_every_reason_has_a_sentence_beside_its_code(reason: Reason) -> None:
    assert len(reason.sentence.split()) > 3


@pytest.mark.parametrize("name", RUNS)
def test_no_code_is_shown_where_a_sentence_exists(name: str) -> None:
    text = text_of(RUNS[name]())

    assert [word for word in text.split() if CODE.fullmatch(word)] == []
    assert ALONE.search(text) is None


@pytest.mark.parametrize("name", RUNS)
def test_the_reason_of_an_acceptance_has_a_code_for_machines(name: str) -> None:
    found = [result for result in assertions_of(RUNS[name]()) if result.is_acceptance]

    for result in found:
        assert result.reason_code in list(Reason)
        assert bool(result.reason) >= bool(result.reason_code)
        assert result.n_of == ("session" if name.startswith("bench") else "round")


def test_an_acceptance_says_what_the_report_says_of_it() -> None:
    (result,) = assertions_of(RUNS["bench-not-reused"]())

    assert result.outcome is Verdict.INVALID
    assert result.reason_code == "not-reused"
    assert result.reason.startswith(
        "connections were not reused: 100 % of the requests"
    )
    assert "whose pool keeps at most 0 idle" in result.reason
    assert sentence_of(result).startswith(
        f"saving >= 50ms: INVALID, {result.n} session"
    )
    assert "–" not in sentence_of(result)
