"""Offline keys and the ceremony: what a stolen stick gives, and what no command does."""

import json
import stat

import msgspec
import pytest
from typer.testing import CliRunner

from controller.formats import trust, trust_step
from controller.formats.errors import Refused
from controller.formats.jwk import make_key
from sync.hub.doors.enrolment import make_hub
from sync.hub.keys import ceremony, online_keys, root_keys
from sync.hub.keys.ceremony_cli import app
from sync.hub.keys.trust_shelf import TrustShelf
from tests.sync.hub.town_trust import hold_ceremony, online

PASSPHRASE = "four words will do\n"
NOW = 1_784_000_040


@pytest.fixture(scope="module")
def locked():
    key = make_key()
    return key, root_keys.lock(key, PASSPHRASE.strip())


@pytest.fixture
def town(tmp_path):
    from datetime import UTC, datetime

    make_hub(tmp_path, [], datetime.now(UTC))
    return tmp_path


def keys(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_a_root_key_opens_with_its_passphrase_alone(locked):
    key, data = locked
    assert root_keys.unlock(data, PASSPHRASE.strip(), "root").jwk() == key.jwk()
    with pytest.raises(Refused, match="wrong_passphrase"):
        root_keys.unlock(data, PASSPHRASE.strip() + " ", "root")
    with pytest.raises(Refused, match="wrong_passphrase"):
        root_keys.unlock(data[:-2], PASSPHRASE.strip(), "root")
    assert key.jwk()["d"].encode() not in data


def test_a_short_passphrase_protects_nothing():
    with pytest.raises(Refused, match="weak_passphrase"):
        root_keys.lock(make_key(), "secret")


def test_hub_init_makes_no_root_key(town):
    names = {path.name for path in town.rglob("*")}
    assert not [name for name in names if "root" in name]
    with pytest.raises(Refused, match="no_trust"):
        TrustShelf(town / "keys" / "trust").needed()


def test_the_ceremony_from_keys_to_a_signed_document(town, tmp_path):
    (tmp_path / "words").write_text(PASSPHRASE)
    words = ("--passphrase-file", tmp_path / "words")
    for holder in (1, 2):
        keys("root", "make", "--out", tmp_path / f"r{holder}", "--public", tmp_path / f"r{holder}.pub", *words)
    assert stat.S_IMODE((tmp_path / "r1").stat().st_mode) == 0o400
    assert "d" not in json.loads((tmp_path / "r1.pub").read_bytes())
    roots = ("--root", tmp_path / "r1.pub", "--root", tmp_path / "r2.pub")
    online_keys = [part for name in ("list", "receipt") for part in ("--key", town / "keys" / f"{name}.pub.jwk")]
    made = ("--authority", town / "tls" / "ca.pem", "--out", tmp_path / "draft")
    said = keys("trust", "new", *roots, *online_keys, *made)
    assert "2 of these 2 offline keys" in said and "Not signed yet" in said
    for holder in (1, 2):
        keys(
            "trust",
            "sign",
            tmp_path / "draft",
            "--root",
            tmp_path / f"r{holder}",
            "--out",
            tmp_path / f"p{holder}",
            *words,
        )
    refused = keys("trust", "combine", tmp_path / "p1", tmp_path / "p1", "--out", tmp_path / "trust-1", code=1)
    assert "bad_threshold" in refused and not (tmp_path / "trust-1").exists()
    keys("trust", "combine", tmp_path / "p1", tmp_path / "p2", "--out", tmp_path / "trust-1")
    assert TrustShelf(town / "keys" / "trust").add((tmp_path / "trust-1").read_bytes()).trust.version == 1
    keys("root", "make", "--out", tmp_path / "r1", "--public", tmp_path / "r9.pub", *words, code=1)


def test_no_step_takes_the_last_key_of_a_purpose(town):
    step, _ = hold_ceremony(town / "keys", "ca", NOW)
    kid = ceremony.kid_of(step.trust.keys[0])
    for change in (ceremony.retire, ceremony.revoke):
        with pytest.raises(Refused, match="last_key"):
            change(step.trust, kid, NOW + 1)


def test_rotate_then_revoke_moves_the_epoch_and_retire_does_not(town):
    step, _ = hold_ceremony(town / "keys", "ca", NOW)
    kid = ceremony.kid_of(step.trust.keys[0])
    new = ceremony.OnlineKey(make_key().verify_key.jwk(), "list")
    rotated = ceremony.rotate(step.trust, new, NOW + 1)
    assert [key.state for key in rotated.keys if key.purpose == "list"] == ["retired", "active"]
    assert ceremony.revoke(rotated, kid, NOW + 2).epoch == 2
    assert ceremony.retire(rotated, kid, NOW + 2).epoch == 1


def test_a_private_key_has_no_business_in_a_ceremony(town, tmp_path):
    said = keys(
        "trust", "new", "--root", town / "keys" / "list.pub.jwk", "--key", town / "keys" / "list.jwk",
        "--authority", town / "tls" / "ca.pem", "--out", tmp_path / "draft", code=1,
    )  # fmt: skip
    assert "(" in said and not (tmp_path / "draft").exists()


def test_the_hub_takes_no_document_its_predecessor_did_not_sign(town):
    step, roots = hold_ceremony(town / "keys", "ca", NOW)
    shelf = TrustShelf(town / "keys" / "trust")
    after = ceremony.renew(step.trust, NOW)
    payload = msgspec.json.encode(after, order="sorted")
    with pytest.raises(Refused, match="bad_threshold"):
        shelf.add(trust_step.sign(payload, roots[:1]))
    assert shelf.since(1) is None
    shelf.add(trust_step.sign(payload, roots[1:]))
    assert [trust_step.claimed_version(each) for each in trust_step.unpack(shelf.since(1) or b"[]")] == [1, 2]


def test_a_key_for_some_doors_and_kinds_stands_beside_the_towns(town, tmp_path):
    step, _ = hold_ceremony(town / "keys", "ca")
    (tmp_path / "trust-1").write_bytes(step.document)
    kid, public = online_keys.make_next(town / "keys", "list")
    limits = ("--doors", "annex-", "--kinds", "cleaning", "--kinds", "technical")
    said = keys("trust", "rotate", tmp_path / "trust-1", "--key", public, *limits, "--out", tmp_path / "draft-2")
    assert f"{kid}  doors annex-*, cleaning and technical only" in said
    after = trust.parse((tmp_path / "draft-2").read_bytes())
    lists = [key for key in after.keys if key.purpose == "list"]
    assert [(key.state, key.doors) for key in lists] == [("active", ("",)), ("active", ("annex-",))]
    assert not lists[1].may_grant("renter") and lists[0].may_grant("renter")
    keys("trust", "rotate", tmp_path / "trust-1", "--key", public, "--kinds", "thief", "--out", tmp_path / "no", code=1)


def test_revoking_says_how_many_doors_lose_their_list(town, tmp_path):
    step, roots = hold_ceremony(town / "keys", "ca")
    _, public = online_keys.make_next(town / "keys", "list")
    rotated = ceremony.rotate(step.trust, online(town / "keys", "list", public), step.trust.issued)
    (tmp_path / "trust-2").write_bytes(trust_step.sign(msgspec.json.encode(rotated, order="sorted"), roots[:2]))
    kid = ceremony.kid_of(step.trust.keys[0])
    asked = ("trust", "revoke", tmp_path / "trust-2", kid, "--out")
    assert "All doors lose their list" in keys(*asked, tmp_path / "draft-3")
    assert "0 of 0 doors with a list lose" in keys(*asked, tmp_path / "draft-4", "--hub", town)
