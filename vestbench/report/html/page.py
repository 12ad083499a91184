"""The page itself: verdict, conditions, pictures, tables and every request, one file.

A policy in its head forbids the page to load or send anything, its own style and its
one script excepted, which are allowed by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from pathlib import Path

from vestbench.model.columns import COLUMNS
from vestbench.model.verdict import Verdict
from vestbench.report.distribution import Distributions
from vestbench.report.found import Found
from vestbench.report.html.charts import distributions, waterfall
from vestbench.report.html.markup import Markup, join, tag
from vestbench.report.html.settling import said, settling
from vestbench.report.html.tables import (
    inline,
    requests_table,
    shown_parts,
    shown_table,
)
from vestbench.report.html.timeline import ABOUT, timeline
from vestbench.report.sheet import Figure, Part, Text
from vestbench.report.tables import assertions_table
from vestbench.report.timeline import Timeline
from vestbench.report.waterfall import PhaseRows
from vestbench.stats.decision import Settling

_STYLE, _SCRIPT = "page.css", "sort.js"
_WIDE, _NARROW = 720.0, 320.0  # of pictures, in pixels

_SIGNS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.INVALID: "!",
}

Draw = Callable[[float, str], Markup | None]  # of a width in pixels and conditions


def html_page(
    found: Found,
    *,
    phases: PhaseRows,
    latencies_ms: Mapping[str, Sequence[float]],
    settlings: Sequence[Settling],
) -> str:
    """Return the page of a run.

    Args:
        found: The run, and what is said of it.
        phases: Of the median request of each group.
        latencies_ms: Of all requests, by what the run sets against each other; those of
            failures are infinite.
        settlings: How each saving of the run settled.
    """
    headline = found.sheet.headline
    title = headline[0].plain if headline else found.run.command
    verdict = f"{found.verdict}: " if found.verdict is not None else ""
    pictures = _pictures(
        found.where, phases, latencies_ms, settlings, found.sheet.parts
    )
    body = tag(
        "body",
        _hero(found),
        tag("main", _sections(found, pictures)),
        _footer(found),
        tag("script", _beside(_SCRIPT)),
    )
    document = tag("html", _head(f"{verdict}{title}"), body, lang="en")
    return f"<!DOCTYPE html>\n{document}\n"


def error_page(command: str, error: str, started: datetime) -> str:
    """Return the page of a command that measured nothing."""
    title = f"Nothing was measured: {error}"
    said = tag("p", f"vestbench {command}, {started:%Y-%m-%d %H:%M} UTC")
    top = tag("header", tag("h1", "Nothing was measured"), said)
    body = tag("body", top, tag("main", _section("Error", tag("p", error))))
    document = tag("html", _head(title), body, lang="en")
    return f"<!DOCTYPE html>\n{document}\n"


def _head(title: str) -> Markup:
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(_beside(_STYLE))}'; script-src '{_hash(_beside(_SCRIPT))}'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        # Without it, a browser would ask the page's server for an icon.
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{title} (vestbench)"),
        tag("style", _beside(_STYLE)),
    )


@cache
def _beside(name: str) -> Markup:
    """Return the text of a file that stands beside this module."""
    return Markup(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _hero(found: Found) -> Markup:
    run, verdict = found.run, found.verdict
    chips = []
    if verdict is not None:
        sign = f"{_SIGNS[verdict]} {verdict}"
        chips.append(tag("span", sign, class_=f"chip {str(verdict).lower()}"))
    chips.append(tag("span", found.where, class_="chip where"))
    first, *others = found.sheet.headline or (Text("Nothing was measured"),)
    return tag(
        "header",
        tag("p", chips, class_="chips"),
        tag("h1", inline(first)),
        (tag("p", inline(line)) for line in others),
        tag("p", f"vestbench {run.command}, {run.started:%Y-%m-%d %H:%M} UTC"),
    )


def _sections(found: Found, pictures: Iterator[Markup]) -> Iterator[Markup]:
    sheet, where = found.sheet, found.where
    if sheet.warnings:
        items = (tag("li", text) for text in sheet.warnings)
        yield _section("Warnings", tag("ul", items, class_="warnings"))
    if found.results:
        table = shown_table(assertions_table(found.results), where)
        yield _section("Assertions", table)
    yield _section("Conditions", shown_table(sheet.conditions, where))
    yield from pictures
    yield _section("In numbers", shown_parts(sheet.parts, where))
    yield _section("Every request", requests_table(found.run, where))


def _section(heading: str, *content: Markup | Iterator[Markup | None]) -> Markup:
    return tag("section", tag("h2", heading), content)


def _pictures(
    where: str,
    phases: PhaseRows,
    latencies_ms: Mapping[str, Sequence[float]],
    settlings: Sequence[Settling],
    parts: Sequence[Part],
) -> Iterator[Markup]:
    """Yield a section for each picture of which there is something to draw."""
    arms = Distributions(latencies_ms).arms
    shown: list[tuple[str, Draw, Markup]] = [
        ("Where the time goes", partial(waterfall, phases), _legend()),
        (
            "How latencies spread",
            partial(distributions, arms),
            Markup("One axis for all; a higher bar is more requests."),
        ),
    ]
    for one in settlings:
        named = f": {one.candidate}" if one.candidate else ""
        heading = f"How the saving settled{named}"
        shown.append((heading, partial(settling, one), _settled(one)))
    shown += [
        (part.title, partial(timeline, part.picture), Markup(ABOUT))
        for part in parts
        if isinstance(part, Figure) and isinstance(part.picture, Timeline)
    ]
    for heading, draw, about in shown:
        # In two widths: the page's style shows the one that fits.
        wide, narrow = draw(_WIDE, where), draw(_NARROW, where)
        if wide is not None and narrow is not None:
            figure = tag(
                "figure",
                tag("div", wide, class_="wide"),
                tag("div", narrow, class_="narrow"),
                tag("figcaption", about, " ", tag("span", where, class_="where")),
            )
            yield _section(heading, figure)


def _settled(one: Settling) -> Markup:
    each = one.each
    text = (
        f"{said(one)} A dot is a {each}, the band is the interval after it. A triangle "
        f"is a {each} of which only a bound is drawn: a request failed, or the saving "
        "lies beyond the axis."
    )
    return join([text])


def _legend() -> Markup:
    opening = ", ".join(COLUMNS.opening)
    return join(
        (
            "Median request, phase by phase, to scale. ",
            tag("span", class_="key opening"),
            f" Hatched is what opening a connection costs ({opening}); ",
            tag("span", class_="key request"),
            " plain is the request itself.",
        )
    )


def _footer(found: Found) -> Markup:
    version = found.run.conditions.versions.get("vestbench", "?")
    return tag(
        "footer",
        tag("p", f"Measured by vestbench {version}: {found.where}."),
        tag("p", "This page is one file. It loads nothing and sends nothing."),
    )
