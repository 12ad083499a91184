"""The page of a run in a real browser: quiet, visible, and the same everywhere.

Run by `nox -s browser`, which says how to get a browser; the other tests need none.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.devtools import Browser, find_browser
from tests.support.documents import HOSTILE, RUNS, document, hostile
from vestbench.model.formats import FORMATS
from vestbench.studies.exports import found_in
from vestbench.studies.registry import load_run

ROOT = Path(__file__).parents[2]
REFERENCES = ("bench", "compare", "warmup")
WIDTHS = {"wide": 1000, "phone": 360}
# Where screenshots are kept to be looked at, if anywhere.
SHOTS = os.environ.get("VESTBENCH_SHOTS", "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    find_browser()
    with Browser() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of the reference runs, and of every run the tests know."""
    folder = tmp_path_factory.mktemp("pages")
    texts = {name: document(make(), "html") for name, make in RUNS.items()}
    for name in REFERENCES:
        run = load_run(ROOT / "results" / f"reference-{name}-30ms.toml")
        texts[f"reference-{name}"] = "".join(
            FORMATS["html"].document(found_in(run, ""))
        )
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


NAMES = [*RUNS, *(f"reference-{name}" for name in REFERENCES)]

# Elements that are drawn, by selector: how many, and the smallest of them in pixels.
DRAWN = """
(function () {
  const found = {};
  for (const selector of ["h1", ".chip", "figure", "svg", "table", "figcaption"]) {
    const seen = Array.from(document.querySelectorAll(selector))
      .map(e => e.getBoundingClientRect())
      .filter(box => box.width > 0 && box.height > 0);
    found[selector] = seen.length;
  }
  return found;
})()
"""

# Texts that overlap a neighbour or leave their picture, in the pictures that are shown.
CROWDED = """
(function () {
  const bad = [];
  for (const svg of document.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    if (frame.width === 0) continue;
    const texts = Array.from(svg.querySelectorAll("text"));
    const boxes = texts.map(t => t.getBoundingClientRect());
    for (let i = 0; i < texts.length; i++) {
      const a = boxes[i];
      if (a.left < frame.left - 1 || a.right > frame.right + 1)
        bad.push("outside: " + texts[i].textContent);
      for (let j = i + 1; j < texts.length; j++) {
        const b = boxes[j];
        const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (x > 1 && y > 5)
          bad.push(texts[i].textContent + " on " + texts[j].textContent);
      }
    }
  }
  return bad;
})()
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_quiet_and_fits(
    browser: Browser, pages: dict[str, Path], name: str, size: str, dark: bool
) -> None:
    browser.show(pages[name], width=WIDTHS[size], dark=dark)

    assert browser.complaints == []
    assert browser.requested == [pages[name].as_uri()]
    # It is never wider than the window; only tables scroll, in themselves.
    assert browser.value("document.documentElement.scrollWidth") == WIDTHS[size]
    assert browser.value(CROWDED) == []
    if SHOTS and name.startswith("reference"):
        folder = Path(SHOTS)
        folder.mkdir(exist_ok=True)
        scheme = "dark" if dark else "light"
        browser.picture(folder / f"{name}-{size}-{scheme}.png")


@pytest.mark.parametrize("size", WIDTHS)
@pytest.mark.parametrize("name", [f"reference-{name}" for name in REFERENCES])
def test_verdict_and_charts_are_visible(
    browser: Browser, pages: dict[str, Path], name: str, size: str
) -> None:
    browser.show(pages[name], width=WIDTHS[size])

    drawn: dict[str, Any] = browser.value(DRAWN)
    assert drawn["h1"] == 1
    assert drawn[".chip"] == (1 if "warmup" in name else 2)
    # One of the two widths of each picture is shown.
    assert drawn["figure"] == drawn["svg"] == drawn["figcaption"] == 3
    assert drawn["table"] >= 3


def test_the_scheme_of_the_reader_is_followed(
    browser: Browser, pages: dict[str, Path]
) -> None:
    grounds = []
    for dark in (False, True):
        browser.show(pages["reference-compare"], dark=dark)
        grounds.append(browser.value("getComputedStyle(document.body).backgroundColor"))

    assert grounds == ["rgb(246, 247, 249)", "rgb(13, 17, 23)"]


COLUMN = """
Array.from(document.querySelectorAll("#requests tbody tr"))
  .map(row => row.cells[{place}].textContent)
"""


def test_the_table_is_sorted_by_a_click_and_turned_by_another(
    browser: Browser, pages: dict[str, Path]
) -> None:
    browser.show(pages["reference-bench"])
    heads = browser.value(
        "Array.from(document.querySelectorAll('#requests th button'))"
        ".map(b => b.textContent)"
    )
    place = heads.index("latency_ms")
    click = f"document.querySelectorAll('#requests th button')[{place}].click()"
    read = COLUMN.format(place=place)
    before = [float(text) for text in browser.value(read)]

    browser.value(click)
    rising = [float(text) for text in browser.value(read)]
    browser.value(click)
    falling = [float(text) for text in browser.value(read)]

    assert len(before) == 100
    assert before != rising == sorted(before)
    assert falling == sorted(before, reverse=True)
    marked = "document.querySelectorAll('#requests th[aria-sort]').length"
    assert browser.value(marked) == 1


def test_everything_else_works_without_scripts(
    browser: Browser, pages: dict[str, Path]
) -> None:
    browser.show(pages["reference-compare"])
    with_scripts = browser.value("document.body.innerText.length")
    browser.run_scripts(False)
    try:
        browser.show(pages["reference-compare"])
        assert browser.value("document.querySelectorAll('button').length") == 0
        assert browser.value("document.body.innerText.length") == with_scripts
        assert browser.value(DRAWN)["svg"] == 3
    finally:
        browser.run_scripts(True)


def test_it_can_be_printed(
    browser: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    browser.show(pages["reference-compare"], dark=True)

    browser.printed(tmp_path / "page.pdf")

    data = (tmp_path / "page.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert len(data) > 20_000


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_from_outside_do_nothing(
    browser: Browser, tmp_path: Path, text: str
) -> None:
    for name, run in hostile(text).items():
        path = tmp_path / f"{name}.html"
        path.write_text(document(run, "html"), encoding="utf-8")

        browser.show(path)

        assert browser.complaints == []
        assert browser.requested == [path.as_uri()]
        assert browser.value("document.querySelectorAll('script').length") == 1


# --- that this would notice ----------------------------------------------------------


@pytest.fixture
def visited() -> Iterator[tuple[str, list[bytes]]]:
    """A server of loopback, and what it was asked for."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            try:
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        seen.append(connection.recv(4096).split(b"\r\n")[0])
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/", seen
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_page_that_loads_something_would_be_noticed(
    browser: Browser, tmp_path: Path, visited: tuple[str, list[bytes]]
) -> None:
    url, seen = visited
    path = tmp_path / "loud.html"
    path.write_text(f'<img src="{url}a.png"><script>throw Error("x")</script>')

    browser.show(path)

    assert f"{url}a.png" in browser.requested
    assert seen
    assert browser.complaints


def test_the_policy_of_a_page_keeps_it_from_loading_anything(
    browser: Browser,
    pages: dict[str, Path],
    tmp_path: Path,
    visited: tuple[str, list[bytes]],
) -> None:
    url, seen = visited
    loud = f'<img src="{url}a.png"/><script>fetch("{url}b")</script></main>'
    text = pages["reference-compare"].read_text(encoding="utf-8")
    path = tmp_path / "loud.html"
    path.write_text(text.replace("</main>", loud), encoding="utf-8")

    browser.show(path)

    assert seen == []
    assert len(browser.complaints) == 2  # the image and the script, both refused
