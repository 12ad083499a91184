"""Which documents a run can be given out as: the only place that knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Format:
    """One sort of document.

    Attributes:
        name: As it is said, such as `html`.
        about: What it is, in a few words.
        builder: The module and the function that yield it piece by piece, given what
            was found, with a colon between; imported when such a document is made.
        option: The name of its option, where that is another one.
    """

    name: str
    about: str
    builder: str
    option: str = ""

    def document(self, found: Any) -> Iterator[str]:
        """Return the document of what was found in a run, piece by piece."""
        module, _, name = self.builder.partition(":")
        build: Callable[[Any], Iterator[str]] = getattr(import_module(module), name)
        return build(found)


FORMATS: dict[str, Format] = {}


def register_format(added: Format) -> None:
    """Add a sort of document, which each command with documents then can make."""
    FORMATS[added.option or added.name] = added


_HERE = "vestbench.studies.exports"
for _format in (
    Format("html", "a page with charts and all requests", f"{_HERE}:html"),
    Format("markdown", "GitHub's Markdown", f"{_HERE}:markdown"),
    Format("csv", "one row per request, as CSV,", f"{_HERE}:rows"),
    Format(
        "json", "the document of --json", f"{_HERE}:json_document", option="json_file"
    ),
    Format("junit", "JUnit XML, a test case per assertion,", f"{_HERE}:junit"),
    Format(
        "prometheus",
        "metrics for node-exporter's textfile collector",
        f"{_HERE}:prometheus",
    ),
):
    register_format(_format)
