"""Encryption to one reader: round trips, and what somebody in between may try."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.formats import jwe
from controller.formats.encoding import b64, canonical, unb64
from controller.formats.errors import Refused

READERS = {curve: jwe.make_key(curve) for curve in ("X25519", "P-256")}
OWN = READERS["X25519"]
TEXT = jwe.encrypt(b"codes", "zs-list-1", OWN.encrypt_key)


def reading(text: str, typ: str = "zs-list-1", reader: jwe.DecryptKey = OWN) -> str | None:
    try:
        jwe.decrypt(text, typ, reader, max_bytes=10_000)
    except Refused as refused:
        return refused.code
    return None


def with_header(**changes: object) -> str:
    header, rest = TEXT.split(".", 1)
    members = {**json.loads(unb64(header, "")), **changes}
    return f"{b64(canonical({name: value for name, value in members.items() if value is not None}))}.{rest}"


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_what_is_encrypted_is_read_by_its_reader_alone(reader: jwe.DecryptKey):
    big = b"x" * 3_000_000
    text = jwe.encrypt(big, "zs-list-1", reader.encrypt_key)
    assert jwe.decrypt(text, "zs-list-1", reader, max_bytes=len(text)) == big
    assert reading(jwe.encrypt(b"", "zs-list-1", reader.encrypt_key), reader=jwe.make_key()) == "wrong_recipient"


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("", "not_encrypted"),
        (TEXT.replace("..", ".AAAA.", 1), "not_encrypted"),
        (TEXT + ".", "not_encrypted"),
        ('{"payload":"","protected":"","signature":""}', "not_encrypted"),
        (with_header(alg="ECDH-ES+A256KW"), "bad_header"),
        (with_header(alg="dir"), "bad_header"),
        (with_header(enc="A128GCM"), "bad_header"),
        (with_header(zip="DEF"), "bad_header"),
        (with_header(apu="AA"), "bad_header"),
        (with_header(crit=["exp"]), "bad_header"),
        (with_header(kid=None), "bad_header"),
        (with_header(typ="zs-batch-1"), "wrong_type"),
        (with_header(kid="A" * 43), "wrong_recipient"),
        (with_header(epk=READERS["P-256"].encrypt_key.jwk()), "bad_header"),
        (with_header(epk={**OWN.encrypt_key.jwk(), "x": "AA"}), "bad_key"),
        (with_header(epk=jwe.make_key().encrypt_key.jwk()), "bad_ciphertext"),
        (TEXT[:-1] + ("A" if TEXT[-1] != "A" else "Q"), "bad_ciphertext"),
        (TEXT + "=", "bad_base64"),
        ("A" * 10_001, "too_large"),
    ],
)
def test_nothing_altered_on_the_way_opens(text: str, refused: str):
    assert reading(text) == refused


@given(st.integers(0, len(TEXT) - 1), st.sampled_from("ABCabc019-_."))
def test_no_single_letter_may_change(place: int, letter: str):
    altered = TEXT[:place] + letter + TEXT[place + 1 :]
    assert (reading(altered) is None) == (altered == TEXT)


def test_a_low_order_point_gives_no_key():
    assert reading(with_header(epk={**OWN.encrypt_key.jwk(), "x": b64(bytes(32))})) in {"bad_ciphertext", "bad_key"}


def test_halves_of_two_keys_are_no_key():
    with pytest.raises(Refused, match="bad_key"):
        jwe.load_private({**OWN.jwk(), "d": jwe.make_key().secret})


def test_a_signing_key_does_not_encrypt():
    with pytest.raises(Refused, match="bad_key"):
        jwe.load_public({"kty": "OKP", "crv": "Ed25519", "x": "A" * 43})


def test_a_private_key_is_never_printed():
    assert OWN.secret not in repr(OWN)


@pytest.mark.parametrize("value", [None, True, 7, "x", [], [{}]])
def test_what_is_no_object_is_no_key(value: object):
    for load in (jwe.load_public, jwe.load_private):
        with pytest.raises(Refused, match="bad_key"):
            load(value)
