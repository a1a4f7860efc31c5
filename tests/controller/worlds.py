"""Lists, instants and doors for the controller's tests: small, with every value that a test does not care about filled
in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from controller.decide import Installed
from controller.door import Door
from controller.door_events import (
    Derive,
    Effect,
    Event,
    KeyPressed,
    Now,
    PinDerived,
    QrRead,
    Record,
    Release,
    Show,
    Tick,
)
from controller.draft import Draft
from controller.formats import qr_pass
from controller.formats.code_list import CodeList, Grant, PassKey, PinEntry, PinKdf, Policy, Posture, QrEntry
from controller.formats.encoding import b64
from controller.formats.event import ClockState
from controller.formats.pin import derive
from controller.memory import Memory
from controller.setup import Setup

NOON = 1_784_289_600  # a whole minute, UTC seconds
HOUR = 3_600
DAY = 86_400
KDF = PinKdf(salt="A" * 22, memory_kib=8, iterations=1)
GROUP_KEY = b"k" * 32
OTHER_KEY = b"o" * 32
PIN = "482913"


def verifier_of(pin: str, kdf: PinKdf = KDF) -> str:
    """Cheap enough to derive in every test."""
    return derive(pin, kdf)


def token(number: int = 1, start_s: int = NOON, minutes: int = 60, keys: tuple[bytes, ...] = (GROUP_KEY,)) -> str:
    """A pass as text; passes with the same arguments are the same pass."""
    return qr_pass.make_pass(b"\x01\x02\x03\x04\x05", start_s, minutes, number, keys, b"f" * 20).text()


def qr_entry(text: str) -> QrEntry:
    return QrEntry("q1", qr_pass.parse(text).list_hash)


def grant(id_: str = "g1", pin: str | None = PIN, qr: str | None = None, **fields: Any) -> Grant:
    """A renter from noon for an hour."""
    defaults: dict[str, Any] = {
        "id": id_,
        "kind": "renter",
        "active": True,
        "windows": ((NOON, NOON + HOUR),),
        "max_uses": None,
        "offline_ok": False,
        "pins": (PinEntry("c1", verifier_of(pin), False),) if pin else (),
        "qrs": (qr_entry(qr),) if qr else (),
    }
    return Grant(**{**defaults, **fields})


def code_list(*grants: Grant, **fields: Any) -> CodeList:
    defaults: dict[str, Any] = {
        "door": "hall-1",
        "epoch": 1,
        "version": NOON - DAY,
        "issued": NOON - HOUR,
        "refresh_after": NOON + DAY,
        "valid_until": NOON + 21 * DAY,
        "shrink": False,
        "policy": Policy(),
        "posture": None,
        "pin_kdf": KDF,
        "grants": grants,
        "closures": (),
        "pass_keys": (PassKey("room", b64(GROUP_KEY)),),
    }
    return CodeList(**{**defaults, **fields})


def installed(*grants: Grant, **fields: Any) -> Installed:
    return Installed(code_list(*grants, **fields), "ab" * 32)


def at(utc_s: int) -> Now:
    """A trusted instant; the monotonic clock runs with it."""
    return Now((utc_s - NOON) * 1000, utc_s * 1000, "synced", utc_s - 120)


@dataclass
class Bench:
    """A door and the runner's part of it: derivations are done at once, time moves when it is told to. `effects` is
    everything the door has wanted so far."""

    installed: Installed | None = field(default_factory=lambda: installed(grant()))
    memory: Memory = field(default_factory=lambda: Memory(tries=10))
    contact: bool = True
    handle_sensed: bool = False
    inside: frozenset[str] = frozenset()
    leaf_open: bool = False
    clock: ClockState = "synced"
    start_s: int = NOON
    mono_ms: int = 1_000_000
    passed_ms: int = 0
    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        setup = Setup("hall-1", ("outside", "second"), self.contact, self.handle_sensed, self.inside)
        self.door = Door(setup, self.memory, self.installed, self.now(), self.leaf_open)

    def now(self) -> Now:
        return Now(self.mono_ms + self.passed_ms, self.start_s * 1000 + self.passed_ms, self.clock, self.start_s - 120)

    def step(self, event: Event) -> list[Effect]:
        effects = self.door.step(event, self.now())
        self.effects += effects
        return effects

    def wait(self, seconds: float) -> list[Effect]:
        """Let time pass with a tick at every deadline, as the runner does."""
        end_ms, effects = self.passed_ms + int(seconds * 1000), []
        while True:
            deadline_ms = self.door.deadline_ms(self.now())
            if deadline_ms is None or deadline_ms > self.mono_ms + end_ms:
                break
            self.passed_ms = max(self.passed_ms, deadline_ms - self.mono_ms)
            effects += self.step(Tick())
        self.passed_ms = end_ms
        return effects

    def keys(self, symbols: str, reader: str = "outside") -> list[Effect]:
        """Press keys, answering every derivation at once."""
        effects: list[Effect] = []
        for symbol in symbols:
            effects += self._derived(self.step(KeyPressed(reader, symbol)))
        return effects

    def idle_keys(self, seconds: float) -> list[Effect]:
        return self._derived(self.wait(seconds))

    def qr(self, text: str) -> list[Effect]:
        return self.step(QrRead(text))

    def _derived(self, effects: list[Effect]) -> list[Effect]:
        everything = list(effects)
        for effect in effects:
            if isinstance(effect, Derive):
                verifier = verifier_of(effect.pin, effect.kdf)
                everything += self._derived(self.step(PinDerived(effect.ticket, verifier)))
        return everything


def records(effects: list[Effect]) -> list[Draft]:
    """Everything recorded, in order."""
    return [draft for effect in effects if isinstance(effect, Record) for draft in effect.drafts]


def kinds(effects: list[Effect]) -> list[str]:
    return [draft.kind for draft in records(effects)]


def shown(effects: list[Effect]) -> list[Show]:
    return [effect for effect in effects if isinstance(effect, Show)]


TEXT = token()
WRONG = "000000"
STAFF_PIN = "777777"
STAFF = grant("s1", pin=STAFF_PIN, kind="facility", windows=((NOON - DAY, NOON + DAY),))


def types_of(effects: list[Effect]) -> list[type]:
    return [type(effect) for effect in effects]


def opens(effects: list[Effect]) -> bool:
    return Release in types_of(effects)


def listed(state: Any, since: int, until: int | None = None) -> Installed:
    return installed(grant(), posture=Posture(state=state, since=since, until=until))
