"""Everything that the hub of the simulated world remembers: what a backup of it holds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from controller.formats import qr_pass
from controller.formats.code_list import CodeList, Kind, PinKdf, Policy, Posture, Window
from controller.formats.jwe import EncryptKey
from controller.formats.jwk import VerifyKey
from sync.hub.issuing.issuer import GrantState


@dataclass(frozen=True)
class Reservation:
    """One reservation with its codes; `booked` are UTC seconds in `room`, `further` those of a series' other times."""

    ref: str
    grant: str
    room: str
    kind: Kind
    booked: Window
    state: GrantState
    pin: str
    duress: str = ""
    qr: qr_pass.QrPass | None = None
    max_uses: int | None = None
    offline_ok: bool = False
    further: tuple[Window, ...] = ()

    @property
    def times(self) -> tuple[Window, ...]:
        """Every booked time, the first one first."""
        return (self.booked, *self.further)


@dataclass
class HubDoor:
    """What the hub knows of a door."""

    id: str
    key: VerifyKey
    kdf: PinKdf
    policy: Policy
    group: str
    reader: EncryptKey | None = None
    applied: int = 0
    reported_receipt: int = 0
    trust_version: int = 0
    version: int = 0
    content: str = ""
    published_ms: int = 0
    envelope: bytes | None = None
    issued: CodeList | None = None
    posture: Posture | None = None


@dataclass
class HubStore:
    """Everything a backup holds."""

    reservations: dict[str, Reservation] = field(default_factory=dict)
    doors: dict[str, HubDoor] = field(default_factory=dict)
    number: int = 0
    receipt_numbers: dict[str, int] = field(default_factory=dict)
    logs: dict[tuple[str, str], list[tuple[str, bytes]]] = field(default_factory=dict)
    forks: dict[str, int] = field(default_factory=dict)

    def copy(self) -> HubStore:
        """Apart from this one; what never changes is shared."""
        return HubStore(
            reservations=dict(self.reservations),
            doors={door: replace(each) for door, each in self.doors.items()},
            number=self.number,
            receipt_numbers=dict(self.receipt_numbers),
            logs={name: list(records) for name, records in self.logs.items()},
            forks=dict(self.forks),
        )
