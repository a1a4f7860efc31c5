"""What is encrypted to one reader, and what must not open: JWE of fixed bytes, made here out of the primitives, so that
the vectors do not depend on the library that the readers use."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash

from controller.formats import code_list, jwe
from controller.formats.encoding import b64, canonical, unb64
from controller.formats.envelope import seal
from controller.formats.jwe import DecryptKey, EncryptKey
from tests.vectors.envelope_cases import flip, unused_bits
from tests.vectors.keys import LIST_KEYS, TYP, es256_key, seeded
from tests.vectors.list_cases import full_list

EC_MEMBERS = {"kty", "crv", "x", "y", "d"}


def x25519_key(label: str) -> DecryptKey:
    """An X25519 key out of a label."""
    private = x25519.X25519PrivateKey.from_private_bytes(seeded(label))
    public = b64(private.public_key().public_bytes_raw())
    return jwe.load_private({"kty": "OKP", "crv": "X25519", "x": public, "d": b64(seeded(label))})


def p256_key(label: str) -> DecryptKey:
    """A P-256 key to encrypt to, out of a label."""
    members = es256_key(label).key.jwk()
    return jwe.load_private({name: value for name, value in members.items() if name in EC_MEMBERS})


READERS = {"X25519": x25519_key("reader"), "P-256": p256_key("reader")}
OTHERS = {"X25519": x25519_key("other reader"), "P-256": p256_key("other reader")}
MAKERS = {"X25519": x25519_key, "P-256": p256_key}


def agreed(private: DecryptKey, public: EncryptKey) -> bytes:
    """What both sides compute: Z of RFC 7518 section 4.6."""
    secret = unb64(private.secret, "d")
    x = unb64(public.jwk()["x"], "x")
    if public.jwk()["kty"] == "OKP":
        return x25519.X25519PrivateKey.from_private_bytes(secret).exchange(x25519.X25519PublicKey.from_public_bytes(x))
    point = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x), int.from_bytes(unb64(public.jwk()["y"], "y")), ec.SECP256R1()
    )
    return ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1()).exchange(ec.ECDH(), point.public_key())


def content_key(shared: bytes, algorithm: str = "A256GCM") -> bytes:
    """RFC 7518 section 4.6.2: one round of the Concat KDF, no party information, 256 bits."""
    digest = Hash(SHA256())
    for part in (1, shared, len(algorithm), algorithm.encode(), 0, 0, 256):
        digest.update(part.to_bytes(4) if isinstance(part, int) else part)
    return digest.finalize()


def encrypted(
    content: bytes,
    reader: EncryptKey,
    label: str,
    *,
    header: bytes | None = None,
    algorithm: str = "A256GCM",
    nonce: int = 12,
    **changes: Any,
) -> str:
    """`content` for `reader`, with the ephemeral key and the nonce of a label. `changes` go into the header (None takes
    a member out); `header` replaces it whole; `algorithm` goes into the key derivation."""
    ephemeral = MAKERS[reader.jwk()["crv"]](f"ephemeral {label}")
    members = {
        "alg": "ECDH-ES", "enc": "A256GCM", "epk": ephemeral.encrypt_key.jwk(), "kid": reader.thumbprint, "typ": TYP,
    } | changes  # fmt: skip
    spelled = canonical({name: value for name, value in members.items() if value is not None})
    protected, iv = b64(spelled if header is None else header), seeded(f"nonce {label}", nonce)
    key = content_key(agreed(ephemeral, reader), algorithm)
    sealed = AESGCM(key).encrypt(iv, content, protected.encode("ascii"))
    return ".".join((protected, "", b64(iv), b64(sealed[:-16]), b64(sealed[-16:])))


def encrypted_cases() -> dict[str, Any]:
    keys = {curve: reader.jwk() for curve, reader in READERS.items()}
    cases = [case for curve in READERS for case in [*_good(curve), *_bad(curve)]]
    return {"typ": TYP, "readers": keys, "cases": cases}


def _good(curve: str) -> list[dict[str, str]]:
    reader = READERS[curve].encrypt_key
    ephemeral = MAKERS[curve]("ephemeral order").encrypt_key.jwk()
    spaced = json.dumps(
        {"typ": TYP, "kid": reader.thumbprint, "epk": ephemeral, "enc": "A256GCM", "alg": "ECDH-ES"}
    ).encode()
    a_list = seal(code_list.dump(full_list()), TYP, LIST_KEYS["ES256"])
    made = {
        "a signed list": (a_list, encrypted(a_list, reader, "list")),
        "bytes of any kind": (b"\x00\xff not JSON", encrypted(b"\x00\xff not JSON", reader, "bytes")),
        "nothing": (b"", encrypted(b"", reader, "nothing")),
        "header members in another order, white space": (b"{}", encrypted(b"{}", reader, "order", header=spaced)),
    }
    return [
        {"name": name, "curve": curve, "text": text, "content": b64(content)} for name, (content, text) in made.items()
    ]


def _bad(curve: str) -> list[dict[str, str]]:
    reader, other = READERS[curve].encrypt_key, OTHERS[curve].encrypt_key
    fair = encrypted(b"{}", reader, "fair")
    head, _, iv, body, tag = fair.split(".")
    epk = MAKERS[curve]("ephemeral fair").encrypt_key.jwk()
    foreign = OTHERS["P-256" if curve == "X25519" else "X25519"].encrypt_key.jwk()

    def with_header(**changes: Any) -> str:
        return encrypted(b"{}", reader, "fair", **changes)

    def flipped(text: str) -> str:
        return b64(flip(unb64(text, "part")))

    twice = unb64(head, "head")[:-1] + b',"typ":"zs-batch-1"}'
    cases = [
        ("another reader's", encrypted(b"{}", other, "fair"), "wrong_recipient"),
        ("another reader's under our kid", encrypted(b"{}", other, "fair", kid=reader.thumbprint), "bad_ciphertext"),
        ("another purpose", with_header(typ="zs-batch-1"), "wrong_type"),
        ("alg with key wrapping", with_header(alg="ECDH-ES+A256KW"), "bad_header"),
        ("alg dir", with_header(alg="dir"), "bad_header"),
        ("a shorter key", with_header(enc="A128GCM"), "bad_header"),
        ("compressed", with_header(zip="DEF"), "bad_header"),
        ("party information", with_header(apu="AA"), "bad_header"),
        ("crit", with_header(crit=["exp"]), "bad_header"),
        ("no kid", with_header(kid=None), "bad_header"),
        ("no ephemeral key", with_header(epk=None), "bad_header"),
        ("a private ephemeral key", with_header(epk={**epk, "d": "A" * 43}), "bad_header"),
        ("an ephemeral key of the other curve", with_header(epk=foreign), "bad_header"),
        ("an ephemeral key of 31 bytes", with_header(epk={**epk, "x": b64(bytes(31))}), "bad_key"),
        ("another ephemeral key", with_header(epk=other.jwk()), "bad_ciphertext"),
        ("a member named twice", encrypted(b"{}", reader, "fair", header=twice), "duplicate_member"),
        ("header is no object", encrypted(b"{}", reader, "fair", header=b"[]"), "not_json"),
        ("the same header in another spelling", ".".join((b64(_spaced(head)), "", iv, body, tag)), "bad_ciphertext"),
        ("header with padding", ".".join((head + "=", "", iv, body, tag)), "bad_base64"),
        ("tag with unused bits set", ".".join((head, "", iv, body, unused_bits(tag))), "bad_base64"),
        ("first bit of the content flipped", ".".join((head, "", iv, flipped(body), tag)), "bad_ciphertext"),
        ("first bit of the nonce flipped", ".".join((head, "", flipped(iv), body, tag)), "bad_ciphertext"),
        ("first bit of the tag flipped", ".".join((head, "", iv, body, flipped(tag))), "bad_ciphertext"),
        ("a nonce of 16 bytes", with_header(nonce=16), "bad_ciphertext"),
        ("derived for another cipher", with_header(algorithm="A128GCM"), "bad_ciphertext"),
        ("an encrypted key", ".".join((head, "AAAA", iv, body, tag)), "not_encrypted"),
        ("four parts", fair.replace("..", ".", 1), "not_encrypted"),
        ("six parts", fair + ".", "not_encrypted"),
        ("a signed list in clear", seal(b"{}", TYP, LIST_KEYS["ES256"]).decode(), "not_encrypted"),
        ("not ASCII", fair + "é", "not_encrypted"),
        ("empty", "", "not_encrypted"),
    ]
    if curve == "P-256":
        off = with_header(epk={**epk, "y": epk["x"]})
        cases.append(("an ephemeral point that is not on the curve", off, "bad_key"))
    else:
        cases.append(("an ephemeral key of low order", with_header(epk={**epk, "x": b64(bytes(32))}), "bad_ciphertext"))
    return [{"name": name, "curve": curve, "text": text, "refused": code} for name, text, code in cases]


def _spaced(head: str) -> bytes:
    return json.dumps(json.loads(unb64(head, "head"))).encode()
