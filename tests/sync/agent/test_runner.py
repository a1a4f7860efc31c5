"""The agent as a process, without a broker: it waits for its controller, says so to systemd, and stops cleanly."""

from __future__ import annotations

import datetime
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.formats.messages import Hello, LineBuffer, Link, decode_line, encode_line
from sync.agent import cli
from sync.hub.keys.ca import Authority, make_tls
from tests.sync.mosquitto import Mosquitto

CONFIG = """
[door]
id = "hall-1"
socket = "{folder}/sync.sock"
[broker]
host = "localhost"
port = 1
certificate = "{folder}/door.pem"
private_key = "{folder}/door.key"
authorities = "{folder}/ca.pem"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    now = datetime.datetime.now(datetime.UTC)
    make_tls(tmp_path, [], now)
    certificate, private_key = Authority.load(tmp_path).client("hall-1", now)
    (tmp_path / "door.pem").write_bytes(certificate)
    (tmp_path / "door.key").write_bytes(private_key)
    (tmp_path / "agent.toml").write_text(CONFIG.format(folder=tmp_path))
    return tmp_path


def bound(path: Path, kind: socket.SocketKind) -> socket.socket:
    end = socket.socket(socket.AF_UNIX, kind)
    end.bind(str(path))
    end.settimeout(20)
    return end


def read_message(connection: socket.socket) -> Link:
    lines = LineBuffer(1000).feed(connection.recv(1000))
    return decode_line(lines[0], Link, "test")


@pytest.mark.e2e
def test_a_process_that_talks_to_its_controller_and_to_systemd_and_stops(folder: Path):
    command = [sys.executable, "-m", "zaalsleutel", "agent", "run", "--config", str(folder / "agent.toml")]
    with bound(folder / "notify", socket.SOCK_DGRAM) as systemd, bound(folder / "sync.sock", socket.SOCK_STREAM) as end:
        end.listen()
        environment = {"NOTIFY_SOCKET": str(folder / "notify"), "PATH": "/usr/bin"}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as agent:
            assert systemd.recv(100) == b"READY=1"
            connection, _ = end.accept()
            with connection:
                assert read_message(connection) == Link(up=False)
                connection.sendall(encode_line(Hello(door="hall-2", authorities=())))
                assert connection.recv(100) == b"", "another door's controller is hung up on"
            connection, _ = end.accept()
            with connection:
                assert read_message(connection) == Link(up=False), "and called again"
                assert systemd.recv(100) == b"WATCHDOG=1"
                agent.send_signal(signal.SIGTERM)
                _, errors = agent.communicate(timeout=20)
            assert agent.returncode == 0
            assert b"wrong_door" in errors


@pytest.mark.e2e
@pytest.mark.skipif(not shutil.which("mosquitto", path="/usr/sbin:/usr/bin"), reason="Mosquitto is not installed")
def test_a_broker_that_is_absent_at_start_is_found_when_it_comes(tmp_path: Path):
    broker = Mosquitto(tmp_path)
    certificate, private_key = broker.door_certificate("hall-1")
    text = CONFIG.format(folder=tmp_path).replace("port = 1", f"port = {broker.port}")
    (tmp_path / "agent.toml").write_text(
        text.replace("door.pem", certificate.name).replace("door.key", private_key.name)
    )
    command = [sys.executable, "-m", "zaalsleutel", "agent", "run", "--config", str(tmp_path / "agent.toml")]
    with bound(tmp_path / "sync.sock", socket.SOCK_STREAM) as end:
        end.listen()
        with subprocess.Popen(command, stderr=subprocess.PIPE) as agent:
            connection, _ = end.accept()
            with connection:
                connection.settimeout(60)
                assert read_message(connection) == Link(up=False)
                authorities = ((tmp_path / "ca.pem").read_text(),)
                connection.sendall(encode_line(Hello(door="hall-1", authorities=authorities)))
                try:
                    connection.settimeout(1)
                    with pytest.raises(TimeoutError):
                        connection.recv(1000)
                    connection.settimeout(60)  # its pauses grow to a minute, with jitter
                    broker.start()
                    assert read_message(connection) == Link(up=True)
                    broker.stop()
                    assert read_message(connection) == Link(up=False), "and told when it goes again"
                finally:
                    broker.stop()
                    agent.terminate()


@pytest.mark.parametrize("broken", ["door.key", "ca.pem"])
def test_tls_files_that_cannot_be_used_stop_the_start(folder: Path, broken: str):
    (folder / broken).write_text("nonsense")
    result = CliRunner().invoke(cli.app, ["run", "--config", str(folder / "agent.toml")])
    assert result.exit_code == 2
    assert "[broker]" in result.output
