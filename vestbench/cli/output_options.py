"""The options of commands that show or judge a stored run.

They are apart from those of measuring one, which take a while to make. None is an
option that was not given, unless its default is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vestbench.cli.option_records import option, options_by_name
from vestbench.errors import UsageError
from vestbench.model.formats import FORMATS
from vestbench.values import chosen

JSON = option("Print one JSON document instead of tables.", default=False)


def _documents() -> dict[str, Any]:
    """Return an option for each sort of document, which names its file."""
    return {
        name: option(
            f"Write {each.about} to this file too; - is standard output.", "FILE"
        )
        for name, each in FORMATS.items()
    }


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Which documents are made of a run; None is not given."""

    documents: Mapping[str, str | None] = options_by_name(_documents)
    github: bool | None = option(
        "Write GitHub's job summary and annotations.",
        names="--github/--no-github",
        shown="in its jobs",
    )


@dataclass(frozen=True, kw_only=True)
class AssertOptions:
    """What is asserted of a run, and what its exit code makes of doubt."""

    asserted: list[str] | None = option(
        "What has to be so, such as 'saving >= 50ms', 'subsequent.p99 <= 120ms', "
        "'reused == 100%' or 'failures == 0'; decided on its interval. Repeatable.",
        "ASSERTION",
        names="--assert",
    )
    on_inconclusive: str = option(
        "What it counts as if the interval decides nothing; neutral has exit code 3 of "
        "its own.",
        "fail|pass|neutral",
        default="neutral",
    )

    @property
    def undecided(self) -> Literal["fail", "pass"]:
        """How documents count an assertion that is not decided.

        They know no third outcome, so `neutral` counts as a failure there.
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
