"""Records as plain values that JSON can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time
from enum import Enum
from fractions import Fraction
from math import isfinite
from typing import Any

from vestbench.model.record import Record


def plain_document(record: Any) -> dict[str, Any]:
    """Return any record as a document for JSON: plain values, and no infinity."""
    cleaned: dict[str, Any] = finite(plain_values(record))
    return cleaned


def json_text(document: Any) -> str:
    """Return plain values as JSON, in ASCII: what is no letter of it is escaped."""
    return json.dumps(document, indent=2) + "\n"


def plain_values(value: Any) -> Any:
    """Return records as dictionaries, without the fields that are None."""
    if isinstance(value, Record):
        names = zip(
            value.__struct_encode_fields__, value.__struct_fields__, strict=True
        )
        return plain_values({name: getattr(value, k) for name, k in names})
    if is_dataclass(value) and not isinstance(value, type):
        return plain_values({f.name: getattr(value, f.name) for f in fields(value)})
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, Mapping):
        return {str(k): plain_values(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    return value


def finite(value: Any) -> Any:
    """Return plain values with None for an infinity, and a text for a date."""
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
