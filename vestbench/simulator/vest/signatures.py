"""The hashes that a Vest client signs, and the address that made a signature.

Three structures have a fixed layout each (EIP-712 for the registration, the Solidity
ABI and EIP-191 for orders and cancels), so they are written out here; a general
encoder takes 0.5 s to import. The tests hold all of it against eth-account.
"""

from __future__ import annotations

import re
from functools import cache

from vestbench.simulator.vest import recovery

# Which contract a registration is for, by environment.
CONTRACTS = {
    "production": "0x919386306c47b2fe1036e3b4f7c40d22d2461a23",
    "development": "0x8e4d87aef4ac4d5415c35a12319013e34223825b",
}

_DOMAIN = b"EIP712Domain(string name,string version,address verifyingContract)"
_PROOF = b"SignerProof(address approvedSigner,uint256 signerExpiry)"
_ROUTER, _ROUTER_VERSION = b"VestRouterV2", b"0.0.1"
_PERSONAL = b"\x19Ethereum Signed Message:\n32"
_SIGNATURE = re.compile(r"0x[0-9a-fA-F]{130}")
_V = {27: False, 28: True}


def keccak256(data: bytes) -> bytes:
    """Return the hash that Ethereum calls Keccak-256, which SHA3-256 is not."""
    # 45 ms to import, on first use: an exchange without accounts does without.
    from Crypto.Hash import keccak

    return keccak.new(digest_bits=256, data=data).digest()


def prepare() -> None:
    """Do once what the first check would have to wait for: 50 ms."""
    recovery.generator_tables()
    for contract in CONTRACTS.values():
        _domain(contract)


def proof_digest(signing_address: str, expiry_ms: int, contract: str) -> bytes:
    """Return what the primary key signs to approve a signing key (EIP-712).

    The contract is the verifying one of the environment; the approval ends at
    `expiry_ms`, in milliseconds since the epoch.
    """
    struct = keccak256(keccak256(_PROOF) + _address(signing_address) + _uint(expiry_ms))
    return keccak256(b"\x19\x01" + _domain(contract) + struct)


def message_digest(*values: int | bool | str) -> bytes:
    """Return what the signing key signs to place or cancel an order (EIP-191)."""
    return keccak256(_PERSONAL + keccak256(_abi(*values)))


def signer(digest: bytes, signature: str) -> str | None:
    """Return the address, in lower case, that has signed a digest.

    None stands for a signature that nobody can have made. Every other well-formed one
    belongs to some address, so a wrong one gives another address than is expected.
    """
    if not _SIGNATURE.fullmatch(signature):
        return None
    r, s, v = (int(signature[a:b], 16) for a, b in ((2, 66), (66, 130), (130, 132)))
    if v not in _V:
        return None
    key = recovery.recover(digest, r, s, _V[v])
    if key is None:
        return None
    x, y = key
    return "0x" + keccak256(x.to_bytes(32, "big") + y.to_bytes(32, "big"))[12:].hex()


@cache
def _domain(contract: str) -> bytes:
    name, version = keccak256(_ROUTER), keccak256(_ROUTER_VERSION)
    return keccak256(keccak256(_DOMAIN) + name + version + _address(contract))


def _address(text: str) -> bytes:
    return bytes(12) + bytes.fromhex(text.removeprefix("0x"))


def _uint(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _abi(*values: int | bool | str) -> bytes:
    """Encode `uint256`, `bool` and `string` as `abi.encode` of Solidity does.

    A string is in the tail, as its length and its bytes, padded to 32. The head holds
    the place where that begins.
    """
    head, tail = b"", b""
    for value in values:
        if isinstance(value, str):
            data = value.encode()
            head += _uint(32 * len(values) + len(tail))
            tail += _uint(len(data)) + data + bytes(-len(data) % 32)
        else:
            head += _uint(value)
    return head + tail
