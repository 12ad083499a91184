"""Texts from outside and numbers, as reports show them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.support.printed import written
from tests.support.records import CONCLUSION, CONDITIONS, bench_run, failure, sample
from tests.support.studies import conditioned
from vestbench.characters import plain
from vestbench.cli.config import settings_table
from vestbench.config import resolve
from vestbench.report.units import interval, ms, percent, plural
from vestbench.stats.decision import Interval
from vestbench.studies.shown import show_brief, show_run

# --- texts from outside --------------------------------------------------------------


HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07[bold]markup[/bold]\r\n\x9b2J\u202eevil " + "x" * 500
)


def test_hostile_texts_neither_crash_nor_reach_the_terminal() -> None:
    refusals = [HOSTILE]
    run = replace(
        bench_run(
            [
                sample(
                    http_version=HOSTILE,
                    tls_version=HOSTILE,
                    cipher=HOSTILE,
                    remote=HOSTILE,
                ),
                sample(0, 1, reused=True),
                failure(1, detail=HOSTILE),
            ],
            conditions={
                **dict.fromkeys(
                    ("venue", "url", "method", "stack", "strategy"), HOSTILE
                ),
                **dict.fromkeys(("host", "kernel", "machine", "endpoint"), HOSTILE),
                "versions": {
                    "python": HOSTILE,
                    "openssl": HOSTILE,
                    "vestbench": HOSTILE,
                },
                "link": {**CONDITIONS["link"], "engine": "relay", "refusals": refusals},
            },
            conclusion={
                "stopped": HOSTILE,
                "notes": [HOSTILE],
                "link": {
                    **CONCLUSION["link"],
                    "disturbed": HOSTILE,
                    "congestion_control": HOSTILE,
                },
            },
        ),
        label=HOSTILE,
    )
    shown = [
        show(conditioned(run, simulated=real))
        for real in (True, False)
        for show in (show_run, show_brief)
    ]

    texts = [written(one, width) for one in shown for width in (80, 120)]

    for text in texts:
        assert set(text) - {"\n"} == {c for c in text if c.isprintable()}
        assert "…" not in text
        assert max(map(cell_len, text.splitlines())) <= 120
    whole = texts[0].replace("\n", "").replace(" ", "")
    assert "[bold]markup[/bold]" in whole  # as it is, neither bold nor swallowed


def test_colours_are_ours_alone() -> None:
    run = bench_run([failure(detail=HOSTILE)], conclusion={"stopped": HOSTILE})

    text = written(show_run(run), 80, colour=True)

    codes = set(re.findall(r"\x1b.?", text))
    assert codes == {"\x1b["}
    assert re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\n", "").isprintable()


def test_hostile_settings_are_shown_safely(tmp_path: Path) -> None:
    settings = resolve(
        {"venue": HOSTILE}, environment={}, folder=tmp_path, home=tmp_path
    )

    text = written([settings_table(settings.values.values())], 120)

    assert text.replace("\n", "").isprintable()
    assert "…" not in text


def test_plain_keeps_words_of_any_script() -> None:
    assert plain("Zürich 東京 ✓") == "Zürich 東京 ✓"
    assert plain("a\x1b[0mb\tc") == "a�[0mb�c"


# --- numbers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0424, "0.042"),
        (0.0, "0.000"),
        (3.214, "3.21"),
        (63.14, "63.1"),
        (999.94, "999.9"),
        (1503.2, "1503"),
        (None, "–"),
        (float("inf"), "failed"),
        (float("-inf"), "–"),
        (-0.0001, "0.000"),
    ],
)
def test_milliseconds_have_as_many_decimals_as_help(
    value: float | None, text: str
) -> None:
    assert ms(value) == text


def test_an_open_interval_is_shown_by_the_end_that_is_known() -> None:
    inf = float("inf")

    def shown(low: float, high: float) -> str:
        return interval(Interval(low=low, high=high, rank_low=1, rank_high=2))

    assert shown(59.84, 62.9) == "[59.8, 62.9]"
    assert shown(59.84, inf) == "[≥ 59.8]"
    assert shown(-inf, 62.9) == "[≤ 62.9]"
    assert shown(-inf, inf) == "[open]"
    assert interval(None) == "[too few]"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "–"),
        (0, 80, "0 %"),
        (80, 80, "100 %"),
        (1, 3, "33.3 %"),
        (9999, 10000, "99.9 %"),
        (1, 100000, "0.1 %"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(
    part: int, whole: int, text: str
) -> None:
    assert percent(part, whole) == text


def test_one_is_singular() -> None:
    assert [plural(n, "session") for n in (0, 1, 2)] == [
        "0 sessions",
        "1 session",
        "2 sessions",
    ]
