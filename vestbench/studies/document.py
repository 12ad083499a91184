"""The document of `--json` for a run of any study, and its JSON Schema.

The document is not the file: it has the summary and the assertions, no single requests,
and null for what is infinite.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from vestbench.assertions.judge import AssertionResult
from vestbench.model.columns import COLUMNS
from vestbench.model.formats import DOCUMENT_FORMAT
from vestbench.model.run import Conclusion, Conditions, Run
from vestbench.model.verdict import Verdict
from vestbench.report.machine import finite, plain_values
from vestbench.studies.judging import assertions_of, error_of, verdict_of
from vestbench.studies.registry import find_study, study_names, study_of
from vestbench.studies.shown import warnings_of

_REFERENCE = "#/$defs/{name}"


class Document(Struct, frozen=True, kw_only=True):
    """A run without its single requests.

    Names end in their unit; other durations are milliseconds. What does not exist is
    absent; what is infinite, such as the latency of a failed request or an open end of
    an interval, is null.
    """

    format: Literal[2]
    command: str
    label: str
    started: Annotated[
        str,
        Meta(
            pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$",
            extra_json_schema={"format": "date-time"},
        ),
    ]
    file: Annotated[str, Meta(description="The result, with every request.")]
    plan: Mapping[str, Any]
    conditions: Conditions
    conclusion: Conclusion
    summary: Mapping[str, Any]
    assertions: tuple[AssertionResult, ...]
    warnings: Annotated[tuple[str, ...], Meta(description="As the report words them.")]
    verdict: Verdict | None = None  # on all assertions; absent where there is none
    error: str | None = None  # what ended the run; absent if it is well


def summary_of(run: Run) -> dict[str, Any]:
    """Return the summary of `run` as plain values, without what does not exist."""
    found: dict[str, Any] = plain_values(study_of(run).summarise(run))
    return found


def document(run: Run, file: str) -> dict[str, Any]:
    """Return all of `run` but its single requests, which are in `file`."""
    results = assertions_of(run)
    whole = {
        "format": DOCUMENT_FORMAT,
        "command": run.command,
        "label": run.label,
        "started": run.started.astimezone(UTC).isoformat(),
        "file": file,
        "plan": run.plan.stored(),
        "conditions": run.conditions.stored(),
        "conclusion": run.conclusion.stored(),
        "summary": summary_of(run),
        "assertions": plain_values(results),
        "warnings": warnings_of(run),
    }
    whole |= plain_values(
        {"verdict": verdict_of(run, results), "error": error_of(run) or None}
    )
    cleaned: dict[str, Any] = finite(whole)
    return cleaned


# --- its schema ----------------------------------------------------------------------


def schema_text() -> str:
    """Return the JSON Schema, draft 2020-12, of `document`, derived from its types."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of `document` for the studies that are registered."""
    studies = {name: find_study(name) for name in study_names()}
    plans = {name: study.plan for name, study in studies.items()}
    summaries = {name: study.summary for name, study in studies.items()}
    from vestbench.report.unmeasured import Unmeasured

    kinds = [Document, *plans.values(), *summaries.values(), Unmeasured]
    found, definitions = msgspec.json.schema_components(
        kinds, ref_template=_REFERENCE, schema_hook=lambda _: {"type": "number"}
    )
    names = [each["$ref"].rpartition("/")[2] for each in found]
    planned = names[1 : 1 + len(plans)]
    for name, kind in zip(names, kinds, strict=True):
        definitions[name].update(getattr(kind, "SCHEMA", {}))
    for name, definition in definitions.items():
        _close(definition, infinite=name not in planned)
        if "description" in definition:  # a docstring, with its line ends
            definition["description"] = " ".join(definition["description"].split())
    whole, unmeasured = definitions.pop(names[0]), definitions.pop(names[-1])
    durations = [column.title for column in COLUMNS.metrics]
    definitions["Metric"]["properties"]["name"]["examples"] = durations
    definitions["Conditions"] = _known_or_empty(definitions["Conditions"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole,
        "title": "The document of vestbench --json",
        "allOf": list(_cases(studies, planned, names[1 + len(plans) : -1])),
        **_either(whole, unmeasured, {"command": {"enum": list(studies)}}),
        "$defs": definitions,
    }


def _either(
    whole: dict[str, Any], unmeasured: dict[str, Any], of_run: dict[str, Any]
) -> dict[str, Any]:
    """Return that it is of a run, or only of an error: then it has an exit code."""
    known, others = whole["properties"], unmeasured["properties"]
    only = {key: value for key, value in others.items() if key not in known}
    neither = {key: False for key in known if key not in others}
    return {
        "properties": {**known, **only},
        "required": [],
        "if": {"required": ["exit_code"]},
        "then": {"properties": neither, "required": unmeasured["required"]},
        "else": {
            "properties": {**of_run, **dict.fromkeys(only, False)},
            "required": whole["required"],
        },
    }


def _cases(
    commands: Mapping[str, Any], plans: list[str], summaries: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield which plan and summary go with which command."""
    for command, plan, summary in zip(commands, plans, summaries, strict=True):
        parts = {"plan": plan, "summary": summary}
        found = {key: {"$ref": _REFERENCE.format(name=n)} for key, n in parts.items()}
        yield {
            "if": {"properties": {"command": {"const": command}}},
            "then": {"properties": found},
        }


def _close(definition: dict[str, Any], *, infinite: bool) -> None:
    """Allow no other keys, leave out what may be absent, and say what may be null."""
    if definition.get("type") != "object" or "properties" not in definition:
        return
    definition["additionalProperties"] = False
    properties = definition["properties"]
    for key, value in properties.items():
        present, optional = _without_null(value)
        present.pop("default", None)
        properties[key] = _with_null(present) if infinite else present
        if optional and key in definition.get("required", ()):
            definition["required"].remove(key)


def _without_null(value: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a schema without the null of what is not there, and whether it had one."""
    choices = value.get("anyOf", [])
    left = [each for each in choices if each != {"type": "null"}]
    if len(left) == len(choices):
        return value, False
    rest = {key: each for key, each in value.items() if key != "anyOf"}
    return {**rest, **(left[0] if len(left) == 1 else {"anyOf": left})}, True


def _with_null(value: Any) -> Any:
    """Return a schema in which each number that is not whole may be null: infinite."""
    if isinstance(value, list):
        return [_with_null(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_null(each) for key, each in value.items()}
    return (
        {**found, "type": ["number", "null"]}
        if value.get("type") == "number"
        else found
    )


def _known_or_empty(conditions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of conditions, of which a run killed before has none."""
    known = {**conditions, "required": list(Conditions.ALWAYS)}
    description = known.pop("description", "")
    known.pop("title", None)
    return {
        "title": "Conditions",
        "description": description,
        "anyOf": [{"type": "object", "maxProperties": 0}, known],
    }
