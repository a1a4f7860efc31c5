"""A town with its keys, and one enrolled door unit on a real folder: production unit, performer and log, no processes.

Everything beside the loop is done at once; time moves when it is told to.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from controller.data_folder import DataFolder
from controller.disk import read_floors
from controller.formats import code_list as formats
from controller.formats import jwe, trust_step
from controller.formats.code_list import CodeList, PinKdf
from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.event import RECEIPT_TYP, Receipt
from controller.formats.jwk import SigningKey, make_key
from controller.formats.messages import Deliver, Link, SendBatch
from controller.formats.trust import KeyState, Purpose, Trust, TrustKey
from controller.own_keys import decrypt_key
from controller.performer import Performer, Role
from controller.setup import Setup
from controller.unit import Ports, Unit
from hal.ports import LEASE_MAX_S
from tests.controller.worlds import DAY, HOUR, NOON, verifier_of

T = TypeVar("T")
DOOR = "hall-1"


class Town:
    """Three roots, and one online key for each purpose. `documents` are the trust versions signed so far."""

    def __init__(self) -> None:
        self.roots = [make_key() for _ in range(3)]
        self.keys: dict[Purpose, SigningKey] = {"list": make_key(), "receipt": make_key(), "command": make_key()}
        self.collect_key = jwe.make_key()
        self.states: list[tuple[SigningKey, Purpose, KeyState]] = []
        self.epoch = 1
        self.documents: list[bytes] = []
        self.sign_trust()

    @property
    def version(self) -> int:
        return len(self.documents)

    def trust(self, **changes: Any) -> Trust:
        """The next version."""
        named: list[tuple[SigningKey, Purpose, KeyState]] = [(key, each, "active") for each, key in self.keys.items()]
        named += self.states
        keys: list[tuple[dict[str, str], Purpose, KeyState]] = [
            (key.verify_key.jwk(), purpose, state) for key, purpose, state in named
        ]
        keys.append((self.collect_key.encrypt_key.jwk(), "collect", "active"))
        fields: dict[str, Any] = {
            "version": self.version + 1,
            "epoch": self.epoch,
            "issued": NOON - DAY,
            "expires": NOON + 300 * DAY,
            "threshold": 2,
            "roots": tuple(root.verify_key.jwk() for root in self.roots),
            "keys": tuple(
                TrustKey(jwk=jwk, purpose=purpose, state=state, doors=("",), expires=NOON + 90 * DAY)
                for jwk, purpose, state in keys
            ),
            "authorities": (),
            "time_floor": None,
        }
        return Trust(**{**fields, **changes})

    def sign_trust(self, signers: list[SigningKey] | None = None, **changes: Any) -> bytes:
        """Sign the next version and keep it."""
        document = trust_step.sign(canonical(self.trust(**changes)), signers or self.roots[:2])
        self.documents.append(document)
        return document

    def retire(self, purpose: Purpose, state: KeyState = "retired") -> None:
        """Another key for a purpose; the one before gets `state`. Signs nothing yet."""
        self.states.append((self.keys[purpose], purpose, state))
        self.keys[purpose] = make_key()

    def sealed(self, rules: CodeList, key: SigningKey | None = None) -> str:
        return seal(formats.dump(rules), formats.TYP, key or self.keys["list"]).decode()


class FakeLock:
    """Counts what the relay was told."""

    def __init__(self) -> None:
        self.releases = 0
        self.released = False

    def release(self, lease_s: float) -> None:
        assert 0 < lease_s <= 10
        self.releases += not self.released
        self.released = True

    def secure(self) -> None:
        self.released = False

    def close(self) -> None:
        self.secure()


class FakeClock:
    """Synchronised by NTP at `NOON`; `passed_ms` later."""

    def __init__(self) -> None:
        self.passed_ms = 0
        self.boot = "boot-1"
        self.ntp: bool = True

    def raw_ms(self) -> int:
        return 1_000_000 + self.passed_ms

    def ntp_ms(self) -> int | None:
        return NOON * 1000 + self.passed_ms if self.ntp else None

    def rtc_ms(self) -> int | None:
        return None

    def boot_id(self) -> str:
        return self.boot

    def close(self) -> None:
        """Nothing to give back."""


class EnrolledUnit:
    """`told` is everything the controller said, by socket."""

    def __init__(
        self, folder: Path, town: Town, door: str = DOOR, remote: tuple[str, ...] = (), *, cameras: tuple[str, ...] = ()
    ) -> None:
        self._remote = frozenset(remote)
        self._cameras = cameras
        self.folder = folder
        self.town = town
        self.door = door
        self.lock, self.clock = FakeLock(), FakeClock()
        self.told: list[tuple[str, msgspec.Struct]] = []
        folder.mkdir(exist_ok=True)
        (folder / "trust.json").write_bytes(town.documents[-1])
        self.start()

    def start(self) -> None:
        """The controller starts, as after a power cut."""
        setup = Setup(door=self.door, readers=("outside",), contact=True, handle_sensed=False, remote=self._remote)
        ports = Ports(lock=self.lock, clock=self.clock, light=None, leaf_open=False, cameras=self._cameras)
        self.unit = Unit(setup, ports, DataFolder(self.folder))
        self.performer = Performer(self.unit, self, self._tell, lambda role: role in {"sync", "display"})
        self.performer.start()
        self.performer.joined("sync")
        self.performer.heard("sync", Link(up=True), self._ignore)
        self.performer.turn()

    def derive(self, pin: str, kdf: PinKdf, then: Callable[[str], None]) -> None:
        then(verifier_of(pin, kdf))

    def on_disk(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        then(job())

    def deliver(self, kind: str, body: str | bytes) -> None:
        """The agent hands something over."""
        text = body.decode() if isinstance(body, bytes) else body
        self.performer.heard(
            "sync", msgspec.convert({"type": "deliver", "kind": kind, "body": text}, Deliver), self._ignore
        )
        self.performer.turn()

    def deliver_trust(self, *documents: bytes) -> None:
        self.deliver("trust", trust_step.pack(documents or self.town.documents))

    def deliver_list(self, rules: CodeList, key: SigningKey | None = None) -> None:
        """A list for this door, as its hub would send it."""
        self.deliver("list", self.encrypted(self.town.sealed(rules, key)))

    def encrypted(self, envelope: str, typ: str = formats.TYP) -> str:
        """Encrypted to this unit, as anybody can who knows its public key."""
        return jwe.encrypt(envelope.encode(), typ, decrypt_key(self.folder).encrypt_key)

    def receipt(self, seq: int, number: int, key: SigningKey | None = None, issued: int = NOON) -> None:
        """A receipt for the door's own record `seq`."""
        log = self.unit.log
        receipt = Receipt(
            door=self.door, log=log.log, seq=seq, hash=log.hash_of(seq) or "", number=number, issued=issued
        )
        self.deliver("receipt", seal(canonical(receipt), RECEIPT_TYP, key or self.town.keys["receipt"]))

    def keys(self, symbols: str) -> None:
        """Press keys."""
        from controller.door_events import KeyPressed

        for symbol in symbols:
            self.performer.feed(KeyPressed("outside", symbol))

    def pass_time(self, seconds: float) -> None:
        self.clock.passed_ms += int(seconds * 1000)
        if seconds >= LEASE_MAX_S:
            self.lock.secure()  # a real lock lets go by itself at the end of its lease
        self.performer.turn()

    @property
    def version(self) -> int | None:
        """Version of the list in force."""
        installed = self.performer.door.installed
        return installed.list.version if installed else None

    @property
    def floors(self) -> Any:
        """What is on disk, not what is in memory."""
        return read_floors(self.folder)

    def trust_on_disk(self) -> int:
        return trust_step.open_first((self.folder / "trust.json").read_bytes()).trust.version

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The log on disk, oldest first."""
        with closing(sqlite3.connect(self.folder / "log.db")) as log:
            found = [json.loads(event) for (event,) in log.execute("SELECT event FROM record ORDER BY seq")]
        return [event for event in found if kind in (None, event["kind"])]

    def batches(self) -> list[SendBatch]:
        return [message for role, message in self.told if isinstance(message, SendBatch)]

    def _tell(self, role: Role, message: msgspec.Struct) -> None:
        self.told.append((role, message))

    def _ignore(self, _message: msgspec.Struct) -> None:
        """Nobody waits for an answer here."""


def minutes(count: float) -> int:
    return int(count * HOUR / 60)
