"""What the answers of Vest make of an outcome."""

from __future__ import annotations

import json

import pytest

from tests.support.records import failure, sample
from vestbench.model.request import Failure, FailureKind, RequestSpec
from vestbench.venues.vest import answers as vest_answers
from vestbench.venues.vest.answers import judged


def spec(endpoint: str) -> RequestSpec:
    return RequestSpec(endpoint=endpoint, method="POST", url="https://a.test/")


def answer(code: int) -> bytes:
    return json.dumps({"code": code, "msg": "hunter2"}).encode()


def test_not_found_is_the_answer_wanted_from_a_cancel() -> None:
    found = sample(status=400)

    assert judged(spec("cancel"), found, answer(3017)) is found


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        (400, answer(1022), "HTTP 400, code 1022 (invalid signature)"),
        (400, answer(3015), "HTTP 400, code 3015 (duplicate)"),
        (400, answer(9999), "HTTP 400, code 9999"),
        (400, b'{"detail":{"code":1132}}', "HTTP 400, code 1132 (order expired)"),
        (404, b"<html>no such page", "HTTP 404, without an error code"),
        (200, b'{"id":"0xab"}', "HTTP 200, an order that cannot exist was cancelled"),
        (200, b"", "HTTP 200, an order that cannot exist was cancelled"),
    ],
)
def test_any_other_answer_to_a_cancel_is_a_failure(
    status: int, body: bytes, detail: str
) -> None:
    found = sample(status=status, latency=40.0)

    outcome = judged(spec("cancel"), found, body)

    assert outcome == Failure(
        slot=found.slot,
        start_ns=found.start_ns,
        elapsed_ns=found.latency_ns,
        kind=FailureKind.STATUS,
        detail=detail,
        status=status,
        reused=False,
    )


def test_an_order_is_answered_by_its_id_and_nothing_else() -> None:
    found = sample()

    assert judged(spec("order"), found, b'{"id":"0xab"}') is found
    refused = judged(spec("order"), found, b"{}")
    assert isinstance(refused, Failure)
    assert refused.detail == "HTTP 200, the answer holds no order id"


@pytest.mark.parametrize("endpoint", ["account", "orders", "nonce", "ticker"])
def test_other_answers_are_judged_by_their_status_alone(endpoint: str) -> None:
    found = sample()

    assert judged(spec(endpoint), found, answer(1022)) is found


def test_a_failure_gets_the_code_of_its_answer() -> None:
    refused = failure(kind=FailureKind.STATUS, status=400, detail="HTTP 400 Bad")

    outcome = judged(spec("order"), refused, answer(3011))

    assert isinstance(outcome, Failure)
    assert outcome.detail == "HTTP 400 Bad, code 3011 (invalid limit price)"


def test_a_failure_without_an_answer_stays_as_it_is() -> None:
    timed_out = failure()

    assert judged(spec("order"), timed_out, b"") is timed_out


def test_no_text_of_an_answer_is_repeated() -> None:
    for found in (sample(status=400), failure(status=400)):
        assert "hunter2" not in str(judged(spec("cancel"), found, answer(1022)))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 33,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'["]",' * 5_000,  # brackets in texts close nothing
        b'["\\"]",' * 5_000,
        b"[],".join([b"["] * 200_000),
    ],
    ids=["open", "nested", "behind-texts", "behind-quotes", "long"],
)
def test_an_answer_that_is_too_deep_is_not_even_read(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: bytes) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr(json, "loads", never)

    assert vest_answers.error_code(body) is None
    assert vest_answers.order_states(body) is None


def test_an_answer_that_is_only_long_is_read() -> None:
    entries = [{"status": "REJECTED", "note": "]" * 9, "more": [[]]}] * 1_000

    states = vest_answers.order_states(json.dumps(entries).encode())

    assert states == ("REJECTED",) * 1_000


@pytest.mark.parametrize(
    ("body", "states"),
    [
        (b"[]", ()),
        (b'[{"status":"FILLED"}]', ("FILLED",)),
        (b'[1,{"status":2},{}]', ()),
        (b"{}", None),
        (b"", None),
    ],
)
def test_the_states_of_orders_are_read(
    body: bytes, states: tuple[str, ...] | None
) -> None:
    assert vest_answers.order_states(body) == states
