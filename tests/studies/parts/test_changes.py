"""Two runs of a program: what has changed, and from how many runs on that is said."""

from __future__ import annotations

import pytest

from vestbench.history.changes import changes_report
from vestbench.model.verdict import Change
from vestbench.report.sheet import Table, Text
from vestbench.studies.parts.changes import Changes, Total, changes_of, runs_needed


def changes(
    before: tuple[float, ...], after: tuple[float, ...], margin: float = 0.0
) -> Changes:
    def total(each: tuple[float, ...]) -> list[Total]:
        return [Total(name="needless", unit="", each=each, margin=margin)]

    return changes_of(total(before), total(after), 0.95)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ((31, 31, 31, 31), (0, 0, 0, 0), Change.IMPROVED),
        ((0, 0, 0, 0), (31, 30, 31, 31), Change.REGRESSED),
        ((3, 3, 3, 3), (3, 3, 3, 3), Change.NO_CHANGE_SHOWN),
        ((3, 4, 3, 5), (4, 3, 4, 3), Change.NO_CHANGE_SHOWN),
        ((31, 31, 31), (0, 0, 0), None),
        ((31,), (0,), None),
    ],
)
def test_a_change_is_shown_where_its_interval_is_on_one_side(
    before: tuple[float, ...], after: tuple[float, ...], change: Change | None
) -> None:
    assert changes(before, after).change is change


def test_within_the_margin_nothing_has_changed() -> None:
    before, after = (100.0, 101.0, 100.0, 100.5), (94.0, 94.0, 95.0, 94.0)

    assert changes(before, after).change is Change.IMPROVED
    assert changes(before, after, margin=0.1).change is Change.NO_CHANGE_SHOWN


def test_what_has_become_worse_is_not_made_up_for() -> None:
    better = Total(name="needless", unit="", each=(9, 9, 9, 9))
    worse = Total(name="connections", unit="", each=(1, 1, 1, 1))

    found = changes_of(
        [better, worse],
        [
            Total(name="needless", unit="", each=(0, 0, 0, 0)),
            Total(name="connections", unit="", each=(5, 5, 5, 5)),
        ],
        0.95,
    )

    assert [each.change for each in found.changed] == [
        Change.IMPROVED,
        Change.REGRESSED,
    ]
    assert found.change is Change.REGRESSED


@pytest.mark.parametrize(("confidence", "runs"), [(0.9, 3), (0.95, 4), (0.99, 5)])
def test_so_many_runs_give_an_interval_and_fewer_do_not(
    confidence: float, runs: int
) -> None:
    def rank(count: int) -> int:
        total = [Total(name="x", unit="", each=(1.0,) * count)]
        return changes_of(total, total, confidence).changed[0].shift.rank

    assert runs_needed(confidence) == runs
    assert rank(runs) > 0
    assert rank(runs - 1) == 0


def test_one_run_on_either_side_says_what_was_and_how_many_it_takes() -> None:
    parts = changes_report(changes((31,), (0,)), "a.toml", "b.toml", 0.95)

    assert isinstance(parts[0], Text)
    assert parts[0].plain == (
        "needless: 31 before, 0 after. Whether that is more than chance takes 4 runs "
        "on either side: vestbench exec --runs 4"
    )


def test_a_change_is_shown_with_its_interval() -> None:
    found = changes((31, 31, 30, 31), (0, 1, 0, 0))

    parts = changes_report(found, "a.toml", "b.toml", 0.95)

    assert isinstance(parts[0], Text)
    assert parts[0].plain == "The program: IMPROVED  needless: 31 before, 0 after"
    (table,) = (part for part in parts if isinstance(part, Table))
    cells = [cell.plain for cell in table.rows[0].cells]
    assert cells == ["needless", "31", "0", "-31 [-31, -29]", "IMPROVED"]
