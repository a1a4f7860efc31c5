"""Signature keys as JSON Web Keys (RFC 7517), named by their RFC 7638 thumbprint.

Two algorithms: Ed25519 (RFC 8037/9864) and ES256 (ECDSA on P-256, signature as r‖s of 32 bytes each), because
.NET has no Ed25519. A key knows its algorithm; a message never chooses one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from controller.formats.encoding import b64, canonical, parse_object, unb64
from controller.formats.errors import Refused

Alg = Literal["Ed25519", "ES256"]
SIGNATURE_BYTES = 64
SECRET_BYTES = 32
FILE_BYTES = 4 << 10

# The eight points of Ed25519 whose multiples come round at once, by y: anybody can sign for one of them as a key. And
# from P on, y is a second spelling of a point, so one key would have two thumbprints.
ED25519_P = 2**255 - 19
_ORDER_8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
ED25519_WEAK_Y = frozenset({0, 1, ED25519_P - 1, _ORDER_8_Y, ED25519_P - _ORDER_8_Y})


class VerifyKey(msgspec.Struct, frozen=True):
    """A public key. `thumbprint` is the `kid` of everything it verifies."""

    alg: Alg
    thumbprint: str
    public: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over `data`."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            if isinstance(self.public, ed25519.Ed25519PublicKey):
                self.public.verify(signature, data)
            else:
                r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
                self.public.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True

    def jwk(self) -> dict[str, str]:
        """The public JWK: exactly the members the thumbprint covers."""
        if isinstance(self.public, ed25519.Ed25519PublicKey):
            return {"kty": "OKP", "crv": "Ed25519", "x": b64(self.public.public_bytes_raw())}
        point = self.public.public_numbers()
        return {"kty": "EC", "crv": "P-256", "x": b64(point.x.to_bytes(32)), "y": b64(point.y.to_bytes(32))}


class Signer(Protocol):
    """What signs: a key in memory, a PKCS#11 token, a separate signer. `sign` gives 64 bytes."""

    @property
    def verify_key(self) -> VerifyKey: ...

    def sign(self, data: bytes) -> bytes: ...


class SigningKey(msgspec.Struct, frozen=True):
    """A private key together with its public half."""

    verify_key: VerifyKey
    private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey

    def __repr__(self) -> str:
        return f"SigningKey({self.verify_key.thumbprint})"

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`, 64 bytes."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    def jwk(self) -> dict[str, str]:
        """The private JWK (member `d`). Secret: belongs in a file of mode 0600 and nowhere else."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            secret = self.private.private_bytes_raw()
        else:
            secret = self.private.private_numbers().private_value.to_bytes(32)
        return {**self.verify_key.jwk(), "d": b64(secret)}


def make_key(alg: Alg = "Ed25519") -> SigningKey:
    """A new random key."""
    if alg == "Ed25519":
        return _signing_key(ed25519.Ed25519PrivateKey.generate())
    return _signing_key(ec.generate_private_key(ec.SECP256R1()))


def thumbprint(jwk: Mapping[str, str]) -> str:
    """RFC 7638: base64url SHA-256 of the canonical JSON of the required members, whatever others there are."""
    required = ("crv", "kty", "x") if jwk["kty"] == "OKP" else ("crv", "kty", "x", "y")
    return b64(hashlib.sha256(canonical({name: jwk[name] for name in required})).digest())


def read_public(data: bytes, where: str = "key") -> VerifyKey:
    """The public key in the bytes of a JWK file. Raises Refused (`too_large`, `not_json`, `duplicate_member`,
    `bad_key`, `bad_base64`)."""
    return load_public(_read(data, where), where)


def read_private(data: bytes, where: str = "key") -> SigningKey:
    """The private key in the bytes of a JWK file. Raises Refused like `read_public`."""
    return load_private(_read(data, where), where)


def load_public(jwk: Any, where: str = "jwk") -> VerifyKey:
    """The public key of a JWK (a private one will do: its `d` is not looked at). Members beyond the required ones
    (`kid`, `use`, `alg`, …) carry no meaning here, but an `alg` that contradicts the key is refused.

    Raises Refused `bad_key` or `bad_base64`."""
    if not isinstance(jwk, dict):
        raise Refused("bad_key", where, "not a JWK object")
    try:
        key = _verify_key(_public_from(jwk, where))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise Refused("bad_key", where, "not a point of its curve") from None
    # "EdDSA" is what RFC 8037 called Ed25519 before RFC 9864 gave it a name of its own.
    if jwk.get("alg", key.alg) not in (key.alg, "EdDSA" if key.alg == "Ed25519" else key.alg):
        raise Refused("bad_key", f"{where}.alg", f"a key of this curve signs {key.alg} only")
    return key


def load_private(jwk: Any, where: str = "jwk") -> SigningKey:
    """The private key of a JWK. Raises Refused `bad_key` (also when its public half is another key's) or
    `bad_base64`."""
    public = load_public(jwk, where)
    if not isinstance(jwk.get("d"), str):
        raise Refused("bad_key", f"{where}.d", "a private key is needed here; this one is public")
    secret = unb64(jwk["d"], f"{where}.d")
    if len(secret) != SECRET_BYTES:
        raise Refused("bad_key", f"{where}.d", f"a private key has {SECRET_BYTES} bytes")
    try:
        if public.alg == "Ed25519":
            key = _signing_key(ed25519.Ed25519PrivateKey.from_private_bytes(secret))
        else:
            key = _signing_key(ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1()))
    except ValueError:
        raise Refused("bad_key", f"{where}.d", "not a private key of its curve") from None
    if key.verify_key.thumbprint != public.thumbprint:
        raise Refused("bad_key", where, "private and public half belong to two keys")
    return key


def _read(data: bytes, where: str) -> dict[str, Any]:
    if len(data) > FILE_BYTES:
        raise Refused("too_large", where, f"a JWK takes less than {FILE_BYTES} bytes")
    return parse_object(data, where)


def _public_from(jwk: dict[str, Any], where: str) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey:
    kind = (jwk.get("kty"), jwk.get("crv"))
    if kind == ("OKP", "Ed25519"):
        point = unb64(jwk["x"], f"{where}.x")
        _check_ed25519(point, f"{where}.x")
        return ed25519.Ed25519PublicKey.from_public_bytes(point)
    if kind == ("EC", "P-256"):
        x, y = unb64(jwk["x"], f"{where}.x"), unb64(jwk["y"], f"{where}.y")
        if len(x) != 32 or len(y) != 32:
            raise Refused("bad_key", where, "a P-256 coordinate has 32 bytes")
        return ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1()).public_key()
    raise Refused("bad_key", where, "only OKP/Ed25519 and EC/P-256 keys are known")


def _check_ed25519(point: bytes, where: str) -> None:
    y = int.from_bytes(point, "little") & ((1 << 255) - 1)  # the highest bit is the sign of x
    if y in ED25519_WEAK_Y or y >= ED25519_P:
        raise Refused("bad_key", where, "a point for which anybody can sign, or not its only spelling")


def _verify_key(public: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey) -> VerifyKey:
    alg: Alg = "Ed25519" if isinstance(public, ed25519.Ed25519PublicKey) else "ES256"
    return VerifyKey(alg, thumbprint(VerifyKey(alg, "", public).jwk()), public)


def _signing_key(private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> SigningKey:
    return SigningKey(_verify_key(private.public_key()), private)
