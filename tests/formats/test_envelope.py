"""The gate: what it opens, what it never opens, and that nothing but a refusal comes out of it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from controller.formats import envelope
from controller.formats.encoding import b64
from controller.formats.errors import Refused
from controller.formats.jwk import Alg, SigningKey, make_key
from controller.formats.limits import LIMITS

TYP = "zs-list-1"
ALGORITHMS: tuple[Alg, ...] = ("Ed25519", "ES256")
KEYS = {alg: make_key(alg) for alg in ALGORITHMS}


def opened(data: bytes, key: SigningKey, typ: str = TYP) -> bytes:
    keys = {key.verify_key.thumbprint: key.verify_key}
    return envelope.open_envelope(data, typ, keys, max_bytes=LIMITS.envelope_bytes).payload


def foreign(key: SigningKey) -> Any:
    kind: Any = OKPKey if key.verify_key.alg == "Ed25519" else ECKey
    return kind.import_key(key.jwk())


@pytest.mark.parametrize("alg", ALGORITHMS)
@given(payload=st.binary(max_size=300))
def test_what_was_sealed_opens(alg: Alg, payload: bytes):
    assert opened(envelope.seal(payload, TYP, KEYS[alg]), KEYS[alg]) == payload


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_joserfc_signs_and_our_gate_opens(alg: Alg):
    key = KEYS[alg]
    member: Any = {"protected": {"alg": alg, "typ": TYP, "kid": key.verify_key.thumbprint}}
    made = jws.serialize_json(member, b'{"from":"joserfc"}', foreign(key), algorithms=[alg])
    assert opened(json.dumps(made).encode(), key) == b'{"from":"joserfc"}'


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_our_gate_signs_and_joserfc_opens(alg: Alg):
    sealed = json.loads(envelope.seal(b"payload", TYP, KEYS[alg]))
    assert jws.deserialize_json(sealed, foreign(KEYS[alg]), algorithms=[alg]).payload == b"payload"


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_flip_of_any_byte_is_refused(alg: Alg):
    """Every position, several flips each: no envelope but the signed one opens."""
    data = envelope.seal(b'{"any":"bytes"}', TYP, KEYS[alg])
    for position in range(len(data)):
        for flip in (0x01, 0x20, 0x80, 0xFF):
            changed = bytearray(data)
            changed[position] ^= flip
            with pytest.raises(Refused):
                opened(bytes(changed), KEYS[alg])


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_any_cut_is_refused(alg: Alg):
    data = envelope.seal(b"{}", TYP, KEYS[alg])
    for length in range(len(data)):
        with pytest.raises(Refused):
            opened(data[:length], KEYS[alg])


@given(st.binary(max_size=400))
def test_garbage_is_refused(data: bytes):
    for read in (lambda: opened(data, KEYS["ES256"]), lambda: envelope.key_id(data), lambda: envelope.unverified(data)):
        with pytest.raises(Refused):
            read()


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from(["payload", "protected", "signature", "header"]), json_values))
def test_nested_members_of_any_shape_are_refused(members: dict[str, Any]):
    with pytest.raises(Refused):
        envelope.open_nested(members, TYP, {})


@given(json_values)
def test_signed_headers_of_any_shape_are_refused(header: Any):
    key = KEYS["Ed25519"]
    protected = b64(json.dumps(header).encode())
    signature = b64(key.sign(f"{protected}.e30".encode()))
    with pytest.raises(Refused):
        opened(json.dumps({"payload": "e30", "protected": protected, "signature": signature}).encode(), key)


def test_size_is_looked_at_first():
    with pytest.raises(Refused, match="too_large"):
        envelope.open_envelope(b"\xff" * 11, TYP, {}, max_bytes=10)


def test_the_trusted_key_fixes_the_algorithm():
    """A key stored under a thumbprint that claims another algorithm in the header is not believed."""
    ed25519, es256 = KEYS["Ed25519"], KEYS["ES256"]
    data = envelope.seal(b"{}", TYP, es256)
    with pytest.raises(Refused, match="wrong_algorithm"):
        envelope.open_envelope(data, TYP, {es256.verify_key.thumbprint: ed25519.verify_key}, max_bytes=10_000)


def test_an_envelope_within_a_document():
    key = KEYS["Ed25519"]
    data = envelope.seal(b"inside", TYP, key)
    keys = {key.verify_key.thumbprint: key.verify_key}
    for member in (json.loads(data), msgspec.json.decode(data, type=envelope.Sealed)):
        assert envelope.open_nested(member, TYP, keys).payload == b"inside"


def test_what_an_envelope_claims():
    key, data = KEYS["ES256"], envelope.seal(b"claim", TYP, KEYS["ES256"])
    assert envelope.key_id(data) == key.verify_key.thumbprint
    forged = json.dumps({**json.loads(data), "signature": b64(bytes(64))}).encode()
    assert envelope.unverified(forged) == envelope.Opened(b"claim", key.verify_key.thumbprint)
    with pytest.raises(Refused, match="bad_signature"):
        opened(forged, key)
