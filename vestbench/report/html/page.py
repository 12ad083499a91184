"""The page itself: verdict, conditions, pictures, tables and every request, one file.

A policy in its head forbids the page to load or send anything, its own style and its
one script excepted, which are allowed by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from vestbench.assertions.judge import AssertionResult
from vestbench.model.columns import COLUMNS
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.report.asserted import assertions_table
from vestbench.report.distribution import Distributions
from vestbench.report.html.charts import distributions, waterfall
from vestbench.report.html.markup import Markup, join, tag
from vestbench.report.html.settling import said, settling
from vestbench.report.html.tables import (
    inline,
    requests_table,
    shown_parts,
    shown_table,
)
from vestbench.report.sheet import Sheet, Text
from vestbench.studies.parts.conditions import label
from vestbench.studies.parts.route import is_relayed
from vestbench.studies.parts.settling import Settling
from vestbench.studies.parts.waterfall import phase_rows
from vestbench.studies.registry import study_of

_WIDE, _NARROW = 720.0, 320.0  # of pictures, in pixels

_SIGNS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.INVALID: "!",
}

Draw = Callable[[float], Markup | None]


def html_page(
    run: Run,
    sheet: Sheet,
    results: Sequence[AssertionResult],
    acceptance: Verdict | None,
) -> str:
    """Return the page of a run.

    Args:
        run: What was measured.
        sheet: What is said of it.
        results: What was asserted.
        acceptance: The verdict on all of them; None where nothing was asserted.
    """
    conditions = label(run)
    title = sheet.headline[0].plain if sheet.headline else run.command
    verdict = f"{acceptance}: " if acceptance is not None else ""
    body = tag(
        "body",
        _hero(run, sheet, acceptance, conditions),
        tag("main", _sections(run, sheet, results, conditions)),
        _footer(run, conditions),
        tag("script", _script()),
    )
    document = tag("html", _head(f"{verdict}{title}"), body, lang="en")
    return f"<!DOCTYPE html>\n{document}\n"


def _head(title: str) -> Markup:
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(_style())}'; script-src '{_hash(_script())}'"
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
        tag("style", _style()),
    )


@cache
def _style() -> Markup:
    return Markup(_beside("page.css"))


@cache
def _script() -> Markup:
    return Markup(_beside("sort.js"))


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _hero(
    run: Run, sheet: Sheet, acceptance: Verdict | None, conditions: str
) -> Markup:
    chips = []
    if acceptance is not None:
        sign = f"{_SIGNS[acceptance]} {acceptance}"
        chips.append(tag("span", sign, class_=f"chip {str(acceptance).lower()}"))
    chips.append(tag("span", conditions, class_="chip where"))
    first, *others = sheet.headline or (Text("Nothing was measured"),)
    return tag(
        "header",
        tag("p", chips, class_="chips"),
        tag("h1", inline(first)),
        (tag("p", inline(line)) for line in others),
        tag("p", f"vestbench {run.command}, {run.started:%Y-%m-%d %H:%M} UTC"),
    )


def _sections(
    run: Run, sheet: Sheet, results: Sequence[AssertionResult], conditions: str
) -> Iterator[Markup]:
    if sheet.warnings:
        items = (tag("li", text) for text in sheet.warnings)
        yield _section("Warnings", tag("ul", items, class_="warnings"))
    if results:
        table = shown_table(assertions_table(results), conditions)
        yield _section("Assertions", table)
    yield _section("Conditions", shown_table(sheet.conditions, conditions))
    yield from _pictures(run, conditions)
    yield _section("In numbers", shown_parts(sheet.parts, conditions))
    yield _section("Every request", requests_table(run, conditions))


def _section(heading: str, *content: Markup | Iterator[Markup | None]) -> Markup:
    return tag("section", tag("h2", heading), content)


def _pictures(run: Run, conditions: str) -> Iterator[Markup]:
    study = study_of(run)
    groups = study.sides(run).groups(run.plan.confidence)
    rows = phase_rows(groups, merged=is_relayed(run))
    figure = _figure(
        lambda width: waterfall(rows, width, conditions), _legend(), conditions
    )
    if figure is not None:
        yield _section("Where the time goes", figure)
    arms = Distributions(study.sides(run).latencies()).arms
    about = "One axis for all; a higher bar is more requests."
    figure = _figure(
        lambda width: distributions(arms, width, conditions), about, conditions
    )
    if figure is not None:
        yield _section("How latencies spread", figure)
    for course in study.settlings(run):
        figure = _settled(course, conditions)
        if figure is not None:
            named = f": {course.candidate}" if course.candidate else ""
            yield _section(f"How the saving settled{named}", figure)


def _settled(course: Settling, conditions: str) -> Markup | None:
    each = course.each
    about = join(
        (
            said(course),
            f" A dot is a {each}, the band is the interval after it. A triangle is a "
            f"{each} of which only a bound is drawn: a request failed, or the saving "
            "lies beyond the axis.",
        )
    )
    return _figure(lambda width: settling(course, width, conditions), about, conditions)


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


def _figure(draw: Draw, about: str, conditions: str) -> Markup | None:
    """Return a picture for a wide page and for a narrow one; the style shows one."""
    wide, narrow = draw(_WIDE), draw(_NARROW)
    if wide is None or narrow is None:
        return None
    where = tag("span", conditions, class_="where")
    return tag(
        "figure",
        tag("div", wide, class_="wide"),
        tag("div", narrow, class_="narrow"),
        tag("figcaption", about, " ", where),
    )


def _footer(run: Run, conditions: str) -> Markup:
    version = run.conditions.versions.get("vestbench", "?")
    return tag(
        "footer",
        tag("p", f"Measured by vestbench {version}: {conditions}."),
        tag("p", "This page is one file. It loads nothing and sends nothing."),
    )
