"""The hub's tables, apart from the log's. Instants are whole UTC seconds.

What a town decides (`town.toml`) · reservations and grants · credentials · lists and delivery · the API's audit.
The link between a reservation and its grant has a table of its own, so that it can be forgotten while the grant's
pseudonymous records stay (X-05). Secrets (PIN, QR text, group keys) are sealed with the hub's store key.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from controller.formats.code_list import Kind
from sync.hub.database import Base
from sync.hub.issuer import GrantState

Instant = BigInteger


class TownService(Base):
    """A service of the town; rooms and clients belong to one."""

    __tablename__ = "services"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Client(Base):
    """A program that may call the API; `token_hash` is the hex SHA-256 of its bearer token."""

    __tablename__ = "clients"
    id: Mapped[str] = mapped_column(primary_key=True)
    service: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(JSON)
    token_hash: Mapped[str | None]


class PinSet(Base):
    """Doors that may share a PIN: its length and the cost of deriving it."""

    __tablename__ = "pin_sets"
    id: Mapped[str] = mapped_column(primary_key=True)
    digits: Mapped[int]
    memory_kib: Mapped[int]
    iterations: Mapped[int]


class DoorGroup(Base):
    """The doors of one room, or the entrances of one building (`shared`): one policy, one key for QR passes."""

    __tablename__ = "door_groups"
    id: Mapped[str] = mapped_column(primary_key=True)
    shared: Mapped[bool]
    pin_set: Mapped[str]
    policy: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed_key: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_previous_key: Mapped[bytes | None] = mapped_column(LargeBinary)


class Room(Base):
    """A rented room. `id` is the back office's own; margins in seconds."""

    __tablename__ = "rooms"
    id: Mapped[str] = mapped_column(primary_key=True)
    service: Mapped[str]
    door_group: Mapped[str]
    time_zone: Mapped[str]
    before_s: Mapped[int]
    after_s: Mapped[int]


class Door(Base):
    """A door unit. The salt lives as long as the door, so a PIN is derived once per door; `reported_*` is what its
    last signed state said, `highest_version` the highest it ever said."""

    __tablename__ = "doors"
    id: Mapped[str] = mapped_column(primary_key=True)
    door_group: Mapped[str]
    salt: Mapped[str]
    epoch: Mapped[int] = mapped_column(default=1)
    event_key: Mapped[dict[str, str] | None] = mapped_column(JSON)
    reported_at: Mapped[int | None] = mapped_column(Instant)
    reported_version: Mapped[int] = mapped_column(Instant, default=0)
    reported_hash: Mapped[str | None]
    highest_version: Mapped[int] = mapped_column(Instant, default=0)


class Way(Base):
    """`door` has to be passed to get into `room`; entrances come first in `place`."""

    __tablename__ = "ways"
    room: Mapped[str] = mapped_column(primary_key=True)
    door: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int]


class Reservation(Base):
    """What a client calls a grant. `digest` is that of the body that holds for `revision`."""

    __tablename__ = "reservations"
    client: Mapped[str] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(String(100), primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str]
    holder: Mapped[dict[str, str]] = mapped_column(JSON)
    correlation: Mapped[dict[str, str]] = mapped_column(JSON)
    language: Mapped[str]
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id"), unique=True)
    grant: Mapped[Grant] = relationship(lazy="joined")


class Grant(Base):
    """A permission: booked windows in rooms, a state, credentials. The doors know it by `id` and by nothing else."""

    __tablename__ = "grants"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(String(20))
    state: Mapped[GrantState] = mapped_column(String(20))
    methods: Mapped[list[str]] = mapped_column(JSON)
    reveal_at: Mapped[int] = mapped_column(Instant)
    bookings: Mapped[list[GrantBooking]] = relationship(
        cascade="all, delete-orphan", order_by="(GrantBooking.place, GrantBooking.start)", back_populates="grant"
    )
    credentials: Mapped[list[Credential]] = relationship(order_by="Credential.id", back_populates="grant")


class GrantBooking(Base):
    """Booked time, without margins; `place` is the room's place in the request."""

    __tablename__ = "bookings"
    __table_args__ = (Index("bookings_by_room", "room", "until"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id"), index=True)
    room: Mapped[str]
    place: Mapped[int]
    start: Mapped[int] = mapped_column(Instant)
    until: Mapped[int] = mapped_column(Instant)
    grant: Mapped[Grant] = relationship(back_populates="bookings")


class Credential(Base):
    """A PIN (in one PIN set) or a QR of a grant. `sealed` is its clear text, forgotten when the grant is over;
    `qr_hash` is the name a list knows a QR by."""

    __tablename__ = "credentials"
    id: Mapped[str] = mapped_column(primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id"), index=True)
    pin_set: Mapped[str | None] = mapped_column(index=True)
    qr_hash: Mapped[str | None]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    grant: Mapped[Grant] = relationship(back_populates="credentials")

    @property
    def method(self) -> str:
        """`pin` or `qr`."""
        return "pin" if self.pin_set is not None else "qr"


class Verifier(Base):
    """What a door compares a PIN with. The pair (door, verifier) is unique: a PIN that was in use at a door is not
    given out there again while its verifier is kept."""

    __tablename__ = "verifiers"
    __table_args__ = (UniqueConstraint("door", "verifier"),)
    credential: Mapped[str] = mapped_column(ForeignKey("credentials.id"), primary_key=True)
    door: Mapped[str] = mapped_column(primary_key=True)
    verifier: Mapped[str]


class Delivery(Base):
    """The first list of `door` that held the current revision of the grant; null while none did."""

    __tablename__ = "deliveries"
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id"), primary_key=True)
    door: Mapped[str] = mapped_column(primary_key=True, index=True)
    version: Mapped[int | None] = mapped_column(Instant)


class DoorList(Base):
    """The current list of a door, as signed. `content` leaves numbers and times out; `published_at` is null until
    it was handed to the link."""

    __tablename__ = "lists"
    door: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Instant)
    hash: Mapped[str]
    content: Mapped[str]
    shrink: Mapped[bool]
    grants: Mapped[list[str]] = mapped_column(JSON)
    refresh_after: Mapped[int] = mapped_column(Instant, index=True)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    published_at: Mapped[int | None] = mapped_column(Instant)


class StatementNumber(Base):
    """One row: the last statement number given out. Whoever takes the next one holds its lock."""

    __tablename__ = "statement_number"
    id: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int] = mapped_column(Instant)


class ApiEntry(Base):
    """What a client did: every change of a reservation and every answer that held a code (R002-07)."""

    __tablename__ = "api_log"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[int] = mapped_column(Instant)
    client: Mapped[str]
    ref: Mapped[str]
    action: Mapped[str]
