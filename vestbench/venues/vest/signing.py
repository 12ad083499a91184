"""What Vest wants signed, and the signatures. Pure functions; nothing is sent here.

`eth_account` takes about 1.2 s to import and 5 to 10 ms to sign (version 0.14 without
coincurve, 2-core virtual machine, 2026), so it is imported on first use: call `prepare`
before the clock runs.

Source: Vest API, sections "Authentication", "POST /register", "POST /orders" and
"POST /orders/cancel" (read November 2026).
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import TYPE_CHECKING

from vestbench.venues.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eth_account.messages import SignableMessage

# The contracts that registration proofs are made out to.
PRODUCTION_CONTRACT = "0x919386306C47b2Fe1036e3B4F7C40D22D2461a23"
DEVELOPMENT_CONTRACT = "0x8E4D87AEf4AC4D5415C35A12319013e34223825B"

_DOMAIN_NAME = "VestRouterV2"
_DOMAIN_VERSION = "0.0.1"
_PROOF_FIELDS = (("approvedSigner", "address"), ("signerExpiry", "uint256"))
_ORDER_TYPES = (
    *("uint256", "uint256", "string", "string"),
    *("bool", "string", "string", "bool"),
)
_CANCEL_TYPES = ("uint256", "uint256", "string")

_KEY = re.compile("0x[0-9a-f]{64}")
_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")
_DECIMAL = re.compile(r"\d+(\.\d+)?", re.ASCII)
# The order of the group of secp256k1 (SEC 2, section 2.4.1): a key is below it.
_KEYS = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
# More digits than any price or size has; beyond it, a slip of the pen.
_MOST_DIGITS = 40
# A context of our own, because the caller's could round or have less precision.
_EXACTLY = Context(prec=_MOST_DIGITS, traps=[Inexact, InvalidOperation])


def prepare() -> None:
    """Import what signing needs and sign once, so that no later signature is slow."""
    key = Secret("0x" + "1" * 64)
    registration_proof(key, "0x" + "0" * 40, 0, DEVELOPMENT_CONTRACT)
    cancel_signature(key, time_ms=0, nonce=0, order_id="")


def is_private_key(key: Secret) -> bool:
    """Say whether `key` is 0x and 64 lower-case digits of a valid private key."""
    return bool(_KEY.fullmatch(key.reveal())) and (0 < int(key.reveal(), 16) < _KEYS)


def is_address(text: str) -> bool:
    """Say whether `text` has the form of an address, in any case of its letters."""
    return bool(_ADDRESS.fullmatch(text))


def address_of(key: Secret) -> str:
    """Return the address that belongs to a private key, in lower case.

    Raises:
        ValueError: `key` is not a private key.
    """
    from eth_account import Account

    _require_key(key)
    return str(Account.from_key(key.reveal()).address).lower()


def registration_proof(
    primary_key: Secret, signing_address: str, expiry_ms: int, contract: str
) -> str:
    """Return the proof that the primary key lets another key sign orders (EIP-712).

    The domain has no `chainId` and no `salt`.

    Args:
        primary_key: The key of the account.
        signing_address: The address of the key that may sign, in any case.
        expiry_ms: Until when, in milliseconds since the epoch.
        contract: The verifying contract of the exchange's environment.

    Raises:
        ValueError: An argument is not what it should be.
    """
    from eth_account.messages import encode_typed_data

    for name, address in (("signing", signing_address), ("contract", contract)):
        if not is_address(address):
            raise ValueError(f"the {name} address is not 0x and 40 hex digits")
    message = encode_typed_data(
        {
            "name": _DOMAIN_NAME,
            "version": _DOMAIN_VERSION,
            "verifyingContract": contract.lower(),
        },
        {"SignerProof": [{"name": name, "type": kind} for name, kind in _PROOF_FIELDS]},
        {
            "approvedSigner": signing_address.lower(),
            "signerExpiry": _uint256("expiry_ms", expiry_ms),
        },
    )
    return _signature(primary_key, message)


def order_signature(
    signing_key: Secret,
    *,
    time_ms: int,
    nonce: int,
    order_type: str,
    symbol: str,
    is_buy: bool,
    size: str,
    limit_price: str,
    reduce_only: bool,
) -> str:
    """Return the signature of an order.

    `timeInForce` and `recvWindow` are not part of what is signed. The other fields are
    signed as they are in the body, character by character: "1.0" and "1.00" differ.

    Args:
        signing_key: The registered key, or the primary one.
        time_ms: Since the epoch.
        nonce: Not used before by this account.
        order_type: `LIMIT` or `MARKET`.
        symbol: Such as `BTC-PERP`.
        is_buy: Buy or sell.
        size: A decimal with the symbol's number of decimals.
        limit_price: Likewise.
        reduce_only: Whether the order may only make a position smaller.

    Raises:
        ValueError: An argument is not what it should be.
    """
    return _hash_signature(
        signing_key,
        _ORDER_TYPES,
        (
            _uint256("time_ms", time_ms),
            _uint256("nonce", nonce),
            order_type,
            symbol,
            is_buy,
            size,
            limit_price,
            reduce_only,
        ),
    )


def cancel_signature(
    signing_key: Secret, *, time_ms: int, nonce: int, order_id: str
) -> str:
    """Return the signature of the request to cancel the order called `order_id`.

    Raises:
        ValueError: An argument is not what it should be.
    """
    return _hash_signature(
        signing_key,
        _CANCEL_TYPES,
        (_uint256("time_ms", time_ms), _uint256("nonce", nonce), order_id),
    )


def decimal_text(value: Decimal | int | str, decimals: int) -> str:
    """Return `value` with exactly `decimals` digits after the point.

    Raises:
        ValueError: The value would have to be rounded, is negative, not finite, or
            longer than any price or size.
        TypeError: The value is a float (which is hardly ever what it seems) or a bool.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(
            f"a {type(value).__name__} is not an exact decimal: "
            "give a Decimal, an int or a text"
        )
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        raise ValueError(f"{value[:_MOST_DIGITS]!r} is not a decimal such as 1.25")
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError(f"{number} is not a finite number")
    if number < 0:
        raise ValueError("a price or a size cannot be negative")
    try:
        fixed = number.quantize(Decimal((0, (1,), -decimals)), context=_EXACTLY)
    except Inexact:
        raise ValueError(f"{number} has more than {decimals} decimals") from None
    except InvalidOperation:
        raise ValueError(
            f"a number of more than {_MOST_DIGITS} digits is no price"
        ) from None
    return f"{fixed.copy_abs():f}"  # without the sign of -0


def _hash_signature(key: Secret, types: Sequence[str], values: Sequence[object]) -> str:
    """Sign the Keccak hash of the ABI encoding as a personal message (EIP-191)."""
    from eth_abi.abi import encode
    from eth_account.messages import encode_defunct
    from eth_utils.crypto import keccak

    python_types = {"string": str, "bool": bool, "uint256": int}
    for kind, value in zip(types, values, strict=True):
        if not isinstance(value, python_types[kind]):
            raise ValueError(f"a {kind} cannot be a {type(value).__name__}")
    return _signature(key, encode_defunct(primitive=keccak(encode(types, values))))


def _signature(key: Secret, message: SignableMessage) -> str:
    """Return r, s and v (27 or 28) as one hex number."""
    from eth_account import Account

    _require_key(key)
    return "0x" + bytes(Account.sign_message(message, key.reveal()).signature).hex()


def _require_key(key: Secret) -> None:
    # Before `eth_account` sees it: its messages and its frames are not ours.
    if not is_private_key(key):
        raise ValueError("the key is not 0x and 64 hex digits of a private key")


def _uint256(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number, not {type(value).__name__}")
    if not 0 <= value < 2**256:
        raise ValueError(f"{name} does not fit into 256 bits")
    return value
