"""Faults by chance, and the rate limit."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from tests.support.exchange_client import STRANGER, Client, code
from tests.support.exchange_talk import GET, Talk
from tests.support.market_answers import finished
from vestbench.simulator.http.behaviour import (
    FAULTS,
    SERVER_ERRORS,
    Behaviour,
    Fault,
    parse_faults,
)
from vestbench.simulator.http.messages import Request
from vestbench.simulator.http.service import Chance
from vestbench.simulator.vest.accounts import MAX_CLIENTS, RateLimit

# What users write.


def test_faults_are_read_as_users_write_them() -> None:
    text = "5xx=0.05,reset=0.01, stall = 0.01,close=0.1,429=1e-3"

    faults = parse_faults(text)

    assert faults == {
        "fault_5xx": 0.05,
        "fault_reset": 0.01,
        "fault_stall": 0.01,
        "fault_close": 0.1,
        "fault_429": 0.001,
    }
    assert asdict(Behaviour(**faults, seed=3))["fault_close"] == 0.1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unknown fault '': use 5xx, reset, stall, close, 429"),
        ("5xx=0.1,", "unknown fault ''"),
        ("slow=0.1", "unknown fault 'slow'"),
        ("5XX=0.1", "unknown fault '5XX'"),
        ("5xx", "fault 5xx needs a probability between 0 and 1, as in 5xx=0.05"),
        ("5xx=", "needs a probability"),
        ("5xx=x", "needs a probability"),
        ("5xx=nan", "needs a probability"),
        ("5xx=inf", "needs a probability"),
        ("5xx=-0.1", "needs a probability"),
        ("5xx=1.1", "needs a probability"),
        ("5xx=5%", "needs a probability"),
        ("5xx=0.1,5xx=0.2", "fault 5xx is given twice"),
        ("5xx=0.6,close=0.5", "add up to more than 1"),
        ("a\nb=1", "unknown fault 'a\\nb'"),
    ],
)
def test_unusable_faults_are_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"fault|more than 1") as caught:
        parse_faults(text)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fault_5xx": -0.1},
        {"fault_reset": 1.1},
        {"fault_stall": float("nan")},
        {"fault_5xx": 0.6, "fault_429": 0.6},
    ],
)
def test_impossible_probabilities_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="probabilit"):
        Behaviour(**wrong)  # type: ignore[arg-type]


# Chance.


def drawn(seed: int, chances: dict[str, Any]) -> list[Fault | None]:
    behaviour = Behaviour(seed=seed, **chances)
    chance = Chance(behaviour)
    return [chance.fault() for _ in range(20_000)]


def test_faults_are_as_frequent_as_asked_for_and_the_seed_decides_them() -> None:
    chances = {"fault_5xx": 0.05, "fault_close": 0.1, "fault_429": 0.2}

    found = drawn(1, chances)

    assert set(found) == {None, "5xx", "close", "429"}
    for name, chance in chances.items():
        # Four standard deviations of a binomial.
        spread = 4 * (chance * (1 - chance) / len(found)) ** 0.5
        share = found.count(name.removeprefix("fault_")) / len(found)  # type: ignore[arg-type]
        assert abs(share - chance) < spread
    assert drawn(1, chances) == found
    assert drawn(2, chances) != found


def test_certain_faults_always_happen_and_absent_ones_never() -> None:
    for fault in FAULTS:
        assert set(drawn(1, {f"fault_{fault}": 1.0})) == {fault}
    assert set(drawn(1, {})) == {None}


# On the wire.


def talk(**behaviour: Any) -> Talk:
    return Talk(behaviour=Behaviour(**behaviour))


def test_server_errors_come_instead_of_the_answer() -> None:
    conversation = talk(fault_5xx=1.0)

    answers = [conversation.ask() for _ in range(60)]

    assert {each.status for each in answers} == set(SERVER_ERRORS)
    assert all(each.error["code"] == each.status for each in answers)
    assert conversation.requests == []  # no effect
    assert conversation.ended() == ""


def test_too_many_requests_come_with_their_code_and_retry_after() -> None:
    answer = talk(fault_429=1.0).ask()
    patient = talk(fault_429=1.0, retry_after_s=7).ask()

    assert (answer.status, answer.error["code"]) == (429, 1003)
    assert answer.headers["retry-after"] == "1"
    assert patient.headers["retry-after"] == "7"


def test_reset_comes_instead_of_the_answer() -> None:
    conversation = talk(fault_reset=1.0)

    assert conversation.send(GET) == []
    assert conversation.ended() == "rst"
    assert conversation.requests == []
    assert conversation.closes == {"behaviour": 1}


def test_close_follows_an_answer_that_does_not_announce_it() -> None:
    conversation = talk(fault_close=1.0)

    answer = conversation.ask()

    assert answer.status == 200
    assert "connection" not in answer.headers
    assert conversation.ended() == "fin"


def test_client_that_wants_the_end_is_still_told() -> None:
    conversation = talk(fault_close=1.0)

    answer = conversation.ask(GET.replace(b"Host: h", b"Host: h\r\nConnection: close"))

    assert answer.headers["connection"] == "close"


def test_stall_leaves_the_connection_open_without_an_answer() -> None:
    conversation = talk(fault_stall=1.0)

    assert conversation.send(GET) == []
    conversation.timers.pass_s(1_000.0)
    assert conversation.ended() == ""
    assert conversation.stream.written == b""


def test_the_same_seed_gives_the_same_faults_on_the_wire() -> None:
    def statuses(seed: int) -> list[int]:
        conversation = talk(fault_5xx=0.2, fault_429=0.2, seed=seed)
        return [conversation.ask().status for _ in range(50)]

    assert statuses(1) == statuses(1) != statuses(2)


def test_new_behaviour_begins_its_chances_anew() -> None:
    conversation = talk(fault_5xx=0.5)
    first = [conversation.ask().status for _ in range(20)]
    conversation.service.behaviour = replace(conversation.service.behaviour)

    assert [conversation.ask().status for _ in range(20)] == first


# The rate limit.


def test_a_second_of_requests_at_once_and_then_the_rate() -> None:
    limit = RateLimit(5)

    assert [limit.take("a", 1_000) for _ in range(7)] == [0] * 5 + [1, 1]
    assert limit.take("b", 1_000) == 0
    assert limit.take("a", 1_199) == 1
    assert limit.take("a", 1_200) == 0
    assert limit.take("a", 1_200) == 1
    assert [limit.take("a", 60_000) for _ in range(6)] == [0] * 5 + [1]


def test_waiting_as_long_as_told_is_enough() -> None:
    limit = RateLimit(0.2)
    assert limit.take("a", 0) == 0

    wait_s = limit.take("a", 1_000)

    assert wait_s == 4
    assert limit.take("a", 1_000 + wait_s * 1_000 - 1) == 1
    assert limit.take("a", 1_000 + wait_s * 1_000) == 0


def test_clock_that_goes_back_harms_nobody() -> None:
    limit = RateLimit(1)

    assert [limit.take("a", now_ms) for now_ms in (5_000, 4_000, 5_000)] == [0, 1, 0]


def test_no_limit_is_no_limit_and_less_is_refused() -> None:
    limit = RateLimit(0)

    assert {limit.take("a", 0) for _ in range(1_000)} == {0}
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="rate_limit"):
            RateLimit(wrong)


def test_clients_are_bounded() -> None:
    limit = RateLimit(1)
    for number in range(MAX_CLIENTS * 2):
        limit.take(str(number), 0)

    assert len(limit._left) == MAX_CLIENTS


def test_accounts_and_addresses_are_limited_each_on_its_own() -> None:
    client = Client(rate_limit=2.0)
    client.register()  # counts for the address
    other = Client(primary=STRANGER, application=client.application)
    other.register()

    assert client.ask("GET", "/account", time=1)[0] == 200
    assert client.ask("GET", "/exchangeInfo")[0] == 200
    assert code(client.ask("GET", "/account", time=1)) == 1003
    assert other.ask("GET", "/account", time=1)[0] == 200
    assert code(client.ask("GET", "/exchangeInfo", key="void")) == 1003
    assert client.ask("GET", "/exchangeInfo", key="void", peer="::2")[0] == 200
    client.now_ms += 500
    assert client.ask("GET", "/account", time=1)[0] == 200


def test_limited_client_is_told_when_to_come_back() -> None:
    client = Client(rate_limit=1.0)
    request = Request("GET", "/v2/exchangeInfo", {}, {"xrestservermm": "restserver0"})
    finished(client.application.begin(request))

    response = finished(client.application.begin(request))

    assert (response.status, response.headers) == (429, (("Retry-After", "1"),))
