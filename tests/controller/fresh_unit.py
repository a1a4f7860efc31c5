"""A unit that nobody has enrolled, on the real performer, and a hub that answers it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from controller.data_folder import DataFolder
from controller.door_events import QrRead
from controller.formats import enrolment as formats
from controller.formats import jwe, trust_step
from controller.formats.enrolment import Acceptance, Broker, Invitation, Request
from controller.formats.enrolment_messages import (
    EnrolmentAnswer,
    FoundTrust,
    SendEnrolment,
)
from controller.formats.messages import PublicState
from controller.performer import Performer
from controller.setup import Setup
from controller.unit import Ports, Unit
from tests.controller.enrolled_unit import DOOR, EnrolledUnit, FakeClock, FakeLock, Town

CSR = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
BROKER = Broker(host="broker.example", port=8883)


class FreshUnit(EnrolledUnit):
    """A unit that nobody has enrolled, and a hub that answers it. `light` is what the light was told by blinking."""

    def __init__(self, folder: Path, town: Town) -> None:
        self._remote = frozenset()
        self.folder, self.town, self.door = folder, town, DOOR
        self.lock, self.clock = FakeLock(), FakeClock()
        self.told: list[tuple[str, Any]] = []
        self.light: list[bool] = []
        folder.mkdir(exist_ok=True)
        self.invitation = self.invite()
        self.start()

    def start(self) -> None:
        setup = Setup(door=self.door, readers=("outside",), contact=True, handle_sensed=False)
        ports = Ports(self.lock, self.clock, None, leaf_open=False, cameras=(), blink=self.light.append)
        self.unit = Unit(setup, ports, DataFolder(self.folder))
        self.performer = Performer(self.unit, self, self._tell, lambda role: role in {"sync", "display"})
        self.performer.start()
        self.performer.joined("sync")
        self.performer.turn()

    def invite(self, door: str = DOOR, secret: bytes = b"0123456789") -> Invitation:
        step = trust_step.open_first(self.town.documents[-1])
        return Invitation(step.hash, secret, door, "hub.example")

    def show(self, text: str | None = None) -> None:
        self.performer.feed(QrRead(self.invitation.text() if text is None else text))
        self.performer.turn()

    def say(self, message: Any) -> None:
        self.performer.heard("sync", message, self._ignore)
        self.performer.turn()

    def bring_trust(self, document: bytes | None = None, csr: str = CSR) -> None:
        self.say(FoundTrust(document=(document or self.town.documents[-1]).decode(), csr=csr))

    def heard(self, kind: type[Any]) -> list[Any]:
        return [message for role, message in self.told if role == "sync" and isinstance(message, kind)]

    def request(self, key: bytes | None = None) -> tuple[Request, str]:
        """What the hub reads in the newest request."""
        sealed = jwe.decrypt(self.heard(SendEnrolment)[-1].body, formats.TYP, self.town.collect_key, max_bytes=1 << 16)
        return formats.open_request(sealed, key or self.invitation.mac_key())

    def answer(self, **changes: Any) -> str:
        members: dict[str, Any] = {"broker": BROKER, "certificate": "PEM", "door": DOOR, "request": self.request()[1]}
        return formats.seal_answer(Acceptance(**{**members, **changes}), self.invitation.mac_key()).decode()

    def enrol(self) -> None:
        self.show()
        self.bring_trust()
        self.say(EnrolmentAnswer(body=self.answer()))

    def shown(self) -> tuple[str, str | None] | None:
        """State and code or reason, as the screen has it."""
        public = [message for role, message in self.told if isinstance(message, PublicState)][-1].enrolment
        return None if public is None else (public.state, public.code or public.reason)

    def kept(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if "log.db" not in path.name}


def refusals(unit: EnrolledUnit) -> list[str]:
    return [event["reason"] for event in unit.events("trust") if event["detail"].get("what") == "enrolment"]
