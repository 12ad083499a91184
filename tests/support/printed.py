"""What a report looks like where it is printed."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.cells import cell_len
from rich.console import Console

from vestbench.model.run import Run
from vestbench.report.sheet import Part, Picture
from vestbench.report.terminal import drawn
from vestbench.studies.shown import show_run


def written(shown: Iterable[Part], width: int = 120, *, colour: bool = False) -> str:
    """Return what a file would hold: no colours, no trailing blanks."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width,
        force_terminal=colour,
        color_system="truecolor" if colour else None,
        legacy_windows=False,
    )
    console.print(drawn(shown))
    text = stream.getvalue()
    return text if colour else "\n".join(line.rstrip() for line in text.split("\n"))


def sketched(picture: Picture, width: int = 120) -> str:
    """Return a picture alone, as `written`."""
    return "\n".join(line.plain.rstrip() for line in picture.lines(width))


def rendered(run: Run, width: int = 120) -> str:
    """Return the whole report of a run, as `written`."""
    return written(show_run(run), width)


def assert_whole(text: str, width: int) -> None:
    """Make sure that nothing is too wide, cropped, or shown as a missing value."""
    assert max(map(cell_len, text.splitlines())) <= width
    assert "…" not in text
    assert "nan" not in text
    assert "None" not in text
