"""Whether two sides were answered alike: only what separates them is named."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.records import bench_run, compare_run, sample, warm_up_run
from tests.support.starts import connect_run
from tests.support.starts import rounds as starts
from vestbench.model.request import Role, Sample
from vestbench.model.run import Run
from vestbench.studies.document import document
from vestbench.studies.parts.answers import Answers, Difference, differences
from vestbench.studies.registry import study_of
from vestbench.studies.shown import show_run
from vestbench.studies.starts.plan import NOT_WARMED, WARMED


def answers(
    sizes: Iterable[int], kind: str | None = "application/json", status: int = 200
) -> Answers:
    found = Answers()
    for size in sizes:
        found.add(sample(status=status, content_type=kind, body_bytes=size))
    return found


def differing(one: Answers, other: Answers) -> list[str]:
    assert [each.what for each in differences(one, other)] == [
        each.what for each in differences(other, one)
    ]
    return [each.what for each in differences(one, other)]


def test_answers_that_are_alike_do_not_differ() -> None:
    assert differing(answers([57] * 12), answers([57] * 12)) == []
    assert differing(answers([]), answers([])) == []
    assert differing(answers([]), answers([57] * 12)) == []


def test_another_document_on_one_side_differs_in_type_and_size() -> None:
    new, kept = answers([57] * 12), answers([125] * 12, "text/html")

    assert differences(new, kept) == (
        Difference(
            what="content type", control="application/json", candidate="text/html"
        ),
        Difference(what="body", control="57 bytes", candidate="125 bytes"),
    )


def test_another_status_and_no_type_at_all_are_differences() -> None:
    found = differences(answers([57] * 12), answers([57] * 12, None, 203))

    assert [(d.what, d.control, d.candidate) for d in found] == [
        ("status", "200", "203"),
        ("content type", "application/json", "no type"),
    ]


def test_lengths_that_vary_alike_on_both_sides_are_no_difference() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        one, other = (
            answers(rng.choice((56, 57, 57, 58)) for _ in range(30)) for _ in range(2)
        )
        assert differing(one, other) == []


def test_lengths_that_vary_and_never_meet_are_a_difference() -> None:
    new = answers(57 + n % 4 for n in range(40))
    kept = answers(110 + n for n in range(40))

    (found,) = differences(new, kept)

    assert (found.what, found.control, found.candidate) == (
        *("body", "57 to 60 bytes"),
        "112 to 147 bytes",
    )


def test_lengths_none_of_which_is_frequent_are_held_against_each_other() -> None:
    new, kept = answers(range(50, 62)), answers(range(90, 102))

    assert differing(new, kept) == ["body"]
    assert differing(new, answers(range(61, 73))) == []


def test_some_answers_of_another_sort_are_a_difference_if_they_are_no_accident() -> (
    None
):
    mixed = answers([57] * 40)
    for _ in range(20):
        mixed.add(sample(status=200, content_type="text/html", body_bytes=125))

    assert differing(answers([57] * 60), mixed) == ["content type", "body"]


def test_one_odd_answer_may_be_an_accident() -> None:
    odd = answers([57] * 39)
    odd.add(sample(status=200, content_type="text/html", body_bytes=125))

    assert differing(answers([57] * 40), odd) == []


@pytest.mark.parametrize(("new", "kept", "seen"), [(1, 100, 0), (2, 9, 0), (3, 27, 1)])
def test_too_few_answers_tell_nothing(new: int, kept: int, seen: int) -> None:
    found = differing(answers([57] * new), answers([125] * kept))

    assert len(found) == seen


# --- in every command ---


def compared() -> Run:
    return compare_run(
        sample(n, place, arm=arm, reused=place == 0, **_other(kept=place == 0))
        for n in range(12)
        for place, arm in enumerate(("pooled", "unpooled"))
    )


def benched() -> Run:
    return bench_run(
        sample(n, i, reused=i > 0, **_other(kept=i > 0))
        for n in range(12)
        for i in range(4)
    )


def warmed() -> Run:
    return warm_up_run(
        one
        for n in range(12)
        for one in (
            sample(n, 0, arm=NOT_WARMED, **_other(kept=False)),
            sample(n, 1, arm=WARMED, role=Role.WARM_UP, connection=100 + n),
            sample(
                n, 2, arm=WARMED, reused=True, connection=100 + n, **_other(kept=True)
            ),
        )
    )


def started() -> Run:
    return connect_run(
        [
            replace(one, **_other(kept=one.reused))
            for one in starts(12)
            if isinstance(one, Sample)
        ]
    )


def _other(*, kept: bool) -> dict[str, Any]:
    return {
        "content_type": "text/html" if kept else "application/json",
        "body_bytes": 125 if kept else 57,
    }


@pytest.mark.parametrize("measured", [compared, benched, warmed, started])
def test_every_command_says_that_an_open_connection_was_answered_otherwise(
    measured: Callable[[], Run],
) -> None:
    (found,) = (
        text
        for text in study_of(measured()).findings(measured()).warnings
        if "answered differently" in text
    )

    assert "content type application/json for" in found
    assert "text/html for" in found
    assert "body 57 bytes for" in found
    assert "125 bytes for" in found


def test_the_document_of_json_has_the_warnings_of_the_report() -> None:
    run = compared()

    found = document(run, "run.toml")

    assert list(found["warnings"]) == list(show_run(run).warnings)
    assert any("answered differently" in text for text in found["warnings"])
    assert [each["what"] for each in found["summary"]["pairs"][0]["differing"]] == [
        *("content type", "body"),
    ]
