"""The agent's file: what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.formats.errors import Refused
from sync.agent.config import read_config

GOOD = """
[door]
id = "hall-1"
socket = "/run/sync.sock"
[broker]
host = "broker.example"
certificate = "a.pem"
private_key = "a.key"
authorities = "ca.pem"
"""


def test_a_good_file(tmp_path: Path):
    path = tmp_path / "agent.toml"
    path.write_text(GOOD)
    config = read_config(path)
    assert (config.door.id, config.broker.host, config.broker.port) == ("hall-1", "broker.example", 8883)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("[broker]", "[brokr]", "[brokr]"),
        ('certificate = "a.pem"', "", "[broker] certificate"),
        ("[broker]\n", "[broker]\nport = 99999\n", "[broker] port"),
        ("[broker]\n", '[broker]\npassword = "x"\n', "[broker] password"),
        ('id = "hall-1"', 'id = "Hall 1"', "[door] id"),
        ("[door]", "[door", "agent.toml"),
    ],
)
def test_a_bad_file_is_refused_by_place(tmp_path: Path, old: str, new: str, where: str):
    path = tmp_path / "agent.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(Refused) as refused:
        read_config(path)
    assert refused.value.code == "bad_config"
    assert where in str(refused.value)


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(Refused, match="No such file"):
        read_config(tmp_path / "agent.toml")


def test_an_enrolled_unit_needs_one_file_and_no_address(tmp_path: Path):
    path = tmp_path / "agent.toml"
    path.write_text('[door]\nid = "hall-1"\nsocket = "/run/sync.sock"\n[broker]\ncertificate = "agent.pem"\n')
    broker = read_config(path).broker
    assert (broker.host, broker.private_key, broker.authorities) == (None, None, None)
