"""Signatures, against vectors that were not computed by the code under test."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import reference_signatures as reference
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
    order_signature,
    registration_proof,
)

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
OTHER_CANCEL = {**CANCEL, "nonce": TIME_MS + 3, "order_id": "0x" + "5e" * 32}
KEYS = st.integers(min_value=1, max_value=signing._KEYS - 1)


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
