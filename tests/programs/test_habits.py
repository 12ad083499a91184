"""Why connections were opened, and what delays them, by clients that do just that."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.inside import environment, inside
from vestbench.api.traffic import Account, account_of, rules_for
from vestbench.model.simulated import ExchangeSpec
from vestbench.model.traffic import Traffic
from vestbench.programs.account import traffic_of
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.studies.traffic.delays import DelayKind, delays_of

pytestmark = pytest.mark.link

CLIENT = (Path(__file__).parent / "clients" / "habits.py").read_text()


def traffic(habit: str, rtt_ms: float = 10.0, **exchange: Any) -> Traffic:
    behaviour = exchange.pop("behaviour", Behaviour())
    spec = ExchangeSpec(**{"processing_ms": 0.0, **exchange})
    ran = inside(
        *(sys.executable, "-I", "-c", CLIENT, habit),
        rtt_ms=rtt_ms,
        exchange=spec,
        behaviour=behaviour,
    )
    assert ran.run.status == 0, ran.err
    return traffic_of([ran.run])


def account(habit: str, **exchange: Any) -> Account:
    rules = {k: v for k, v in exchange.items() if k != "behaviour"}
    return account_of(traffic(habit, **exchange), rules_for(ExchangeSpec(**rules)))


@pytest.mark.parametrize(
    ("exchange", "why", "opened"),
    [
        ({"max_requests": 2}, "server-limit", 1),
        ({"behaviour": Behaviour(after_response="fin")}, "server-closed", 3),
    ],
    ids=["limit", "close"],
)
def test_an_end_that_comes_with_an_answer_is_the_servers_however_late_its_fin(
    exchange: dict[str, Any], why: str, opened: int
) -> None:
    # The client goes on at once, and so may open the next one before it comes.
    found = account("four", **exchange)

    assert found.reasons == {"first": 1, why: opened}, found.told
    assert found.needless == 0


def test_of_two_of_which_one_is_never_used_the_other_is_needed() -> None:
    found = account("ahead")

    assert found.reasons == {"ahead": 1, "first": 1}, found.told
    assert (found.needless, found.unused) == (0, 1)


def test_a_connection_after_one_that_failed_is_needed() -> None:
    found = account("failed")

    assert found.needless == 0
    assert found.reasons.get("failed") == 1, found.told


def delays(found: Traffic) -> dict[DelayKind, int]:
    return {each.kind: each.count for each in delays_of(found)}


def test_nagle_between_the_handshake_and_the_request_is_named() -> None:
    found = traffic("nagle", rtt_ms=30.0)

    assert delays(found) == {DelayKind.NAGLE: 1}
    assert found.requests[0].nagle_ns > 25_000_000


def test_a_request_in_two_writes_is_named() -> None:
    found = traffic("split", rtt_ms=30.0)

    assert DelayKind.NAGLE not in delays(found)
    assert found.requests[0].ack_ns > 25_000_000


def test_a_delayed_acknowledgement_is_named() -> None:
    found = traffic("delayed_ack", rtt_ms=30.0)

    assert delays(found)[DelayKind.DELAYED_ACK] == 1
    assert found.requests[-1].ack_ns > 60_000_000  # a round trip, and 40 ms


@pytest.mark.skipif(not ssl.HAS_TLSv1_3, reason="it is of TLS 1.3")
def test_a_hello_retry_request_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The exchange takes one group only, of which no client offers a share at first.
    config = tmp_path / "openssl.cnf"
    config.write_text(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n"
        "[tls]\nGroups = P-384\n"
    )
    monkeypatch.setenv("OPENSSL_CONF", str(config))

    ran = inside(
        *(sys.executable, "-I", "-c", CLIENT, "one"),
        rtt_ms=30.0,
        env={k: v for k, v in environment().items() if k != "OPENSSL_CONF"},
    )

    found = traffic_of([ran.run])
    assert ran.run.status == 0, ran.err
    assert delays(found) == {DelayKind.RETRY: 1}
    assert found.connections[0].round_trips == 2
