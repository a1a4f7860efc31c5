"""A signed trust document, and when one may follow another.

General-JSON JWS (RFC 7515 section 7.2.1) with nothing optional about it, signed by offline root keys:

    {"payload": "…", "signatures": [{"protected": "…", "signature": "…"}, …]}

Each signature is judged by the same strict gate as every other envelope of ours, and signers are counted by thumbprint:
libraries that count signatures take the same one twice for two.

The rules are those of TUF's root role (The Update Framework, specification 1.0, section 5.3): a document is signed by a
threshold of its own roots, and version N+1 also by a threshold of N's; one step at a time, none left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from controller.formats import trust
from controller.formats.encoding import b64, canonical, decode, unb64
from controller.formats.envelope import open_nested, seal
from controller.formats.errors import Refused
from controller.formats.jwk import Signer, VerifyKey
from controller.formats.trust import ROOTS_MAX, Trust

TYP = "zs-trust-1"
STEPS_MAX = 256  # as python-tuf caps root rotations in one update
DOCUMENT_BYTES = trust.MAX_BYTES * 4 // 3 + (32 << 10)
CHAIN_BYTES = 4 << 20
HASH_BYTES = 16


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One root's signature; both base64url."""

    protected: str
    signature: str


class SignedTrust(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A document as it travels; nothing is known to be true yet."""

    payload: str
    signatures: Annotated[tuple[Signature, ...], Meta(min_length=1, max_length=2 * ROOTS_MAX)]


@dataclass(frozen=True)
class Step:
    """A document whose own threshold signed it: what it says, and its payload's hash (hex of SHA-256's first 16
    bytes), which is how an enrolment QR names it."""

    trust: Trust
    hash: str
    document: bytes


def sign(payload: bytes, keys: Iterable[Signer]) -> bytes:
    """`payload` signed by each of `keys`."""
    parts = [decode(seal(payload, TYP, key), dict[str, str], "envelope") for key in keys]
    signatures = [{"protected": part["protected"], "signature": part["signature"]} for part in parts]
    return canonical({"payload": b64(payload), "signatures": signatures})


def combine(documents: Iterable[bytes]) -> bytes:
    """One document with the signatures of several over the same payload, each once. Raises Refused `bad_trust` when the
    payloads differ, and what reading raises."""
    read = [_read(document) for document in documents]
    if not read or len({each.payload for each in read}) != 1:
        raise Refused("bad_trust", "trust.payload", "these are signatures over different documents")
    signatures = dict.fromkeys((part.protected, part.signature) for each in read for part in each.signatures)
    parts = [{"protected": protected, "signature": signature} for protected, signature in signatures]
    return canonical({"payload": read[0].payload, "signatures": parts})


def open_first(document: bytes) -> Step:
    """A document on its own: signed by a threshold of its own roots. That these are the right roots is for whoever
    brought it to know: an enrolment QR by its hash, a unit's disk by having judged it before.

    Raises Refused: what `trust.parse` and the envelope raise, `duplicate_signature`, `bad_threshold`."""
    signed = _read(document)
    payload = unb64(signed.payload, "trust.payload")
    step = Step(trust.parse(payload), trust_hash(payload), document)
    # Roots that it replaced have signed it too; who they were, only the version before could say.
    _count(signed, step.trust.root_keys(), None, step.trust.threshold, "its own")
    return step


def open_next(document: bytes, before: Trust) -> Step:
    """The document that follows `before`: version exactly one higher, signed by a threshold of both, key epoch and
    issuing date never lower.

    Raises Refused: as `open_first`, and `trust_gap` for another version, `epoch_back`, `issued_back`."""
    signed = _read(document)
    payload = unb64(signed.payload, "trust.payload")
    after = trust.parse(payload)
    old, new = before.root_keys(), after.root_keys()
    # Signatures first: what an unsigned document says about its version is nobody's business.
    _count(signed, old, new, before.threshold, "the version before's")
    _count(signed, new, old, after.threshold, "its own")
    if after.version != before.version + 1:
        raise Refused("trust_gap", "trust.version", f"{after.version} does not follow {before.version}")
    if after.epoch < before.epoch:
        raise Refused("epoch_back", "trust.epoch", "the key epoch never goes back")
    if after.issued < before.issued:
        raise Refused("issued_back", "trust.issued", "older than the version before")
    return Step(after, trust_hash(payload), document)


def claimed_version(document: bytes) -> int:
    """The version a document claims, for finding its place in a row. Proves nothing. Raises Refused."""
    return trust.parse(unb64(_read(document).payload, "trust.payload")).version


def payload_of(document: bytes) -> bytes:
    """The payload of a document, its signatures not looked at. Raises Refused."""
    return unb64(_read(document).payload, "trust.payload")


def trust_hash(payload: bytes) -> str:
    """How a trust document is named: SHA-256 of its payload, first 16 bytes, hex."""
    return hashlib.sha256(payload).digest()[:HASH_BYTES].hex()


def pack(documents: Iterable[bytes]) -> bytes:
    """Documents, oldest first, as they travel on the topic `trust`: a JSON array."""
    return b"[" + b",".join(documents) + b"]"


def unpack(body: bytes) -> list[bytes]:
    """The documents of a `trust` message, oldest first, each in its canonical bytes. Raises Refused `too_large`,
    `not_json`, `bad_schema`, `duplicate_member`."""
    if len(body) > CHAIN_BYTES:
        raise Refused("too_large", "trust", f"over {CHAIN_BYTES} bytes")
    signed = decode(body, tuple[SignedTrust, ...], "trust")
    if len(signed) > STEPS_MAX:
        raise Refused("too_large", "trust", f"more than {STEPS_MAX} versions")
    return [canonical(each) for each in signed]


def _read(document: bytes) -> SignedTrust:
    if len(document) > DOCUMENT_BYTES:
        raise Refused("too_large", "trust", f"over {DOCUMENT_BYTES} bytes")
    return decode(document, SignedTrust, "trust")


def _count(
    signed: SignedTrust,
    roots: Mapping[str, VerifyKey],
    others: Mapping[str, VerifyKey] | None,
    threshold: int,
    whose: str,
) -> None:
    """Enough of `roots` signed. A signature that does not hold or a second one of the same key is refused, and so is
    one of neither `roots` nor `others` (None: others are not known): there is no innocent way to come by one."""
    known, signers = {**(others or {}), **roots}, set()
    for part in signed.signatures:
        envelope = {"payload": signed.payload, "protected": part.protected, "signature": part.signature}
        try:
            kid = open_nested(envelope, TYP, known).kid
        except Refused as refused:
            if refused.code == "unknown_key" and others is None:
                continue
            raise
        if kid in signers:
            raise Refused("duplicate_signature", "trust.signatures", "one key counts once")
        signers.add(kid)
    if len(signers & set(roots)) < threshold:
        raise Refused("bad_threshold", "trust.signatures", f"fewer than {threshold} of {whose} roots have signed")
