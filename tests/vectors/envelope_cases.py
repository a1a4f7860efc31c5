"""Envelopes the gate opens, and many it must not."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from controller.formats.encoding import b64, canonical, unb64
from controller.formats.envelope import seal
from controller.formats.jwk import Signer
from tests.vectors.keys import LIST_KEYS, STRANGERS, TYP


def sealed_with(header: bytes, payload: str, key: Signer) -> dict[str, str]:
    """An envelope over a header and a payload text of any shape, correctly signed by `key`."""
    protected = b64(header)
    signature = key.sign(f"{protected}.{payload}".encode())
    return {"payload": payload, "protected": protected, "signature": b64(signature)}


def envelopes() -> dict[str, Any]:
    keys = {alg: key.verify_key.jwk() for alg, key in LIST_KEYS.items()}
    cases = [case for alg in LIST_KEYS for case in [*good_envelopes(alg), *bad_envelopes(alg)]]
    return {"typ": TYP, "keys": keys, "cases": cases}


def good_envelopes(alg: str) -> list[dict[str, Any]]:
    key = LIST_KEYS[alg]
    plain = json.loads(seal(b'{"any":"bytes"}', TYP, key))
    spaced = json.dumps(dict(reversed(plain.items())), indent=2)
    header = {"typ": TYP, "kid": key.verify_key.thumbprint, "alg": alg}
    other_header = sealed_with(json.dumps(header).encode(), b64(b"\x00\xff not JSON"), key)
    good = {
        "as our own writer spells it": (canonical(plain).decode(), b'{"any":"bytes"}'),
        "members in another order, white space": (spaced, b'{"any":"bytes"}'),
        "header members in another order, payload of any bytes": (json.dumps(other_header), b"\x00\xff not JSON"),
        "empty payload": (seal(b"", TYP, key).decode(), b""),
    }
    return [
        {"name": name, "alg": alg, "envelope": text, "payload": b64(payload)} for name, (text, payload) in good.items()
    ]


def bad_envelopes(alg: str) -> list[dict[str, Any]]:
    key, stranger = LIST_KEYS[alg], STRANGERS[alg]
    kid = key.verify_key.thumbprint
    payload = b64(b'{"any":"bytes"}')
    fair = json.loads(seal(b'{"any":"bytes"}', TYP, key))
    text = canonical(fair).decode()
    other_alg = "ES256" if alg == "Ed25519" else "Ed25519"

    def header(**changes: Any) -> bytes:
        members = {"alg": alg, "kid": kid, "typ": TYP} | changes
        return canonical({name: value for name, value in members.items() if value is not None})

    def signed(head: bytes, body: str = payload, by: Signer = key) -> str:
        return canonical(sealed_with(head, body, by)).decode()

    def changed(**members: Any) -> str:
        return canonical(fair | members).decode()

    signature = unb64(fair["signature"], "signature")
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    twice_named = b'{"alg":"%s","kid":"%s","typ":"zs-receipt-1","typ":"%s"}' % (
        alg.encode(),
        kid.encode(),
        TYP.encode(),
    )
    bad = [
        ("payload changed", changed(payload=b64(b'{"any":"bytez"}')), "bad_signature"),
        ("signature of another payload", json.dumps(fair | {"payload": b64(b"x")}), "bad_signature"),
        ("first bit of the signature flipped", changed(signature=b64(flip(signature))), "bad_signature"),
        ("signature all zero", changed(signature=b64(bytes(64))), "bad_signature"),
        ("r and s swapped", changed(signature=b64(signature[32:] + signature[:32])), "bad_signature"),
        ("signed by a stranger under our kid", signed(header(), by=stranger), "bad_signature"),
        ("signed by a stranger under its own kid", seal(b"{}", TYP, stranger).decode(), "unknown_key"),
        ("kid with a line feed", signed(header(kid=kid + "\n")), "unknown_key"),
        ("another purpose", signed(header(typ="zs-receipt-1")), "wrong_type"),
        ("purpose in upper case", signed(header(typ=TYP.upper())), "wrong_type"),
        ("the other algorithm", signed(header(alg=other_alg)), "wrong_algorithm"),
        ("alg none", signed(header(alg="none")), "wrong_algorithm"),
        ("alg HS256", signed(header(alg="HS256")), "wrong_algorithm"),
        ("alg EdDSA, the older name", signed(header(alg="EdDSA")), "wrong_algorithm"),
        ("no kid", signed(header(kid=None)), "bad_header"),
        ("its key inside the header", signed(header(jwk=key.verify_key.jwk())), "bad_header"),
        ("crit", signed(header(crit=["exp"])), "bad_header"),
        ("RFC 7797 unencoded payload", signed(header(b64=False)), "bad_header"),
        ("kid a number", signed(header(kid=7)), "bad_header"),
        ("header of 600 characters", signed(header(typ="z" * 600)), "bad_header"),
        ("signature of 63 bytes", changed(signature=b64(signature[:63])), "bad_header"),
        ("signature in DER", changed(signature=b64(encode_dss_signature(r, s))), "bad_header"),
        ("header names typ twice", signed(twice_named), "duplicate_member"),
        ("header is no object", signed(b'["alg","kid","typ"]'), "not_json"),
        ("header with half of a surrogate pair", signed(header()[:-1] + b',"\\ud800":""}'), "not_json"),
        ("payload twice", text[:-1] + f',"payload":"{payload}"}}', "duplicate_member"),
        ("unprotected header", changed(header={"kid": kid}), "bad_members"),
        ("no signature", canonical({k: v for k, v in fair.items() if k != "signature"}).decode(), "bad_members"),
        ("payload null", changed(payload=None), "bad_members"),
        ("general serialization", general(fair), "bad_members"),
        ("an array", f"[{text}]", "bad_members"),
        ("compact serialization", f"{fair['protected']}.{payload}.{fair['signature']}", "not_json"),
        ("byte order mark", "\ufeff" + text, "not_json"),
        ("bytes after the end", text + "x", "not_json"),
        ("nested too deep", '{"payload":' + "[" * 10_000 + "]" * 10_000 + "}", "bad_members"),
        ("empty", "", "not_json"),
        ("payload with padding", signed(header(), base64.urlsafe_b64encode(b"{}").decode()), "bad_base64"),
        ("payload with a line feed", signed(header(), payload + "\n"), "bad_base64"),
        ("payload with unused bits set", signed(header(), "e31"), "bad_base64"),
        ("payload in the + / alphabet", signed(header(), "+/+/"), "bad_base64"),
        ("payload not ASCII", changed(payload="é" + payload), "bad_base64"),
        ("signature with unused bits set", changed(signature=unused_bits(fair["signature"])), "bad_base64"),
        ("header with padding", changed(protected=fair["protected"] + "="), "bad_base64"),
    ]
    return [{"name": name, "alg": alg, "envelope": envelope, "refused": code} for name, envelope, code in bad]


def flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 0x80]) + data[1:]


def unused_bits(text: str) -> str:
    """Another spelling of the same 64 bytes: their base64 leaves four bits over."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) | 1]


def general(fair: dict[str, str]) -> str:
    signatures = [{"protected": fair["protected"], "signature": fair["signature"]}]
    return canonical({"payload": fair["payload"], "signatures": signatures}).decode()
