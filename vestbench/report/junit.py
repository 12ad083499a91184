"""A run as JUnit XML for Jenkins, GitLab and others: each assertion is a test case.

What an outcome becomes:

    PASS            a test case without more
    FAIL            a failure: the saving was shown to be missed
    INVALID         an error: what was measured supports no statement
    INCONCLUSIVE    an error as well, because the command's exit status is not 0 either,
                    and a report must not be green where that is red; skipped, or
                    passed, where the user has decided so

A run without assertions has one skipped test case, so that no report is empty.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from vestbench.assertions.judge import AssertionResult
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.report.found import Found, Undecided
from vestbench.report.tables import sentence_of
from vestbench.report.units import plain

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


def junit_of(found: Found) -> str:
    """Return the XML of a run."""
    run = found.run
    suite = Element("testsuite", name=f"vestbench {plain(run.command)}")
    _properties(suite, found)
    kinds = [_test_case(suite, found, result) for result in found.results]
    if not kinds:
        case = _case(suite, run, "nothing asserted")
        SubElement(case, "skipped", message="nothing was asserted of this run")
        kinds = ["skipped"]
    headline = (plain(line.plain) for line in found.sheet.headline)
    SubElement(suite, "system-out").text = "\n".join(headline)
    counts = {
        "tests": str(len(kinds)),
        "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error")),
    }
    duration = f"{run.conclusion.duration_s or 0.0:.3f}"
    suite.attrib.update(
        counts,
        skipped=str(kinds.count("skipped")),
        time=duration,
        timestamp=f"{run.started:%Y-%m-%dT%H:%M:%S}",
        hostname=plain(run.conditions.host),
    )
    root = Element("testsuites", counts, name="vestbench", time=duration)
    root.append(suite)
    indent(root)
    body = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _test_case(suite: Element, found: Found, result: AssertionResult) -> str | None:
    """Add the test case of an assertion, and return its kind if it does not pass."""
    case = _case(suite, found.run, result.text)
    kind = _KINDS.get(result.outcome)
    if result.outcome is Verdict.INCONCLUSIVE:
        kind = _UNDECIDED[found.undecided]
    said = f"{sentence_of(result)}; {plain(found.where)}"
    if kind is None:
        SubElement(case, "system-out").text = said
    elif kind == "skipped":
        SubElement(case, "skipped", message=said)
    else:
        SubElement(case, kind, message=said, type=str(result.outcome)).text = said
    return kind


def _case(suite: Element, run: Run, name: str) -> Element:
    attributes = {"name": plain(name), "classname": f"vestbench.{plain(run.command)}"}
    return SubElement(suite, "testcase", attributes, time="0")


def _properties(suite: Element, found: Found) -> None:
    properties = SubElement(suite, "properties")
    conditions = found.run.conditions
    facts = {
        "conditions": found.where,
        "venue": conditions.venue,
        "endpoint": conditions.endpoint,
        "stack": conditions.stack,
        "seed": found.run.plan.seed,
        "version": conditions.versions.get("vestbench", ""),
    }
    for name, value in facts.items():
        SubElement(properties, "property", name=name, value=plain(str(value)))
