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
from typing import Any

from controller.formats.encoding import b64, canonical, parse_object, unb64
from controller.formats.errors import Refused
from controller.formats.jwk import Signer, VerifyKey

MEMBERS = {"payload", "protected", "signature"}
HEADER = {"alg", "typ", "kid"}
HEADER_CHARS = 512
SIGNATURE_CHARS = 86


@dataclass(frozen=True)
class Opened:
    """A payload whose signature held, and the thumbprint of the key that signed it."""

    payload: bytes
    kid: str


def seal(payload: bytes, typ: str, key: Signer) -> bytes:
    """`payload` signed by `key` for the purpose `typ`."""
    header = canonical({"alg": key.verify_key.alg, "kid": key.verify_key.thumbprint, "typ": typ})
    protected, body = b64(header), b64(payload)
    signature = key.sign(f"{protected}.{body}".encode("ascii"))
    return canonical({"payload": body, "protected": protected, "signature": b64(signature)})


def open_envelope(data: bytes, typ: str, keys: Mapping[str, VerifyKey], *, max_bytes: int) -> Opened:
    """The payload of an envelope signed for `typ` by one of `keys` (by thumbprint).

    Raises Refused: `too_large`, `not_json`, `duplicate_member`, `bad_members`, `bad_base64`, `bad_header`,
    `wrong_type`, `unknown_key`, `wrong_algorithm`, `bad_signature`."""
    if len(data) > max_bytes:
        raise Refused("too_large", "envelope", f"over {max_bytes} bytes")
    return _open(parse_object(data, "envelope"), typ, keys)


def open_nested(envelope: Mapping[str, Any], typ: str, keys: Mapping[str, VerifyKey]) -> Opened:
    """The same for an envelope that came as a member of an already size-limited JSON document."""
    return _open(envelope, typ, keys)


def key_id(data: bytes) -> str:
    """The `kid` an envelope claims, for choosing which door's key to look up. Proves nothing."""
    return _header(parse_object(data, "envelope"))["kid"]


def _open(envelope: Mapping[str, Any], typ: str, keys: Mapping[str, VerifyKey]) -> Opened:
    header = _header(envelope)
    if header["typ"] != typ:
        raise Refused("wrong_type", "envelope.protected.typ", f"a {typ} is wanted here")
    key = keys.get(header["kid"])
    if key is None:
        raise Refused("unknown_key", "envelope.protected.kid", "signed by a key that is not trusted for this")
    if header["alg"] != key.alg:
        raise Refused("wrong_algorithm", "envelope.protected.alg", f"this key signs {key.alg} only")
    body, signature = envelope["payload"], unb64(envelope["signature"], "envelope.signature")
    if not isinstance(body, str) or not body.isascii():
        raise Refused("bad_base64", "envelope.payload", "not base64url")
    if not key.verifies(signature, f"{envelope['protected']}.{body}".encode("ascii")):
        raise Refused("bad_signature", "envelope.signature", "the signature does not hold")
    return Opened(unb64(body, "envelope.payload"), key.thumbprint)


def _header(envelope: Mapping[str, Any]) -> dict[str, str]:
    if set(envelope) != MEMBERS or not all(isinstance(value, str) for value in envelope.values()):
        raise Refused("bad_members", "envelope", "exactly payload, protected, signature, each a string")
    if len(envelope["protected"]) > HEADER_CHARS or len(envelope["signature"]) != SIGNATURE_CHARS:
        raise Refused("bad_header", "envelope", "header or signature of an impossible length")
    header = parse_object(unb64(envelope["protected"], "envelope.protected"), "envelope.protected")
    if set(header) != HEADER or not all(isinstance(value, str) for value in header.values()):
        raise Refused("bad_header", "envelope.protected", "exactly alg, typ, kid, each a string")
    return header
