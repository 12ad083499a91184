"""A run for machines: its summary as plain values, and the document of `--json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, time
from enum import Enum
from fractions import Fraction
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any

from vestbench.model.run import Run

# By command; what the other ones need is not imported.
_SUMMARISE = {
    "bench": ("vestbench.studies.bench.summary", "summarise_bench"),
    "compare": ("vestbench.studies.compare.summary", "summarise_compare"),
    "connect": ("vestbench.studies.starts.connect_summary", "summarise_connect"),
    "warmup": ("vestbench.studies.starts.warmup_summary", "summarise_warm_up"),
}


def summary(run: Run) -> dict[str, Any]:
    """Return the summary of `run` as nested plain values, for JSON or TOML.

    What does not exist is left out, rather than null: TOML has none.
    """
    plain: dict[str, Any] = plain_values(_summarise(run))
    return plain


def _summarise(run: Run) -> Any:
    module, name = _SUMMARISE[run.command]
    return getattr(import_module(module), name)(run)


def schema_text() -> str:
    """Return the JSON Schema, draft 2020-12, of `document`."""
    path = Path(__file__).with_name("schema.json")
    return path.read_text(encoding="utf-8")


def document(run: Run, file: str) -> dict[str, Any]:
    """Return all of `run` but its single requests, which are in `file`.

    An infinite value (an open end of an interval, or the latency of a failed request)
    is null, because JSON has no infinity.
    """
    from vestbench.assertions.judge import assertions_of

    whole = {
        "format": 1,
        "command": run.command,
        "label": run.label,
        "started": run.started.astimezone(UTC).isoformat(),
        "file": file,
        "plan": run.plan,
        "conditions": run.conditions,
        "conclusion": run.conclusion,
        "summary": summary(run),
        "assertions": plain_values(assertions_of(run)),
    }
    cleaned: dict[str, Any] = _finite(whole)
    return cleaned


def plain_document(record: Any) -> dict[str, Any]:
    """Return any record as a document for JSON: plain values, and no infinity."""
    cleaned: dict[str, Any] = _finite(plain_values(record))
    return cleaned


def plain_values(value: Any) -> Any:
    """Return records as dictionaries, without the fields that are None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {k: plain_values(v) for k, v in fields.items() if v is not None}
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, Mapping):
        return {str(k): plain_values(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
