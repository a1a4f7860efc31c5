"""A door that is shut out, at a real Mosquitto with the shipped configuration: each of the three measures alone, and
all of them by the command."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from simulator.broker import SEARCHED, write_configuration
from simulator.ports import free_port
from sync.hub import cli
from sync.hub.doors.enrol_desk import note_certificate
from sync.hub.doors.enrol_models import ShutDoor
from sync.hub.doors.revocation import ACL, BrokerFiles, access_rules, shut_out
from sync.hub.keys.ca import CRL, Authority, make_tls
from sync.hub.store.database import open_database, reading
from sync.hub.store.models import Door

BROKER = shutil.which("mosquitto", path=SEARCHED)
PATIENCE_S = 20
NOW = datetime.now(UTC)
NOT_AUTHORIZED = 0x87

pytestmark = pytest.mark.skipif(BROKER is None, reason="mosquitto is not installed")


class Broker:
    """The shipped configuration on a free port; `doors` holds each door's certificate."""

    def __init__(self, folder: Path) -> None:
        self.tls = folder / "tls"
        make_tls(self.tls, ["localhost"], NOW)
        BrokerFiles(self.tls).write_first()
        self.authority = Authority.load(self.tls)
        self.port = free_port()
        self.folder = folder
        configuration = write_configuration(folder, self.tls, self.port)
        # The rules that the hub writes, where the shipped file has them: beside the certificates.
        text = configuration.read_text().replace(str(folder / ACL), str(self.tls / ACL))
        configuration.write_text(text)
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen([str(BROKER), "-c", str(configuration)], stderr=self._log)
        until_s = time.monotonic() + PATIENCE_S
        while not self._reachable():
            assert time.monotonic() < until_s
            time.sleep(0.02)

    def certify(self, door: str) -> x509.Certificate:
        certificate, private = self.authority.client(door, NOW)
        (self.folder / f"{door}.pem").write_bytes(certificate + private)
        return x509.load_pem_x509_certificate(certificate)

    def read_again(self) -> None:
        """What the path unit beside the broker does when the hub has written a file."""
        heard = (self.folder / "log").read_text().count("Reloading config")
        self._process.send_signal(signal.SIGHUP)
        until_s = time.monotonic() + PATIENCE_S
        while (self.folder / "log").read_text().count("Reloading config") == heard:
            assert time.monotonic() < until_s
            time.sleep(0.02)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._log.close()

    def _reachable(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Connection:
    """One session of a door; raises when the broker does not let it in."""

    def __init__(self, broker: Broker, door: str) -> None:
        self.door = door
        self.lost: queue.Queue[None] = queue.Queue()
        self._acknowledged: queue.Queue[int] = queue.Queue()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=door, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        connected: queue.Queue[bool] = queue.Queue()
        self._client.on_connect = lambda *told: connected.put(not told[3].is_failure)

        def gone(*_told: object) -> None:
            self.lost.put(None)
            connected.put(False)

        self._client.on_disconnect = gone
        self._client.on_publish = lambda *told: self._acknowledged.put(told[3].value)
        self._client.tls_set(str(broker.tls / "ca.pem"), str(broker.folder / f"{door}.pem"))
        self._client.connect("localhost", broker.port)
        self._client.loop_start()
        if not connected.get(timeout=PATIENCE_S):
            self.close()
            raise ConnectionRefusedError(door)

    def publish(self) -> int:
        """The reason code of a message on the door's own topic."""
        self._client.publish(f"zs/1/{self.door}/events", b"x", qos=1)
        return self._acknowledged.get(timeout=PATIENCE_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path) -> Iterator[Broker]:
    running = Broker(tmp_path)
    yield running
    running.stop()


def test_the_list_of_revoked_certificates_alone_keeps_a_door_from_connecting(broker):
    stolen = broker.certify("hall-1")
    broker.certify("hall-2")
    Connection(broker, "hall-1").close()
    (broker.tls / CRL).write_bytes(broker.authority.revocations([(stolen.serial_number, NOW)], NOW))
    broker.read_again()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Connection(broker, "hall-1")
    other = Connection(broker, "hall-2")
    assert other.publish() < 0x80
    other.close()
    broker.certify("hall-1")
    Connection(broker, "hall-1").close()  # a new certificate of the same name is another one


def test_the_access_rules_alone_leave_a_live_session_nothing_to_say(broker):
    for door in ("hall-1", "hall-2"):
        broker.certify(door)
    stolen, other = Connection(broker, "hall-1"), Connection(broker, "hall-2")
    assert stolen.publish() < 0x80
    (broker.tls / ACL).write_text(access_rules(["hall-1"]))
    broker.read_again()
    assert stolen.publish() == NOT_AUTHORIZED
    assert other.publish() < 0x80
    for connection in (stolen, other):
        connection.close()


def test_a_live_session_is_ended_and_the_broker_says_when_it_refuses_the_name(broker):
    for door in ("hall-1", "hall-2"):
        broker.certify(door)
    stolen, other = Connection(broker, "hall-1"), Connection(broker, "hall-2")
    assert shut_out(broker.tls, "localhost", broker.port, "hall-1", NOW) is False, "it does not refuse it yet"
    stolen.lost.get(timeout=PATIENCE_S)
    (broker.tls / ACL).write_text(access_rules(["hall-1"]))
    broker.read_again()
    assert shut_out(broker.tls, "localhost", broker.port, "hall-1", NOW) is True
    assert other.lost.empty()
    assert other.publish() < 0x80
    other.close()


def test_a_broker_that_is_away_has_shut_nobody_out(broker):
    broker.stop()
    assert shut_out(broker.tls, "localhost", broker.port, "hall-1", NOW) is False


def test_the_command_takes_all_three_measures(broker, tmp_path, monkeypatch):
    hub = tmp_path / "hub"
    runner = CliRunner()
    settings = 'database = "sqlite:///hub.db"\n[http]\nhost = "127.0.0.1"\nport = 1\n[mqtt]\nhost = "localhost"\n'
    hub.mkdir()
    (hub / "hub.toml").write_text(f'{settings}port = {broker.port}\n[folders]\nkeys = "keys"\ntls = "{broker.tls}"\n')
    assert runner.invoke(cli.app, ["init", str(hub)]).exit_code == 0
    sessions = open_database(f"sqlite:///{hub}/hub.db")
    certificate = broker.certify("hall-1")
    with sessions.begin() as session:
        session.add(Door(id="hall-1", door_group="room:A", salt="A" * 22))
        note_certificate(session, "hall-1", certificate)
    stolen = Connection(broker, "hall-1")
    before = (broker.tls / ACL).read_bytes()

    def watch() -> None:
        until_s = time.monotonic() + PATIENCE_S
        while (broker.tls / ACL).read_bytes() == before and time.monotonic() < until_s:
            time.sleep(0.02)
        broker.read_again()

    beside = threading.Thread(target=watch)
    beside.start()
    said = runner.invoke(cli.app, ["door", "revoke", "hall-1", "--hub", str(hub)])
    beside.join()
    assert (said.exit_code, "is shut out" in said.output) == (0, True), said.output
    stolen.lost.get(timeout=PATIENCE_S)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Connection(broker, "hall-1")
    with reading(sessions).begin() as session:
        assert session.get_one(ShutDoor, "hall-1").shut_at is not None
    monkeypatch.setattr("sync.hub.doors.enrol_cli.SHUT_WITHIN_S", 0.0)
    broker.stop()
    assert runner.invoke(cli.app, ["door", "revoke", "hall-1", "--hub", str(hub)]).exit_code == 1


def test_the_list_is_made_anew_every_day_and_good_for_thirty(tmp_path):
    make_tls(tmp_path, [], NOW)
    sessions = open_database(f"sqlite:///{tmp_path}/hub.db")
    files = BrokerFiles(tmp_path)
    assert [path.name for path in files.write(sessions, NOW)] == [ACL]
    assert files.write(sessions, NOW + timedelta(hours=12)) == []
    assert [path.name for path in files.write(sessions, NOW + timedelta(days=1, minutes=1))] == [CRL]
    made = x509.load_pem_x509_crl((tmp_path / CRL).read_bytes())
    life = made.next_update_utc - made.last_update_utc if made.next_update_utc else timedelta()
    assert timedelta(days=30) <= life < timedelta(days=31)
    assert (tmp_path / CRL).stat().st_mode & 0o777 == 0o644
    assert os.access(tmp_path / ACL, os.R_OK)
