"""What a comparison looks like: exact texts, one picture, and nothing that misleads."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.support.paths import DATA
from tests.support.printed import assert_whole, rendered, sketched, written
from tests.support.records import (
    CONCLUSION,
    CONDITIONS,
    compare_run,
    failure,
    sample,
    store,
    store_changed,
)
from tests.support.studies import compare_of
from vestbench.errors import InvalidRunError
from vestbench.model.request import FailureKind, Outcome, Role, Sample
from vestbench.model.run import Run
from vestbench.report import distribution as pictures
from vestbench.report.distribution import Distributions
from vestbench.stats.quantiles import histogram
from vestbench.studies.compare.sheet import progress_text
from vestbench.studies.document import document, summary_of
from vestbench.studies.registry import load_run
from vestbench.studies.shown import show_brief, show_run

PROPERTY = settings(deadline=None, derandomize=True)


def flat(text: str) -> str:
    return " ".join(text.split())


# --- the runs that are shown ---------------------------------------------------------

STRATEGIES = {"unpooled": "unpooled", "pooled": "pooled", "warmed": "warmed"}


def rounds(
    labels: Sequence[str] = ("pooled", "unpooled"),
    count: int = 12,
    *,
    seed: int = 1,
    rtt: float = 30.0,
    jitter: float = 0.6,
    extra: Mapping[str, float] | None = None,
    spread: float | None = None,
) -> list[Outcome]:
    """Return rounds over a route; `extra` ms are added to an arm's wait."""
    rng = random.Random(seed)
    outcomes: list[Outcome] = []
    clock = 0.0
    for number in range(count):
        for place, label in enumerate(rng.sample(list(labels), len(labels))):
            late = round(rng.uniform(0, jitter), 3) + (extra or {}).get(label, 0.0)
            one = sample(
                number,
                place,
                arm=label,
                reused=not label.startswith("unpooled"),
                connection=10 * number + place,
                start=clock,
                connect=rtt + round(rng.uniform(0.05, 0.35), 3),
                tls=rtt + round(rng.uniform(1.4, 1.9), 3),
                send=0.04 + round(rng.uniform(0, 0.02), 3),
                wait=rtt + 5.1 + late,
                receive=0.05 + round(rng.uniform(0, 0.05), 3),
                client=0.4 + round(rng.uniform(0, 0.1), 3),
                rtt=rtt,
                syn_rtt=rtt + 0.08,
            )
            outcomes.append(one)
            clock += one.latency_ns / 1e6 + 160
    return outcomes


def passing_run() -> Run:
    return compare_run(rounds())


def long_run() -> Run:
    return compare_run(rounds(count=150, jitter=60.0, seed=5), plan={"min_rounds": 150})


def failing(run: Run, which: Mapping[tuple[int, str], FailureKind]) -> Run:
    """Let requests of some rounds and arms fail."""
    lost = []
    kept = []
    for one in run.samples:
        kind = which.get((one.slot.session, one.slot.arm))
        if kind is None:
            kept.append(one)
            continue
        details = {
            FailureKind.TIMEOUT: (10_000.0, "no answer within 10 s"),
            FailureKind.RESET: (5.0, "connection reset by peer"),
            FailureKind.CONNECT: (0.3, "connection refused"),
        }
        elapsed, detail = details.get(kind, (5.0, str(kind)))
        lost.append(
            failure(
                one.slot.session,
                one.slot.index,
                kind=kind,
                role=one.slot.role,
                arm=one.slot.arm,
                elapsed=elapsed,
                detail=detail,
                start=one.start_ns / 1e6,
            )
        )
    return replace(run, samples=tuple(kept), failures=tuple(lost))


def failing_run() -> Run:
    reset, timeout = FailureKind.RESET, FailureKind.TIMEOUT
    return failing(
        compare_run(rounds(count=30), plan={"max_rounds": 30}),
        {
            (2, "pooled"): reset,
            (5, "pooled"): timeout,
            (9, "pooled"): reset,
            (11, "pooled"): FailureKind.CONNECT,
            (14, "pooled"): reset,
            (17, "unpooled"): timeout,
        },
    )


def control_down_run() -> Run:
    every = {(n, "unpooled"): FailureKind.TIMEOUT for n in range(12)}
    return failing(compare_run(rounds()), every)


def invalid_run() -> Run:
    outcomes = [
        replace(
            o,
            reused=False,
            connect_ns=30_100_000,
            tls_ns=31_600_000,
            latency_ns=o.latency_ns + 61_700_000,
        )
        if isinstance(o, Sample) and o.slot.arm == "pooled"
        else o
        for o in rounds()
    ]
    return compare_run(outcomes)


def reusing_run() -> Run:
    outcomes = [
        replace(o, reused=True, connect_ns=None, tls_ns=None)
        if isinstance(o, Sample) and o.slot.arm == "unpooled"
        else o
        for o in rounds()
    ]
    return compare_run(outcomes)


def inconclusive_run() -> Run:
    return compare_run(
        rounds(count=40, jitter=40.0, seed=4),
        plan={"max_rounds": 40, "min_saving_ms": 58.0},
    )


def close_run() -> Run:
    return compare_run(
        rounds(count=20), plan={"min_saving_ms": 61.9, "max_rounds": 200}
    )


def three_arms_run() -> Run:
    outcomes = rounds(
        ("unpooled", "pooled", "warmed"), extra={"warmed": 20.0}, count=14
    )
    return compare_run(outcomes, arms=STRATEGIES)


def any_run() -> Run:
    outcomes = rounds(
        ("unpooled", "pooled", "warmed"), extra={"warmed": 11.8}, jitter=3.0
    )
    return compare_run(
        outcomes, arms=STRATEGIES, plan={"question": "any", "close": 0.0}
    )


def relayed_run() -> Run:
    outcomes = [
        replace(
            o,
            connect_ns=None if o.reused else 300_000,
            tls_ns=None
            if o.reused
            else (o.tls_ns or 0) + (o.connect_ns or 0) - 300_000,
            rtt_us=50,
            syn_rtt_us=45,
        )
        for o in rounds()
        if isinstance(o, Sample)
    ]
    link = {
        **CONDITIONS["link"],
        "engine": "relay",
        "refusals": ["packet: unshare: not-permitted", "tun: open: not-permitted"],
    }
    return compare_run(outcomes, conditions={"link": link})


def short_route_run() -> Run:
    return compare_run(rounds(rtt=10.0))


def same_run() -> Run:
    return compare_run(
        rounds(("pooled", "pooled-2")),
        arms={"pooled": "pooled", "pooled-2": "pooled"},
        control="pooled-2",
    )


def backwards_run() -> Run:
    return compare_run(rounds(), control="pooled")


def interrupted_run() -> Run:
    return compare_run(
        rounds(count=5)[:-1],
        conclusion={"interrupted": True, "server": None, "link": None},
    )


def one_round_run() -> Run:
    return compare_run(
        rounds(count=1), conclusion={"interrupted": True, "server": None, "link": None}
    )


def stopped_run() -> Run:
    return compare_run(
        rounds(count=20, jitter=40.0, seed=4),
        plan={"min_saving_ms": 58.0},
        conclusion={"stopped": "the venue limits the rate (3 times 429)"},
    )


def too_early_run() -> Run:
    return compare_run(
        rounds(), plan={"min_duration_s": 60.0}, conclusion={"first_look": 1_000_000}
    )


def empty_run() -> Run:
    outcomes = [
        failure(
            n, place, arm=arm, role=Role.COLD, kind=FailureKind.CONNECT, elapsed=0.3
        )
        for n in range(2)
        for place, arm in enumerate(("pooled", "unpooled"))
    ]
    return compare_run(
        outcomes, conclusion={"stopped": "none of the first 5 requests got through"}
    )


def nothing_run() -> Run:
    return compare_run(
        conditions=dict.fromkeys(CONDITIONS), conclusion=dict.fromkeys(CONCLUSION)
    )


def percent_run() -> Run:
    return compare_run(
        rounds(count=24, seed=9),
        plan={"min_saving_ms": None, "min_saving_percent": 30.0, "vote": "round"}
        | {"min_rounds": 12, "confidence": 0.99},
    )


RUNS: dict[str, Callable[[], Run]] = {
    "compare": passing_run,
    "compare-long": long_run,
    "compare-failing": failing_run,
    "compare-control-down": control_down_run,
    "compare-invalid": invalid_run,
    "compare-reusing": reusing_run,
    "compare-inconclusive": inconclusive_run,
    "compare-close": close_run,
    "compare-three": three_arms_run,
    "compare-any": any_run,
    "compare-relayed": relayed_run,
    "compare-short-route": short_route_run,
    "compare-same": same_run,
    "compare-backwards": backwards_run,
    "compare-interrupted": interrupted_run,
    "compare-one-round": one_round_run,
    "compare-stopped": stopped_run,
    "compare-too-early": too_early_run,
    "compare-empty": empty_run,
    "compare-nothing": nothing_run,
}


# --- exact texts ---------------------------------------------------------------------

SNAPSHOTS = [
    *(("compare", width) for width in (80, 120)),
    ("compare-invalid", 80),
    ("compare-inconclusive", 80),
    *(("compare-three", width) for width in (80, 120)),
    ("compare-failing", 80),
    ("compare-relayed", 120),
    ("compare-short-route", 80),
    ("compare-same", 80),
    ("compare-interrupted", 80),
    ("compare-empty", 80),
    ("compare-long", 120),
]


@pytest.mark.parametrize(("name", "width"), SNAPSHOTS)
def test_a_known_comparison_is_shown_exactly_so(name: str, width: int) -> None:
    expected = (DATA / f"{name}-{width}.txt").read_text(encoding="utf-8")

    assert rendered(RUNS[name](), width) == expected


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_line_is_longer_than_the_terminal_and_none_is_cropped(
    name: str, width: int
) -> None:
    text = rendered(RUNS[name](), width)

    assert_whole(text, width)


def test_the_widest_comparison_fits_into_eighty_columns() -> None:
    labels = ("unpooled", "unpooled-2", "pooled")
    outcomes = rounds(
        labels, count=1000, jitter=9e4, extra={"pooled": 500.0}, rtt=400.0
    )
    arms = {"unpooled": "unpooled", "unpooled-2": "unpooled", "pooled": "pooled"}
    run = compare_run(
        outcomes,
        arms=arms,
        plan={"min_rounds": 1000, "max_rounds": 1000, "confidence": 0.99},
    )

    text = rendered(run, 80)

    assert "…" not in text
    assert max(map(cell_len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", RUNS)
def test_a_stored_comparison_is_shown_identically(name: str, tmp_path: Path) -> None:
    run = RUNS[name]()
    path = store(run, tmp_path / "run.toml", summary_of(run))

    assert rendered(load_run(path)) == rendered(run)


@pytest.mark.parametrize("name", RUNS)
def test_a_brief_is_the_head_of_the_report(name: str) -> None:
    run = RUNS[name]()

    brief = written(show_brief(run)).strip()

    assert rendered(run).startswith(brief + "\n\n")


# --- the sentences -------------------------------------------------------------------


def head(name: str) -> str:
    return flat(written(show_brief(RUNS[name]()), 200))


def test_the_first_sentence_says_saving_interval_verdict_target_and_rounds() -> None:
    assert head("compare").startswith(
        "pooled saves 61.7 ms per request, 95 % CI [61.2, 61.9], "
        "PASS against ≥ 50 ms after 12 rounds"
    )
    assert "24 measured requests in 5 s, evidence 630 : 1" in head("compare")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "compare-invalid",
            "pooled: no saving can be stated, INVALID after 12 rounds "
            "pooled reused its connection in only 0 of 12 requests, so it was not "
            "pooled",
        ),
        (
            "compare-reusing",
            "pooled: no saving can be stated, INVALID after 12 rounds "
            "unpooled reused a connection in 12 of 12 requests, so it was not unpooled",
        ),
        (
            "compare-one-round",
            "pooled: no saving can be stated, INCONCLUSIVE against ≥ 50 ms after 1 "
            "round at least 12 rounds are needed Interrupted: this is what was "
            "measured until then.",
        ),
        (
            "compare-nothing",
            "pooled: no saving can be stated, INCONCLUSIVE against ≥ 50 ms after 0 "
            "rounds at least 12 rounds are needed",
        ),
        (
            "compare-empty",
            "pooled: no saving can be stated, INCONCLUSIVE against ≥ 50 ms after 2 "
            "rounds too many requests failed Ended early: none of the first 5 requests "
            "got through",
        ),
    ],
)
def test_where_no_saving_can_be_stated_none_is(name: str, expected: str) -> None:
    assert head(name) == expected
    assert "saving, median of rounds" not in rendered(RUNS[name]())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("compare-inconclusive", "too noisy to tell; about 65 more rounds would"),
        ("compare-close", "too close to the target to tell: change the target"),
        ("compare-short-route", "the route is too short: 20.2 ms are all that the"),
        ("compare-same", "both connect in the same way, so there is nothing to save"),
        ("compare-backwards", "unpooled is slower than pooled"),
        ("compare-failing", "too many requests failed"),
        ("compare-interrupted", "at least 12 rounds are needed"),
        ("compare-too-early", "no verdict is given before --min-duration has passed"),
        ("compare-stopped", "not decided yet; at this rate more rounds will not"),
        ("compare-any", "not decided when another candidate passed, which ended"),
    ],
)
def test_a_verdict_that_is_no_pass_is_explained(name: str, reason: str) -> None:
    assert reason in head(name)


def test_the_rounds_still_needed_are_those_of_the_plan() -> None:
    run = compare_run(
        rounds(count=20), plan={"min_rounds": 30}, conclusion={"interrupted": True}
    )

    assert "at least 30 rounds are needed" in written(show_brief(run), 200)


def test_pairs_need_24_rounds_and_are_not_told_to_vote_by_pairs() -> None:
    outcomes = [
        replace(o, latency_ns=o.latency_ns + 20_000_000 * (o.slot.index == 0))
        for o in rounds(count=40)
        if isinstance(o, Sample)
    ]
    asked = {"min_rounds": 40, "min_saving_ms": 55.0}
    opposite = [
        replace(
            o, slot=replace(o.slot, index=(o.slot.session + (o.slot.arm < "u")) % 2)
        )
        for o in outcomes
    ]

    by_round = rendered(compare_run(outcomes, plan=asked))
    by_pair = rendered(compare_run(opposite, plan={**asked, "vote": "pair"}))

    assert "who goes first matters by" in by_round
    assert "--vote pair cancels that" in by_round
    assert "--vote pair" not in by_pair


def test_several_candidates_are_answered_together() -> None:
    assert head("compare-three").endswith("all candidates ≥ 50 ms: FAIL")
    assert head("compare-any").endswith("any candidate ≥ 50 ms: PASS")
    assert "The control is unpooled, the candidates are pooled, warmed" in rendered(
        RUNS["compare-three"]()
    )


def test_the_interval_is_called_by_the_confidence_it_has() -> None:
    assert head("compare-three").count("95 % CI") == 2
    assert head("compare-any").count("99 % CI") == 2
    assert "95 % CI" not in head("compare-any")


def test_a_target_in_percent_is_shown_as_one() -> None:
    text = flat(written(show_brief(percent_run()), 200))

    assert "99 % CI" in text
    assert "PASS against ≥ 30 % after 12 rounds" in text


def test_a_control_that_fails_is_pointed_out() -> None:
    text = flat(rendered(control_down_run()))

    assert "saves 9964.0 to ∞ ms per request" in text
    assert (
        "warning: unpooled failed in 12 of 12 rounds: what it would have taken is "
        "unknown, and the saving only counts the time it took to fail"
    ) in text
    assert "≥ failed" not in text


def test_failures_are_listed_by_arm_and_kind() -> None:
    lines = [line.split() for line in rendered(failing_run()).splitlines()]

    assert [
        "pooled",
        "reset",
        "3",
        "5.00",
        "connection",
        "reset",
        "by",
        "peer",
    ] in lines
    assert any(line[:3] == ["pooled", "timeout", "1"] for line in lines)
    assert any(line[:3] == ["unpooled", "timeout", "1"] for line in lines)


def test_what_is_opened_reused_and_failed_adds_up() -> None:
    for name, make in RUNS.items():
        for line in rendered(make(), 200).splitlines():
            cells = line.split()
            if cells[0:1] and cells[0] in STRATEGIES and cells[-2:-1] == ["of"]:
                failed, opened, reused = map(int, cells[-5:-2])
                assert int(cells[1]) == failed + opened + reused, name


@pytest.mark.parametrize(
    ("tls", "dns", "expected"),
    [
        ("TLSv1.3", None, "physical limit: 2 round trips (TCP, TLS 1.3)"),
        ("TLSv1.2", None, "physical limit: 3 round trips (TCP, TLS 1.2)"),
        ("", None, "physical limit: 1 round trip (TCP)"),
        (
            "TLSv1.3",
            2_000_000,
            "physical limit: name resolution, 2 round trips (TCP, T",
        ),
    ],
)
def test_the_physical_limit_names_its_round_trips(
    tls: str, dns: int | None, expected: str
) -> None:
    outcomes = [
        replace(o, tls_version=tls, dns_ns=None if o.reused else dns)
        for o in rounds()
        if isinstance(o, Sample)
    ]

    assert expected in rendered(compare_run(outcomes))


def test_a_residual_is_charged_to_the_arm_that_takes_longer() -> None:
    slow_pool = flat(rendered(compare_run(rounds(extra={"pooled": 20.0}))))
    slow_start = flat(rendered(compare_run(rounds(extra={"unpooled": 20.0}))))

    assert "mostly wait (-20" in slow_pool
    assert "which takes longer on the reused connection" in slow_pool
    assert "mostly wait (+2" in slow_start or "mostly wait (+19" in slow_start
    assert "the server is slower on new connections" in slow_start
    assert "new connections" not in slow_pool


def test_the_warnings_name_their_candidate() -> None:
    text = flat(rendered(failing_run()))

    assert "warning: pooled: failures leave 4 rounds of 20 without a vote" in text


def test_the_progress_line_says_what_is_known_and_what_is_to_come() -> None:
    found = [("pooled", "61.3", "[59.8, 62.9]")]

    assert progress_text(1, [("pooled", "61.3", "[too few]")], None) == (
        "1 round  pooled 61.3 ms [too few]"
    )
    assert progress_text(14, found, 20) == (
        "14 rounds  pooled 61.3 ms [59.8, 62.9]  about 6 more"
    )
    assert "more" not in progress_text(20, found, 20)


# --- the picture ---------------------------------------------------------------------


def drawn(
    latencies: Mapping[str, Sequence[float]],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[list[str], list[list[int]]]:
    """Return the lines of a picture and the counts behind its bars."""
    counts: list[list[int]] = []

    def counting(
        values: Sequence[float], low: float, high: float, bins: int
    ) -> list[int]:
        counts.append(histogram(values, low, high, bins))
        return counts[-1]

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "histogram", counting)
        text = sketched(Distributions(latencies), width)
    return text.splitlines(), counts


@st.composite
def distributions(draw: st.DrawFn) -> dict[str, list[float]]:
    times = st.floats(0.01, 1e4) | st.just(float("inf")) | st.floats(30.0, 31.0)
    labels = draw(
        st.lists(
            st.sampled_from(["pooled", "unpooled", "warmed", "pooled-2"]),
            min_size=2,
            max_size=4,
            unique=True,
        )
    )
    return {label: draw(st.lists(times, max_size=40)) for label in labels}


@PROPERTY
@given(latencies=distributions(), width=st.sampled_from([80, 100, 120, 200]))
def test_bars_and_notes_account_for_every_request(
    latencies: dict[str, list[float]], width: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        lines, counts = drawn(latencies, width, patch)

    if not any(v != float("inf") for values in latencies.values() for v in values):
        assert lines == []
        return
    assert max(map(cell_len, lines)) <= width
    notes = notes_of(lines[:-1], list(latencies))
    for (label, values), cells in zip(latencies.items(), counts, strict=True):
        answered = finite(values)
        beyond, failed = len(answered) - sum(cells), len(values) - len(answered)
        assert beyond >= 0
        assert (f"{beyond} beyond the axis" in notes[label]) is (beyond > 0)
        assert (f" {failed} failed" in notes[label]) is (failed > 0)
        assert ("median" in notes[label]) is bool(answered)


def notes_of(lines: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """Return what is written below the bars of each label."""
    notes: dict[str, str] = {}
    for line in lines:
        name = line.split(" ")[0]
        if name in labels:
            label = name
            notes[label] = ""
        else:
            notes[label] += " " + line.strip()
    return notes


@PROPERTY
@given(latencies=distributions(), width=st.sampled_from([80, 120]))
def test_the_mark_is_under_the_bar_that_holds_the_median(
    latencies: dict[str, list[float]], width: int
) -> None:
    # With an odd number of answers the median is one of them, so its cell has a bar.
    odd = {
        label: values[: len(values) - (len(finite(values)) % 2 == 0)]
        for label, values in latencies.items()
    }
    odd = {label: v for label, v in odd.items() if len(finite(v)) % 2}
    if len(odd) < 2:
        return
    with pytest.MonkeyPatch.context() as patch:
        lines, counts = drawn(odd, width, patch)

    name = 2 + max(map(len, odd))
    marks = [line.index("▲") - name for line in lines if "▲" in line]
    assert len(marks) == len(counts) == len(odd)
    for place, cells in zip(marks, counts, strict=True):
        assert cells[max(0, place - 1) : place + 2] != [0, 0, 0]
        before, after = sum(cells[:place]), sum(cells[place + 1 :])
        # Rounding may put the median itself on the other side of a border.
        assert before <= sum(cells) // 2 + 1
        assert after <= sum(cells) // 2 + 1


def finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if value != float("inf")]


def test_the_mark_stands_at_its_place_on_the_axis(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines, counts = drawn(
        {"one": [0.0, 50.0, 100.0], "two": [0.0, 25.0, 100.0]}, 105, monkeypatch
    )

    assert len(counts[0]) == 100
    assert [line.index("▲") - 5 for line in lines if "▲" in line] == [50, 25]
    assert [place for place, n in enumerate(counts[0]) if n] == [0, 50, 99]
    assert [place for place, n in enumerate(counts[1]) if n] == [0, 25, 99]


def test_an_outlier_does_not_squeeze_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [30.0 + n / 10 for n in range(99)]

    lines, counts = drawn(
        {"pooled": [*values, 5000.0], "unpooled": values}, 80, monkeypatch
    )

    assert "2 beyond the axis" in lines[1]
    assert sum(counts[0]) == 98
    assert sum(n > 0 for n in counts[0]) > 50
    assert lines[-1].split() == ["30.0", "39.7", "ms"]


def test_the_axis_ends_at_the_largest_value_where_that_is_near(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines, counts = drawn(
        {"pooled": [30.0, 31.0], "unpooled": [90.0, 91.0]}, 80, monkeypatch
    )

    assert [sum(cells) for cells in counts] == [2, 2]
    assert "beyond" not in "\n".join(lines)
    assert lines[-1].split() == ["30.0", "91.0", "ms"]


def test_an_arm_without_an_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, counts = drawn(
        {"pooled": [30.0, 31.0], "unpooled": [float("inf")] * 7, "warmed": []},
        80,
        monkeypatch,
    )

    assert sum(counts[1]) == sum(counts[2]) == 0
    assert lines[2].strip() == "unpooled"
    assert lines[3].strip() == "7 failed"
    assert lines[4].strip() == "warmed"
    assert lines[5].strip() == "no request"


def test_equal_values_have_one_full_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, counts = drawn({"a": [50.0] * 9, "b": [50.0] * 3}, 80, monkeypatch)

    assert [sum(cells) for cells in counts] == [9, 3]
    assert [cells.index(max(cells)) for cells in counts] == [0, 0]
    assert lines[0] == "a  █"
    assert lines[1] == "   ▲ median 50.0 ms"


def test_without_any_answer_there_is_no_picture() -> None:
    assert sketched(Distributions({"a": [float("inf")], "b": []})).strip() == ""
    assert "Latency, one axis" not in rendered(empty_run())


@pytest.mark.parametrize("width", [80, 100])
def test_notes_too_long_for_either_side_have_a_line_of_their_own(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [*(1000.0 + n for n in range(99)), *[9e5] * 2, *[float("inf")] * 1000]

    lines, _ = drawn({"unpooled": values, "pooled": [1000.0]}, width, monkeypatch)

    assert max(map(cell_len, lines)) <= width
    text = flat("\n".join(lines))
    assert "1000 failed" in text
    assert "beyond the axis" in text
    assert "▲" in lines[1]


def test_one_request_is_never_too_few_to_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines, counts = drawn(
        {"a": [10.0] * 500 + [20.0], "b": [10.0, 20.0]}, 80, monkeypatch
    )

    assert counts[0][-1] == 1
    assert lines[0].endswith("▁")


def test_the_picture_holds_the_requests_of_whole_rounds() -> None:
    cut = compare_run(rounds(count=5)[:-1])

    whole = compare_run([o for o in cut.outcomes if o.slot.session < 4])

    start = "Latency, one axis"
    assert rendered(cut).split(start)[1] == rendered(whole).split(start)[1]


# --- for machines --------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_the_json_document_has_no_number_that_json_lacks(name: str) -> None:
    run = RUNS[name]()

    text = json.dumps(document(run, "results/run.toml"), allow_nan=False)

    found = json.loads(text)
    assert found["command"] == "compare"
    assert found["summary"]["acceptance"]
    assert len(found["summary"]["pairs"]) == len(compare_of(run).plan.arms) - 1


@pytest.mark.parametrize("name", RUNS)
def test_the_summary_can_be_written_as_toml(name: str) -> None:
    found = summary_of(RUNS[name]())

    text = tomli_w.dumps(found)

    assert tomllib.loads(text).keys() == found.keys()


def test_the_json_document_holds_the_verdict() -> None:
    found = document(passing_run(), "")["summary"]

    pair = found["pairs"][0]
    assert (found["acceptance"], pair["acceptance"]) == ("PASS", "PASS")
    assert pair["saving"]["median_lo"] == pytest.approx(61.7, abs=0.1)
    assert pair["confidence"] == 0.95
    assert found["control"] == "unpooled"


# --- hostile texts -------------------------------------------------------------------

HOSTILE = [
    "[bold]pooled[/bold]",
    "[/nothing]",
    "\x1b[2J\x1b]0;title\x07",
    "two\nlines\rback",
    "‮backwards",
    "測試",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_labels_are_shown_harmlessly(text: str) -> None:
    run = compare_run(
        [
            replace(o, slot=replace(o.slot, arm=text))
            if isinstance(o, Sample) and o.slot.arm == "pooled"
            else o
            for o in rounds()
        ],
        arms={text: "pooled", "unpooled": "unpooled"},
    )

    shown = written(show_run(run), 100, colour=False)

    assert "PASS" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\r" not in shown
    assert "‮" not in shown
    assert max(map(cell_len, shown.splitlines())) <= 100
    if text.isascii() and text.isprintable():
        assert shown.startswith(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_controls_notes_and_reasons_are_shown_harmlessly(text: str) -> None:
    run = compare_run(
        [
            replace(o, slot=replace(o.slot, arm=text), reused=True)
            if isinstance(o, Sample) and o.slot.arm == "unpooled"
            else o
            for o in rounds()
        ],
        arms={"pooled": "pooled", text: "unpooled"},
        control=text,
        conclusion={"notes": [text], "stopped": text},
    )

    shown = written(show_run(run), 100)

    assert "INVALID" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\r" not in shown


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_failures_are_shown_harmlessly(text: str) -> None:
    run = failing(compare_run(rounds()), {(1, "pooled"): FailureKind.RESET})
    run = replace(
        run,
        failures=tuple(
            replace(f, detail=text, slot=replace(f.slot, arm=text))
            for f in run.failures
        ),
    )

    shown = written(show_run(run), 100)

    assert "\x1b" not in shown
    assert "reset" in shown


def test_colours_are_only_for_terminals() -> None:
    assert "\x1b[" in written(show_run(passing_run()), colour=True)
    assert "\x1b" not in rendered(passing_run())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arms": None}, "plan.arms is missing"),
        ({"control": "nobody"}, "plan: its control is none of its arms"),
        ({"confidence": "a lot"}, "plan.confidence: expected a number, got text"),
        ({"confidence": 0.5}, "plan: confidence: 0.5 is not 0.9, 0.95 or 0.99"),
        ({"max_rounds": 3}, "plan.max_rounds: expected an integer >= 12"),
        ({"min_saving_ms": None}, "plan: exactly one of min_saving_ms, "),
        ({"question": None}, "plan.question is missing"),
        ({"question": "some"}, "plan.question: invalid enum value 'some'"),
        ({"teleported": True}, "plan.teleported is unknown"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said_with_its_path(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = store_changed(compare_run(rounds()), tmp_path / "run.toml", "plan", change)

    with pytest.raises(InvalidRunError) as refusal:
        load_run(path)

    assert str(refusal.value).startswith(f"{path} is damaged: {said}")
