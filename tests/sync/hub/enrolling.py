"""A unit as the hub sees it, without its hardware: the controller's own decisions and an agent's own files."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from controller.enrolment import Enrolled, Enrolment
from controller.formats import enrolment as formats
from controller.formats.encoding import canonical
from controller.formats.enrolment import Broker, Invitation, RenewalRequest
from controller.formats.enrolment_messages import AskRenewal, FetchTrust, FoundTrust, SendEnrolment
from controller.formats.envelope import seal
from sync.agent.enrol_identity import Identity
from sync.hub.doors.enrol_desk import EnrolDesk, Place
from sync.hub.keys.ca import make_tls
from sync.hub.keys.keyring import Keyring, make_keys
from sync.hub.keys.link_keys import LinkKeys, make_link_keys
from sync.hub.keys.trust_shelf import TRUST, TrustShelf
from sync.hub.store.database import Sessions, open_database
from sync.hub.store.models import Door
from tests.sync.hub.town_trust import hold_ceremony

NOW = datetime.now(UTC).replace(microsecond=0)
HUB = "hub.example"


def make_town(folder: Path) -> Path:
    """A hub folder with the doors `a-1` and `b-1`."""
    make_keys(folder / "keys")
    make_link_keys(folder / "keys")
    make_tls(folder / "tls", ["localhost"], NOW)
    hold_ceremony(folder / "keys", (folder / "tls" / "ca.pem").read_text())
    sessions = open_database(f"sqlite:///{folder}/hub.db")
    with sessions.begin() as session:
        for door in ("a-1", "b-1"):
            session.add(Door(id=door, door_group="room:A", salt="A" * 22))
    sessions.kw["bind"].dispose()
    return folder


class Town:
    """What `make_town` made, opened; and its desk."""

    def __init__(self, folder: Path) -> None:
        self.keys, self.tls = folder / "keys", folder / "tls"
        self.sessions: Sessions = open_database(f"sqlite:///{folder}/hub.db")
        self.shelf = TrustShelf(self.keys / TRUST)
        place = Place(self.tls, lambda: LinkKeys.load(self.keys), self.shelf, Broker(host="localhost", port=8883))
        self.desk = EnrolDesk(self.sessions, Keyring.load(self.keys), place)


class UnitAtTheDoor:
    """`answer` is what the hub said to the request made from an invitation."""

    def __init__(self, folder: Path, town: Town, door: str = "a-1") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.town, self.door = town, door
        self.identity = Identity(folder / "agent.pem", None)
        self._enrolment = Enrolment(door, enrolled=False, entropy=os.urandom)
        self._kept: Enrolled | None = None
        self.code = ""

    @property
    def enrolled(self) -> Enrolled:
        """What it kept; once it was enrolled."""
        assert self._kept is not None
        return self._kept

    def begin(self, invitation: Invitation) -> FetchTrust:
        """The camera reads the code: what the agent is to fetch."""
        fetch = self._enrolment.read(invitation.text(), 0)
        assert fetch is not None
        return fetch

    def found(self, found: FoundTrust) -> SendEnrolment:
        """The agent brings the document: what it is to send."""
        return self._enrolment.found(found, 0)

    def read(self, invitation: Invitation) -> str:
        """Both, without an agent: the request to the hub."""
        document = self.town.shelf.named(self.begin(invitation).trust).decode()
        return self.found(FoundTrust(document=document, csr=self.identity.request(self.door))).body

    def take(self, answer: bytes | str, *, install: bool = True) -> None:
        """The hub's answer; keeps everything, the agent's certificate where `install` says so."""
        self._kept = self._enrolment.answered(answer if isinstance(answer, str) else answer.decode(), 0)
        self._enrolment.done(0)
        self.code = self._enrolment.code(0) or ""
        if install:
            assert self.identity.take(self.enrolled.link.certificate)

    def sign(self, ask: AskRenewal) -> str:
        """What the controller makes of the agent's wish."""
        return self._enrolment.renewal(ask, self.enrolled.event_key, 10**9).body

    def enrol(self, invitation: Invitation, now: datetime = NOW) -> None:
        self.take(self.town.desk.enrol(self.read(invitation), now))

    def renewal(self, identity: Identity | None = None) -> bytes:
        """The next renewal, as the controller signs it for the agent that has these files."""
        identity = identity or self.identity
        life = identity.life()
        request = RenewalRequest(
            csr=identity.request(self.door), door=self.door, serial=None if life is None else life.serial
        )
        return seal(canonical(request), formats.RENEWAL_TYP, self.enrolled.event_key)
