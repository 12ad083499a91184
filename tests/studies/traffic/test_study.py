"""What is said and asserted of a program's traffic, and that a file keeps all of it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.records import STARTED
from tests.support.traffic import (
    HOST,
    Opened,
    closing,
    ns,
    request,
    traffic,
    traffic_run,
    unanswered,
)
from vestbench.errors import InvalidRunError, InvalidValueError
from vestbench.history.series import entry_of
from vestbench.model.traffic import Traffic
from vestbench.model.verdict import Verdict
from vestbench.report.terminal import as_text
from vestbench.results.writing import RunWriter
from vestbench.studies.document import summary_of
from vestbench.studies.exports import (
    found_in,
    har,
    html,
    json_document,
    junit,
    markdown,
    prometheus,
    rows,
)
from vestbench.studies.judging import judge
from vestbench.studies.registry import load_run
from vestbench.studies.shown import show_brief, show_run, warnings_of
from vestbench.studies.traffic.plan import TrafficRun
from vestbench.studies.traffic.summary import summarise_traffic


def first_line(found: Traffic) -> str:
    return as_text(show_brief(traffic_run(found)), 1000).splitlines()[0]


def stored(run: TrafficRun, path: Path) -> Path:
    writer = RunWriter(
        path, command=run.command, label=run.label, plan=run.plan, started=STARTED
    )
    writer.conditions(run.conditions)
    for outcome in run.outcomes:
        writer.add(outcome)
    return writer.finish(run.conclusion, summary_of(run))


# --- the sentence --------------------------------------------------------------------


def test_the_sentence_has_what_each_needless_one_cost_and_all_of_them() -> None:
    said = as_text(show_brief(traffic_run(traffic(*closing(32)))), 1000).splitlines()

    assert said[0] == (
        "Your program sent 32 requests over 32 connections. 31 of them were needless: "
        "each cost 62.0 ms [62.0, 62.0], 1.9 s in all."
    )
    assert said[1] == "Reason: it closes the connection after the answer."
    assert said[2].startswith("requests: requests.get() and its like")


def test_what_all_cost_is_in_milliseconds_where_it_is_little() -> None:
    quick = [
        Opened(
            at,
            request(at + 0.5, at + 0.7),
            closed=at + 0.8,
            connected_ns=ns(at + 0.2),
            secured_ns=ns(at + 0.5),
            accepted_ns=ns(at + 0.1),
            ready_ns=ns(at + 0.5),
        )
        for at in (0.0, 100.0, 200.0)
    ]

    assert first_line(traffic(*quick)).endswith("each cost 0.500 ms, 1.00 ms in all.")


def test_one_needless_connection_is_one() -> None:
    assert first_line(traffic(*closing(2))) == (
        "Your program sent 2 requests over 2 connections. 1 of them was needless: it "
        "cost 62.0 ms."
    )


def test_a_program_that_pools_is_told_so() -> None:
    kept = Opened(0, request(62), request(100), request(140))

    assert first_line(traffic(kept)) == (
        "Your program sent 3 requests over 1 connection. None of them was needless."
    )


def test_a_program_that_sends_nothing_is_told_no_more() -> None:
    assert first_line(traffic()) == "Your program sent 0 requests over 0 connections."


def test_several_reasons_are_counted() -> None:
    asked = Opened(500, closed=598, by="server", reason="asked")
    found = traffic(*closing(4), asked, Opened(700))

    said = as_text(show_brief(traffic_run(found)), 1000).splitlines()

    assert said[1] == (
        "Reason: it closes the connection after the answer (4); it asks the server to "
        "close after the answer (Connection: close) (1)."
    )


def test_what_held_a_request_back_is_a_part_of_what_opening_cost() -> None:
    held = [
        Opened(
            number * 200.0,
            request(number * 200.0 + 92, nagle_ns=30_000_000),
            closed=number * 200.0 + 130,
        )
        for number in range(2)
    ]

    assert "it cost 92.0 ms" in first_line(traffic(*held))


# --- tables and warnings -------------------------------------------------------------


def test_other_hosts_are_named_beside_the_exchange() -> None:
    other = Opened(200, host="api.telegram.org")
    shown = as_text(show_run(traffic_run(traffic(Opened(0), other))))

    assert "also called api.telegram.org: 1 connection" in shown


def test_names_that_were_looked_up_only_are_named() -> None:
    found = traffic(Opened(0), names={HOST: 1, "metrics.example": 2})

    shown = as_text(show_run(traffic_run(found)))

    assert "looked up, but not connected to: metrics.example" in shown


def test_a_client_that_refuses_our_certificate_is_told_the_remedy() -> None:
    refusal = "tlsv1_alert_unknown_ca"
    found = traffic(Opened(0, used=False, speech="", tls="", refusal=refusal))

    (said,) = warnings_of(traffic_run(found))

    assert f"{HOST}: the program refused our certificate ({refusal})" in said
    assert "SSL_CERT_FILE" in said


def test_each_connection_has_a_lane_and_the_needless_ones_are_marked() -> None:
    shown = as_text(show_run(traffic_run(traffic(*closing(3)))))

    lanes = [line for line in shown.splitlines() if line.startswith("#")]
    assert [line.split()[0] for line in lanes] == ["#1", "#2", "#3"]
    assert ["!" in line for line in lanes] == [False, True, True]
    assert all(line.rstrip().endswith("p") for line in lanes)


def test_latency_of_a_cold_request_begins_with_its_connection() -> None:
    found = summarise_traffic(
        traffic_run(traffic(Opened(0, request(62), request(200))))
    )

    cold, later = found.cold.metric("latency"), found.subsequent.metric("latency")
    assert cold is not None
    assert cold.p50.point == 97.0
    assert later is not None
    assert later.p50.point == 35.0
    assert found.reused == 1


def test_a_request_on_a_connection_that_was_opened_long_before_is_not_cold() -> None:
    found = summarise_traffic(traffic_run(traffic(Opened(0, request(5_000)))))

    assert (found.reused, found.connections) == (1, 1)


def test_a_request_without_an_answer_is_a_failure() -> None:
    run = traffic_run(traffic(Opened(0, unanswered(62), closed=5_062.0)))

    assert [each.detail for each in run.failures] == ["it was not answered"]
    assert "Your program sent 1 request over 1 connection." in as_text(show_run(run))


def test_an_order_is_over_when_its_event_has_come() -> None:
    sent = [
        request(at, method="POST", path="/v2/orders", event_ns=ns(at + 41.0))
        for at in (62.0, 200.0)
    ]
    run = traffic_run(traffic(Opened(0, *sent, request(300))))

    (found,) = summarise_traffic(run).events
    shown = as_text(show_run(run))

    assert (found.path, found.event.n) == ("POST /v2/orders", 2)
    assert (found.answered.p50.point, found.event.p50.point) == (35.0, 41.0)
    assert "event" in shown


# --- assertions ----------------------------------------------------------------------

MIXED = traffic(
    *closing(3), Opened(400, request(462), request(500)), Opened(900, host="other.x")
)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("connections <= 5", Verdict.PASS),
        ("connections <= 4", Verdict.FAIL),
        ("requests == 6", Verdict.PASS),
        ("needless == 3", Verdict.PASS),
        ("needless == 0", Verdict.FAIL),
        ("unused == 0", Verdict.PASS),
        ("reused >= 16%", Verdict.PASS),
        ("reused >= 95%", Verdict.FAIL),
        ("cold.max <= 98ms", Verdict.PASS),
        ("cold.connect.max <= 30ms", Verdict.PASS),
        ("subsequent.max <= 30ms", Verdict.FAIL),
        ('hosts["other.x"].connections == 1', Verdict.PASS),
        (f'hosts["{HOST}"].connections == 4', Verdict.PASS),
        (f'hosts["{HOST}"].needless <= 2', Verdict.FAIL),
        ('hosts["other.x"].requests == 1', Verdict.PASS),
        ('hosts["other.x"].reused == 100%', Verdict.FAIL),
        ('hosts["never.x"].connections == 0', Verdict.PASS),
        ('hosts["never.x"].needless == 0', Verdict.INVALID),
    ],
)
def test_what_is_asserted_is_decided_on_the_account(
    text: str, outcome: Verdict
) -> None:
    (found,) = judge(traffic_run(MIXED), [text])

    assert found.outcome is outcome, found


@pytest.mark.parametrize(
    "text", ["saving >= 50ms", "cold.needless == 0", "warmed.p50 < 1s"]
)
def test_what_no_program_has_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        judge(traffic_run(MIXED), [text])


# --- files and documents -------------------------------------------------------------


def test_a_file_keeps_all_of_it(tmp_path: Path) -> None:
    run = traffic_run(MIXED, assertions=["needless == 0"])

    again = load_run(stored(run, tmp_path / "run.toml"))

    assert again.conclusion.traffic == MIXED
    assert as_text(show_run(again)) == as_text(show_run(run))


def test_requests_that_are_not_those_of_the_traffic_are_refused(tmp_path: Path) -> None:
    path = stored(traffic_run(MIXED), tmp_path / "run.toml")
    text = path.read_text()
    path.write_text(text.replace("path = ", "path = ", 1).replace("97.0", "98.0", 1))

    with pytest.raises(InvalidRunError, match="samples: they are not those"):
        load_run(path)


def test_a_request_of_no_connection_is_refused(tmp_path: Path) -> None:
    found = MIXED.changed(requests=(request(62, connection=77),))
    path = stored(traffic_run(found), tmp_path / "run.toml")

    with pytest.raises(InvalidRunError, match=r"requests\[0\].connection: there is no"):
        load_run(path)


def test_a_connection_of_no_run_is_refused(tmp_path: Path) -> None:
    path = stored(traffic_run(traffic(Opened(0, run=3))), tmp_path / "run.toml")

    with pytest.raises(InvalidRunError, match=r"connections\[0\].run: there is no"):
        load_run(path)


def test_phases_stand_in_the_order_in_which_they_happen() -> None:
    run = traffic_run(traffic(Opened(0, request(92), request(200))))

    shown = as_text(show_run(run)).split("Median of each phase")[1]

    names = [line[12:24].strip() for line in shown.splitlines()[2:6]]
    assert names == ["connect", "tls", "program", "wait"]


def test_every_document_can_be_made_of_it() -> None:
    found = found_in(traffic_run(MIXED, assertions=["needless == 0"]), "run.toml")

    page = "".join(html(found))
    assert "Connections, to scale" in page
    assert "3 of them" in "".join(markdown(found))
    assert len("".join(rows(found)).splitlines()) == 1 + 6
    summary = json.loads("".join(json_document(found)))["summary"]
    assert (summary["needless"], len(summary["hosts"])) == (3, 2)
    cases = ElementTree.fromstring("".join(junit(found))).iter("testcase")
    assert [case.find("failure") is not None for case in cases] == [True]
    metrics = "".join(prometheus(found))
    assert 'kind="needless"} 3.0' in metrics
    entries = json.loads("".join(har(found)))["log"]["entries"]
    assert {entry["request"]["method"] for entry in entries} == {"GET"}
    assert entries[0]["request"]["url"] == f"https://{HOST}/v2/ticker/latest?symbols"
    assert entries[1]["comment"].endswith("it closes the connection after the answer")


def test_the_summary_in_the_file_is_for_other_readers(tmp_path: Path) -> None:
    path = stored(traffic_run(MIXED), tmp_path / "run.toml")

    summary = tomllib.loads(path.read_text())["summary"]

    assert summary["needless"] == 3
    assert [each["why"] for each in summary["reasons"]][:1] == ["closed"]


def test_a_list_of_runs_has_its_needless_connections() -> None:
    entry = entry_of(traffic_run(MIXED))

    assert (entry.command, entry.n, entry.n_of) == ("exec", 3, "needless connection")
    assert entry.saving is not None
    assert entry.saving.median_lo == 62.0
