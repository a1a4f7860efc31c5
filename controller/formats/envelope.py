"""The signed envelope: a JWS in flattened JSON with nothing optional about it.

    {"payload": "…", "protected": "…", "signature": "…"}

The protected header is exactly `alg`, `typ`, `kid`. The *trusted key* fixes the algorithm, the reader fixes the
`typ`, so neither can be talked into anything. Order of work: size, shape, signature; the payload is handed out
only after its signature held, and parsing it is the caller's next step.

    data = seal(payload, "zs-list-1", signing_key)
    opened = open_envelope(data, "zs-list-1", {key.thumbprint: key}, max_bytes=LIMITS.envelope_bytes)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from controller.formats.encoding import b64, canonical, decode, parse_object, unb64
from controller.formats.errors import Refused
from controller.formats.jwk import Signer, VerifyKey

HEADER = {"alg", "typ", "kid"}
HEADER_CHARS = 512  # ours take about 130
SIGNATURE_CHARS = 86


class Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The three members of an envelope, each base64url; as they came, so nothing is known to be true yet."""

    payload: str
    protected: str
    signature: str


@dataclass(frozen=True)
class Opened:
    """A payload whose signature held, and the thumbprint of the key that signed it."""

    payload: bytes
    kid: str


def seal(payload: bytes, typ: str, key: Signer) -> bytes:
    """`payload` signed by `key` for the purpose `typ`."""
    protected, body = _protected(key.verify_key.alg, key.verify_key.thumbprint, typ), b64(payload)
    signature = key.sign(f"{protected}.{body}".encode("ascii"))
    return canonical({"payload": body, "protected": protected, "signature": b64(signature)})


def open_envelope(data: bytes, typ: str, keys: Mapping[str, VerifyKey], *, max_bytes: int) -> Opened:
    """The payload of an envelope signed for `typ` by one of `keys` (by thumbprint).

    Raises Refused: `too_large`, `not_json`, `duplicate_member`, `bad_members`, `bad_base64`, `bad_header`,
    `wrong_type`, `unknown_key`, `wrong_algorithm`, `bad_signature`."""
    if len(data) > max_bytes:
        raise Refused("too_large", "envelope", f"over {max_bytes} bytes")
    return _open(_members(data), typ, keys)


def open_nested(envelope: Sealed | Mapping[str, Any], typ: str, keys: Mapping[str, VerifyKey]) -> Opened:
    """The same for an envelope that came as a member of an already size-limited JSON document."""
    try:
        sealed = msgspec.convert(envelope, Sealed)
    except msgspec.ValidationError:
        raise _bad_members() from None
    return _open(sealed, typ, keys)


def key_id(data: bytes) -> str:
    """The `kid` an envelope claims, for choosing which door's key to look up. Proves nothing."""
    return _header(_members(data))["kid"]


def unverified(data: bytes) -> Opened:
    """What an envelope claims, its signature not looked at: for showing a file to a person, or what one wrote oneself;
    never for acting on what came from elsewhere."""
    sealed = _members(data)
    return Opened(unb64(sealed.payload, "envelope.payload"), _header(sealed)["kid"])


def _members(data: bytes) -> Sealed:
    try:
        return decode(data, Sealed, "envelope")
    except Refused as refusal:
        if refusal.code == "bad_schema":
            raise _bad_members() from None
        raise


def _bad_members() -> Refused:
    return Refused("bad_members", "envelope", "exactly payload, protected, signature, each a string")


def _open(sealed: Sealed, typ: str, keys: Mapping[str, VerifyKey]) -> Opened:
    header = _header(sealed)
    if header["typ"] != typ:
        raise Refused("wrong_type", "envelope.protected.typ", f"a {typ} is wanted here")
    key = keys.get(header["kid"])
    if key is None:
        raise Refused("unknown_key", "envelope.protected.kid", "signed by a key that is not trusted for this")
    if header["alg"] != key.alg:
        raise Refused("wrong_algorithm", "envelope.protected.alg", f"this key signs {key.alg} only")
    signature = unb64(sealed.signature, "envelope.signature")
    if not sealed.payload.isascii():
        raise Refused("bad_base64", "envelope.payload", "not base64url")
    if not key.verifies(signature, f"{sealed.protected}.{sealed.payload}".encode("ascii")):
        raise Refused("bad_signature", "envelope.signature", "the signature does not hold")
    return Opened(unb64(sealed.payload, "envelope.payload"), key.thumbprint)


@lru_cache(maxsize=256)
def _protected(alg: str, kid: str, typ: str) -> str:
    return b64(canonical({"alg": alg, "kid": kid, "typ": typ}))


def _header(sealed: Sealed) -> Mapping[str, str]:
    if len(sealed.protected) > HEADER_CHARS or len(sealed.signature) != SIGNATURE_CHARS:
        raise Refused("bad_header", "envelope", "header or signature of an impossible length")
    return _parsed_header(sealed.protected)


@lru_cache(maxsize=256)
def _parsed_header(protected: str) -> Mapping[str, str]:
    """A door hears the same few headers all its life."""
    header = parse_object(unb64(protected, "envelope.protected"), "envelope.protected")
    if set(header) != HEADER or not all(isinstance(value, str) for value in header.values()):
        raise Refused("bad_header", "envelope.protected", "exactly alg, typ, kid, each a string")
    return MappingProxyType(header)
