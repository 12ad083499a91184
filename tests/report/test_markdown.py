"""The Markdown of a run as it is rendered: every table, and no text that formats."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from markdown_it import MarkdownIt

from tests.support.documents import HOSTILE, RUNS, document, hostile
from vestbench.report.markdown import escaped
from vestbench.report.sheet import Table, Text
from vestbench.studies.judging import assertions_of
from vestbench.studies.parts.conditions import label
from vestbench.studies.shown import show_run

# What GitHub adds to CommonMark and we use; raw HTML is allowed there, so it is here.
GFM = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def rendered(text: str) -> Element:
    # No space in Markdown's comments; a browser shows none of them.
    html = re.sub(r"<!--.*?-->", "", GFM.render(text))
    return ElementTree.fromstring(f"<body>{html.replace('&emsp;', ' ')}</body>")


def words(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


@pytest.mark.parametrize("name", RUNS)
def test_every_table_of_the_report_is_one(name: str) -> None:
    run = RUNS[name]()
    sheet = show_run(run)
    tables = [part for part in sheet.parts if isinstance(part, Table)]

    root = rendered(document(run, "markdown"))

    asserted = bool(assertions_of(run))
    assert len(list(root.iter("table"))) == len(tables) + 1 + asserted
    for found, table in zip(
        list(root.iter("table"))[1 + asserted :], tables, strict=True
    ):
        assert len(list(found.iter("tr"))) == len(table.rows) + (
            table.layout != "facts"
        )


@pytest.mark.parametrize("name", RUNS)
def test_every_sentence_and_warning_is_there(name: str) -> None:
    run = RUNS[name]()
    sheet = show_run(run)

    shown = words(rendered(document(run, "markdown")))

    texts = [part.plain for part in sheet.parts if isinstance(part, Text)]
    for text in (*(line.plain for line in sheet.headline), *texts, *sheet.warnings):
        assert " ".join(text.split()) in shown


@pytest.mark.parametrize("name", RUNS)
def test_every_table_and_picture_says_where_it_holds(name: str) -> None:
    run = RUNS[name]()
    where = f"({' '.join(label(run).split())})"

    root = rendered(document(run, "markdown"))

    for before, element in zip(list(root), list(root)[1:], strict=False):
        if element.tag in ("table", "pre"):
            assert words(before).endswith(where)
    assert words(root[0]).endswith(where[1:-1])


def test_figures_are_aligned_to_the_right() -> None:
    lines = document(RUNS["compare"](), "markdown").splitlines()

    assert "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |" in lines


def test_pictures_are_shown_as_they_are_typed() -> None:
    root = rendered(document(RUNS["compare"](), "markdown"))

    (picture,) = root.iter("pre")
    assert "▲ median" in "".join(picture.itertext())


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("command", ["bench", "compare", "warmup"])
def test_texts_from_outside_neither_format_nor_link(command: str, text: str) -> None:
    run, plain = hostile(text)[command], hostile("harmless")[command]

    root = rendered(document(run, "markdown"))

    expected = rendered(document(plain, "markdown"))
    assert [e.tag for e in root.iter()] == [e.tag for e in expected.iter()]
    shown = "".join(c if c.isprintable() else "�" for c in text)
    assert " ".join(shown.split()) in words(root)


@pytest.mark.parametrize("text", ["@someone", "see #12", "a@b.c"])
def test_nobody_is_mentioned(text: str) -> None:
    assert not re.search(r"[@#]\w", escaped(text))
    assert words(rendered(escaped(text))) == text


@pytest.mark.parametrize(
    "text", ["- a", "1. a", "12) a", "> a", "# a", "+ a", "62.3 %", "--- ", "= a"]
)
def test_a_paragraph_stays_one_whatever_it_starts_with(text: str) -> None:
    run = hostile(text)["compare"]

    root = rendered(document(run, "markdown"))

    assert not [e.tag for e in root if e.tag in ("ul", "ol", "h1", "h2", "hr")]
    assert f"{text.strip()} saves" in words(root)


def test_texts_without_a_sign_are_left_as_they_are() -> None:
    assert escaped("max_idle 2, [59.8, 62.9], 50 %") == "max_idle 2, [59.8, 62.9], 50 %"
