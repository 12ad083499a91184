"""Which documents a run can be given out as: the only place that knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

# Of the document of --json. 2: what ended a run by an error, and whether it is valid.
DOCUMENT_FORMAT: Literal[2] = 2

_NOTHING = "vestbench.report.unmeasured"


@dataclass(frozen=True, slots=True)
class Format:
    """One sort of document.

    Attributes:
        name: As it is said, such as `html`.
        about: What it is, in a few words.
        builder: The module and the function that yield it piece by piece, given what
            was found, with a colon between; imported when such a document is made.
        error_builder: Likewise for a command that measured nothing, given why.
        option: The name of its option, where that is another one.
    """

    name: str
    about: str
    builder: str
    error_builder: str = f"{_NOTHING}:plain_text"
    option: str = ""

    def document(self, found: Any) -> Iterator[str]:
        """Return the document of what was found in a run, piece by piece."""
        return _built(self.builder, found)

    def error_document(self, found: Any) -> Iterator[str]:
        """Return the document of a command that measured nothing."""
        return _built(self.error_builder, found)


def _built(place: str, found: Any) -> Iterator[str]:
    module, _, name = place.partition(":")
    build: Callable[[Any], Iterator[str]] = getattr(import_module(module), name)
    return build(found)


FORMATS: dict[str, Format] = {}


def register_format(added: Format) -> None:
    """Add a sort of document, which each command with documents then can make."""
    FORMATS[added.option or added.name] = added


_HERE = "vestbench.studies.exports"
for _name, _function, _about, _option in (
    ("html", "html", "a page with charts and all requests", ""),
    ("markdown", "markdown", "GitHub's Markdown", ""),
    ("csv", "rows", "one row per request, as CSV,", ""),
    ("json", "json_document", "the document of --json", "json_file"),
    ("junit", "junit", "JUnit XML, a test case per assertion,", ""),
    ("prometheus", "prometheus", "metrics for node-exporter's textfile collector", ""),
    ("har", "har", "HAR 1.2, for a browser's developer tools,", ""),
):
    _builders = f"{_HERE}:{_function}", f"{_NOTHING}:{_function}"
    register_format(Format(_name, _about, *_builders, option=_option))
