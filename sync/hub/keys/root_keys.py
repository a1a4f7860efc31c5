"""The offline keys: who holds enough of them speaks for the whole town.

A root key is made on a machine without network and rests as an encrypted file on a stick in somebody's safe: the
private JWK inside a compact JWE under a passphrase (RFC 7517 appendix C: PBES2-HS512+A256KW, A256GCM). Nothing of the
hub ever makes, holds or asks for one.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry
from joserfc.jwk import OctKey

from controller.formats.encoding import canonical, parse_object
from controller.formats.errors import Refused
from controller.formats.jwk import FILE_BYTES, SigningKey, load_private

ALG: Final = "PBES2-HS512+A256KW"
ENC: Final = "A256GCM"
ROUNDS: Final = 250_000  # OWASP's Password Storage Cheat Sheet (2023) asks for 210,000 with HMAC-SHA-512
PASSPHRASE_CHARS: Final = 16  # four words


def lock(key: SigningKey, passphrase: str) -> bytes:
    """The file of a root key. Raises Refused `weak_passphrase`."""
    if len(passphrase) < PASSPHRASE_CHARS:
        raise Refused("weak_passphrase", "passphrase", f"at least {PASSPHRASE_CHARS} characters: four words will do")
    header = {"alg": ALG, "enc": ENC, "p2c": ROUNDS, "cty": "jwk+json"}
    return jwe.encrypt_compact(header, canonical(key.jwk()), _secret(passphrase), registry=_registry()).encode("ascii")


def unlock(data: bytes, passphrase: str, where: str) -> SigningKey:
    """The root key in a file. Raises Refused `wrong_passphrase` (a damaged file looks the same), `bad_key`."""
    if len(data) > FILE_BYTES:
        raise Refused("too_large", where, "no root key is that large")
    try:
        plaintext = jwe.decrypt_compact(data.strip(), _secret(passphrase), registry=_registry()).plaintext
    except (JoseError, ValueError, TypeError):
        raise Refused("wrong_passphrase", where, "does not open with this passphrase, or is damaged") from None
    return load_private(parse_object(plaintext or b"", where), where)


def _secret(passphrase: str) -> OctKey:
    # The same words typed on two keyboards are the same passphrase (RFC 8265, OpaqueString: NFC).
    return OctKey.import_key(unicodedata.normalize("NFC", passphrase).encode("utf-8"))


def _registry() -> JWERegistry:
    return JWERegistry(algorithms=[ALG, ENC])
