"""One door's certificate against a real Mosquitto with the configuration we ship: 0 messages cross to or from another
door's branch, whatever is subscribed to or published."""

from __future__ import annotations

import datetime
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from simulator import broker as shipped
from simulator.ports import free_port
from sync.hub.keys.ca import HUB, Authority, make_authority, make_tls
from sync.topics import DOWN, UP, topic

ATTACKER, VICTIM = "hall-1", "hall-2"
FILTERS = (
    "#", "zs/#", "zs/1/#", "zs/1/+/list", "zs/+/+/+", "+/+/+/+", "zs/1/hall-2/#", "$SYS/#", "$SYS/broker/clients/#",
    "$share/hub/zs/1/+/events", "$share/hub/zs/1/+/state", "$share/mine/#", "zs/1/hall-1/../hall-2/list",
    *(topic(VICTIM, leaf) for leaf in DOWN + UP),
)  # fmt: skip


class Party:
    """One connection. `heard` is every message that arrived, oldest first."""

    def __init__(self, folder: Path, port: int, certificate: Path, private_key: Path) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.connected: bool | None = None
        client = self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.tls_set(str(folder / "ca.pem"), str(certificate), str(private_key))
        client.on_message = self._heard
        client.on_connect = lambda *arguments: setattr(self, "connected", not arguments[3].is_failure)
        client.connect("localhost", port)
        client.loop_start()
        eventually(lambda: self.connected is not None)

    def _heard(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))

    def say(self, name: str, payload: bytes, *, retain: bool = False) -> None:
        self.client.publish(name, payload, qos=1, retain=retain)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Town:
    """The broker, the hub, and whoever else connects."""

    def __init__(self, folder: Path) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self.folder, self.now = folder, now
        make_tls(folder, ["localhost"], now)
        self.port = free_port()
        file = shipped.write_configuration(folder, folder, self.port)
        with (folder / "broker.log").open("wb") as log:
            self._process = subprocess.Popen(shipped.command(file), stdout=log, stderr=log)
        eventually(lambda: shipped.answers(self.port))
        self._parties: list[Party] = []
        self.hub = self._party(folder / "hub.pem", folder / "hub.key")
        self.hub.client.subscribe("zs/1/#", 1)

    def door(self, name: str, authority: Authority | None = None) -> Party:
        certificate, private_key = (authority or Authority.load(self.folder)).client(name, self.now)
        paths = self.folder / "party.pem", self.folder / "party.key"
        for path, pem in zip(paths, (certificate, private_key), strict=True):
            path.write_bytes(pem)
        return self._party(*paths)

    def _party(self, certificate: Path, private_key: Path) -> Party:
        party = Party(self.folder, self.port, certificate, private_key)
        self._parties.append(party)
        return party

    def close(self) -> None:
        for party in self._parties:
            party.close()
        self._process.kill()
        self._process.wait()


def eventually(come_true: Callable[[], object], within_s: float = 10.0) -> None:
    end_s = time.monotonic() + within_s
    while not come_true():
        assert time.monotonic() < end_s
        time.sleep(0.01)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    yield made
    made.close()


def test_a_door_hears_nothing_of_another_door(town: Town):
    for leaf in DOWN:
        town.hub.say(topic(VICTIM, leaf), b"for the victim", retain=True)
    victim, attacker = town.door(VICTIM), town.door(ATTACKER)
    for name in FILTERS:
        attacker.client.subscribe(name, 1)
    attacker.client.subscribe(topic(ATTACKER, "list"), 1)
    for leaf in UP:
        victim.say(topic(VICTIM, leaf), b"by the victim", retain=leaf == "state")
    eventually(lambda: len([name for name, payload in town.hub.heard if payload == b"by the victim"]) >= len(UP))
    for leaf in DOWN:
        town.hub.say(topic(VICTIM, leaf), b"for the victim")
    town.hub.say(topic(ATTACKER, "list"), b"the last one")
    eventually(lambda: any(payload == b"the last one" for _, payload in attacker.heard))
    assert {name for name, _ in attacker.heard} == {topic(ATTACKER, "list")}


def test_a_door_says_nothing_in_another_doors_name_and_alters_nothing_retained(town: Town):
    for leaf in DOWN:
        town.hub.say(topic(VICTIM, leaf), b"genuine", retain=leaf in {"trust", "list", "receipt"})
    victim, attacker = town.door(VICTIM), town.door(ATTACKER)
    for leaf in DOWN:
        victim.client.subscribe(topic(VICTIM, leaf), 1)
    eventually(lambda: len(victim.heard) >= 3)
    for leaf in DOWN + UP:
        for retain in (False, True):
            attacker.say(topic(VICTIM, leaf), b"forged", retain=retain)
            attacker.say(topic(VICTIM, leaf), b"", retain=retain)
    for leaf in DOWN:
        attacker.say(topic(ATTACKER, leaf), b"forged", retain=True)
    for name in ("zs/1/hall-2", "zs/1/hall-2/list/x", "zs/2/hall-2/list", "$SYS/broker/x", "zs/1//events"):
        attacker.say(name, b"forged", retain=True)
    attacker.say(topic(ATTACKER, "events"), b"the last one")
    eventually(lambda: (topic(ATTACKER, "events"), b"the last one") in town.hub.heard)
    town.hub.say(topic(VICTIM, "command"), b"the last one")
    eventually(lambda: (topic(VICTIM, "command"), b"the last one") in victim.heard)
    assert not [payload for _, payload in town.hub.heard + victim.heard if payload in {b"forged", b""}]
    late = town.door(VICTIM)
    for leaf in DOWN:
        late.client.subscribe(topic(VICTIM, leaf), 1)
    eventually(lambda: len(late.heard) >= 3)
    assert {payload for _, payload in late.heard} <= {b"genuine", b"the last one"}


def test_a_door_cannot_borrow_another_doors_client_id(town: Town):
    victim, attacker = town.door(VICTIM), town.door(ATTACKER)
    attacker.close()
    borrowed = Client(CallbackAPIVersion.VERSION2, client_id=VICTIM, protocol=MQTTProtocolVersion.MQTTv5)
    authorities, certificate, private_key = (str(town.folder / name) for name in ("ca.pem", "party.pem", "party.key"))
    borrowed.tls_set(authorities, certificate, private_key)
    borrowed.connect("localhost", town.port)
    borrowed.loop_start()
    victim.say(topic(VICTIM, "events"), b"still here")
    eventually(lambda: (topic(VICTIM, "events"), b"still here") in town.hub.heard)
    assert victim.client.is_connected()
    borrowed.disconnect()
    borrowed.loop_stop()


@pytest.mark.parametrize("name", [VICTIM, HUB])
def test_a_certificate_of_another_authority_does_not_connect(town: Town, name: str):
    with pytest.raises((OSError, AssertionError)):
        town.door(name, make_authority(town.now))
