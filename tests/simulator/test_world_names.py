"""The DNS of the world: an address for every name."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestbench.simulator.world.names import MAX_NAMES, Names

A, AAAA, HTTPS = 1, 28, 65
IN = 1


def query(name: str, kind: int = A, *, number: int = 7, flags: int = 0x0100) -> bytes:
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".") if x)
    head = struct.pack("!HHHHHH", number, flags, 1, 0, 0, 0)
    return head + labels + b"\0" + struct.pack("!HH", kind, IN)


def address(answer: bytes) -> str:
    assert struct.unpack_from("!H", answer, 6)[0] == 1, "not one answer"
    return ".".join(map(str, answer[-4:]))


def test_each_name_has_an_address_of_its_own_and_keeps_it() -> None:
    names = Names()

    found = [address(names.answer(query(n))) for n in ("a.x", "b.x", "A.X", "a.x.")]

    assert found == ["10.99.1.0", "10.99.1.1", "10.99.1.0", "10.99.1.0"]
    assert names.name_of("10.99.1.1") == "b.x"
    assert names.name_of("10.99.1.2") == ""
    assert names.counts == {"a.x": 3, "b.x": 1}


def test_an_answer_repeats_number_and_question_and_can_recurse() -> None:
    asked = query("a.x", number=0xBEEF)

    answer = Names().answer(asked)

    number, flags, *counts = struct.unpack_from("!HHHHHH", answer)
    assert (number, flags, counts) == (0xBEEF, 0x8580, [1, 1, 0, 0])
    assert answer[12:].startswith(asked[12:])


@pytest.mark.parametrize("kind", [AAAA, HTTPS])
def test_of_other_types_there_is_nothing_and_no_error(kind: int) -> None:
    names = Names()

    flags, questions, answers = struct.unpack_from(
        "!HHH", names.answer(query("a.x", kind)), 2
    )

    assert (flags & 15, questions, answers) == (0, 1, 0)
    assert names.counts["a.x"] == 0


def test_localhost_is_this_machine() -> None:
    assert address(Names().answer(query("db.localhost"))) == "127.0.0.1"


def test_who_wants_to_know_hears_each_name_once() -> None:
    heard: list[str] = []
    names = Names(heard.append)

    for name in ("a.x", "a.x", "b.x"):
        names.answer(query(name))

    assert heard == ["a.x", "b.x"]


def test_what_is_no_query_is_answered_as_such() -> None:
    answer = Names().answer(b"\0\7nonsense")

    assert answer[:2] == b"\0\7"
    assert struct.unpack_from("!H", answer, 2)[0] & 15 == 1


def test_an_answer_is_not_answered() -> None:
    assert Names().answer(query("a.x", flags=0x8180)) == b""


def test_names_beyond_all_reason_are_refused() -> None:
    names = Names()
    for number in range(MAX_NAMES):
        names.address_of(f"n{number}")

    assert struct.unpack_from("!H", names.answer(query("one.more")), 2)[0] & 15 == 5
    assert address(names.answer(query("n3"))) == "10.99.1.3"


@given(st.binary(max_size=80))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    Names().answer(data)
