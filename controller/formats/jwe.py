"""Encryption to exactly one reader: JWE compact (RFC 7516), ECDH-ES with A256GCM, on X25519 or P-256.

What is secret is signed first and encrypted then, so the broker and the agent see neither codes nor movements and the
signature is only ever judged by its reader. Encryption proves nothing about the sender: an envelope of another door,
wrapped again by somebody, opens here and is then refused by what is signed inside.

    text = encrypt(envelope, "zs-list-1", door_key)
    envelope = decrypt(text, "zs-list-1", own_key, max_bytes=LIMITS.envelope_bytes)

The protected header is exactly `alg`, `enc`, `epk`, `kid`, `typ`; `kid` is the reader's RFC 7638 thumbprint. No `zip`:
compressing next to a secret tells its length.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from controller.formats import ecdh_es
from controller.formats.ecdh_es import ALG, ENC
from controller.formats.encoding import canonical, parse_object, unb64
from controller.formats.errors import Refused
from controller.formats.jwk import FILE_BYTES, thumbprint

HEADER: Final = {"alg", "enc", "epk", "kid", "typ"}
HEADER_CHARS: Final = 768  # ours take about 300
COORDINATE_BYTES: Final = 32
MEMBERS: Final = {("OKP", "X25519"): ("crv", "kty", "x"), ("EC", "P-256"): ("crv", "kty", "x", "y")}


class EncryptKey(msgspec.Struct, frozen=True):
    """A reader's public key, by the name (`kid`) of everything encrypted to it."""

    thumbprint: str
    public: dict[str, str]

    def __hash__(self) -> int:
        return hash(self.thumbprint)

    def jwk(self) -> dict[str, str]:
        """The public JWK: exactly the members the thumbprint covers."""
        return dict(self.public)


class DecryptKey(msgspec.Struct, frozen=True):
    """A reader's private key together with its public half."""

    encrypt_key: EncryptKey
    secret: str

    def __repr__(self) -> str:
        return f"DecryptKey({self.encrypt_key.thumbprint})"

    def jwk(self) -> dict[str, str]:
        """The private JWK (member `d`). Secret: belongs in a file of mode 0600 and nowhere else."""
        return {**self.encrypt_key.public, "d": self.secret}


def make_key(curve: str = "X25519") -> DecryptKey:
    """A new random key on `X25519` or `P-256`."""
    return load_private(ecdh_es.make(curve))


def read_public(data: bytes, where: str) -> EncryptKey:
    """The public key in the bytes of a JWK file. Raises Refused like `load_public`, and `too_large`, `not_json`."""
    return load_public(_read(data, where), where)


def read_private(data: bytes, where: str) -> DecryptKey:
    """The private key in the bytes of a JWK file. Raises Refused like `load_private`, and `too_large`, `not_json`."""
    return load_private(_read(data, where), where)


def load_public(jwk: Any, where: str = "jwk") -> EncryptKey:
    """The public key of a JWK; members beyond the required ones carry no meaning. Raises Refused `bad_key` or
    `bad_base64`."""
    if not isinstance(jwk, dict):
        raise Refused("bad_key", where, "not a JWK object")
    kind = (jwk.get("kty"), jwk.get("crv"))
    names = MEMBERS.get(kind) if all(isinstance(part, str) for part in kind) else None  # type: ignore[arg-type]
    if names is None:
        raise Refused("bad_key", where, "only OKP/X25519 and EC/P-256 keys encrypt")
    public = {name: jwk.get(name) for name in names}
    for name in ("x", "y")[: len(names) - 2]:
        text = public[name]
        if not isinstance(text, str) or len(unb64(text, f"{where}.{name}")) != COORDINATE_BYTES:
            raise Refused("bad_key", f"{where}.{name}", f"{COORDINATE_BYTES} bytes in base64url are wanted")
    checked = {name: str(value) for name, value in public.items()}
    ecdh_es.check(checked, where)
    return EncryptKey(thumbprint(checked), checked)


def load_private(jwk: Any, where: str = "jwk") -> DecryptKey:
    """The private key of a JWK. Raises Refused `bad_key`, also when its halves belong to two keys, or `bad_base64`."""
    public = load_public(jwk, where)
    secret = jwk.get("d")
    if not isinstance(secret, str) or len(unb64(secret, f"{where}.d")) != COORDINATE_BYTES:
        raise Refused("bad_key", f"{where}.d", "a private key is needed here")
    key = DecryptKey(public, secret)
    try:
        decrypt(encrypt(b"", "probe", public), "probe", key, max_bytes=2 * HEADER_CHARS)
    except Refused:
        raise Refused("bad_key", where, "private and public half belong to two keys") from None
    return key


def encrypt(content: bytes, typ: str, reader: EncryptKey) -> str:
    """`content` for `reader` alone, as compact text; `typ` says what the content is."""
    header = {"alg": ALG, "enc": ENC, "kid": reader.thumbprint, "typ": typ}
    return ecdh_es.seal(header, content, reader.public)


def decrypt(text: str, typ: str, reader: DecryptKey, *, max_bytes: int) -> bytes:
    """The content of a `typ` encrypted to `reader`.

    Raises Refused: `too_large`, `not_encrypted` (not five parts), `bad_base64`, `bad_header`, `wrong_type`,
    `wrong_recipient`, `bad_ciphertext`."""
    if len(text) > max_bytes:
        raise Refused("too_large", "jwe", f"over {max_bytes} bytes")
    parts = text.split(".")
    if len(parts) != 5 or parts[1] or len(parts[0]) > HEADER_CHARS or not text.isascii():
        raise Refused("not_encrypted", "jwe", "compact JWE with direct key agreement is wanted here")
    _check_header(parts[0], typ, reader.encrypt_key)
    for name, part in zip(("iv", "ciphertext", "tag"), parts[2:], strict=True):
        unb64(part, f"jwe.{name}")
    return ecdh_es.unseal(text, reader.jwk())


def _check_header(protected: str, typ: str, own: EncryptKey) -> None:
    header = parse_object(unb64(protected, "jwe.protected"), "jwe.protected")
    if set(header) != HEADER or header["alg"] != ALG or header["enc"] != ENC:
        raise Refused("bad_header", "jwe.protected", f"exactly {ALG}, {ENC}, epk, kid, typ")
    if header["typ"] != typ:
        raise Refused("wrong_type", "jwe.protected.typ", f"a {typ} is wanted here")
    if header["kid"] != own.thumbprint:
        raise Refused("wrong_recipient", "jwe.protected.kid", "encrypted to somebody else")
    if not isinstance(header["epk"], dict) or set(header["epk"]) != set(own.public):
        raise Refused("bad_header", "jwe.protected.epk", "exactly the public members of one key on this key's curve")
    epk = load_public(header["epk"], "jwe.protected.epk")
    if epk.public["crv"] != own.public["crv"]:
        raise Refused("bad_header", "jwe.protected.epk", "on another curve than this key")


def _read(data: bytes, where: str) -> dict[str, Any]:
    if len(data) > FILE_BYTES:
        raise Refused("too_large", where, f"a JWK takes less than {FILE_BYTES} bytes")
    return parse_object(data, where)


def file_of(key: DecryptKey) -> bytes:
    """The bytes of a private key file; secret."""
    return canonical(key.jwk())
