"""The card and the secrets on it."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from controller.checks import storage
from controller.config import Config
from tests.controller.checks.machine_root import healthy, put

NOW = datetime(2026, 7, 17, tzinfo=UTC)
NOW_S = int(NOW.timestamp())


@pytest.fixture
def unit(tmp_path):
    """A unit whose keys are its own, with a keypad key and an agent."""
    data = tmp_path / "data"
    data.mkdir()
    for name in ("event.jwk", "osdp.key"):
        (data / name).write_text("00112233445566778899aabbccddeeff")
        (data / name).chmod(0o600)
    config = Config(
        {
            "door": {"id": "hall-1", "data": str(data), "sockets": "run"},
            "lock": {"driver": "gpio", "pin": 17},
            "clock": {"driver": "linux"},
            "keypads": {"outside": {"driver": "osdp", "device": "/dev/ttyAMA0", "key_file": str(data / "osdp.key")}},
        }
    )
    return config, data


def agent(folder, days: int):
    """An agent's file with a certificate that lives so much longer."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hall-1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=400))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    (folder / "agent.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "agent.key").write_text("secret")
    (folder / "agent.key").chmod(0o600)
    (folder / "agent.toml").write_text('[broker]\ncertificate = "agent.pem"\nprivate_key = "agent.key"\n')
    return folder / "agent.toml"


def test_a_good_unit_is_green(unit, tmp_path):
    config, _ = unit
    found = storage.storage(config, agent(tmp_path, 300), healthy(tmp_path / "root"), NOW_S)
    assert {finding.colour for finding in found} <= {"green", "amber"}, "the disk here may be tight"


@pytest.mark.parametrize(("days", "colour"), [(300, "green"), (15, "green"), (13, "amber"), (-1, "red")])
def test_a_certificate_is_told_in_time(tmp_path, days, colour):
    assert storage.certificate(agent(tmp_path, days), NOW_S).colour == colour


@pytest.mark.parametrize(
    "text", ["", "[broker]\n", "[[[", '[broker]\ncertificate = "none.pem"\n', "broker = 5", "x = " + "[" * 3000]
)
def test_a_certificate_that_cannot_be_read_is_red(tmp_path, text):
    (tmp_path / "agent.toml").write_text(text)
    assert storage.certificate(tmp_path / "agent.toml", NOW_S).colour == "red"


@pytest.mark.parametrize("name", ["event.jwk", "osdp.key"])
def test_a_key_others_can_read_is_red(unit, name):
    config, data = unit
    (data / name).chmod(0o644)
    reds = [finding for finding in storage.private_files(config, None) if finding.colour == "red"]
    assert [finding.do for finding in reds] == [f"chmod 600 {data / name}"]


def test_an_agents_key_others_can_read_is_red(unit, tmp_path):
    file = agent(tmp_path, 300)
    (tmp_path / "agent.key").chmod(0o640)
    assert "red" in {finding.colour for finding in storage.private_files(unit[0], file)}


def test_the_key_everybody_knows_is_red(unit):
    config, data = unit
    (data / "osdp.key").write_text(bytes(range(0x30, 0x40)).hex())
    reds = [finding for finding in storage.private_files(config, None) if finding.colour == "red"]
    assert "everybody" in reds[0].fact


@pytest.mark.parametrize(("free_mib", "colour"), [(10, "red"), (100, "amber"), (5_000, "green")])
def test_space(tmp_path, monkeypatch, free_mib, colour):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": free_mib << 20}))
    assert storage.space(tmp_path).colour == colour


def test_a_folder_that_is_not_there_is_red(tmp_path):
    assert storage.space(tmp_path / "none").colour == "red"


def test_a_filesystem_with_errors_is_red_and_a_worn_card_amber(tmp_path):
    root = healthy(tmp_path)
    put(root, "sys/block/mmcblk0/device/life_time", "0x02 0x09\n")
    assert [finding.colour for finding in storage.wear(root)] == ["amber", "green"]
    put(root, "sys/fs/ext4/mmcblk0p2/errors_count", "3\n")
    assert [finding.colour for finding in storage.wear(root)] == ["red", "amber"]


def test_a_copy_of_the_certificate_does_where_the_agents_folder_is_closed(tmp_path):
    """The nightly test runs as the controller's account, to which systemd hands that one file."""
    (tmp_path / "here").mkdir()
    agent_file = agent(tmp_path / "here", 100)
    copy = tmp_path / "agent.crt"
    copy.write_bytes(next((tmp_path / "here").glob("*.pem")).read_bytes())
    for path in (tmp_path / "here").glob("*.pem"):
        path.unlink()
    assert storage.certificate(agent_file, NOW_S).colour == "red"
    assert storage.certificate(agent_file, NOW_S, copy).colour == "green"
