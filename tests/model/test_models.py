"""Records on their way between processes, and to disk and back."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any, NoReturn

import pytest

from tests.support.records import failure, sample
from vestbench.model.request import RequestSpec

SPEC = RequestSpec(
    endpoint="order",
    method="POST",
    url="https://localhost/v2/orders",
    headers=(("x-api-key", "k"),),
    body=b"{}",
    unsigned={"nonce": 1},
    accept=(200, 400),
)
RECORDS = [SPEC, sample(3, 7, reused=True), sample(dns=None), failure(1), sample().slot]


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_record_is_the_same_after_a_journey(record: Any, protocol: int) -> None:
    arrived = pickle.loads(pickle.dumps(record, protocol))  # noqa: S301 - our own

    assert arrived == record
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(arrived, dataclasses.fields(record)[0].name, None)


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_travels_without_its_fields_being_looked_up(
    record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> NoReturn:
        raise AssertionError("looked up")

    monkeypatch.setattr(dataclasses, "fields", refuse)

    assert pickle.loads(pickle.dumps(record)) == record  # noqa: S301 - our own
