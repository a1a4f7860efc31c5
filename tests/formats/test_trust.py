"""Which keys a door believes, and for what."""

import json

import pytest

from controller.formats import trust
from controller.formats.errors import Refused
from controller.formats.jwk import make_key
from tests.vectors.keys import LIST_KEYS, NOW
from tests.vectors.trust_cases import trusts

ROOTS = [make_key() for _ in range(3)]
ED25519, ES256 = (LIST_KEYS[alg].verify_key for alg in ("Ed25519", "ES256"))


def document(*keys: trust.TrustKey) -> trust.Trust:
    return trust.Trust(
        version=1,
        epoch=1,
        issued=NOW,
        expires=NOW + 1,
        threshold=2,
        roots=tuple(root.verify_key.jwk() for root in ROOTS),
        keys=keys,
        authorities=(),
        time_floor=None,
    )


def named(
    state: trust.KeyState = "active", purpose: trust.Purpose = "list", doors: tuple[str, ...] = ("",)
) -> trust.TrustKey:
    return trust.TrustKey(jwk=ED25519.jwk(), purpose=purpose, state=state, doors=doors, expires=NOW)


def test_the_vector_names_a_list_key_for_the_halls_and_the_annex():
    parsed = trust.parse(trusts()["good"][0]["payload"].encode())
    for door in ("hall-1", "annex"):
        assert list(parsed.keys_for("list", door)) == [ES256.thumbprint]
    assert parsed.keys_for("list", "library") == {}
    assert parsed.keys_for("command", "hall-1") == {}


@pytest.mark.parametrize(
    ("state", "signs_new", "keeps_installed"),
    [("active", True, True), ("retired", False, True), ("revoked", False, False)],
)
def test_what_each_state_is_good_for(state: trust.KeyState, signs_new: bool, keeps_installed: bool):
    made = document(named(state))
    assert bool(made.keys_for("list", "any")) is signs_new
    assert bool(made.keys_for("list", "any", installed=True)) is keeps_installed


def test_a_key_has_one_purpose_and_its_doors():
    made = document(named(purpose="receipt", doors=("hall-", "annex")))
    assert not made.keys_for("list", "hall-1")
    assert made.keys_for("receipt", "hall-1") == {ED25519.thumbprint: ED25519}
    assert not made.keys_for("receipt", "the-hall-1")


def test_oversize_is_refused_before_anything_else():
    with pytest.raises(Refused, match="too_large"):
        trust.parse(b"\xff" * (trust.MAX_BYTES + 1))


def test_a_key_cannot_be_active_and_revoked():
    payload = json.loads(trusts()["good"][0]["payload"])
    payload["keys"].append({**payload["keys"][0], "state": "revoked", "doors": ["other-"]})
    with pytest.raises(Refused, match=r"trust\.keys\[3\].*bad_trust"):
        trust.parse(json.dumps(payload).encode())
