"""Where and how studies store what they found, and what they say of their host."""

from __future__ import annotations

import argparse
import math
import os
import platform
import shlex
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from vestbench.model.simulated import LinkReport


def host() -> dict[str, Any]:
    """Return what the figures were made on."""
    return {
        "name": platform.node(),
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpus": os.cpu_count() or 0,
    }


def link_account(report: LinkReport | None) -> dict[str, Any]:
    """Return what a link says of itself; nothing where there was none."""
    if report is None:
        return {}
    p50, p90, p99, most = report.late_us or (math.nan,) * 4
    return {
        "engine": report.engine,
        "kernel_rtt_before_ms": list(report.kernel_rtt_before_ms),
        "kernel_rtt_after_ms": list(report.kernel_rtt_after_ms),
        "packets": report.packets,
        "overflow": report.overflow,
        "late_us": {"p50": p50, "p90": p90, "p99": p99, "max": most},
        "late_events": len(report.late_events),  # over 0.2 ms; the list is limited
        "congestion_control": report.congestion_control,
        "disturbed": report.disturbed,
    }


def plain(value: Any) -> Any:
    """Round milliseconds to a microsecond, and leave out what is absent."""
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return round(value, 3) if isinstance(value, float) else value


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file whole or not at all, and only if it can be read again."""
    text = tomli_w.dumps(content)
    tomllib.loads(text)
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def command_of(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> tuple[argparse.Namespace, str]:
    """Return the options of a study, and its command as it is stored.

    Ends the program if what `--output` names cannot be written.

    Args:
        parser: With an option `--output`.
        arguments: Of the command line; None takes those of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    path: Path = options.output
    if not path.parent.is_dir() or path.is_dir():
        parser.error(f"cannot write {path}: choose another --output")
    return options, shlex.join(["python", "-m", *parser.prog.split()[2:], *given])


def positive(text: str) -> int:
    """Read a number of at least 1, as an argument of a command."""
    number = int(text)
    if number < 1:
        message = f"{number} is too few"
        raise argparse.ArgumentTypeError(message)
    return number
