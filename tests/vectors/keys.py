"""The keys and instants of the vectors: fixed, worthless outside them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from controller.formats import code_list
from controller.formats.encoding import b64
from controller.formats.jwk import Signer, SigningKey, VerifyKey, load_private

TYP = code_list.TYP
NOW = 1_784_000_000  # 2026-07-14T03:33:20Z


def seeded(label: str, size: int = 32) -> bytes:
    """`size` bytes (at most 32) that never change."""
    return hashlib.sha256(b"zaalsleutel vectors " + label.encode()).digest()[:size]


@dataclass(frozen=True)
class Deterministic:
    """A signer whose ECDSA signatures repeat (RFC 6979)."""

    key: SigningKey

    @property
    def verify_key(self) -> VerifyKey:
        return self.key.verify_key

    def sign(self, data: bytes) -> bytes:
        if not isinstance(self.key.private, ec.EllipticCurvePrivateKey):
            return self.key.sign(data)
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(self.key.private.sign(data, algorithm))
        return r.to_bytes(32) + s.to_bytes(32)


def ed25519_key(label: str) -> Deterministic:
    """An Ed25519 key out of a label."""
    private = ed25519.Ed25519PrivateKey.from_private_bytes(seeded(label))
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(private.public_key().public_bytes_raw()), "d": b64(seeded(label))}
    return Deterministic(load_private(jwk))


def es256_key(label: str) -> Deterministic:
    """A P-256 key out of a label."""
    point = ec.derive_private_key(int.from_bytes(seeded(label)), ec.SECP256R1()).public_key().public_numbers()
    x, y = b64(point.x.to_bytes(32)), b64(point.y.to_bytes(32))
    return Deterministic(load_private({"kty": "EC", "crv": "P-256", "x": x, "y": y, "d": b64(seeded(label))}))


LIST_KEYS: dict[str, Signer] = {"Ed25519": ed25519_key("list key"), "ES256": es256_key("list key")}
STRANGERS: dict[str, Signer] = {"Ed25519": ed25519_key("stranger"), "ES256": es256_key("stranger")}
RECEIPT_KEY = ed25519_key("receipt key")
DOOR_KEY = ed25519_key("door hall-1")
ROOM_KEY, OLD_ROOM_KEY, ENTRANCE_KEY = seeded("room"), seeded("room before"), seeded("entrance")
FOURTH_KEY = seeded("another room")
