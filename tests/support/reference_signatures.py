"""Vest's signatures once more, from the specifications and in plain Python.

Nothing here comes from `eth_account` or from any library it is made of, so that the
golden vectors of `test_signing.py` do not repeat a mistake of the code under test:

- Keccak-f[1600] with the padding of the original submission (Keccak reference,
  version 3.0), as Ethereum uses it;
- secp256k1 (SEC 2, section 2.4.1) in affine coordinates, with deterministic nonces
  (RFC 6979, section 3.2, HMAC-SHA256) and the low s of EIP-2;
- the ABI encoding and the typed data, put together by hand word by word (Solidity ABI
  specification; EIP-712; EIP-191 version 0x45).

Slow and not constant in time: for tests, and for keys that are no secret.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

_MASK = (1 << 64) - 1
_P = 2**256 - 2**32 - 977
_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
_Point = tuple[int, int] | None


def _rotate(lane: int, by: int) -> int:
    by %= 64
    return ((lane << by) | (lane >> (64 - by))) & _MASK


def _round_constants() -> list[int]:
    """Return the constants of iota, from the shift register that defines them."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            if register & 1:
                constant |= 1 << ((1 << power) - 1)
            register <<= 1
            if register & 0x100:
                register ^= 0x171
        constants.append(constant)
    return constants


_CONSTANTS = _round_constants()


def _permute(a: list[list[int]]) -> list[list[int]]:
    for constant in _CONSTANTS:
        c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        d = [c[(x - 1) % 5] ^ _rotate(c[(x + 1) % 5], 1) for x in range(5)]
        a = [[a[x][y] ^ d[x] for y in range(5)] for x in range(5)]
        x, y, moved = 1, 0, [row[:] for row in a]
        lane = a[1][0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            lane, moved[x][y] = a[x][y], _rotate(lane, (step + 1) * (step + 2) // 2)
        a = [
            [
                moved[x][y] ^ (~moved[(x + 1) % 5][y] & moved[(x + 2) % 5][y])
                for y in range(5)
            ]
            for x in range(5)
        ]
        a[0][0] ^= constant
    return a


def keccak(data: bytes) -> bytes:
    """Return the Keccak-256 hash of `data`."""
    rate = 136
    padding = bytearray(rate - len(data) % rate)
    padding[0] |= 0x01
    padding[-1] |= 0x80
    data += bytes(padding)
    state = [[0] * 5 for _ in range(5)]
    for start in range(0, len(data), rate):
        for index in range(rate // 8):
            at = start + 8 * index
            lane = int.from_bytes(data[at : at + 8], "little")
            state[index % 5][index // 5] ^= lane
        state = _permute(state)
    return b"".join(state[index][0].to_bytes(8, "little") for index in range(4))


def _add(p: _Point, q: _Point) -> _Point:
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if (p[1] + q[1]) % _P == 0:
            return None
        slope = 3 * p[0] * p[0] * pow(2 * p[1], -1, _P)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, _P)
    x = (slope * slope - p[0] - q[0]) % _P
    return x, (slope * (p[0] - x) - p[1]) % _P


def _times(scalar: int, point: _Point) -> tuple[int, int]:
    found: _Point = None
    while scalar:
        if scalar & 1:
            found = _add(found, point)
        point = _add(point, point)
        scalar >>= 1
    assert found is not None
    return found


def address(key: int) -> str:
    """Return the address that belongs to a private key, in lower case."""
    return _address_of_point(_times(key, _G))


def _address_of_point(point: tuple[int, int]) -> str:
    return (
        "0x" + keccak(b"".join(each.to_bytes(32, "big") for each in point))[12:].hex()
    )


def deterministic_nonce(key: int, digest: bytes) -> int:
    """Return the k of RFC 6979 for a digest of 32 bytes."""
    message = key.to_bytes(32, "big") + (int.from_bytes(digest) % _N).to_bytes(32)
    v, k = b"\x01" * 32, b"\x00" * 32
    for separator in (b"\x00", b"\x01"):
        k = hmac.digest(k, v + separator + message, "sha256")
        v = hmac.digest(k, v, "sha256")
    while True:
        v = hmac.digest(k, v, "sha256")
        if 0 < (candidate := int.from_bytes(v)) < _N:
            return candidate
        k = hmac.digest(k, v + b"\x00", "sha256")
        v = hmac.digest(k, v, "sha256")


def sign(key: int, digest: bytes) -> tuple[int, int, int]:
    """Return r, s and v of a digest of 32 bytes."""
    k = deterministic_nonce(key, digest)
    x, y = _times(k, _G)
    r = x % _N
    s = pow(k, -1, _N) * (int.from_bytes(digest) + r * key) % _N
    parity = y & 1
    if s > _N // 2:
        s, parity = _N - s, 1 - parity
    assert 0 < r == x
    return r, s, 27 + parity


def signer(signature: str, digest: bytes) -> str:
    """Return the address whose key made `signature` of a digest (SEC 1, 4.1.6)."""
    r, s, v = int(signature[2:66], 16), int(signature[66:130], 16), signature[130:]
    y = pow(r**3 + 7, (_P + 1) // 4, _P)
    if y & 1 != int(v, 16) - 27:
        y = _P - y
    inverse = pow(r, -1, _N)
    hashed = _times(-int.from_bytes(digest) * inverse % _N, _G)
    found = _add(_times(s * inverse % _N, (r, y)), hashed)
    assert found is not None
    return _address_of_point(found)


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def abi(values: Sequence[int | bool | str]) -> bytes:
    """Return the ABI encoding of numbers and bools (a word each) and strings."""
    head, tail = b"", b""
    for value in values:
        if isinstance(value, str):
            head += _word(32 * len(values) + len(tail))
            data = value.encode()
            tail += _word(len(data)) + data + bytes(-len(data) % 32)
        else:
            head += _word(int(value))
    return head + tail


def personal_digest(values: Sequence[int | bool | str]) -> bytes:
    """Return what is signed for an order or a cancellation with these fields."""
    return keccak(b"\x19Ethereum Signed Message:\n32" + keccak(abi(values)))


def proof_digest(signing_address: str, expiry_ms: int, contract: str) -> bytes:
    """Return what is signed for a registration."""
    domain = (
        keccak(b"EIP712Domain(string name,string version,address verifyingContract)")
        + keccak(b"VestRouterV2")
        + keccak(b"0.0.1")
        + _word(int(contract, 16))
    )
    proof = (
        keccak(b"SignerProof(address approvedSigner,uint256 signerExpiry)")
        + _word(int(signing_address, 16))
        + _word(expiry_ms)
    )
    return keccak(b"\x19\x01" + keccak(domain) + keccak(proof))


def signature(key: int, digest: bytes) -> str:
    """Return the signature of a digest as it goes on the wire."""
    r, s, v = sign(key, digest)
    return f"0x{r:064x}{s:064x}{v:02x}"
