"""The options of what comes out: what is shown, kept, exported and asserted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from vestbench.cli.options import (
    AccountOptions,
    DriftingLinkOptions,
    ExchangeOptions,
    Json,
    LinkOptions,
    PaceOptions,
    PoolOptions,
    Quiet,
    Results,
    StackOptions,
    option,
)
from vestbench.errors import UsageError
from vestbench.values import chosen


@dataclass(frozen=True, kw_only=True)
class AssertOptions:
    """What is asserted of a run, and what its exit code makes of doubt."""

    asserted: Annotated[
        list[str] | None,
        option(
            "--assert",
            "ASSERTION",
            "What has to be so, such as 'saving >= 50ms', 'subsequent.p99 <= 120ms', "
            "'reused == 100%' or 'failures == 0'; decided on its interval. Repeatable.",
            "",
        ),
    ] = None
    on_inconclusive: Annotated[
        str,
        option(
            "--on-inconclusive",
            "fail|pass|neutral",
            "What it counts as if the interval decides nothing; neutral has exit "
            "code 3 of its own.",
        ),
    ] = "neutral"

    @property
    def undecided(self) -> Literal["fail", "pass"]:
        """What documents call an assertion that is not decided: never passed by doubt.

        They have no third word, so `neutral` is a failure there.
        """
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


def _document(name: str, about: str) -> Any:
    """Return an option that names the file of a document."""
    return option(
        name, "FILE", f"Write {about} to this file too; - is standard output.", ""
    )


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Which documents are made of a run; None is not given."""

    html: Annotated[
        str | None, _document("--html", "a page with charts and all requests")
    ] = None
    markdown: Annotated[str | None, _document("--markdown", "GitHub's Markdown")] = None
    csv: Annotated[str | None, _document("--csv", "one row per request, as CSV,")] = (
        None
    )
    json_file: Annotated[
        str | None, _document("--json-file", "the document of --json")
    ] = None
    junit: Annotated[
        str | None, _document("--junit", "JUnit XML, a test case per assertion,")
    ] = None
    prometheus: Annotated[
        str | None,
        _document("--prometheus", "metrics for node-exporter's textfile collector"),
    ] = None
    github: Annotated[
        bool | None,
        option(
            "--github/--no-github",
            None,
            "Write GitHub's job summary and annotations.",
            "in its jobs",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class OutputOptions(ExportOptions):
    """How a run is shown, where it is kept, and which documents are made of it."""

    json: Json = False
    quiet: Quiet = False
    output: Annotated[
        str | None,
        option(
            "--output -o",
            "FILE",
            "Write the result here.",
            "results/<UTC>-<command>-<label>.toml",
        ),
    ] = None
    results: Results = None


# What every measuring command takes at the end, in this order: that of the bases from
# the last to the first.


@dataclass(frozen=True, kw_only=True)
class MeasuringOptions(
    OutputOptions,
    ExchangeOptions,
    LinkOptions,
    StackOptions,
    PoolOptions,
    PaceOptions,
    AccountOptions,
):
    """An account, a pace, a client, a simulated venue and an output."""


@dataclass(frozen=True, kw_only=True)
class DriftingOptions(
    OutputOptions,
    ExchangeOptions,
    DriftingLinkOptions,
    StackOptions,
    PoolOptions,
    PaceOptions,
    AccountOptions,
):
    """The same with a link that may change while it is measured."""
