"""Signature keys: published examples, foreign libraries, and key files that are wrong."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from joserfc.jwk import ECKey, OKPKey

from controller.formats import jwk
from controller.formats.encoding import b64, unb64
from controller.formats.errors import Refused

ALGORITHMS: tuple[jwk.Alg, ...] = ("Ed25519", "ES256")

# RFC 8037, appendix A
RFC_8037 = {
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
# RFC 7515, appendix A.3.1
RFC_7515_ES256 = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
}


def test_thumbprint_of_rfc_8037_a3():
    assert jwk.load_public(RFC_8037).thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_signature_of_rfc_8037_a4():
    text = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    wanted = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    key = jwk.load_private(RFC_8037)
    assert b64(key.sign(text)) == wanted
    assert key.verify_key.verifies(unb64(wanted, "x"), text)


def test_signature_of_rfc_7515_a3():
    text = (
        b"eyJhbGciOiJFUzI1NiJ9."
        b"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    )
    signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    key = jwk.load_private(RFC_7515_ES256)
    assert key.verify_key.verifies(unb64(signature, "x"), text)
    assert key.verify_key.verifies(key.sign(text), text)
    assert not key.verify_key.verifies(unb64(signature, "x"), text + b"x")


def test_thumbprint_looks_at_the_required_members_only():
    # The member names of RFC 7638, section 3.2; alg, kid and use are the additions of its example.
    assert jwk.thumbprint({**RFC_8037, "kid": "2011-04-29", "use": "sig"}) == jwk.load_public(RFC_8037).thumbprint


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_thumbprint_agrees_with_joserfc(alg: jwk.Alg):
    key = jwk.make_key(alg)
    foreign: Any = OKPKey if alg == "Ed25519" else ECKey
    assert foreign.import_key(key.jwk()).thumbprint() == key.verify_key.thumbprint


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_key_survives_its_file(alg: jwk.Alg):
    key = jwk.make_key(alg)
    again = jwk.read_private(json.dumps(key.jwk()).encode())
    assert again.jwk() == key.jwk()
    assert jwk.read_public(json.dumps(key.jwk()).encode()).jwk() == key.verify_key.jwk()
    assert key.verify_key.verifies(again.sign(b"x"), b"x")


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_signature_holds_for_its_bytes_only(alg: jwk.Alg):
    key = jwk.make_key(alg)
    signature = key.sign(b"text")
    assert len(signature) == jwk.SIGNATURE_BYTES
    assert not key.verify_key.verifies(signature, b"text ")
    assert not key.verify_key.verifies(signature[:-1], b"text")
    assert not key.verify_key.verifies(signature + b"\0", b"text")
    assert not jwk.make_key(alg).verify_key.verifies(signature, b"text")
    for degenerate in (bytes(64), b"\xff" * 64, b"\0" * 63 + b"\1"):
        assert not key.verify_key.verifies(degenerate, b"text")


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_repr_keeps_the_secret(alg: jwk.Alg):
    key = jwk.make_key(alg)
    assert key.jwk()["d"] not in repr(key)


OTHER = jwk.make_key("ES256").jwk()
BAD_PUBLIC: dict[str, Any] = {
    "no object": [],
    "empty": {},
    "kty a list": {**RFC_8037, "kty": []},
    "RSA": {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    "symmetric": {"kty": "oct", "k": "AQAB"},
    "X25519": {**RFC_8037, "crv": "X25519"},
    "x missing": {"kty": "OKP", "crv": "Ed25519"},
    "x a number": {**RFC_8037, "x": 7},
    "x with padding": {**RFC_8037, "x": RFC_8037["x"] + "="},
    "x of 31 bytes": {**RFC_8037, "x": b64(bytes(31))},
    "P-256 of 33 bytes": {**RFC_7515_ES256, "x": b64(b"\0" + unb64(RFC_7515_ES256["x"], "x"))},
    "not on the curve": {**RFC_7515_ES256, "y": RFC_7515_ES256["x"]},
    "the zero point": {**RFC_7515_ES256, "x": b64(bytes(32)), "y": b64(bytes(32))},
    "alg of another curve": {**RFC_8037, "alg": "ES256"},
    "alg none": {**RFC_7515_ES256, "alg": "none"},
    "alg a list": {**RFC_8037, "alg": ["Ed25519"]},
    "alg an object": {**RFC_8037, "alg": {}},
}
BAD_PRIVATE: dict[str, Any] = {
    "public": {name: RFC_8037[name] for name in ("kty", "crv", "x")},
    "d a number": {**RFC_8037, "d": 7},
    "d too short": {**RFC_8037, "d": b64(bytes(31))},
    "d zero": {**RFC_7515_ES256, "d": b64(bytes(32))},
    "d over the order": {**RFC_7515_ES256, "d": b64(b"\xff" * 32)},
    "d with a leading zero byte": {**RFC_7515_ES256, "d": b64(b"\0" + unb64(RFC_7515_ES256["d"], "d"))},
    "halves of two keys": {**RFC_7515_ES256, "d": OTHER["d"]},
}


@pytest.mark.parametrize("document", BAD_PUBLIC.values(), ids=BAD_PUBLIC.keys())
def test_bad_public_keys_are_refused(document: Any):
    for load in (jwk.load_public, jwk.load_private):
        with pytest.raises(Refused) as caught:
            load(document)
        assert caught.value.code in {"bad_key", "bad_base64"}


@pytest.mark.parametrize("document", BAD_PRIVATE.values(), ids=BAD_PRIVATE.keys())
def test_bad_private_keys_are_refused_without_repeating_them(document: Any):
    with pytest.raises(Refused) as caught:
        jwk.load_private(document)
    assert caught.value.code in {"bad_key", "bad_base64"}
    assert str(document.get("d", "-no d-")) not in caught.value.text


@pytest.mark.parametrize(("alg", "named"), [("Ed25519", "EdDSA"), ("Ed25519", "Ed25519"), ("ES256", "ES256")])
def test_a_fitting_alg_is_welcome(alg: jwk.Alg, named: str):
    assert jwk.load_public({**jwk.make_key(alg).jwk(), "alg": named, "kid": "any", "use": "sig"}).alg == alg


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"kty":"OKP","kty":"OKP"}', b" " * 5_000])
def test_bad_key_files_are_refused(data: bytes):
    with pytest.raises(Refused):
        jwk.read_public(data)


def ed25519_point(y: int) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(y.to_bytes(32, "little"))}


@pytest.mark.parametrize("y", sorted(jwk.ED25519_WEAK_Y))
def test_a_point_for_which_anybody_can_sign_is_no_key(y: int):
    point = ed25519.Ed25519PublicKey.from_public_bytes(y.to_bytes(32, "little"))
    forged = (1).to_bytes(32, "little") + bytes(32)  # R the neutral point, S zero: no key needed
    assert any(jwk.VerifyKey("Ed25519", "", point).verifies(forged, b"%d" % trial) for trial in range(200))
    for sign in (0, 1 << 255):
        with pytest.raises(Refused, match="bad_key"):
            jwk.load_public(ed25519_point(y | sign))


@pytest.mark.parametrize("y", [jwk.ED25519_P + 3, 2**255 - 1])
def test_a_point_has_one_spelling(y: int):
    with pytest.raises(Refused, match="bad_key"):
        jwk.load_public(ed25519_point(y))
