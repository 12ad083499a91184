"""A report as text, for whoever has no console."""

from __future__ import annotations

from io import StringIO

from rich.console import Console, RenderableType


def as_text(report: RenderableType, width: int = 100) -> str:
    """Return what would be shown on a terminal without colours."""
    stream = StringIO()
    Console(file=stream, width=width, color_system=None, legacy_windows=False).print(
        report
    )
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())
