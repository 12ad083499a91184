"""Reasons and phases of real clients, each of which does exactly one thing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.inside import executed, inside
from vestbench.model.simulated import ExchangeSpec
from vestbench.model.traffic import Traffic
from vestbench.programs.account import traffic_of
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.studies.traffic.causes import Why, openings_of
from vestbench.studies.traffic.pool import Rules

pytestmark = pytest.mark.link

RTT_MS = 10.0
PRELUDE = """
import http.client, socket, ssl, sys, threading, time
TRUST = ssl.create_default_context()
def client(context=TRUST):
    return http.client.HTTPSConnection("a.example", context=context)
def ask(one, **fields):
    one.request("GET", "/x", headers=fields)
    return one.getresponse().read()
"""


def sent(script: str, **wanted: Any) -> Traffic:
    """Return the traffic of a script, which has `client` and `ask`."""
    program = ("/usr/bin/python3", "-c", PRELUDE + script)
    ran = inside(*program, rtt_ms=RTT_MS, **wanted)
    assert ran.run.status == 0, ran.err
    return traffic_of([ran.run])


def reasons(script: str, rules: Rules | None = None, **wanted: Any) -> list[Any]:
    found = openings_of(sent(script, **wanted), rules or Rules())
    return [(each.why, each.needless) for each in found]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("for _ in 'ab': one = client(); ask(one); one.close()", Why.CLOSED),
        ("for _ in 'ab': ask(client(), Connection='close')", Why.ASKED),
        ("one, other = client(), client(); ask(one); ask(other)", Why.UNUSED_IDLE),
        (
            "one = client(); ask(one); time.sleep(0.8); one.close(); ask(client())",
            Why.IDLE,
        ),
        (
            "one = client(); one.request('GET', '/x'); time.sleep(0.3)\n"
            "one.sock.close(); time.sleep(0.1); ask(client())",
            Why.UNREAD,
        ),
    ],
    ids=str,
)
def test_what_a_client_does_by_itself_is_needless(script: str, why: Why) -> None:
    assert reasons(script) == [(Why.FIRST, False), (why, True)]


def test_a_client_that_keeps_its_connection_opens_one() -> None:
    assert reasons("one = client(); [ask(one) for _ in 'abcde']") == [
        (Why.FIRST, False)
    ]


def test_requests_at_the_same_time_need_a_connection_each() -> None:
    script = (
        "go = threading.Barrier(2)\n"
        "def work(one): one.connect(); go.wait(); ask(one)\n"
        "threads = [threading.Thread(target=work, args=(client(),)) for _ in 'ab']\n"
        "[each.start() for each in threads]; [each.join() for each in threads]"
    )

    assert reasons(script, exchange=ExchangeSpec(processing_ms=200.0)) == [
        (Why.FIRST, False),
        (Why.BUSY, False),
    ]


@pytest.mark.parametrize(
    ("pause", "spec", "rules", "why"),
    [
        (1.0, {"idle_timeout_s": 0.4}, Rules(server_idle_s=0.4), Why.SERVER_IDLE),
        (0.1, {"max_requests": 1}, Rules(server_uses=1), Why.SERVER_LIMIT),
    ],
)
def test_what_the_server_has_closed_was_needed_again(
    pause: float, spec: dict[str, Any], rules: Rules, why: Why
) -> None:
    script = f"one = client(); ask(one); time.sleep({pause}); one.close(); ask(one)"

    found = reasons(script, rules, exchange=ExchangeSpec(processing_ms=0.0, **spec))

    assert found == [(Why.FIRST, False), (why, False)]


def test_a_server_that_closes_without_a_word_is_told_from_its_limits() -> None:
    behaviour = Behaviour(after_response="fin")
    script = "one = client(); ask(one); time.sleep(0.2); one.close(); ask(one)"

    assert reasons(script, behaviour=behaviour)[1] == (Why.SERVER_CLOSED, False)


def test_the_end_of_http2_is_told() -> None:
    url = "https://a.example/x"
    spec = ExchangeSpec(processing_ms=0.0, http2=True, max_requests=2)
    # With a pause: the third request must not leave before GOAWAY has come.
    curl = ("curl", "--silent", "--http2", "--rate", "2/s")
    ran = inside(*curl, *[url] * 3, exchange=spec)

    found = openings_of(traffic_of([ran.run]), Rules(server_uses=2))

    assert [each.connection.speech for each in found] == ["h2", "h2"]
    assert [each.why for each in found] == [Why.FIRST, Why.GOAWAY]


def test_a_connection_that_is_only_opened_is_not_called_needless() -> None:
    found = reasons("one = client(); one.connect(); time.sleep(0.1); one.close()")

    assert found == [(Why.AHEAD, False)]


def test_a_client_without_our_certificate_is_seen_to_refuse_it() -> None:
    script = (
        "try: ask(client(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)))\n"
        "except ssl.SSLError: pass"
    )

    (found,) = openings_of(sent(script), Rules())

    assert found.why is Why.REFUSED
    assert "unknown_ca" in found.connection.refusal.replace(" ", "_")


@pytest.mark.parametrize(("tls", "trips"), [("1.3", 1), ("1.2", 2)])
def test_phases_are_round_trips_of_the_link(tls: str, trips: int) -> None:
    spec = ExchangeSpec(processing_ms=0.0, tls=tls)

    found = sent("one = client(); ask(one); ask(one)", exchange=spec)

    (connection,) = found.connections
    assert connection.round_trips == trips
    assert (connection.connect_ns or 0) >= RTT_MS * 0.97e6
    assert (connection.tls_ns or 0) >= trips * RTT_MS * 0.97e6
    for request in found.requests:
        assert (request.wait_ns or 0) >= RTT_MS * 0.97e6
        assert request.send_ns is not None
        assert request.receive_ns is not None


CURL = ("curl", "--silent", "--output", "/dev/null")
URL = "https://a.example/x"


def test_the_exit_code_is_that_of_what_is_asserted() -> None:
    asked = ("--rtt", "5ms", "--assert", "needless == 0", "--assert", "requests == 2")

    met = executed(*asked, "--", *CURL, URL, URL)
    missed = executed(*asked, "--", "sh", "-c", f"{' '.join(CURL)} {URL}; " * 2)

    assert met.returncode == 0, met.stderr
    last = "exit code 0: vestbench's, for what is asserted: PASS"
    assert met.stderr.splitlines()[-1] == last
    assert missed.returncode == 1, missed.stderr
    last = "exit code 1: vestbench's, for what is asserted: FAIL"
    assert missed.stderr.splitlines()[-1] == last


def test_the_programs_own_exit_code_goes_before_what_is_asserted() -> None:
    done = executed(
        "--rtt", "0ms", "--assert", "requests == 9", "--", "sh", "-c", "exit 4"
    )

    assert done.returncode == 4
    assert done.stderr.splitlines()[-1] == "exit code 4: that of sh"


def test_a_wrong_assertion_is_refused_before_the_program_runs() -> None:
    done = executed("--rtt", "0ms", "--assert", "saving >= 1ms", "--", "echo", "ran")

    assert (done.returncode, done.stdout) == (2, "")


def test_the_report_of_a_program_is_apart_from_what_it_prints() -> None:
    done = executed("--rtt", "0ms", "--", "echo", "mine")

    assert done.stdout == "mine\n"
    assert "Your program sent 0 requests" in done.stderr
