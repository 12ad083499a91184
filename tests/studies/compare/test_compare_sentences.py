"""What the sentences of a comparison's report say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.compare_runs import (
    RUNS,
    STRATEGIES,
    control_down_run,
    failing_run,
    flat,
    percent_run,
    rounds,
)
from tests.support.printed import rendered, written
from tests.support.records import compare_run
from vestbench.model.request import Sample
from vestbench.studies.compare.sheet import progress_text
from vestbench.studies.shown import show_brief


def head(name: str) -> str:
    return flat(written(show_brief(RUNS[name]()), 200))


def test_the_first_sentence_says_saving_interval_verdict_target_and_rounds() -> None:
    assert head("compare").startswith(
        "pooled saves 61.7 ms per request, 95 % CI [61.2, 61.9], "
        "PASS against ≥ 50 ms after 12 rounds"
    )
    assert "24 measured requests in 5 s" in head("compare")


def test_the_evidence_is_written_out_the_first_time_and_short_after_that() -> None:
    meaning = (
        "evidence: the rounds are 630 times more likely if the saving is above 50 ms "
        "than if they were coin flips"
    )

    assert meaning in head("compare")
    assert head("compare-three").count("coin flips") == 1
    assert head("compare-three").index(meaning) < head("compare-three").index(
        "24 measured requests in 9 s, evidence 630 : 1"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "compare-invalid",
            "pooled: no saving can be stated, INVALID after 12 rounds "
            "pooled reused its connection in only 0 of 12 requests, so it was not "
            "pooled; why was not seen",
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
            "No saving: no usable response from "
            "https://10.99.0.2:8443/v2/ticker/latest?symbols=BTC-PERP: connect: no "
            "answer within 10 s (4 of 4 requests) Ended early: none of the first 5 "
            "requests got through",
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

    assert "saves at least 9964.0 ms per request" in text
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


def test_the_rest_is_charged_to_the_side_that_takes_longer() -> None:
    slow_pool = flat(rendered(compare_run(rounds(extra={"pooled": 20.0}))))
    slow_start = flat(rendered(compare_run(rounds(extra={"unpooled": 20.0}))))

    assert "mostly wait (-20" in slow_pool
    assert "longer for pooled, as when the server is slower on connections" in slow_pool
    assert "mostly wait (+2" in slow_start or "mostly wait (+19" in slow_start
    assert "longer for unpooled, as when" in slow_start
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
