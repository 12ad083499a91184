"""Signatures, against vectors that were not computed by the code under test.

The golden vectors below are frozen output of `reference_signatures.py`: Keccak,
secp256k1 with RFC 6979 nonces, the ABI encoding and the typed data written in plain
Python from their specifications, without `eth_account`, `eth_abi`, `eth_keys` or
`eth_hash`. That reference is itself checked here against published vectors (Keccak of
the empty text, the RFC 6979 vector for key 1 and "Satoshi Nakamoto", the address of key
1). When the vectors were made (November 2026), it also reproduced an order signature
that a third party had computed with ethers.js. The keys are SHA-256 hashes of the
sentences beside them, so everybody knows them: never fund them.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support import reference_signatures as reference
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


def key_of(sentence: str) -> Secret:
    return Secret("0x" + hashlib.sha256(sentence.encode()).hexdigest())


PRIMARY = key_of("vestbench test vector: primary key, never funded")
SIGNING = key_of("vestbench test vector: signing key, never funded")
PRIMARY_ADDRESS = "0x853beaae968477a7fa99b82ad6da96480d643222"
SIGNING_ADDRESS = "0xa35dddbbc8c9c938072bf93e2c00a8c36e547b56"

TIME_MS = 1_772_360_100_000
EXPIRY_MS = 1_772_964_900_000  # 7 days later
ORDER: dict[str, Any] = {
    "time_ms": TIME_MS,
    "nonce": TIME_MS,
    "order_type": "LIMIT",
    "symbol": "BTC-PERP",
    "is_buy": True,
    "size": "0.0001",
    "limit_price": "47561.70",
    "reduce_only": False,
}
SALE: dict[str, Any] = {
    "time_ms": TIME_MS,
    "nonce": TIME_MS + 1,
    "order_type": "MARKET",
    "symbol": "AAPL-USD-PERP",
    "is_buy": False,
    "size": "12.500",
    "limit_price": "227.31",
    "reduce_only": True,
}
CANCEL: dict[str, Any] = {
    "time_ms": TIME_MS,
    "nonce": TIME_MS + 2,
    "order_id": "0x" + "0" * 64,
}
OTHER_CANCEL = {**CANCEL, "nonce": TIME_MS + 3, "order_id": "0x" + "5e" * 32}
KEYS = st.integers(min_value=1, max_value=signing._KEYS - 1)
FEW = settings(max_examples=25, deadline=None)


def secret(key: int) -> Secret:
    return Secret(f"0x{key:064x}")


def fields_of(order: dict[str, Any]) -> tuple[Any, ...]:
    """Return the fields in the order that is signed."""
    return tuple(order[name] for name in ORDER)


# The reference itself.


def test_the_reference_agrees_with_published_vectors() -> None:
    empty = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    r, s, _ = reference.sign(1, hashlib.sha256(b"Satoshi Nakamoto").digest())

    assert reference.keccak(b"").hex() == empty
    assert f"{r:064x}" == (
        "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
    )
    assert f"{s:064x}" == (
        "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
    )
    assert reference.address(1) == "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"


# Golden vectors.


def test_addresses_are_the_golden_ones_in_lower_case() -> None:
    assert address_of(PRIMARY) == PRIMARY_ADDRESS
    assert address_of(SIGNING) == SIGNING_ADDRESS


@pytest.mark.parametrize(
    ("contract", "proof"),
    [
        pytest.param(
            "0x919386306C47b2Fe1036e3B4F7C40D22D2461a23",
            "0x50d4d8ff2a4e0b9dc86022f858f354b9fabb8427adf5eee9e8c4bcc1ecd8e034"
            "51adedbfc9bbdd2bd806b759da97eae333083b039e8da6ccb94d7d1c6f99f1d61b",
            id="production",
        ),
        pytest.param(
            "0x8E4D87AEf4AC4D5415C35A12319013e34223825B",
            "0x8c26c0eda2a596a8158b9ecb29ea09e8e50092b23037f0501834be6fe325bcac"
            "501005485b781e3e104170091923946f3264ea37bc08616200c8b88993c4c1c71b",
            id="development",
        ),
    ],
)
def test_a_registration_proof_is_the_golden_one(contract: str, proof: str) -> None:
    assert registration_proof(PRIMARY, SIGNING_ADDRESS, EXPIRY_MS, contract) == proof


def test_the_contracts_are_those_of_the_documentation() -> None:
    assert PRODUCTION_CONTRACT == "0x919386306C47b2Fe1036e3B4F7C40D22D2461a23"
    assert DEVELOPMENT_CONTRACT == "0x8E4D87AEf4AC4D5415C35A12319013e34223825B"


@pytest.mark.parametrize(
    ("order", "signature"),
    [
        pytest.param(
            ORDER,
            "0x09303218062c5fd5a48a4114a183fc44121d88c246d2132c00f056c5974144b9"
            "68a638a70d7c40bb7e617f114870a033674af868274909b0f08f4e4be3e1deb41c",
            id="limit",
        ),
        pytest.param(
            SALE,
            "0xaa0c47698ee33002fbdd6911957de382a41c3b1b8d2eb46df9124d9b8ff17cae"
            "59a4844016a15f282144ff610c724d8eb0351cf4a095606d9bd1b3030295cec01c",
            id="market",
        ),
    ],
)
def test_an_order_signature_is_the_golden_one(
    order: dict[str, Any], signature: str
) -> None:
    assert order_signature(SIGNING, **order) == signature


@pytest.mark.parametrize(
    ("cancel", "signature"),
    [
        pytest.param(
            CANCEL,
            "0x83b4af5eee793c69d0c99a1232f17e08eab0f75486f72f87207b318fd6e151e2"
            "472601e0b7bb12ef60a73ad22fb0473ab8a295ecce83d9537beb0805b2af23691b",
            id="no-such-order",
        ),
        pytest.param(
            OTHER_CANCEL,
            "0xcdf9f5ae3b233c18c3ed61076c5433a8cf07c4afdbb1f462cb303dd10ab8203e"
            "69236a013210b70dc03d8c0dddd6d7df2f1b627414a4600a64dc77673bb821551c",
            id="an-order",
        ),
    ],
)
def test_a_cancel_signature_is_the_golden_one(
    cancel: dict[str, Any], signature: str
) -> None:
    assert cancel_signature(SIGNING, **cancel) == signature


# The same over generated fields and keys.


orders = st.fixed_dictionaries(
    {
        "time_ms": st.integers(0, 2**256 - 1),
        "nonce": st.integers(0, 2**64),
        "order_type": st.sampled_from(["LIMIT", "MARKET"]),
        "symbol": st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        "is_buy": st.booleans(),
        "size": st.from_regex(r"\A[0-9]{1,40}\.[0-9]{1,4}\Z"),
        "limit_price": st.from_regex(r"\A[0-9]{1,9}\.[0-9]{1,4}\Z"),
        "reduce_only": st.booleans(),
    }
)


@FEW
@given(KEYS, orders)
@example(1, ORDER)
@example(signing._KEYS - 1, SALE)
def test_any_order_is_signed_as_the_specifications_say(
    key: int, order: dict[str, Any]
) -> None:
    digest = reference.personal_digest(fields_of(order))

    signature = order_signature(secret(key), **order)

    assert signature == reference.signature(key, digest)
    assert reference.signer(signature, digest) == address_of(secret(key))


@FEW
@given(
    KEYS, st.integers(0, 2**64), st.integers(0, 2**64), st.text("0123xaf", max_size=99)
)
def test_any_cancel_is_signed_as_the_specifications_say(
    key: int, time_ms: int, nonce: int, order_id: str
) -> None:
    digest = reference.personal_digest((time_ms, nonce, order_id))

    signature = cancel_signature(
        secret(key), time_ms=time_ms, nonce=nonce, order_id=order_id
    )

    assert signature == reference.signature(key, digest)


@FEW
@given(
    KEYS,
    st.binary(min_size=20, max_size=20),
    st.integers(0, 2**256 - 1),
    st.binary(min_size=20, max_size=20),
)
def test_any_registration_is_signed_as_the_specifications_say(
    key: int, signer: bytes, expiry_ms: int, contract: bytes
) -> None:
    fields = ("0x" + signer.hex(), expiry_ms, "0x" + contract.hex())
    digest = reference.proof_digest(*fields)

    proof = registration_proof(secret(key), *fields)

    assert proof == reference.signature(key, digest)
    assert reference.signer(proof, digest) == address_of(secret(key))


def test_every_signature_recovers_to_its_signer_by_eth_account_too() -> None:
    from eth_account import Account

    cases = [
        (
            registration_proof(
                PRIMARY, SIGNING_ADDRESS, EXPIRY_MS, PRODUCTION_CONTRACT
            ),
            reference.proof_digest(SIGNING_ADDRESS, EXPIRY_MS, PRODUCTION_CONTRACT),
            PRIMARY_ADDRESS,
        ),
        (
            order_signature(SIGNING, **ORDER),
            reference.personal_digest(fields_of(ORDER)),
            SIGNING_ADDRESS,
        ),
        (
            cancel_signature(SIGNING, **CANCEL),
            reference.personal_digest(tuple(CANCEL.values())),
            SIGNING_ADDRESS,
        ),
    ]

    for signature, digest, address in cases:
        found = Account._recover_hash(digest, signature=signature)
        assert str(found).lower() == address


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
        "import sys; from vestbench.venues import signing, secret; signing.prepare(); "
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
