"""An update's whole way but dpkg: offered at the hub, told by a real Mosquitto with the shipped rules, fetched by the
real agent over the hub's HTTPS, judged by the one-shot, and told back by the door."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from controller.data_folder import DataFolder
from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.jwk import make_key
from controller.formats.messages import Hello, SendState, UpdateIs
from controller.formats.state import STATE_TYP, StateReport, UpdateState
from controller.formats.trust import TrustKey
from controller.updater import Places, install
from simulator.ports import free_port
from sync.agent import updates as agent_updates
from sync.agent.config import BrokerSection, Config, DoorSection, UpdateSection
from sync.agent.runner import Runner
from sync.agent.updates import Machine
from sync.hub.doors.enrol_server import DoorsServer
from sync.hub.doors.updates import UpdateDesk
from sync.hub.keys.keyring import Keyring
from sync.hub.keys.link_keys import LinkKeys
from sync.hub.link import HubLink
from sync.hub.service import Service
from sync.hub.settings import Address, Doors, Folders, Http, Settings
from sync.hub.store.models import Door
from sync.hub.town.town_file import read_town
from tests import update_offer
from tests.controller.enrolled_unit import Town as TrustingTown
from tests.sync.hub.conftest import TOWN
from tests.sync.hub.enrolling import Town, make_town
from tests.sync.hub.test_link import Controller, eventually
from tests.sync.test_revocation import Broker

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("mosquitto", path="/usr/sbin:/usr/bin"), reason="Mosquitto is not installed"),
]
DOOR = "a-1"
PACKAGE = bytes(range(256)) * 8_000
HERE = Machine("12", "amd64")


class Hub:
    """A hub that serves, and the way staff offer."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        town = Town(make_town(folder))
        self.event_key, self.update_key = make_key(), make_key()
        service = Service(town.sessions, Keyring.load(town.keys))
        service.apply(read_town(TOWN), int(time.time()))
        with town.sessions.begin() as session:
            session.get_one(Door, DOOR).event_key = self.event_key.verify_key.jwk()
        port = free_port()
        self.place = f"localhost:{port}"
        self.updates = folder / "updates"
        settings = Settings(
            database="",
            http=Http(host="127.0.0.1", port=1),
            mqtt=Address(host="localhost", port=broker.port),
            folders=Folders(keys=town.keys, tls=broker.tls, updates=self.updates),
            doors=Doors(host="localhost", port=port, public=self.place),
        )
        self._link = HubLink(settings, service, LinkKeys.load(town.keys), town.sessions)
        service.attach(self._link)
        self._server = DoorsServer(settings, town.sessions, town.desk)
        self.desk = UpdateDesk(town.sessions)
        self._link.start()
        self._server.start()
        self.package = folder / "made.deb"
        now = int(time.time())
        named = TrustKey(
            jwk=self.update_key.verify_key.jwk(), purpose="update", state="active", doors=("",), expires=now + 86_400
        )
        town_trust = TrustingTown()
        self.document = town_trust.sign_trust(issued=now - 60, expires=now + 86_400 * 300, keys=(named,))
        self.trust = town_trust.trust(issued=now - 60, expires=now + 86_400 * 300, keys=(named,))

    def offer(self, number: int, package: bytes = PACKAGE) -> bytes:
        now = int(time.time())
        offer = {"version": f"0.{number}.0-1+deb12", "number": number, "issued": now, "expires": now + 3_600}
        made = update_offer.manifest(self.update_key, package, **offer)
        self.package.write_bytes(package)
        self.desk.offer(self.trust, made, self.package, self.updates, [DOOR], now)
        return made

    def stage(self) -> tuple[str, str | None]:
        (standing,) = self.desk.standings()
        return standing.stage, standing.reason

    def stop(self) -> None:
        self._server.stop()
        self._link.stop()


class Unit:
    """A real agent; of its controller what passes on what the agent says; and the one-shot."""

    def __init__(self, folder: Path, broker: Broker, hub: Hub) -> None:
        self.folder, self.hub = folder, hub
        (folder / "data").mkdir(parents=True)
        self.spool = folder / "update"
        broker.certify(DOOR)
        config = Config(
            door=DoorSection(id=DOOR, socket=str(folder / "sync.sock")),
            broker=BrokerSection(host="localhost", port=broker.port, certificate=str(broker.folder / f"{DOOR}.pem")),
            update=UpdateSection(spool=str(self.spool), result=str(folder / "own/result.json")),
        )
        self.controller = Controller(folder / "sync.sock")
        self._runner = Runner(config)
        self._agent = threading.Thread(target=self._runner.run)
        self._agent.start()
        self.controller.welcome(DOOR)
        authorities = ((broker.tls / "ca.pem").read_text(),)
        self.controller.say(Hello(door=DOOR, authorities=authorities, hub=hub.place))
        self._reported = 0
        DataFolder(folder / "data").write_trust(hub.document)
        (folder / "root/etc").mkdir(parents=True)
        (folder / "root/etc/os-release").write_text('VERSION_ID="12"\n')
        (folder / "root/proc/self").mkdir(parents=True)
        (folder / "root/proc/self/mounts").write_text("/dev/sda1 / ext4 rw 0 0\n")

    def hub_hears(self, stage: str, reason: str | None = None) -> bool:
        """Sign and send what the agent has said since, as a controller does; whether the hub knows by now."""
        heard: list[Any] = self.controller.heard
        said = [message.update for message in heard if isinstance(message, UpdateIs)]
        if len(said) > self._reported:
            self._reported = len(said)
            self.controller.say(SendState(body=self._state(said[-1])))
        return self.hub.stage() == (stage, reason)

    def _state(self, update: UpdateState | None) -> str:
        report = StateReport(
            door=DOOR,
            at=int(time.time() * 1000),
            clock="synced",
            list_version=0,
            list_hash=None,
            trust_version=1,
            receipt=0,
            log="0" * 16,
            seq=0,
            posture="controlled",
            faults=(),
            update=update,
        )
        return seal(canonical(report), STATE_TYP, self.hub.event_key).decode("ascii")

    def one_shot(self, exit_code: int = 0) -> str:
        places = Places(self.spool, self.folder / "own", self.folder / "data", self.folder / "root")
        return install(places, DOOR, int(time.time()), lambda _command, _given: exit_code).outcome

    def stop(self) -> None:
        self._runner.stop()
        self._agent.join()
        self.controller.close()


@pytest.fixture
def ends(tmp_path, monkeypatch) -> Iterator[SimpleNamespace]:
    for name, seconds in (("SPREAD_S", 0.1), ("LOOK_EVERY_S", 0.1), ("AGAIN_FIRST_S", 0.2)):
        monkeypatch.setattr(agent_updates, name, seconds)
    monkeypatch.setattr("sync.agent.runner.TURN_S", 0.1)
    monkeypatch.setattr("sync.hub.upkeep.UPDATES_S", 0)
    monkeypatch.setattr(Machine, "here", lambda: HERE)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    broker = Broker(tmp_path)
    hub = Hub(tmp_path / "hub", broker)
    unit = Unit(tmp_path / "unit", broker, hub)
    yield SimpleNamespace(hub=hub, unit=unit)
    unit.stop()
    hub.stop()
    broker.stop()


def test_from_the_offer_to_what_came_of_it(ends):
    made = ends.hub.offer(7)
    eventually(lambda: ends.unit.hub_hears("fetched"))
    assert (ends.unit.spool / "package.deb").read_bytes() == PACKAGE
    assert (ends.unit.spool / "manifest.json").read_bytes() == made
    assert ends.unit.one_shot() == "installed"
    eventually(lambda: ends.unit.hub_hears("installed"))
    # The next one does not serve; and one that is offered meanwhile to a hub without the package waits.
    ends.hub.offer(8, PACKAGE[::-1])
    eventually(lambda: ends.unit.hub_hears("fetched"))
    assert ends.unit.one_shot(exit_code=1) == "rolled_back"
    eventually(lambda: ends.unit.hub_hears("rolled_back"))
    made = ends.hub.offer(9)
    (ends.hub.updates / f"{hashlib.sha256(PACKAGE).hexdigest()}.deb").write_bytes(PACKAGE[:-1] + b"x")
    eventually(lambda: ends.unit.hub_hears("fetching", "wrong_package"))
    assert not (ends.unit.spool / "package.deb").exists()
    ends.hub.package.write_bytes(PACKAGE)
    ends.hub.desk.offer(ends.hub.trust, made, ends.hub.package, ends.hub.updates, [DOOR], int(time.time()))
    eventually(lambda: ends.unit.hub_hears("fetched"))
