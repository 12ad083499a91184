"""The options of what comes out: what is shown, kept, exported and asserted."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

import typer

from vestbench.cli.values import chosen
from vestbench.errors import UsageError

Asserted = Annotated[
    list[str] | None,
    typer.Option(
        "--assert",
        metavar="ASSERTION",
        help="What has to be so, such as 'saving >= 50ms', 'subsequent.p99 <= 120ms', "
        "'reused == 100%' or 'failures == 0'; decided on its interval. Repeatable.",
        show_default=False,
    ),
]
OnInconclusive = Annotated[
    str,
    typer.Option(
        "--on-inconclusive",
        metavar="fail|pass|neutral",
        help="What it counts as if the interval decides nothing; neutral has exit "
        "code 3 of its own.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead of tables.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print the verdict only, no progress.")
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write the result here. [default: results/<UTC>-<command>-<label>.toml]",
        show_default=False,
    ),
]
Results = Annotated[
    str | None,
    typer.Option(
        "--results",
        metavar="FOLDER",
        help="Folder of the results. [default: results]",
        show_default=False,
    ),
]


def _document(option: str, about: str) -> Any:
    """Return an option that names the file of a document."""
    help_ = f"Write {about} to this file too; - is standard output."
    return typer.Option(option, metavar="FILE", help=help_, show_default=False)


Html = Annotated[str | None, _document("--html", "a page with charts and all requests")]
MarkdownFile = Annotated[str | None, _document("--markdown", "GitHub's Markdown")]
Csv = Annotated[str | None, _document("--csv", "one row per request, as CSV,")]
JsonFile = Annotated[str | None, _document("--json-file", "the document of --json")]
JUnit = Annotated[
    str | None, _document("--junit", "JUnit XML, a test case per assertion,")
]
Prometheus = Annotated[
    str | None,
    _document("--prometheus", "metrics for node-exporter's textfile collector"),
]
GitHub = Annotated[
    bool | None,
    typer.Option(
        "--github/--no-github",
        help="Write GitHub's job summary and annotations. [default: in its jobs]",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertOptions:
    """What is asserted of a run, and what its exit code makes of doubt."""

    asserted: Asserted = None
    on_inconclusive: OnInconclusive = "neutral"

    @property
    def undecided(self) -> Literal["fail", "pass"]:
        """What doubt counts as in documents: neutral is not 0 either."""
        return "pass" if self.on_inconclusive == "pass" else "fail"

    def check(self, *, decides: bool = True) -> None:
        """Refuse wrong values before anything is measured or judged.

        Args:
            decides: Whether the run is judged if nothing is asserted.
        """
        known = ("fail", "pass", "neutral")
        chosen("--on-inconclusive", self.on_inconclusive, known)
        if self.on_inconclusive != "neutral" and not (decides or self.asserted):
            raise UsageError("--on-inconclusive: nothing is asserted of this run")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Which documents are made of a run; None is not given."""

    html: Html = None
    markdown: MarkdownFile = None
    csv: Csv = None
    json_file: JsonFile = None
    junit: JUnit = None
    prometheus: Prometheus = None
    github: GitHub = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions(ExportOptions):
    """How a run is shown, where it is kept, and which documents are made of it."""

    json: Json = False
    quiet: Quiet = False
    output: Output = None
    results: Results = None


def exports_in(output: ExportOptions) -> ExportOptions:
    """Return only which documents are made of a run."""
    names = (field.name for field in fields(ExportOptions))
    return ExportOptions(**{name: getattr(output, name) for name in names})
