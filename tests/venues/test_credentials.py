"""Keys: where they come from, which one wins, and throw-away ones."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keys import ENVIRONMENT, FULL, KEY_DIGITS, assert_hidden
from tests.support.signed import SIGNING
from vestbench.errors import ExitCode, UsageError
from vestbench.venues.vest.credentials import Credentials, from_environment, from_prompt
from vestbench.venues.vest.signing import DEVELOPMENT_CONTRACT, PRODUCTION_CONTRACT


def test_the_environment_gives_all_that_the_bot_reads() -> None:
    assert from_environment(ENVIRONMENT) == FULL


def test_an_empty_environment_gives_nothing() -> None:
    assert from_environment({"PATH": "/bin", "VEST_OTHER": "x"}) == Credentials()


def test_an_empty_variable_is_not_set() -> None:
    assert from_environment(dict.fromkeys(ENVIRONMENT, "")) == Credentials()


@pytest.mark.parametrize(
    ("text", "contract"),
    [
        ("true", PRODUCTION_CONTRACT),
        ("True", PRODUCTION_CONTRACT),
        ("1", PRODUCTION_CONTRACT),
        ("false", DEVELOPMENT_CONTRACT),
        ("0", DEVELOPMENT_CONTRACT),
    ],
)
def test_production_decides_the_contract(text: str, contract: str) -> None:
    assert from_environment({"VEST_PRODUCTION": text}).contract == contract


BAD_TEXTS = [
    pytest.param("VEST_SIGNING_KEY", KEY_DIGITS[:-1], "64 hex digits", id="short"),
    pytest.param("VEST_SIGNING_KEY", KEY_DIGITS + "0", "64 hex digits", id="long"),
    pytest.param("VEST_PRIMARY_KEY", "g" + KEY_DIGITS[1:], "64 hex", id="no hex"),
    pytest.param("VEST_PRIMARY_KEY", "0x0x" + KEY_DIGITS, "64 hex", id="twice 0x"),
    pytest.param("VEST_PRIMARY_KEY", "0" * 64, "out of range", id="zero"),
    pytest.param("VEST_PRIMARY_KEY", "f" * 64, "out of range", id="too large"),
    pytest.param("VEST_SIGNING_KEY", KEY_DIGITS + "\n", "control", id="line break"),
    pytest.param("VEST_SIGNING_KEY", " " + KEY_DIGITS, "a space", id="space"),
    pytest.param("VEST_SIGNING_KEY", KEY_DIGITS[:-1] + "é", "ASCII", id="accent"),
    pytest.param("VEST_SIGNING_KEY", KEY_DIGITS[:-1] + "１", "ASCII", id="digit"),
    pytest.param("VEST_API_KEY", "hunter2\r\nx: y", "control", id="header"),
    pytest.param("VEST_API_KEY", "hunter2\0", "control", id="null"),
    pytest.param("VEST_API_KEY", "hunter2\x7f", "control", id="delete"),
    pytest.param("VEST_API_KEY", "hunter2\udcff", "ASCII", id="bytes"),
    pytest.param("VEST_API_KEY", "hunter2 ", "a space", id="trailing"),
    pytest.param("VEST_API_KEY", "hunter2" * 999, "1 to 1024", id="endless"),
    pytest.param("VEST_ACCOUNT_GROUP", "10", "0 to 9", id="group"),
    pytest.param("VEST_ACCOUNT_GROUP", "-1", "0 to 9", id="negative"),
    pytest.param("VEST_ACCOUNT_GROUP", "٣", "0 to 9", id="arabic"),
    pytest.param("VEST_PRIMARY_ADDR", "0x12", "40 hex digits", id="address"),
    pytest.param("VEST_PRIMARY_ADDR", KEY_DIGITS, "40 hex digits", id="a key"),
    pytest.param("VEST_PRODUCTION", "hunter2", "true or false", id="production"),
]


@pytest.mark.parametrize(("variable", "text", "why"), BAD_TEXTS)
def test_a_bad_variable_is_named_in_one_line_without_its_value(
    variable: str, text: str, why: str
) -> None:
    with pytest.raises(UsageError, match=why) as refusal:
        from_environment({**ENVIRONMENT, variable: text})

    message = str(refusal.value)
    assert message.startswith(variable + " ")
    assert message.isprintable()
    assert text not in message
    assert_hidden("".join(traceback.format_exception(refusal.value)))
    assert refusal.value.__context__ is None
    assert refusal.value.exit_code is ExitCode.USAGE


@given(st.text(min_size=6))
def test_no_message_repeats_what_was_given(text: str) -> None:
    for variable in ENVIRONMENT:
        try:
            from_environment({variable: text})
        except UsageError as error:
            # Words of the message itself, such as "number", may have been the value.
            said = str(error)
            assert said.isprintable()
            assert text not in said or text in str(_refusal(variable, "\x07"))


def _refusal(variable: str, text: str) -> str:
    with pytest.raises(UsageError) as refusal:
        from_environment({variable: text})
    return str(refusal.value)


def test_what_was_typed_is_refused_without_being_repeated() -> None:
    assert from_prompt("signing_key", KEY_DIGITS).signing_key == SIGNING
    with pytest.raises(UsageError) as refusal:
        from_prompt("primary_key", KEY_DIGITS[1:])

    assert str(refusal.value).startswith("the primary key that was typed is not")
    assert KEY_DIGITS[1:] not in str(refusal.value)
