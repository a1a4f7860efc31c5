"""The cryptography under `jwe`, which joserfc does: ECDH-ES with A256GCM on X25519 or P-256.

Keys are JWKs as plain objects. What may be in an encrypted message, and for whom, `jwe` has judged before.
"""

from __future__ import annotations

from typing import Final

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry
from joserfc.jwk import ECKey, OKPKey

from controller.formats.errors import Refused
from controller.formats.limits import LIMITS

ALG: Final = "ECDH-ES"
ENC: Final = "A256GCM"


def make(curve: str) -> dict[str, str]:
    """The private JWK of a new random key on `X25519` or `P-256`."""
    made = OKPKey.generate_key("X25519") if curve == "X25519" else ECKey.generate_key("P-256")
    return {name: str(value) for name, value in made.as_dict(private=True).items()}


def check(public: dict[str, str], where: str) -> None:
    """Raises Refused `bad_key` where `public` is no point of its curve."""
    _key(public, where)


def seal(header: dict[str, str], content: bytes, public: dict[str, str]) -> str:
    """`content` for whoever has the private half of `public`, as compact text under `header` and a fresh `epk`."""
    return jwe.encrypt_compact(header, content, _key(public, "reader"), registry=_registry())


def unseal(text: str, private: dict[str, str]) -> bytes:
    """The content of compact text. Raises Refused `bad_ciphertext`."""
    try:
        content = jwe.decrypt_compact(text, _key(private, "reader"), registry=_registry()).plaintext
    except (JoseError, ValueError, TypeError, KeyError):
        content = None
    if content is None:
        raise Refused("bad_ciphertext", "jwe", "does not open with this key")
    return content


def _registry() -> JWERegistry:
    registry = JWERegistry(algorithms=[ALG, ENC])
    # joserfc stops at 64 KiB; how much may come is decided by whoever calls, before anything is decoded.
    registry.max_ciphertext_length = 2 * LIMITS.envelope_bytes
    return registry


def _key(jwk: dict[str, str], where: str) -> ECKey | OKPKey:
    try:
        members: dict[str, str | list[str]] = {**jwk}
        key = OKPKey.import_key(members) if jwk["kty"] == "OKP" else ECKey.import_key(members)
        key.public_key  # noqa: B018 - the point is looked at here
    except (JoseError, ValueError, TypeError, KeyError):
        raise Refused("bad_key", where, "not a point of its curve") from None
    return key
