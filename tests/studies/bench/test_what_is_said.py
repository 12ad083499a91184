"""What a report must say of a run, and what it must not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.bench_runs import (
    RUNS,
    empty_run,
    failing_run,
    interrupted_run,
    not_reused_run,
    pooled,
    relayed_run,
    warmed_run,
)
from tests.support.printed import rendered, written
from tests.support.records import (
    CONCLUSION,
    bench_run,
    failure,
    sample,
    warm_up_run,
)
from vestbench.cli.config import settings_table
from vestbench.config import resolve
from vestbench.model.request import Outcome


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

    assert "saves at most -4920.6 ms" in open_end
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
    shown = " ".join(rendered(bench_run(pooled(200, 1))).split())

    assert "the sessions are over 1,000,000 times more likely if" in shown


def test_it_is_said_why_connections_were_not_reused() -> None:
    text = " ".join(rendered(not_reused_run()).split())

    assert "0 of 80 subsequent requests reused their connection" in text
    assert "80 of 80 requests that should have reused a connection did not" in text
    assert (
        "80 connections could not be used again: the client closed it, whose pool "
        "keeps at most 0 idle (--pool-max-idle 0), after 1 request (median); raise "
        "--pool-max-idle"
    ) in text
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
