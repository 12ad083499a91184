"""Writes vestbench/report/schema.json; `python -m tests.support.schema` does it.

What a summary holds is read off its records, so the schema cannot forget a field; what
a plan, conditions and a conclusion hold is said here, because they are mappings.
"""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import EnumType, StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from vestbench.assertions.judge import AssertionResult
from vestbench.model.strategy import STRATEGIES
from vestbench.report import machine
from vestbench.studies.bench.summary import BenchSummary
from vestbench.studies.compare.summary import CompareSummary
from vestbench.studies.starts.connect_summary import ConnectSummary
from vestbench.studies.starts.warmup_summary import WarmUpSummary

PATH = Path(machine.__file__).with_name("schema.json")

Schema = dict[str, Any]

SUMMARIES = {
    "bench": BenchSummary,
    "compare": CompareSummary,
    "connect": ConnectSummary,
    "warmup": WarmUpSummary,
}

NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
TEXT: Schema = {"type": "string"}
YES_NO: Schema = {"type": "boolean"}
DURATION: Schema = {"type": "number", "minimum": 0}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}


def enum(values: EnumType | list[Any]) -> Schema:
    return {"enum": [str(v) if isinstance(v, StrEnum) else v for v in values]}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def by_name(items: Schema) -> Schema:
    return {"type": "object", "additionalProperties": items}


def record(
    required: Mapping[str, Schema],
    optional: Mapping[str, Schema] | None = None,
    *,
    closed: bool = True,
    about: str = "",
) -> Schema:
    """Return the schema of an object; a closed one has no other keys."""
    found: Schema = {"description": about} if about else {}
    found |= {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }
    if closed:
        found["additionalProperties"] = False
    return found


# --- records of ours -----------------------------------------------------------------


class Definitions:
    """The schemas of records, each once, by the name of its class."""

    def __init__(self) -> None:
        self.found: dict[str, Schema] = {}

    def of(self, hint: Any) -> Schema:
        """Return the schema of a type as `machine.plain_values` writes it."""
        if is_dataclass(hint):
            return self._record(hint)
        if isinstance(hint, EnumType):
            return enum(hint)
        if get_origin(hint) is tuple:
            return self._tuple(get_args(hint))
        return {
            # An infinite one, such as the latency of a failure, is null.
            float: {"type": ["number", "null"]},
            Fraction: NUMBER,
            int: {"type": "integer"},
            bool: YES_NO,
            str: TEXT,
        }[hint]

    def _tuple(self, items: tuple[Any, ...]) -> Schema:
        if items[-1] is Ellipsis:
            return array(self.of(items[0]))
        return {
            "type": "array",
            "prefixItems": [self.of(item) for item in items],
            "minItems": len(items),
            "maxItems": len(items),
        }

    def _record(self, kind: Any) -> Schema:
        name = kind.__name__
        if name not in self.found:
            self.found[name] = {}  # so that a record may hold itself
            required, optional = {}, {}
            hints = get_type_hints(kind)
            for field in fields(kind):
                hint = hints[field.name]
                if get_origin(hint) in (Union, types.UnionType):
                    (inner,) = (a for a in get_args(hint) if a is not type(None))
                    optional[field.name] = self.of(inner)
                else:
                    required[field.name] = self.of(hint)
            about = (inspect.getdoc(kind) or "").partition("\n")[0]
            self.found[name] = record(required, optional, about=about)
        return {"$ref": f"#/$defs/{name}"}


# --- mappings ------------------------------------------------------------------------

# Parts that a newer version may add to are open; nothing is ever taken out of them.
PACE = {"interval_s": DURATION, "max_rate": DURATION, "seed": COUNT}
CONFIDENCE = enum([0.9, 0.95, 0.99])
ASKED = {"assertions": array(TEXT)}

ARM = record(
    {"label": TEXT, "strategy": enum(list(STRATEGIES))},
    {
        "stack": TEXT,
        "against": {**TEXT, "description": "Its control, where there are several."},
    },
)

PLANS = {
    "bench": record(
        {
            "requests": COUNT,
            "sessions": COUNT,
            "concurrency": COUNT,
            "strategy": enum(list(STRATEGIES)),
            "burn_in": COUNT,
            "min_saving_ms": NUMBER,
            "confidence": CONFIDENCE,
            **PACE,
        },
        {"gate": {"const": True}, "kept_idle": COUNT, "http2": YES_NO, **ASKED},
        closed=False,
        about="What was asked for.",
    ),
    "compare": {
        **record(
            {
                "arms": {**array(ARM), "minItems": 2},
                "control": TEXT,
                "question": enum(["all", "any"]),
                "vote": enum(["round", "pair"]),
                "idle_s": DURATION,
                "warm_connections": COUNT,
                "confidence": CONFIDENCE,
                "min_rounds": {"type": "integer", "minimum": 12},
                "max_rounds": {"type": "integer", "minimum": 12, "maximum": 1000},
                "min_duration_s": DURATION,
                **PACE,
            },
            {
                "min_saving_ms": NUMBER,
                "min_saving_percent": NUMBER,
                "min_saving": {"const": "auto"},
                "identity": {"type": "object"},
                "resumed": TEXT,
                **ASKED,
                "http2": YES_NO,
            },
            closed=False,
            about="What was asked for; exactly one sort of target.",
        ),
        "oneOf": [
            {"required": [name]}
            for name in ("min_saving_ms", "min_saving_percent", "min_saving")
        ],
    },
    "connect": record(
        {"rounds": COUNT, "steps": array(TEXT), "confidence": CONFIDENCE, **PACE},
        ASKED,
        closed=False,
        about="What was asked for.",
    ),
    "warmup": record(
        {
            "rounds": COUNT,
            "connections": COUNT,
            "strategy": {"const": "warmed"},
            "min_saving_ms": NUMBER,
            "confidence": CONFIDENCE,
            **PACE,
        },
        ASKED,
        closed=False,
        about="What was asked for.",
    ),
}

POOL = record(
    {
        "max_idle": COUNT,
        "idle_timeout_s": DURATION,
        "tcp_keepalive_s": DURATION,
        "connect_timeout_s": DURATION,
        "request_timeout_s": DURATION,
    },
    about="The five settings of the pool.",
)
LINK = record(
    {
        "engine": enum(["packet", "tun", "relay"]),
        "rtt_ms": DURATION,
        "jitter_ms": DURATION,
        "loss": SHARE,
        "drift_ms_per_s": NUMBER,
        "seed": COUNT,
        "refusals": array(TEXT),
    },
    about="The emulated link; absent without one.",
)
EXCHANGE = record(
    {
        "tls": enum(["1.2", "1.3"]),
        "processing_ms": DURATION,
        "idle_timeout_s": DURATION,
        "max_requests": COUNT,
    },
    {"order_processing_ms": DURATION},
    closed=False,
    about="The simulated exchange; absent on a real venue.",
)
CLIENT = {
    "tls_context_ms": DURATION,
    "default_context_ms": DURATION,
    "first_handshake_ms": DURATION,
}
CONDITIONS = {
    "description": (
        "What was known before the first request; empty if a run was killed before."
    ),
    "anyOf": [
        {"type": "object", "maxProperties": 0},
        record(
            {
                "venue": TEXT,
                "simulated": YES_NO,
                "endpoint": TEXT,
                "method": TEXT,
                "url": TEXT,
                "stack": TEXT,
                "strategy": TEXT,
                "concurrency": COUNT,
                "pool": POOL,
                "versions": {"type": "object", "additionalProperties": TEXT},
                "host": TEXT,
                "kernel": TEXT,
                "machine": TEXT,
                "cpus": COUNT,
                "load": NUMBER,
            },
            {
                **CLIENT,
                # Of several stacks, each by its name.
                "clients": by_name(record({}, CLIENT)),
                "unhonoured": by_name(by_name(TEXT)),
                "auto_target_ms": DURATION,
                "signing": enum(["before the clock", "on the path"]),
                "exchange": EXCHANGE,
                "link": LINK,
            },
            closed=False,
        ),
    ],
}

MILLISECONDS = array({"type": ["number", "null"]})
CONCLUSION = record(
    {"interrupted": YES_NO},
    {
        "stopped": TEXT,
        "duration_s": DURATION,
        "client_build_ms": array(DURATION),
        "client_build_stacks": array(TEXT),
        "notes": array(TEXT),
        "sign_ms": array(DURATION),
        "orders": record(
            {
                "sent": COUNT,
                "what": TEXT,
                "filled": COUNT,
                "states": {"type": "object", "additionalProperties": COUNT},
            },
            about="The orders that were sent, and what became of them.",
        ),
        "first_look": COUNT,
        "unmeasured": COUNT,
        "server": record({"connections": COUNT, "requests": COUNT}, closed=False),
        "link": record(
            {
                "kernel_rtt_before_ms": MILLISECONDS,
                "kernel_rtt_after_ms": MILLISECONDS,
                "compensation_us": NUMBER,
                "packets": COUNT,
                "dropped": COUNT,
                "overflow": COUNT,
                "congestion_control": TEXT,
                "mtu": COUNT,
                "disturbed": TEXT,
                "late_at_ms": MILLISECONDS,
                "late_by_ms": MILLISECONDS,
            },
            {"late_us": {**array(NUMBER), "minItems": 4, "maxItems": 4}},
            about="What the emulated link did, by its own account.",
        ),
    },
    closed=False,
    about="What was known at the end; only `interrupted` if a run was killed.",
)


def schema() -> Schema:
    """Return the schema of the document of `--json`."""
    definitions = Definitions()
    cases = []
    for command, kind in SUMMARIES.items():
        summary = definitions.of(kind)
        cases.append(
            {
                "if": {"properties": {"command": {"const": command}}},
                "then": {"properties": {"plan": PLANS[command], "summary": summary}},
            }
        )
    whole = record(
        {
            "format": {"const": 1},
            "command": enum(list(SUMMARIES)),
            "label": TEXT,
            "started": {
                "type": "string",
                "format": "date-time",
                "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$",
            },
            "file": {**TEXT, "description": "The result, with every request."},
            "plan": {"type": "object"},
            "conditions": CONDITIONS,
            "conclusion": CONCLUSION,
            "summary": {"type": "object"},
            "assertions": array(definitions.of(AssertionResult)),
        },
        about=(
            "A run without its single requests. Names end in their unit; other "
            "durations are milliseconds. What does not exist is absent; what is "
            "infinite, such as the latency of a failed request or an open end of an "
            "interval, is null."
        ),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The document of vestbench --json",
        **whole,
        "allOf": cases,
        "$defs": definitions.found,
    }


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
