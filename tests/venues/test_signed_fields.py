"""What a signature depends on, what cannot be signed, and decimals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.signed import (
    CANCEL,
    EXPIRY_MS,
    FEW,
    ORDER,
    PRIMARY,
    PRIMARY_ADDRESS,
    SIGNING,
    SIGNING_ADDRESS,
    TIME_MS,
    orders,
)
from vestbench.venues.secret import Secret
from vestbench.venues.vest import signing
from vestbench.venues.vest.signing import (
    DEVELOPMENT_CONTRACT,
    PRODUCTION_CONTRACT,
    address_of,
    cancel_signature,
    decimal_text,
    order_signature,
    registration_proof,
)

# Each field counts.


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_ms", TIME_MS + 1),
        ("nonce", TIME_MS + 1),
        ("order_type", "MARKET"),
        ("symbol", "ETH-PERP"),
        ("is_buy", False),
        ("size", "0.0002"),
        ("size", "0.00010"),
        ("limit_price", "47561.71"),
        ("limit_price", "47561.7"),
        ("reduce_only", True),
    ],
)
def test_each_field_of_an_order_changes_its_signature(field: str, value: Any) -> None:
    changed = order_signature(SIGNING, **{**ORDER, field: value})

    assert changed != order_signature(SIGNING, **ORDER)


@pytest.mark.parametrize(
    ("field", "value"),
    [("time_ms", TIME_MS + 1), ("nonce", 1), ("order_id", "0x" + "0" * 63 + "1")],
)
def test_each_field_of_a_cancel_changes_its_signature(field: str, value: Any) -> None:
    changed = cancel_signature(SIGNING, **{**CANCEL, field: value})

    assert changed != cancel_signature(SIGNING, **CANCEL)


@pytest.mark.parametrize(
    "changed",
    [
        (SIGNING, SIGNING_ADDRESS, EXPIRY_MS, PRODUCTION_CONTRACT),
        (PRIMARY, PRIMARY_ADDRESS, EXPIRY_MS, PRODUCTION_CONTRACT),
        (PRIMARY, SIGNING_ADDRESS, EXPIRY_MS + 1, PRODUCTION_CONTRACT),
        (PRIMARY, SIGNING_ADDRESS, EXPIRY_MS, DEVELOPMENT_CONTRACT),
    ],
    ids=["key", "signing address", "expiry", "contract"],
)
def test_each_field_of_a_registration_changes_its_proof(
    changed: tuple[Secret, str, int, str],
) -> None:
    proof = registration_proof(PRIMARY, SIGNING_ADDRESS, EXPIRY_MS, PRODUCTION_CONTRACT)

    assert registration_proof(*changed) != proof


@FEW
@given(orders, orders)
def test_different_orders_have_different_signatures(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    same = order_signature(SIGNING, **one) == order_signature(SIGNING, **other)

    assert same is (one == other)


def test_text_cannot_move_from_one_field_into_the_next() -> None:
    one = {**ORDER, "size": "1.00", "limit_price": "12.00"}
    other = {**ORDER, "size": "1.001", "limit_price": "2.00"}

    assert order_signature(SIGNING, **one) != order_signature(SIGNING, **other)


def test_the_case_of_an_address_does_not_matter() -> None:
    upper = "0x" + SIGNING_ADDRESS[2:].upper()
    contract = PRODUCTION_CONTRACT.lower()

    assert registration_proof(
        PRIMARY, upper, EXPIRY_MS, contract
    ) == registration_proof(PRIMARY, SIGNING_ADDRESS, EXPIRY_MS, PRODUCTION_CONTRACT)


def test_signing_leaves_its_input_alone_and_repeats_itself() -> None:
    order, cancel = deepcopy(ORDER), deepcopy(CANCEL)

    signatures = {order_signature(SIGNING, **order) for _ in range(3)}
    cancel_signature(SIGNING, **cancel)

    assert len(signatures) == 1
    assert (order, cancel) == (ORDER, CANCEL)


def test_a_signature_is_r_s_v_in_hex() -> None:
    text = order_signature(SIGNING, **ORDER)

    assert text.startswith("0x")
    assert len(text) == 2 + 2 * 65
    assert text == text.lower()
    assert int(text[-2:], 16) in (27, 28)


def test_after_preparing_nothing_is_left_to_import() -> None:
    script = (
        "import sys; from vestbench.venues import secret; "
        "from vestbench.venues.vest import signing; signing.prepare(); "
        "before = set(sys.modules); key = secret.Secret('0x' + '5e' * 32); "
        "signing.address_of(key); "
        f"signing.order_signature(key, **{ORDER!r}); "
        f"signing.cancel_signature(key, **{CANCEL!r}); "
        "signing.registration_proof(key, '0x' + '5e' * 20, 1, '0x' + '5e' * 20); "
        "print(*(set(sys.modules) - before))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ""


# What cannot be signed.


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("time_ms", -1, "does not fit"),
        ("nonce", 2**256, "does not fit"),
        ("nonce", True, "whole number"),
        ("time_ms", 1.0, "whole number"),
        ("is_buy", 1, "bool"),
        ("reduce_only", "false", "bool"),
        ("size", Decimal("0.1"), "string"),
        ("size", 0.1, "string"),
        ("limit_price", None, "string"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused(field: str, value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        order_signature(SIGNING, **{**ORDER, field: value})


@pytest.mark.parametrize(
    ("signer", "contract"),
    [
        (SIGNING_ADDRESS[:-1], PRODUCTION_CONTRACT),
        (SIGNING_ADDRESS[2:], PRODUCTION_CONTRACT),
        (SIGNING_ADDRESS, "vest.eth"),
        (SIGNING_ADDRESS + "\n", PRODUCTION_CONTRACT),
    ],
)
def test_what_is_no_address_is_refused(signer: str, contract: str) -> None:
    with pytest.raises(ValueError, match="40 hex digits"):
        registration_proof(PRIMARY, signer, EXPIRY_MS, contract)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x" + "0" * 64,
        f"0x{signing._KEYS:064x}",
        "0x" + "zz" * 32,
        "0x" + "5e" * 31,
        "0x" + "5E" * 32,
        "0x" + "5e" * 32 + "\n",
    ],
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    key = Secret(text)
    acts: tuple[Callable[[], str], ...] = (
        lambda: address_of(key),
        lambda: order_signature(key, **ORDER),
        lambda: cancel_signature(key, **CANCEL),
        lambda: registration_proof(
            key, SIGNING_ADDRESS, EXPIRY_MS, PRODUCTION_CONTRACT
        ),
    )

    for act in acts:
        with pytest.raises(ValueError, match="the key is not") as refusal:
            act()
        assert str(refusal.value).isprintable()
        if text:
            assert text not in str(refusal.value)


# Decimals.


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        ("1", 4, "1.0000"),
        ("1.50", 1, "1.5"),
        ("1.5000", 4, "1.5000"),
        (Decimal("0.0001"), 4, "0.0001"),
        (Decimal("1E+3"), 2, "1000.00"),
        (Decimal("1E-4"), 4, "0.0001"),
        (Decimal("100E-2"), 0, "1"),
        (3, 0, "3"),
        (0, 2, "0.00"),
        ("0", 0, "0"),
        (Decimal("-0.0"), 1, "0.0"),
        (Decimal("0E-99999"), 1, "0.0"),
        (Decimal("0E+99999"), 1, "0.0"),
        ("007.5", 1, "7.5"),
        (Decimal("50E-3"), 2, "0.05"),
        ("12345678901234567890123456789012.12345678", 8, None),
    ],
)
def test_decimals_are_padded_to_those_of_the_symbol(
    value: Decimal | int | str, decimals: int, text: str | None
) -> None:
    assert decimal_text(value, decimals) == (text or value)


@pytest.mark.parametrize(
    ("value", "decimals", "why"),
    [
        ("0.00001", 4, "more than 4 decimals"),
        ("1.05", 1, "more than 1 decimals"),
        (Decimal("0.5"), 0, "more than 0 decimals"),
        (Decimal("1E-999999"), 2, "more than 2 decimals"),
        (Decimal("1E+999999"), 2, "no price"),
        ("1" * 41, 0, "no price"),
        (Decimal("NaN"), 2, "finite"),
        (Decimal("sNaN"), 2, "finite"),
        (Decimal("Infinity"), 2, "finite"),
        (Decimal("-1"), 2, "negative"),
        (-1, 2, "negative"),
        ("-1", 2, "not a decimal"),
        ("1e3", 2, "not a decimal"),
        ("1_000", 2, "not a decimal"),
        (" 1", 2, "not a decimal"),
        ("1.", 2, "not a decimal"),
        (".5", 2, "not a decimal"),
        ("", 2, "not a decimal"),
        ("１", 2, "not a decimal"),  # a digit, but not an ASCII one
        ("1\n", 2, "not a decimal"),
    ],
)
def test_a_value_that_would_be_rounded_or_guessed_is_refused(
    value: Decimal | int | str, decimals: int, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        decimal_text(value, decimals)


@pytest.mark.parametrize("value", [0.1, 1.0, True, None])
def test_a_float_is_refused_whatever_its_value(value: Any) -> None:
    with pytest.raises(TypeError, match="not an exact decimal"):
        decimal_text(value, 4)


@given(
    st.decimals(
        min_value=0,
        max_value=10**15,
        allow_nan=False,
        allow_infinity=False,
        places=None,
    ),
    st.integers(0, 8),
)
def test_decimals_are_exact_or_refused(value: Decimal, decimals: int) -> None:
    try:
        text = decimal_text(value, decimals)
    except ValueError:
        with localcontext(prec=400):
            exact = value.scaleb(decimals)
            digits = len(value.as_tuple().digits)
            assert exact != exact.to_integral_value() or digits > 40
    else:
        assert Decimal(text) == value
        assert len(text.partition(".")[2]) == decimals
        assert text.lstrip("0") != "" or decimals == 0


def test_the_precision_of_the_context_does_not_matter() -> None:
    with localcontext(prec=3):
        assert decimal_text(Decimal("123456.789"), 4) == "123456.7890"
