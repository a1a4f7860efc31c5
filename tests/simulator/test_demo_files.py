"""The demo's configuration files are accepted by those who read them, and its paths fit into sockets."""

from pathlib import Path

import pytest

from controller import config as controller_config
from controller.camera.config import load as load_camera
from simulator import broker, demo_files
from simulator.demo_files import DOOR, Folders, PathTooLong, Rules
from simulator.hardware import LINES
from sync.agent.config import read_config
from sync.hub.settings import read_settings
from sync.hub.town.town_file import read_town


@pytest.fixture
def folders(tmp_path):
    folders = Folders(tmp_path)
    folders.make()
    return folders


def test_every_process_accepts_its_file(folders):
    unit, agent = folders.door / "unit.toml", folders.door / "agent.toml"
    unit.write_text(demo_files.unit(folders, LINES, "/dev/null", "http://127.0.0.1:1/stream"))
    agent.write_text(demo_files.agent(folders, 8883))
    (folders.hub / "hub.toml").write_text(demo_files.hub(8080, 8883))
    controller_config.load(unit).check()
    assert load_camera(unit).socket.parent == folders.sockets
    assert read_config(agent).door.id == DOOR
    assert read_settings(folders.hub).http.port == 8080


@pytest.mark.parametrize("rules", [Rules(), Rules(release_s=1, pin_tries=100)])
def test_the_town_is_one(rules):
    town = read_town(demo_files.town(rules))
    assert town.rooms[demo_files.ROOM].doors == (DOOR,)
    assert town.rooms[demo_files.ROOM].policy.release_s == rules.release_s


def test_the_folders_are_for_this_account_only(folders):
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in (folders.hub, folders.door, folders.hardware))


@pytest.mark.parametrize(("length", "fits"), [(85, True), (86, False)])
def test_a_path_that_no_socket_could_have_is_refused(length, fits):
    root = Path("/" + "x" * (length - 1))
    if fits:
        assert len(bytes(Folders(root).sockets / "display.sock")) == demo_files.SOCKET_PATH_BYTES
    else:
        with pytest.raises(PathTooLong, match="--directory"):
            Folders(root)


def test_the_broker_runs_on_the_shipped_rules_with_its_own_paths(tmp_path):
    path = broker.write_configuration(tmp_path, tmp_path / "tls", 18_883)
    text = path.read_text()
    settings = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert "listener 18883 127.0.0.1" in settings
    assert f"acl_file {tmp_path}/zaalsleutel.acl" in settings
    assert f"certfile {tmp_path}/tls/broker.pem" in settings
    assert {"require_certificate true", "allow_anonymous false"} <= set(settings)
    assert "/etc/" not in "\n".join(settings)


def test_without_mosquitto_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(broker, "SEARCHED", str(tmp_path))
    with pytest.raises(broker.NoBroker, match="apt-get install"):
        broker.command(tmp_path / "mosquitto.conf")
