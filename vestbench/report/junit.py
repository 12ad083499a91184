"""A run as JUnit XML for Jenkins, GitLab and others: each assertion is a test case.

What an outcome becomes:

    PASS            a test case without more
    FAIL            a failure: the saving was shown to be missed
    INVALID         an error: what was measured supports no statement
    INCONCLUSIVE    an error as well, because the command's exit status is not 0 either,
                    and a report must not be green where that is red; skipped, or
                    passed, where the user has decided so

A run without assertions has one skipped test case, so that no report is empty. What is
written follows the schema of Jenkins' xunit plugin (junit-10.xsd).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from vestbench._version import __version__
from vestbench.assertions.judge import AssertionResult
from vestbench.characters import plain
from vestbench.model.verdict import Verdict
from vestbench.report.found import Found, Undecided
from vestbench.report.tables import sentence_of

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
    _add_properties(suite, _facts(found))
    kinds = [_test_case(suite, found, result) for result in found.results]
    if not kinds:
        case = _case(suite, run.command, "nothing asserted")
        SubElement(case, "skipped", message="nothing was asserted of this run")
        kinds = ["skipped"]
    headline = (plain(line.plain) for line in found.sheet.headline)
    SubElement(suite, "system-out").text = "\n".join(headline)
    host, duration_s = run.conditions.host, run.conclusion.duration_s or 0.0
    return _document(suite, kinds, run.started, host=host, duration_s=duration_s)


def error_suite(command: str, error: str, started: datetime) -> str:
    """Return the XML of a command that measured nothing."""
    suite = Element("testsuite", name=f"vestbench {plain(command)}")
    _add_properties(suite, {"version": __version__})
    case = _case(suite, command, "the run")
    SubElement(case, "error", message=plain(error), type="error").text = plain(error)
    SubElement(suite, "system-out").text = plain(error)
    return _document(suite, ["error"], started)


def _document(
    suite: Element,
    kinds: Sequence[str | None],
    started: datetime,
    *,
    host: str = "",
    duration_s: float = 0.0,
) -> str:
    """Return the XML of a suite whose cases are of these kinds, None if they pass."""
    counts = {
        "tests": str(len(kinds)),
        "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error")),
    }
    duration = f"{duration_s:.3f}"
    suite.attrib.update(
        counts,
        skipped=str(kinds.count("skipped")),
        time=duration,
        timestamp=f"{started:%Y-%m-%dT%H:%M:%S}",
        hostname=plain(host),
    )
    root = Element("testsuites", counts, name="vestbench", time=duration)
    root.append(suite)
    indent(root)
    body = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _test_case(suite: Element, found: Found, result: AssertionResult) -> str | None:
    """Add the test case of an assertion, and return its kind if it does not pass."""
    case = _case(suite, found.run.command, result.text)
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


def _case(suite: Element, command: str, name: str) -> Element:
    attributes = {"name": plain(name), "classname": f"vestbench.{plain(command)}"}
    return SubElement(suite, "testcase", attributes, time="0")


def _facts(found: Found) -> dict[str, object]:
    conditions = found.run.conditions
    return {
        "conditions": found.where,
        "venue": conditions.venue,
        "endpoint": conditions.endpoint,
        "stack": conditions.stack,
        "seed": found.run.plan.seed,
        "version": conditions.versions.get("vestbench", ""),
    }


def _add_properties(suite: Element, facts: Mapping[str, object]) -> None:
    properties = SubElement(suite, "properties")
    for name, value in facts.items():
        SubElement(properties, "property", name=name, value=plain(str(value)))
