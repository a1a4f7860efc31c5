"""Signatures and encryption that cost nothing, for worlds of thousands of door-days.

Inside `cheap_crypto()` a signature is a hash of the key's name and the data, and an encrypted text is its content under
a checksum of reader and content. Both fail where the real ones fail: another key, another reader, a changed byte. They
do not keep anybody out, and nobody in a world tries: forgery is for the tests, which use real keys. Everything around
them (envelopes, headers, names, sizes, trust) is the production code's.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from functools import lru_cache
from unittest.mock import patch

from controller.formats import ecdh_es, jwe
from controller.formats.encoding import b64, canonical
from controller.formats.errors import Refused
from controller.formats.jwk import SIGNATURE_BYTES, SigningKey, VerifyKey

IV_BYTES, TAG_BYTES = 12, 16
_SEALED = itertools.count()
# The `epk` of a real text is a fresh key each time; here it is the reader's own, so that a reader sees one header for
# all its life. It is judged once.
_check_header = lru_cache(maxsize=256)(jwe._check_header)


@contextlib.contextmanager
def cheap_crypto() -> Iterator[None]:
    """While it lasts every key of this process signs, verifies, encrypts and decrypts the cheap way."""
    with (
        patch.object(SigningKey, "sign", lambda key, data: _signature(key.verify_key, data)),
        patch.object(VerifyKey, "verifies", lambda key, signature, data: signature == _signature(key, data)),
        patch.object(jwe, "_check_header", _check_header),
        patch.object(ecdh_es, "check", lambda _public, _where: None),
        patch.object(ecdh_es, "seal", _seal),
        patch.object(ecdh_es, "unseal", _unseal),
    ):
        yield


def _signature(key: VerifyKey, data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=SIGNATURE_BYTES, key=key.thumbprint.encode()).digest()


def _seal(header: dict[str, str], content: bytes, public: dict[str, str]) -> str:
    protected = _protected(**header, **public)
    once = b64(next(_SEALED).to_bytes(IV_BYTES))  # no two texts are alike, as it is with real ones
    return f"{protected}..{once}.{b64(content)}.{_tag(protected, once, content, public)}"


@lru_cache(maxsize=256)
def _protected(*, alg: str, enc: str, kid: str, typ: str, **epk: str) -> str:
    return b64(canonical({"alg": alg, "enc": enc, "kid": kid, "typ": typ, "epk": epk}))


def _unseal(text: str, private: dict[str, str]) -> bytes:
    protected, _, once, body, tag = text.split(".")
    content = urlsafe_b64decode(body + "==")  # `jwe` has seen that it is spelled as it must be
    if tag != _tag(protected, once, content, private):
        raise Refused("bad_ciphertext", "jwe", "does not open with this key")
    return content


def _tag(protected: str, once: str, content: bytes, reader: dict[str, str]) -> str:
    seal = hashlib.blake2b(f"{protected}.{once}.{reader['x']}.".encode(), digest_size=TAG_BYTES)
    seal.update(content)
    return b64(seal.digest())
