"""Hashes and recovery of the exchange, against eth-account and the curve's own law."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.exchange_client import (
    CANCEL_FIELDS,
    CONTRACTS,
    ORDER_FIELDS,
    PRIMARY,
    SIGNING,
    lower,
    sign_proof,
    sign_values,
)
from vestbench.simulator.vest import recovery, signatures

FEW = settings(max_examples=40, deadline=None)
KEYS = st.integers(1, recovery.ORDER - 1)
NUMBERS = st.integers(0, 2**64 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)


def account(key: int) -> Any:
    return Account.from_key(key.to_bytes(32, "big"))


@FEW
@given(key=KEYS, signer=st.integers(0, 2**160 - 1), expiry=NUMBERS)
@pytest.mark.parametrize("contract", CONTRACTS)
def test_signer_of_a_proof_is_recovered(
    contract: str, key: int, signer: int, expiry: int
) -> None:
    primary, address = account(key), f"0x{signer:040x}"
    signature = sign_proof(primary, address, expiry, contract)

    digest = signatures.proof_digest(address, expiry, signatures.CONTRACTS[contract])

    assert signatures.signer(digest, signature) == lower(primary)


@FEW
@given(
    key=KEYS,
    numbers=st.tuples(NUMBERS, NUMBERS),
    texts=st.tuples(TEXTS, TEXTS, TEXTS, TEXTS),
    truths=st.tuples(st.booleans(), st.booleans()),
)
def test_signer_of_an_order_is_recovered_whatever_it_says(
    key: int,
    numbers: tuple[int, int],
    texts: tuple[str, str, str, str],
    truths: tuple[bool, bool],
) -> None:
    values = (*numbers, texts[0], texts[1], truths[0], texts[2], texts[3], truths[1])
    order = dict(zip(ORDER_FIELDS, values, strict=True))
    signature = sign_values(account(key), ORDER_FIELDS, order)

    digest = signatures.message_digest(*values)

    assert signatures.signer(digest, signature) == lower(account(key))


@FEW
@given(key=KEYS, time_ms=NUMBERS, nonce=NUMBERS, order_id=TEXTS)
def test_signer_of_a_cancellation_is_recovered(
    key: int, time_ms: int, nonce: int, order_id: str
) -> None:
    given = {"time": time_ms, "nonce": nonce, "id": order_id}
    signature = sign_values(account(key), CANCEL_FIELDS, given)

    digest = signatures.message_digest(time_ms, nonce, order_id)

    assert signatures.signer(digest, signature) == lower(account(key))


def test_typed_data_with_its_domain_spelled_out_is_the_same() -> None:
    types = {
        "EIP712Domain": [
            {"name": "name", "type": "string"},
            {"name": "version", "type": "string"},
            {"name": "verifyingContract", "type": "address"},
        ],
        "SignerProof": [
            {"name": "approvedSigner", "type": "address"},
            {"name": "signerExpiry", "type": "uint256"},
        ],
    }
    whole = {
        "types": types,
        "primaryType": "SignerProof",
        "domain": {
            "name": "VestRouterV2",
            "version": "0.0.1",
            "verifyingContract": CONTRACTS["development"],
        },
        "message": {"approvedSigner": lower(SIGNING), "signerExpiry": 7},
    }
    signed = PRIMARY.sign_message(encode_typed_data(full_message=whole))
    signature = "0x" + bytes(signed.signature).hex()
    contract = signatures.CONTRACTS["development"]

    digest = signatures.proof_digest(lower(SIGNING), 7, contract)

    assert signatures.signer(digest, signature) == lower(PRIMARY)


def test_contracts_are_the_documented_ones() -> None:
    known = {name: address.lower() for name, address in CONTRACTS.items()}

    assert known == signatures.CONTRACTS


def digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def signature_of(digest: bytes) -> str:
    signed = Account.unsafe_sign_hash(digest, PRIMARY.key)
    return "0x" + bytes(signed.signature).hex()


@pytest.mark.parametrize("number", range(60))
def test_every_tampered_signature_is_somebody_elses_or_nobodys(number: int) -> None:
    digest = digest_of(f"order {number}")
    signature = signature_of(digest)
    digits = "0123456789abcdef"
    place = 2 + number * 2
    changed = digits[(digits.index(signature[place]) + 1) % 16]
    tampered = signature[:place] + changed + signature[place + 1 :]

    assert signatures.signer(digest, signature) == lower(PRIMARY)
    assert signatures.signer(digest, tampered) != lower(PRIMARY)
    assert signatures.signer(digest_of("another"), signature) != lower(PRIMARY)


N = recovery.ORDER
HALF = f"{1:064x}"


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "0x",
        "0x" + "00" * 65,
        "0x" + HALF + HALF + "1d",
        "0x" + HALF + HALF + "00",
        "0x" + HALF + HALF,
        HALF + HALF + "1b00",
        "0x" + f"{0:064x}" + HALF + "1b",
        "0x" + HALF + f"{0:064x}" + "1b",
        "0x" + f"{N:064x}" + HALF + "1b",
        "0x" + HALF + f"{N:064x}" + "1b",
        "0x" + f"{5:064x}" + HALF + "1b",  # no point of the curve has x = 5
        "0x" + HALF + HALF + "1b\n",
        "0x" + HALF + HALF + "1٣",
    ],
)
def test_signature_that_nobody_can_have_made(signature: str) -> None:
    assert signatures.signer(digest_of("order"), signature) is None


def test_flipping_v_is_another_signer() -> None:
    digest = digest_of("order")
    signature = signature_of(digest)
    other = {"1b": "1c", "1c": "1b"}[signature[-2:]]

    assert signatures.signer(digest, signature[:-2] + other) != lower(PRIMARY)


@settings(max_examples=150, deadline=None)
@given(
    digest=st.binary(min_size=32, max_size=32),
    r=st.integers(0, 2**256 - 1),
    s=st.integers(0, 2**256 - 1),
    v=st.sampled_from([27, 28]),
)
def test_any_two_numbers_are_recovered_as_eth_account_does(
    digest: bytes, r: int, s: int, v: int
) -> None:
    signature = "0x" + r.to_bytes(32, "big").hex() + s.to_bytes(32, "big").hex()
    try:
        known: str | None = Account._recover_hash(digest, (v, r, s)).lower()
    except Exception:  # noqa: BLE001 - it has its reasons, and several types for them
        known = None

    assert signatures.signer(digest, f"{signature}{v:02x}") == known


def test_a_key_at_infinity_is_nobodys() -> None:
    # The signature's point is the generator, and s = z: then r Q = s R - z G is 0.
    x, y = recovery.GENERATOR
    digest = digest_of("order")
    z = int.from_bytes(digest, "big") % N

    assert recovery.recover(digest, x, z, bool(y & 1)) is None


@pytest.mark.parametrize("z", [0, 1, 2, N - 1, N, N + 1, 2**256 - 1])
@pytest.mark.parametrize("s", [1, 2, N // 2, N - 2, N - 1])
def test_the_edges_of_the_numbers(z: int, s: int) -> None:
    # Q = (s R - z G) / r with R = G: doublings, equal and opposite points on the way.
    x, y = recovery.GENERATOR
    digest = z.to_bytes(32, "big")
    factor = (s - z) * pow(x, -1, N) % N
    known = None
    if factor:
        public = account(factor)._key_obj.public_key.to_bytes()
        known = (int.from_bytes(public[:32], "big"), int.from_bytes(public[32:], "big"))

    assert recovery.recover(digest, x, s, bool(y & 1)) == known
