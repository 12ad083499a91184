"""The page of a run: whole, quiet, readable, and never what a text makes of it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from tests.support.compare_runs import passing_run
from tests.support.documents import HOSTILE, RUNS, document, hostile, with_label
from tests.support.records import bench_run, sample
from vestbench.report.html import page
from vestbench.report.html.markup import Markup, tag
from vestbench.report.html.tables import MOST_ROWS
from vestbench.spool import Spool
from vestbench.studies.parts.conditions import label

SVG = "{http://www.w3.org/2000/svg}"
STYLE = Path(page.__file__).with_name("page.css").read_text(encoding="utf-8")


def parsed(text: str) -> Element:
    """Return the page's tree; it is well-formed XML as well as HTML."""
    head, _, rest = text.partition("\n")
    assert head == "<!DOCTYPE html>"
    return ElementTree.fromstring(rest)


@cache
def tree(name: str) -> Element:
    return parsed(document(RUNS[name](), "html"))


def words(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def headings(root: Element) -> list[str]:
    return [words(heading) for heading in root.iter("h2")]


# --- whole ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_every_run_has_a_page_with_its_verdict_and_conditions(name: str) -> None:
    run, root = RUNS[name](), tree(name)

    assert root.get("lang") == "en"
    assert words(next(root.iter("h1")))
    assert {"Conditions", "In numbers", "Every request"} <= set(headings(root))
    chips = [words(span) for span in root.iter("span") if "chip" in _classes(span)]
    assert chips[-1] == " ".join(label(run).split())


def test_a_comparison_shows_its_pictures_in_their_order() -> None:
    found = headings(tree("compare"))

    assert found == [
        "Assertions",
        "Conditions",
        "Where the time goes",
        "How latencies spread",
        "How the saving settled: pooled",
        "In numbers",
        "Every request",
    ]


@pytest.mark.parametrize("name", RUNS)
def test_every_figure_says_where_it_holds(name: str) -> None:
    root, where = tree(name), " ".join(label(RUNS[name]()).split())

    for kind in ("figcaption", "caption"):
        for caption in root.iter(kind):
            assert words(caption).endswith(where)
    for drawing in root.iter(f"{SVG}svg"):
        assert where in drawing.get("aria-label", "")


def test_the_verdict_is_a_word_and_not_only_a_colour() -> None:
    shown = {
        name: words(next(s for s in tree(name).iter("span") if "chip" in _classes(s)))
        for name in ("compare", "compare-three", "compare-inconclusive", "warmup")
    }

    assert shown == {
        "compare": "✓ PASS",
        "compare-three": "✗ FAIL",
        "compare-inconclusive": "? INCONCLUSIVE",
        "warmup": "simulated link, RTT 30 ms",
    }


# --- quiet ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_a_page_names_nothing_that_a_browser_would_load(name: str) -> None:
    loading = {"src", "href", "srcset", "action", "poster", "data", "ping"}

    for element in tree(name).iter():
        names = {key.rpartition("}")[2] for key in element.attrib} & loading
        values = [element.attrib[key] for key in names]
        assert values in ([], ["data:,"])
        fill = element.get("fill", "")
        assert fill == "" or re.fullmatch(r"url\(#(hatch|lanes)-\d+\)", fill)
    assert "@import" not in STYLE
    assert "url(" not in STYLE


def test_the_policy_allows_the_page_its_own_style_and_script_only() -> None:
    root = tree("bench")
    (policy,) = [
        meta.get("content", "")
        for meta in root.iter("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    (style,), (script,) = list(root.iter("style")), list(root.iter("script"))

    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["style-src"] == f"'{_hash(style.text or '')}'"
    assert rules["script-src"] == f"'{_hash(script.text or '')}'"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@pytest.mark.parametrize("name", RUNS)
def test_no_element_carries_a_style_or_a_script_of_its_own(name: str) -> None:
    for element in tree(name).iter():
        assert "style" not in element.attrib
        assert not [key for key in element.attrib if key.startswith("on")]


# --- readable ------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_every_table_has_a_caption_and_heads_with_a_scope(name: str) -> None:
    tables = list(tree(name).iter("table"))

    assert len(tables) >= 2
    for table in tables:
        assert words(next(table.iter("caption")))
        heads = list(table.iter("th"))
        assert all(h.get("scope") in {"col", "row", "rowgroup"} for h in heads)
        for row in table.iter("tr"):
            assert row[0].tag == "th"


@pytest.mark.parametrize("name", RUNS)
def test_every_row_of_a_table_is_as_wide_as_its_head(name: str) -> None:
    for table in tree(name).iter("table"):
        widths = {
            sum(int(cell.get("colspan", "1")) for cell in row)
            for row in table.iter("tr")
        }
        assert len(widths) <= 1


@pytest.mark.parametrize("name", RUNS)
def test_every_drawing_says_what_it_shows(name: str) -> None:
    for drawing in tree(name).iter(f"{SVG}svg"):
        assert drawing.get("role") == "img"
        assert drawing[0].tag == f"{SVG}title"
        assert drawing[1].tag == f"{SVG}desc"
        assert words(drawing[0])
        assert len(words(drawing[1])) > 20


@pytest.mark.parametrize("name", RUNS)
def test_no_two_elements_have_one_id(name: str) -> None:
    ids = [e.attrib["id"] for e in tree(name).iter() if "id" in e.attrib]

    assert len(ids) == len(set(ids))


def colours(block: str) -> dict[str, tuple[int, int, int]]:
    """Return the colours that a block of the style sheet sets, by name."""
    return {
        name: (int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16))
        for name, code in re.findall(r"--([a-z]+): #([0-9a-f]{6});", block)
    }


LIGHT, DARK, PRINT = (
    colours(block) for block in re.findall(r":root \{(.*?)\n *\}", STYLE, re.DOTALL)
)


def luminance(colour: tuple[int, int, int]) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [c / 255 for c in colour]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK, PRINT], ids=["light", "dark", "print"])
def test_texts_and_shapes_stand_out_from_what_they_are_on(
    scheme: dict[str, tuple[int, int, int]],
) -> None:
    for ground in ("page", "card"):
        for text in ("text", "muted", "good", "bad", "fair", "where"):
            assert contrast(scheme[text], scheme[ground]) >= 4.5, (text, ground)
        for shape in ("opening", "request", "band"):
            assert contrast(scheme[shape], scheme[ground]) >= 3, (shape, ground)
    assert contrast(scheme["stripe"], scheme["opening"]) >= 3


def test_the_formula_of_contrast_is_that_of_the_standard() -> None:
    white, black, grey = (255, 255, 255), (0, 0, 0), (0x76, 0x76, 0x76)

    assert contrast(white, black) == pytest.approx(21)
    assert contrast(white, grey) == pytest.approx(4.54, abs=0.01)


# --- every request -------------------------------------------------------------------


def requests(root: Element) -> Element:
    (table,) = [table for table in root.iter("table") if table.get("id") == "requests"]
    return table


def test_every_request_is_a_row_in_the_order_sent() -> None:
    run = RUNS["bench-failing"]()
    table = requests(tree("bench-failing"))

    names = [words(cell) for cell in next(table.iter("tr"))]
    rows = [[words(c) for c in row] for row in table.iter("tr")][1:]
    assert len(rows) == len(run.outcomes) == 100
    assert [row[0] for row in rows] == [str(n) for n in range(1, 101)]
    outcome = names.index("outcome")
    assert sum(row[outcome] == "failed" for row in rows) == 4
    (refused,) = [row for row in rows if row[names.index("kind")] == "connect"]
    assert refused[names.index("elapsed_ms")] == "0.300"
    assert refused[names.index("latency_ms")] == ""


def test_a_long_run_makes_a_short_page_that_says_so() -> None:
    many = Spool(
        sample(n // 100, n % 100, reused=n % 100 > 0, start=n) for n in range(20_000)
    )
    run = replace(bench_run(), samples=many.settled())

    text = document(run, "html")

    table = requests(parsed(text))
    assert len(list(table.iter("tr"))) == 1 + MOST_ROWS
    caption = words(next(table.iter("caption")))
    assert "first 1,000 of 20,000 requests" in caption
    assert "--csv FILE" in caption
    assert len(text) < 1_000_000


# --- never what a text makes of it ---------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("command", ["bench", "compare", "warmup"])
def test_texts_from_outside_are_only_text(command: str, text: str) -> None:
    run, plain = hostile(text)[command], hostile("harmless")[command]

    root = parsed(document(run, "html"))

    tags = [element.tag for element in root.iter()]
    assert sorted(tags) == sorted(e.tag for e in parsed(document(plain, "html")).iter())
    shown = "".join(root.itertext())
    assert "".join(c if c.isprintable() else "�" for c in text) in shown


def test_a_long_label_does_not_push_its_neighbours_away() -> None:
    root = parsed(document(with_label(passing_run(), "x" * 500), "html"))

    shown = [words(t) for t in root.iter(f"{SVG}text")]
    assert max(map(len, shown)) < 100


def test_the_builder_escapes_whatever_is_not_markup() -> None:
    made = tag("p", "a < b", Markup("<b/>"), None, ["&", tag("i", "x")], title='"<')

    assert made == '<p title="&quot;&lt;">a &lt; b<b/>&amp;<i>x</i></p>'


def test_the_builder_writes_coordinates_short_and_names_with_hyphens() -> None:
    made = tag("rect", x=1.23456, width=2.0, aria_label="a", class_=None)

    assert made == '<rect x="1.2" width="2" aria-label="a"></rect>'


def _classes(element: Element) -> list[str]:
    return element.get("class", "").split()


def test_the_title_of_the_page_says_the_verdict() -> None:
    assert words(next(tree("compare").iter("title"))).startswith("PASS: pooled saves ")


def test_a_run_without_a_single_request_has_a_page() -> None:
    root = tree("bench-nothing")

    assert not list(root.iter(f"{SVG}svg"))
    assert "No saving" in words(next(root.iter("h1")))
