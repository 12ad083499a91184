"""What is shown: exact tables for known runs, and nothing that misleads or escapes."""

from __future__ import annotations

import json
import random
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from rich.cells import cell_len

from tests.support.paths import DATA
from tests.support.printed import assert_whole, rendered, sketched, written
from tests.support.records import (
    CONCLUSION,
    CONDITIONS,
    bench_run,
    compare_run,
    failure,
    real_run,
    sample,
    store,
    warm_up_run,
)
from tests.support.studies import conditioned
from vestbench.cli.config import settings_table
from vestbench.config import resolve
from vestbench.errors import InvalidRunError
from vestbench.model.columns import COLUMNS
from vestbench.model.request import FailureKind, Outcome, Role, Sample
from vestbench.model.run import Run
from vestbench.model.strategy import UNPOOLED
from vestbench.report.units import interval, ms, percent, plain, plural
from vestbench.report.waterfall import Waterfall
from vestbench.stats.decision import Interval
from vestbench.stats.metrics import Group, metric
from vestbench.studies.document import document, summary_of
from vestbench.studies.parts.waterfall import phase_rows
from vestbench.studies.registry import load_run
from vestbench.studies.shown import show_brief, show_run
from vestbench.studies.starts.experiment import NOT_WARMED, WARMED

# --- the runs that are shown ---------------------------------------------------------


def pooled(rounds: int = 20, later: int = 4, *, seed: int = 1) -> list[Sample]:
    """Return sessions over a 30 ms route, a little different from one another."""
    rng = random.Random(seed)
    outcomes: list[Sample] = []
    clock = 0.0
    for session in range(rounds):
        for index in range(later + 1):
            one = sample(
                session,
                index,
                reused=index > 0,
                start=clock,
                connect=30.05 + round(rng.uniform(0, 0.3), 3),
                tls=31.4 + round(rng.uniform(0, 0.5), 3),
                send=0.04 + round(rng.uniform(0, 0.02), 3),
                wait=35.1 + round(rng.uniform(0, 0.6), 3),
                receive=0.05 + round(rng.uniform(0, 0.05), 3),
                client=0.4 + round(rng.uniform(0, 0.1), 3),
                rtt=30.1,
                syn_rtt=30.08,
            )
            outcomes.append(one)
            clock += one.latency_ns / 1e6
    return outcomes


def simulated_run() -> Run:
    return bench_run(pooled())


def real_venue_run() -> Run:
    remote = "203.0.113.9:443"
    outcomes: list[Outcome] = [
        replace(
            one,
            remote=remote,
            dns_ns=None if one.reused else 1_500_000,
            latency_ns=one.latency_ns + (0 if one.reused else 1_500_000),
        )
        for one in pooled(16, 5, seed=2)
    ]
    return real_run(outcomes)


def failing_run() -> Run:
    outcomes: list[Outcome] = [*pooled()]
    for place in (7, 12, 33):
        slot = outcomes[place].slot
        outcomes[place] = failure(
            slot.session, slot.index, role=Role.SUBSEQUENT, reused=True
        )
    slot = outcomes[50].slot
    outcomes[50] = failure(
        slot.session,
        slot.index,
        kind=FailureKind.CONNECT,
        elapsed=0.3,
        detail="connection refused",
    )
    return bench_run(outcomes)


def unpooled_run() -> Run:
    outcomes = [
        sample(n % 20, n // 20, role=Role.COLD, connection=n) for n in range(40)
    ]
    return bench_run(outcomes, strategy=UNPOOLED, plan={"requests": 40})


def interrupted_run() -> Run:
    return bench_run(
        pooled(3), conclusion={"interrupted": True, "server": None, "link": None}
    )


def empty_run() -> Run:
    return bench_run(
        [failure(n, detail="connection refused") for n in range(2)],
        conclusion={"stopped": "none of the first 5 requests got through"},
    )


def nothing_run() -> Run:
    return bench_run(
        conditions=dict.fromkeys(CONDITIONS), conclusion=dict.fromkeys(CONCLUSION)
    )


def relayed_run() -> Run:
    outcomes: list[Outcome] = [
        replace(
            one,
            connect_ns=None if one.reused else 300_000,
            tls_ns=None
            if one.reused
            else (one.tls_ns or 0) + (one.connect_ns or 0) - 300_000,
            rtt_us=50,
            syn_rtt_us=45,
        )
        for one in pooled()
    ]
    link = {
        **CONDITIONS["link"],
        "engine": "relay",
        "refusals": ["packet: unshare: not-permitted", "tun: open: not-permitted"],
    }
    return bench_run(outcomes, conditions={"link": link})


def not_reused_run() -> Run:
    outcomes = [
        sample(s, i, role=Role.SUBSEQUENT if i else Role.COLD, connection=5 * s + i)
        for s in range(20)
        for i in range(5)
    ]
    return bench_run(
        outcomes, conditions={"pool": {**CONDITIONS["pool"], "max_idle": 0}}
    )


def short_route_run() -> Run:
    outcomes = [
        sample(s, i, reused=i > 0, connect=2.0, tls=3.1, wait=7.0, rtt=2.0, syn_rtt=2.0)
        for s in range(20)
        for i in range(5)
    ]
    return bench_run(
        outcomes, conditions={"link": {**CONDITIONS["link"], "rtt_ms": 2.0}}
    )


def warmed_run() -> Run:
    rng = random.Random(3)
    outcomes: list[Outcome] = []
    for session in range(20):
        for place in range(2):
            outcomes.append(
                sample(
                    session,
                    place,
                    role=Role.WARM_UP,
                    arm=WARMED,
                    connection=3 * session + place,
                    client=0.5 + round(rng.uniform(0, 0.2), 3),
                )
            )
        outcomes.append(
            sample(
                session,
                2,
                reused=True,
                arm=WARMED,
                connection=3 * session,
                wait=35.0 + round(rng.uniform(0, 0.4), 3),
            )
        )
        outcomes.append(
            sample(
                session,
                0,
                arm=NOT_WARMED,
                connection=3 * session + 2,
                wait=35.0 + round(rng.uniform(0, 0.4), 3),
            )
        )
    return warm_up_run(outcomes)


RUNS: dict[str, Callable[[], Run]] = {
    "bench": simulated_run,
    "bench-real": real_venue_run,
    "bench-failing": failing_run,
    "bench-unpooled": unpooled_run,
    "bench-interrupted": interrupted_run,
    "bench-empty": empty_run,
    "bench-nothing": nothing_run,
    "bench-relayed": relayed_run,
    "bench-not-reused": not_reused_run,
    "bench-short-route": short_route_run,
    "warmup": warmed_run,
}


# --- exact texts ---------------------------------------------------------------------

SNAPSHOTS = [
    *(("bench", width) for width in (80, 120)),
    ("bench-failing", 80),
    ("bench-interrupted", 80),
    ("bench-empty", 80),
    ("bench-not-reused", 80),
    ("bench-real", 120),
    ("bench-relayed", 120),
    ("bench-short-route", 80),
    ("bench-unpooled", 120),
    *(("warmup", width) for width in (80, 120)),
]


@pytest.mark.parametrize(("name", "width"), SNAPSHOTS)
def test_a_known_run_is_shown_exactly_so(name: str, width: int) -> None:
    expected = (DATA / f"{name}-{width}.txt").read_text(encoding="utf-8")

    assert rendered(RUNS[name](), width) == expected


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_line_is_longer_than_the_terminal_and_none_is_cropped(
    name: str, width: int
) -> None:
    text = rendered(RUNS[name](), width)

    assert_whole(text, width)


@pytest.mark.parametrize("name", RUNS)
def test_a_stored_run_is_shown_identically(name: str, tmp_path: Path) -> None:
    run = RUNS[name]()
    path = store(run, tmp_path / "run.toml", summary_of(run))

    assert rendered(load_run(path)) == rendered(run)


def test_the_widest_table_fits_into_eighty_columns() -> None:
    outcomes: list[Outcome] = []
    rng = random.Random(5)
    for n in range(3000):
        slow = {"tls": 1500 + rng.random(), "wait": 0.3 + rng.random() / 9, "dns": 9.99}
        outcomes.append(sample(n % 900, n // 900, connection=n, **slow))  # type: ignore[arg-type]
        outcomes.append(
            sample(n % 900, 5 + n // 900, reused=True, wait=2222 + rng.random())
        )
    outcomes += [failure(n, reused=True, role=Role.SUBSEQUENT) for n in range(20)]
    outcomes += [failure(n) for n in range(20)]
    link = {**CONDITIONS["link"], "engine": "relay", "refusals": ["packet: no"]}
    run = bench_run(
        outcomes, conditions={"link": link}, plan={"confidence": 0.99, "sessions": 900}
    )

    text = rendered(run, 80)

    assert "…" not in text
    assert max(map(cell_len, text.splitlines())) <= 80


def test_a_brief_is_the_head_of_the_report() -> None:
    for name, make in RUNS.items():
        brief = written(show_brief(make()), 120).strip()

        assert rendered(make(), 120).startswith(brief), name
        assert len(brief.splitlines()) <= 4


def test_a_command_of_a_newer_version_is_refused() -> None:
    run = replace(simulated_run(), command="teleport")
    for show in (show_run, show_brief):
        with pytest.raises(InvalidRunError, match="no runs of 'teleport'"):
            show(run)


# --- what must be said, and what must not --------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_only_what_was_simulated_is_called_so(name: str) -> None:
    run = RUNS[name]()

    text = rendered(run)

    assert ("simulated" in text) is bool(run.conditions.simulated)


def test_a_relayed_link_is_never_mistaken_for_a_packet_link() -> None:
    text = " ".join(rendered(relayed_run(), 80).split())

    assert (
        "simulated in user space, RTT 30 ms: the TCP handshake is charged to TLS"
    ) in text
    assert "simulated link" not in text
    assert "connect *" in text
    assert "tls *" in text
    assert "the totals hold, the split does not (packet: unshare: not-permitted" in text
    assert "  TCP connect  " not in rendered(relayed_run())


def test_the_round_trip_of_a_relayed_link_is_not_that_of_loopback() -> None:
    text = rendered(relayed_run())

    assert "30.0 ms as asked for: TCP ends at the relay" in text
    assert re.search(r"expected from the route: 2 round trips +60\.0 ", text)


def test_an_exchange_without_a_link_is_on_loopback() -> None:
    run = bench_run(
        pooled(),
        conditions={"link": None},
        conclusion={"link": None},
    )

    assert "simulated exchange on loopback, no link" in rendered(run)


def test_an_interrupted_run_says_so_and_gives_no_verdict() -> None:
    text = rendered(interrupted_run())

    assert "Interrupted: this is what was measured until then." in text
    assert "INCONCLUSIVE" in text
    assert "PASS" not in text


def test_a_run_that_ended_early_says_why() -> None:
    why = "the venue limits the rate (3 times 429)"

    assert f"Ended early: {why}" in rendered(
        bench_run([sample()], conclusion={"stopped": why})
    )


def test_one_session_is_no_saving() -> None:
    text = rendered(bench_run(pooled(1)))

    assert text.startswith(
        "No saving can be stated from 1 session; it differed by 61.8 ms."
    )
    assert "saves" not in text


def test_one_round_is_no_saving_either() -> None:
    run = warmed_run()
    first = [s for s in run.samples if s.slot.session == 0]

    text = rendered(warm_up_run(first))

    assert text.startswith("No saving can be stated from 1 round; it differed by ")


def test_a_run_without_samples_draws_nothing() -> None:
    text = rendered(empty_run())

    assert "to scale" not in text
    assert "█" not in text
    assert "no answer" not in text
    assert "connection refused" in text


def test_every_failure_is_shown_by_kind() -> None:
    lines = rendered(failing_run()).splitlines()
    head = lines.index("Failures")

    assert [line.split()[:2] for line in lines[head + 2 : head + 4]] == [
        ["connect", "1"],
        ["timeout", "3"],
    ]


def test_a_few_failures_leave_the_median_open_only_if_it_is() -> None:
    outcomes: list[Outcome] = []
    for n in (0, 1):
        outcomes += [sample(n), sample(n, 1, reused=True), failure(n, 2, reused=True)]
    open_end = rendered(bench_run(outcomes))

    assert "saves -∞ to " in open_end
    assert "saves 61.9 ms" in rendered(failing_run())


def test_the_footnotes_explain_the_signs_in_the_table() -> None:
    text = rendered(bench_run(pooled(40, 5)))  # 40 cold, 200 subsequent

    assert re.search(r"latency +40 .* n/a ", text)
    assert re.search(r"latency +200 .* ≥ 36", text)
    assert "≥: only a lower bound; p99 needs 368 requests\n" in text
    assert "n/a: too few; p99 needs 100 requests\n" in text


def test_the_footnotes_hold_for_the_confidence_asked_for() -> None:
    text = rendered(bench_run(pooled(), plan={"confidence": 0.99}))

    assert "p50 [99 % CI]" in text
    assert "≥: only a lower bound; p90 needs 51 requests\n" in text


def test_the_projection_holds_for_the_confidence_asked_for() -> None:
    outcomes: list[Outcome] = []
    for session in range(20):
        fast = session % 4 == 0
        outcomes.append(sample(session, latency=80.0 if fast else 100.0))
        outcomes.append(sample(session, 1, reused=True, latency=36.0))
    found = {
        level: re.search(
            r"about (\d+) sessions would",
            rendered(bench_run(outcomes, plan={"confidence": level})),
        )
        for level in (0.95, 0.99)
    }

    assert found[0.95] is not None
    assert found[0.99] is not None
    assert int(found[0.95][1]) < int(found[0.99][1])


def test_overwhelming_evidence_is_not_a_line_of_digits() -> None:
    assert "evidence over 1,000,000 : 1" in rendered(bench_run(pooled(200, 1)))


@pytest.mark.parametrize(
    ("pool", "interval_s", "why"),
    [
        ({"max_idle": 0}, 0.0, "the pool keeps no idle connection (--pool-max-idle 0)"),
        (
            {"idle_timeout_s": 2.0},
            3.0,
            "the interval of 3 s is beyond the pool's idle timeout of 2 s",
        ),
        ({}, 0.0, "the server closed it, or its idle time had passed"),
    ],
)
def test_it_is_said_why_connections_were_not_reused(
    pool: dict[str, Any], interval_s: float, why: str
) -> None:
    run = bench_run(
        not_reused_run().samples,
        plan={"interval_s": interval_s},
        conditions={"pool": {**CONDITIONS["pool"], **pool}},
    )

    text = " ".join(rendered(run).split())

    assert "0 of 80 subsequent requests reused their connection" in text
    assert (
        f"80 of 80 requests that should have reused a connection did not: {why}" in text
    )
    assert "INVALID" in text
    assert "PASS" not in text


def test_a_disturbed_link_is_a_warning() -> None:
    link = {
        **CONCLUSION["link"],
        "disturbed": "the host was suspended",
        "late_at_ms": [50.0],
        "late_by_ms": [3.0],
    }

    text = " ".join(rendered(bench_run(pooled(), conclusion={"link": link})).split())

    assert "warning: the emulated link was disturbed: the host was suspended" in text
    assert "warning: 1 sample of 100 met a packet" in text


def test_settings_are_shown_with_their_source(tmp_path: Path) -> None:
    settings = resolve(
        {"venue": "vest"}, environment={}, folder=tmp_path, home=tmp_path
    )

    text = written([settings_table(settings.values.values())], 120)

    assert re.search(r"venue +vest +--venue +--venue +VESTBENCH_VENUE", text)
    assert re.search(r"pool\.max_idle +2 +default +--pool-max-idle", text)


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
        (float("-inf"), "-∞"),
        (-0.0001, "0.000"),
    ],
)
def test_milliseconds_have_as_many_decimals_as_help(
    value: float | None, text: str
) -> None:
    assert ms(value) == text


def test_an_open_interval_is_infinite() -> None:
    inf = float("inf")

    def shown(low: float, high: float) -> str:
        return interval(Interval(low=low, high=high, rank_low=1, rank_high=2))

    assert shown(59.84, 62.9) == "[59.8, 62.9]"
    assert shown(-inf, inf) == "[-∞, ∞]"
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


# --- the picture ---------------------------------------------------------------------

EIGHTHS = " ▏▎▍▌▋▊▉█"


def group(name: str, **durations: float) -> Group:
    order = [column.title for column in COLUMNS.parts]
    found = [metric(n, [durations[n]], 0.95) for n in order if n in durations]
    whole = metric("latency", [sum(durations.values())], 0.95)
    return Group(name=name, metrics=(whole, *found), failures=0)


def drawn(groups: tuple[Group, ...], width: int, *, merged: bool = False) -> str:
    return sketched(Waterfall(phase_rows(groups, merged=merged)), width)


def bars(
    groups: tuple[Group, ...], width: int, *, merged: bool = False
) -> dict[str, tuple[float, float]]:
    """Return where each bar starts and how long it is, in cells, by group and phase."""
    found: dict[str, tuple[float, float]] = {}
    label = ""
    for line in drawn(groups, width, merged=merged).splitlines()[1:]:
        label = line[:11].strip() or label
        phase, bar = line[12:23].strip(), line[24 : width - 11]
        cells = bar.strip()
        start = len(bar) - len(bar.lstrip())
        found[f"{label} {phase}"] = (
            float(start),
            sum(EIGHTHS.index(cell) for cell in cells) / 8,
        )
    return found


COLD = {
    "dns": 4.0,
    "connect": 30.0,
    "tls": 45.0,
    "send": 0.1,
    "wait": 35.0,
    "receive": 6.0,
    "client": 1.0,
}
WARM = {"send": 0.2, "wait": 36.0, "receive": 5.0, "client": 0.5}


@pytest.mark.parametrize("width", [80, 100, 120])
def test_bars_are_to_one_scale(width: int) -> None:
    found = bars((group("cold", **COLD), group("subsequent", **WARM)), width)

    scale = (width - 35) / sum(COLD.values())
    for name, phases in (("cold", COLD), ("subsequent", WARM)):
        begin = 0.0
        for phase, duration in phases.items():
            start, length = found[f"{name} {phase}"]
            end = begin + duration
            assert abs(start - begin * scale) < 1
            assert abs(start + length - end * scale) <= 1 / 8 + 1e-9 or length <= 1
            assert abs(length - duration * scale) <= 1
            begin = end
    total = sum(
        length for name, (_, length) in found.items() if name.startswith("cold")
    )
    assert abs(total - (width - 35)) <= len(COLD)  # each starts a cell early at most
    last_start, last_length = found["cold client"]
    assert abs(last_start + last_length - (width - 35)) <= 1


def test_the_scale_ends_at_the_longest_request() -> None:
    text = drawn((group("cold", **COLD), group("subsequent", **WARM)), 80)

    head = text.splitlines()[0]
    assert head.split() == ["0", "121.1", "ms"]
    assert len(head) == 80 - 11


def test_a_relayed_picture_does_not_split_the_handshakes() -> None:
    found = bars((group("cold", **COLD),), 120, merged=True)

    assert "cold connect+tls" in found
    assert not {"cold connect", "cold tls"} & set(found)
    assert found["cold connect+tls"][1] == pytest.approx(75 * 85 / 121.1, abs=1)


def test_a_group_without_samples_has_no_bar() -> None:
    failed = Group(
        name="cold", metrics=(metric("latency", [float("inf")], 0.95),), failures=1
    )

    text = drawn((failed, group("subsequent", **WARM)), 80)

    assert "cold" not in text
    assert "subsequent" in text


# --- for machines --------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_the_json_document_has_no_number_that_json_lacks(name: str) -> None:
    run = RUNS[name]()

    text = json.dumps(document(run, "results/run.toml"), allow_nan=False)

    found = json.loads(text)
    assert found["command"] == run.command
    assert found["file"] == "results/run.toml"
    assert found["started"] == "2026-03-01T10:15:00+00:00"


@pytest.mark.parametrize("name", RUNS)
def test_the_summary_can_be_written_as_toml(name: str) -> None:
    found = summary_of(RUNS[name]())

    text = tomli_w.dumps(found)

    assert tomllib.loads(text).keys() == found.keys()


def test_the_json_document_holds_the_verdict() -> None:
    found = document(simulated_run(), "")["summary"]

    assert found["acceptance"] == "PASS"
    assert found["saving"]["median_lo"] == pytest.approx(61.9, abs=0.1)
    assert found["reuse"] == {
        "sessions": 20,
        "connections": 20,
        "expected": 80,
        "reused": 80,
    }
    assert found["closure"]["expected"] == pytest.approx(60.16)


def test_a_stored_date_is_a_text_in_json() -> None:
    stored = tomllib.loads(
        "day = 2026-03-01\nat = 10:15:00\nmoment = 2026-03-01T10:15:00Z"
    )
    run = compare_run(plan={"identity": stored})

    found = document(run, "")["plan"]["identity"]

    assert json.loads(json.dumps(found)) == {
        "day": "2026-03-01",
        "at": "10:15:00",
        "moment": "2026-03-01T10:15:00+00:00",
    }
