"""The hub's own keys follow the trust document: rotated and revoked while it runs, no file replaced."""

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.formats import jwe, jwk, trust_step
from controller.formats.encoding import canonical, parse_object
from controller.formats.envelope import key_id, seal
from controller.formats.errors import Refused
from controller.formats.event import BATCH_TYP
from controller.formats.jwk import Alg, SigningKey
from sync.hub import cli
from sync.hub.keys import ceremony, online_keys
from sync.hub.keys.keyring import Keyring, make_keys
from sync.hub.keys.link_keys import make_link_keys
from sync.hub.keys.trust_reach import sign_anew
from sync.hub.keys.trust_shelf import TRUST, TrustShelf
from tests.sync.hub.conftest import NOW
from tests.sync.hub.town_trust import hold_ceremony


class Hub:
    """A key folder whose ceremony has been held; `then` holds the next one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_keys(folder)
        make_link_keys(folder)
        self.roots: list[SigningKey] = []

    def first_ceremony(self) -> None:
        _, self.roots = hold_ceremony(self.folder, "", NOW)

    def then(self, change: str, *arguments: object) -> None:
        shelf = TrustShelf(self.folder / TRUST)
        document = getattr(ceremony, change)(shelf.needed().trust, *arguments, NOW + shelf.count())
        shelf.add(trust_step.sign(canonical(document), self.roots[:2]))

    def public(self, file: Path) -> ceremony.OnlineKey:
        members = parse_object(file.read_bytes(), file.name)
        return ceremony.OnlineKey(
            {name: members[name] for name in ("kty", "crv", "x", "y") if name in members}, members["purpose"]
        )

    @property
    def list_kid(self) -> str:
        return online_keys.keyring(self.folder).list_key.verify_key.thumbprint


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "town-keys")


def test_before_the_first_ceremony_the_first_keys_are_used(hub: Hub):
    assert hub.list_kid == Keyring.load(hub.folder).list_key.verify_key.thumbprint
    assert {key.state for key in online_keys.inventory(hub.folder)} == {None}
    assert online_keys.lacking(hub.folder) == list(online_keys.PURPOSES)


def test_the_next_key_lies_ready_until_a_document_names_it(hub: Hub):
    hub.first_ceremony()
    before = hub.list_kid
    kid, public = online_keys.make_next(hub.folder, "list")
    assert hub.list_kid == before
    hub.then("rotate", hub.public(public))
    assert hub.list_kid == kid != before
    states = {key.kid: (key.state, key.used) for key in online_keys.inventory(hub.folder) if key.purpose == "list"}
    assert states == {kid: ("active", True), before: ("retired", False)}
    assert stat.S_IMODE((hub.folder / f"list-{kid[:8]}.jwk").stat().st_mode) == 0o600
    assert "d" not in json.loads(public.read_bytes())


@pytest.mark.parametrize("alg", ["Ed25519", "ES256"])
def test_a_collect_key_is_rotated_and_what_is_under_way_is_still_read(hub: Hub, alg: Alg):
    hub.first_ceremony()
    old = online_keys.link_keys(hub.folder).collect_key
    kid, public = online_keys.make_next(hub.folder, "collect", alg)
    hub.then("rotate", hub.public(public))
    keys = online_keys.link_keys(hub.folder)
    assert keys.collect_key.encrypt_key.thumbprint == kid
    for reader in (old, keys.collect_key):
        text = jwe.encrypt(b"batch", BATCH_TYP, reader.encrypt_key)
        assert keys.read(text, BATCH_TYP, max_bytes=10_000) == b"batch"
    stranger = jwe.encrypt(b"batch", BATCH_TYP, jwe.make_key().encrypt_key)
    with pytest.raises(Refused, match="wrong_recipient"):
        keys.read(stranger, BATCH_TYP, max_bytes=10_000)
    with pytest.raises(Refused, match="wrong_type"):
        keys.read(jwe.encrypt(b"", "zs-list-1", old.encrypt_key), BATCH_TYP, max_bytes=10_000)


def test_a_stolen_key_is_rotated_and_revoked_and_the_next_hub_start_knows(hub: Hub):
    hub.first_ceremony()
    stolen = hub.list_kid
    kid, public = online_keys.make_next(hub.folder, "list")
    hub.then("rotate", hub.public(public))
    hub.then("revoke", stolen)
    assert hub.list_kid == kid
    assert TrustShelf(hub.folder / TRUST).needed().trust.epoch == 2


def test_a_document_that_names_none_of_our_keys_is_noticed(hub: Hub, tmp_path: Path):
    hub.first_ceremony()
    assert online_keys.lacking(hub.folder) == []
    other = Hub(tmp_path / "elsewhere")
    _, public = online_keys.make_next(other.folder, "command")
    hub.then("rotate", hub.public(public))
    assert online_keys.lacking(hub.folder) == ["command"]


def test_lists_of_another_key_are_signed_anew(service, sessions, keyring, tmp_path):
    service.due(NOW)
    old = key_id(service.list_of("a-1"))
    next_key = online_keys.keyring(tmp_path / "keys")
    assert sign_anew(sessions, old) == 0
    kid, public = online_keys.make_next(tmp_path / "keys", "list")
    made = tmp_path / "keys" / public.name.replace(".pub", "")
    service.bench.keyring = Keyring(jwk.read_private(made.read_bytes()), next_key.receipt_key, next_key.store_key)
    assert sign_anew(sessions, kid) > 0
    for second in range(1, 10):
        service.due(NOW + second)
    assert {key_id(service.list_of(door)) for door in ("a-1", "b-1", "front")} == {kid}
    assert sign_anew(sessions, kid) == 0


def test_the_commands_make_and_show_a_key(tmp_path: Path):
    run = CliRunner()
    assert run.invoke(cli.app, ["init", str(tmp_path / "hub")]).exit_code == 0
    made = run.invoke(cli.app, ["keys", "make", "list", "--alg", "ES256", "--hub", str(tmp_path / "hub")])
    assert made.exit_code == 0, made.output
    kid = made.output.split()[0]
    shown = json.loads(run.invoke(cli.app, ["keys", "show", "--json", "--hub", str(tmp_path / "hub")]).output)
    assert [(row["used"], row["state"]) for row in shown if row["purpose"] == "list"] == [
        ("yes", "not named"), ("no", "not named"),
    ]  # fmt: skip
    assert kid in {row["key"] for row in shown}
    assert "used" in run.invoke(cli.app, ["keys", "show", "--hub", str(tmp_path / "hub")]).output
    assert run.invoke(cli.app, ["keys", "make", "doors", "--hub", str(tmp_path / "hub")]).exit_code == 2


def test_what_a_key_signs_says_which_it_was(hub: Hub):
    keyring = online_keys.keyring(hub.folder)
    assert key_id(seal(b"{}", "zs-list-1", keyring.list_key)) == hub.list_kid
