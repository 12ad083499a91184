"""JUnit XML: valid, a test case an assertion, and never green where it must not be."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
import xmlschema

from tests.support.documents import HOSTILE, RUNS, document, hostile
from tests.support.judged import result
from tests.support.paths import DATA
from vestbench.assertions.judge import AssertionResult
from vestbench.model.formats import FORMATS
from vestbench.model.verdict import Verdict
from vestbench.report.found import Undecided
from vestbench.studies.exports import found_in

SCHEMA = xmlschema.XMLSchema(DATA / "junit.xsd")


def suite(text: str) -> Element:
    SCHEMA.validate(text)
    root = ElementTree.fromstring(text.encode())
    (found,) = root
    for name in ("tests", "failures", "errors", "time"):
        assert root.get(name) == found.get(name)
    return found


def suite_of(*results: AssertionResult, undecided: Undecided = "fail") -> Element:
    found = found_in(
        RUNS["compare"](), "run.toml", results=results, undecided=undecided
    )
    return suite("".join(FORMATS["junit"].document(found)))


@pytest.mark.parametrize("name", RUNS)
def test_the_document_of_every_run_is_valid(name: str) -> None:
    found = suite(document(RUNS[name](), "junit"))

    assert len(found.findall("testcase")) == int(found.attrib["tests"])


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("command", ["bench", "compare", "warmup"])
def test_texts_from_outside_are_only_text(command: str, text: str) -> None:
    found = suite(document(hostile(text)[command], "junit"))

    shown = "".join(c if c.isprintable() else "�" for c in text)
    assert found.attrib["hostname"] == shown


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Verdict.PASS, None),
        (Verdict.FAIL, "failure"),
        (Verdict.INCONCLUSIVE, "error"),
        (Verdict.INVALID, "error"),
    ],
)
def test_an_outcome_has_its_kind_of_trouble(outcome: Verdict, kind: str | None) -> None:
    found = suite_of(result(outcome))

    (case,) = found.findall("testcase")
    trouble = [child for child in case if child.tag != "system-out"]
    assert [child.tag for child in trouble] == ([] if kind is None else [kind])
    for child in trouble:
        assert child.get("type") == str(outcome)
    counted = {name: found.attrib[name] for name in ("failures", "errors", "skipped")}
    assert counted == {
        "failures": str(int(kind == "failure")),
        "errors": str(int(kind == "error")),
        "skipped": "0",
    }


@pytest.mark.parametrize(
    ("undecided", "kind"),
    [("fail", "error"), ("neutral", "skipped"), ("pass", "system-out")],
)
def test_the_user_decides_what_an_undecided_assertion_counts_as(
    undecided: Undecided, kind: str
) -> None:
    found = suite_of(result(Verdict.INCONCLUSIVE), undecided=undecided)

    (case,) = found.findall("testcase")
    assert [child.tag for child in case] == [kind]
    assert found.attrib["skipped"] == str(int(kind == "skipped"))


def test_that_decision_concerns_nothing_else() -> None:
    found = suite_of(result(Verdict.FAIL), result(Verdict.INVALID), undecided="pass")

    assert (found.attrib["failures"], found.attrib["errors"]) == ("1", "1")


def test_the_message_has_the_interval_the_reason_and_the_conditions() -> None:
    (case,) = suite_of(result(Verdict.FAIL)).findall("testcase")

    assert case.attrib["name"] == "saving >= 50ms"
    assert case[0].attrib["message"] == (
        "saving >= 50ms: FAIL, 48.0 ms [44.0, 51.3], 20 sessions (what was measured "
        "does not settle it); "
        "simulated link, RTT 30 ms"
    )


def test_every_assertion_is_a_test_case() -> None:
    names = ["saving >= 50ms", "failures == 0", "reused == 100%"]

    found = suite_of(*(result(Verdict.PASS, name) for name in names))

    assert [case.attrib["name"] for case in found.findall("testcase")] == names


def test_a_comparison_of_three_has_a_test_case_for_each_candidate() -> None:
    found = suite(document(RUNS["compare-three"](), "junit"))

    names = [case.attrib["name"] for case in found.findall("testcase")]
    assert names == ["pooled.saving >= 50ms", "warmed.saving >= 50ms"]
    assert found.attrib["failures"] == "1"


def test_a_run_of_which_nothing_is_asserted_is_skipped_and_not_passed() -> None:
    found = suite(document(RUNS["warmup"](), "junit"))

    (case,) = found.findall("testcase")
    assert [child.tag for child in case] == ["skipped"]
    assert found.attrib["skipped"] == "1"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('tests="1"', 'tests="one"'),
        ("testcase", "test"),
        (' classname="vestbench.compare"', ""),
        ("2026-03-01T10:15:00", "yesterday"),
        ('time="9.876"', 'time="9.8"'),
    ],
)
def test_the_schema_refuses_what_it_should(old: str, new: str) -> None:
    good = document(RUNS["compare"](), "junit")

    assert SCHEMA.is_valid(good)
    assert old in good
    assert not SCHEMA.is_valid(good.replace(old, new))
