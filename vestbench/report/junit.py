"""A run as JUnit XML, as Jenkins, GitLab and others read it: a test case an assertion.

What an outcome becomes:

    PASS            a test case without more
    FAIL            a failure: the saving was shown to be missed
    INVALID         an error: what was measured supports no statement
    INCONCLUSIVE    an error as well, because the command's exit status is not 0 either,
                    and a report must not be green where that is red; skipped, or
                    passed, where the user has decided so

A run of which nothing is asserted has one skipped test case: no report is empty.
"""

from __future__ import annotations

from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from vestbench.assertions.judge import AssertionResult
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.report.asserted import sentence_of
from vestbench.report.sheet import Sheet
from vestbench.report.units import plain
from vestbench.studies.parts.conditions import label

# What INCONCLUSIVE counts as.
Undecided = Literal["fail", "neutral", "pass"]

_KINDS = {
    Verdict.FAIL: "failure",
    Verdict.INVALID: "error",
    Verdict.INCONCLUSIVE: "error",
}
_UNDECIDED: dict[Undecided, str | None] = {
    "fail": "error",
    "neutral": "skipped",
    "pass": None,
}


def junit_of(
    run: Run,
    sheet: Sheet,
    results: tuple[AssertionResult, ...],
    undecided: Undecided = "fail",
) -> str:
    """Return the XML of a run."""
    suite = Element("testsuite", name=f"vestbench {plain(run.command)}")
    _properties(suite, run)
    kinds = [_test_case(suite, run, result, undecided) for result in results]
    if not results:
        case = _case(suite, run, "nothing asserted")
        SubElement(case, "skipped", message="nothing was asserted of this run")
        kinds = ["skipped"]
    output = SubElement(suite, "system-out")
    output.text = "\n".join(_clean(line.plain) for line in sheet.headline)
    counts = {
        "tests": str(len(kinds)),
        "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error")),
    }
    duration = _seconds(run.conclusion.duration_s or 0.0)
    suite.attrib.update(
        counts,
        skipped=str(kinds.count("skipped")),
        time=duration,
        timestamp=f"{run.started:%Y-%m-%dT%H:%M:%S}",
        hostname=_clean(run.conditions.host),
    )
    root = Element("testsuites", counts, name="vestbench", time=duration)
    root.append(suite)
    indent(root)
    body = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _test_case(
    suite: Element, run: Run, result: AssertionResult, undecided: Undecided
) -> str | None:
    """Add the test case of an assertion, and return what kind of trouble it has."""
    case = _case(suite, run, result.text)
    kind = _KINDS.get(result.outcome)
    if result.outcome is Verdict.INCONCLUSIVE:
        kind = _UNDECIDED[undecided]
    said = f"{sentence_of(result)}; {plain(label(run))}"
    if kind is None:
        SubElement(case, "system-out").text = said
    elif kind == "skipped":
        SubElement(case, "skipped", message=said)
    else:
        SubElement(case, kind, message=said, type=str(result.outcome)).text = said
    return kind


def _case(suite: Element, run: Run, name: str) -> Element:
    classname = f"vestbench.{plain(run.command)}"
    return SubElement(
        suite, "testcase", name=_clean(name), classname=classname, time="0"
    )


def _properties(suite: Element, run: Run) -> None:
    properties = SubElement(suite, "properties")
    conditions = run.conditions
    facts = {
        "conditions": label(run),
        "venue": conditions.venue,
        "endpoint": conditions.endpoint,
        "stack": conditions.stack,
        "seed": run.plan.seed,
        "version": conditions.versions.get("vestbench", ""),
    }
    for name, value in facts.items():
        SubElement(properties, "property", name=name, value=_clean(str(value)))


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _clean(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return plain(text)
