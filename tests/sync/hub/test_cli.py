"""The command line on a real hub folder."""

import json
import stat

import pytest
from cryptography import x509
from typer.testing import CliRunner

from controller.formats import jwe
from controller.formats.encoding import canonical
from controller.formats.envelope import open_envelope
from controller.formats.jwk import make_key
from controller.formats.limits import LIMITS
from controller.formats.trust_step import open_first
from sync.hub.cli import app
from sync.hub.cli_app import open_hub
from tests.sync.hub.conftest import TOWN
from tests.sync.hub.town_trust import hold_ceremony


class HubFolder:
    """A new hub folder, a town beside it, and the command."""

    def __init__(self, parent):
        self.folder, self.town = parent / "hub", str(parent / "town.toml")
        (parent / "town.toml").write_text(TOWN)
        self("init", str(self.folder), "--host", "broker.example")

    def __call__(self, *arguments: str, code: int = 0):
        where = () if arguments[0] == "init" else ("--hub", str(self.folder))
        result = CliRunner().invoke(app, (*arguments, *where))
        assert result.exit_code == code, result.output
        return result


@pytest.fixture
def hub(tmp_path):
    return HubFolder(tmp_path)


def test_init_makes_keys_nobody_else_can_read_and_never_overwrites(hub):
    secrets = [hub.folder / "keys" / name for name in ("list.jwk", "receipt.jwk", "store.key")]
    secrets += [hub.folder / "tls" / name for name in ("ca.key", "broker.key", "hub.key")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    before = {path: path.read_bytes() for path in hub.folder.rglob("*") if path.is_file()}
    assert hub("init", str(hub.folder)).output == ""
    assert {path: path.read_bytes() for path in hub.folder.rglob("*") if path.is_file()} == before


def test_apply_shows_then_does_then_has_nothing_to_do(hub):
    told = json.loads(hub("apply", hub.town, "--dry-run", "--json").output)
    assert {"action": "add", "what": "doors", "name": "a-1", "fields": {"door_group": "room:A"}} in told
    assert json.loads(hub("doors", "--json").output) == []
    assert "front" in hub("apply", hub.town).output
    assert hub("apply", hub.town).output == "nothing changes\n"


def test_a_door_comes_into_service(hub, tmp_path):
    hub("apply", hub.town)
    key = make_key()
    public = {"event_key": key.verify_key.jwk(), "encrypt_key": jwe.make_key().encrypt_key.jwk()}
    (tmp_path / "keys.json").write_bytes(canonical(public))
    add = ("door", "add", "a-1", "--keys", str(tmp_path / "keys.json"), "--out", str(tmp_path / "unit"))
    assert "no_trust" in hub(*add, code=1).output
    hold_ceremony(hub.folder / "keys", (hub.folder / "tls" / "ca.pem").read_text())
    hub(*add)
    certificate = x509.load_pem_x509_certificate((tmp_path / "unit" / "agent.crt").read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=a-1"
    assert open_hub(hub.folder).service.event_keys({"a-1", "b-2"}) == {"a-1": key.verify_key}
    trust = open_first((tmp_path / "unit" / "trust.json").read_bytes()).trust
    hub("list-of", "a-1", "--out", str(tmp_path / "list.json"))
    envelope = (tmp_path / "list.json").read_bytes()
    open_envelope(envelope, "zs-list-1", trust.keys_for("list", "a-1"), max_bytes=LIMITS.envelope_bytes)
    assert trust.keys_for("receipt", "a-1").keys().isdisjoint(trust.keys_for("list", "a-1"))
    (row,) = [row for row in json.loads(hub("doors", "--json").output) if row["id"] == "a-1"]
    assert (row["enrolled"], row["list_applied"], row["last_contact"]) == (True, 0, None)


def test_tokens_and_refusals(hub, tmp_path):
    hub("apply", hub.town)
    token = hub("token", "booking").output.strip()
    assert open_hub(hub.folder).service.caller(token, 0).id == "booking"
    hub("token", "nobody", code=1)
    hub("list-of", "nowhere", "--out", str(tmp_path / "x"), code=1)
    hub("token", code=2)
    (tmp_path / "bad.toml").write_text("[rooms.X]\n")
    assert "[rooms.X]" in hub("apply", str(tmp_path / "bad.toml"), code=1).output
    (hub.folder / "hub.toml").write_text((hub.folder / "hub.toml").read_text().replace("8883", "88830"))
    assert "[mqtt] port" in hub("doors", code=1).output
