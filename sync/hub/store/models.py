"""The hub's tables, apart from the log's. Instants are whole UTC seconds.

What a town decides (`town.toml`) · reservations and grants · credentials · lists and delivery · the API's audit.
The link between a reservation and its grant has a table of its own, so that it can be forgotten while the grant's
pseudonymous records stay (X-05). Secrets (PIN, QR text, group keys) are sealed with the hub's store key.
"""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from controller.formats.code_list import ClosureReason, Kind
from sync.hub.issuing.issuer import GrantState
from sync.hub.store.database import Base

Instant = BigInteger


class TownService(Base):
    """A service of the town; rooms and clients belong to one."""

    __tablename__ = "services"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Client(Base):
    """A program that may call the API; `token_hash` is the hex SHA-256 of its secret. `owner` marks a client of an
    external owner, who sees that owner's rooms and nothing else of the service; `handovers` one that tells how each
    code reached its holder."""

    __tablename__ = "clients"
    id: Mapped[str] = mapped_column(primary_key=True)
    service: Mapped[str]
    owner: Mapped[str | None]
    scopes: Mapped[list[str]] = mapped_column(JSON)
    token_hash: Mapped[str | None]
    handovers: Mapped[bool] = mapped_column(default=False, server_default=false())


class AccessToken(Base):
    """A bearer token of the token endpoint, by the hex SHA-256 of it; good until `until`."""

    __tablename__ = "access_tokens"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    client: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(JSON)
    until: Mapped[int] = mapped_column(Instant, index=True)


class PinSet(Base):
    """Doors that may share a PIN: its length, the cost of deriving it, and how many may be live at one door."""

    __tablename__ = "pin_sets"
    id: Mapped[str] = mapped_column(primary_key=True)
    digits: Mapped[int]
    live: Mapped[int]
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
    """A rented room. `id` is the back office's own; margins in seconds. `rivals` are the rooms it is a part of or that
    are parts of it; `opening_hours` maps weekdays (`mon`…) to `[["08:00","22:00"]…]` in the room's zone; `reveal_s` is
    how long before the first window codes are shown, unless a reservation says otherwise. `client` is who may book it,
    any client of the service when null; from `moves_at` on it is `next_client` (R004-22)."""

    __tablename__ = "rooms"
    id: Mapped[str] = mapped_column(primary_key=True)
    service: Mapped[str]
    door_group: Mapped[str]
    time_zone: Mapped[str]
    before_s: Mapped[int]
    after_s: Mapped[int]
    owner: Mapped[str | None]
    rivals: Mapped[list[str]] = mapped_column(JSON)
    opening_hours: Mapped[dict[str, list[list[str]]]] = mapped_column(JSON)
    reveal_s: Mapped[int]
    client: Mapped[str | None]
    next_client: Mapped[str | None]
    moves_at: Mapped[int | None] = mapped_column(Instant)


class Door(Base):
    """A door unit. The salt changes only with a re-key, so a PIN is derived once per door; `reported_*` is what its
    last signed state said, `reported_clock_ms` its clock then, `highest_version` the highest version it ever said. Its
    lists above `keyed_at` hold the key that its group has now."""

    __tablename__ = "doors"
    id: Mapped[str] = mapped_column(primary_key=True)
    door_group: Mapped[str]
    salt: Mapped[str]
    epoch: Mapped[int] = mapped_column(default=1)
    event_key: Mapped[dict[str, str] | None] = mapped_column(JSON)
    reported_at: Mapped[int | None] = mapped_column(Instant)
    reported_version: Mapped[int] = mapped_column(Instant, default=0)
    reported_hash: Mapped[str | None]
    reported_clock: Mapped[str | None]
    reported_clock_ms: Mapped[int | None] = mapped_column(Instant)
    reported_posture: Mapped[str | None]
    reported_faults: Mapped[list[str]] = mapped_column(JSON, default=list)
    ready: Mapped[bool | None]
    highest_version: Mapped[int] = mapped_column(Instant, default=0)
    keyed_at: Mapped[int] = mapped_column(Instant, default=0, server_default="0")


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
    """A permission: booked windows in rooms, a state, credentials. The doors know it by `id` and by nothing else.

    Renters of one `share_group` may hold a room together. `ready_at` is when `credential.ready` is due, null once it
    was told; `rotate_at` when a long-term grant gets its next code; `ended` once `grant.ended` was told."""

    __tablename__ = "grants"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(String(20))
    state: Mapped[GrantState] = mapped_column(String(20))
    methods: Mapped[list[str]] = mapped_column(JSON)
    reveal_at: Mapped[int] = mapped_column(Instant)
    ready_at: Mapped[int | None] = mapped_column(Instant, index=True)
    rotate_at: Mapped[int | None] = mapped_column(Instant, index=True)
    ended: Mapped[bool] = mapped_column(default=False)
    share_group: Mapped[str | None]
    max_uses: Mapped[int | None]
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
    `qr_hash` is the name a list knows a QR by. `holder` is whose it is when it is not the grant holder's; `ends_at`
    is when it stops opening before its grant does (revoked, or replaced by a newer code). A `duress` PIN is the one a
    member of staff gives under threat: it opens like the other, and raises an alarm here."""

    __tablename__ = "credentials"
    id: Mapped[str] = mapped_column(primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id"), index=True)
    pin_set: Mapped[str | None] = mapped_column(index=True)
    qr_hash: Mapped[str | None]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    holder: Mapped[str | None]
    ends_at: Mapped[int | None] = mapped_column(Instant, index=True)
    duress: Mapped[bool] = mapped_column(default=False, server_default=false())
    grant: Mapped[Grant] = relationship(back_populates="credentials")

    @property
    def method(self) -> Literal["pin", "qr"]:
        """How it is shown at the door."""
        return "pin" if self.pin_set is not None else "qr"

    def opens_at(self, now: int) -> bool:
        """Whether it still opens at `now` (UTC seconds), as far as its own life goes."""
        return self.ends_at is None or self.ends_at > now


class PinMark(Base):
    """A PIN that is kept, with one digit blotted out, under a key: that (PIN set, mark) is unique is what keeps any two
    PINs of a set two digits apart, whoever draws them at the same time. The mark of the `whole` PIN stays when the code
    is over, so that it is not given out again during its cool-off."""

    __tablename__ = "pin_marks"
    pin_set: Mapped[str] = mapped_column(primary_key=True)
    mark: Mapped[str] = mapped_column(String(32), primary_key=True)
    credential: Mapped[str] = mapped_column(ForeignKey("credentials.id"), index=True)
    whole: Mapped[bool] = mapped_column(default=False, server_default=false())


class Verifier(Base):
    """What a door compares a PIN with, derived when its list first holds the PIN. The pair (door, verifier) is unique:
    no two PINs of a door are equal."""

    __tablename__ = "verifiers"
    __table_args__ = (UniqueConstraint("door", "verifier"),)
    credential: Mapped[str] = mapped_column(ForeignKey("credentials.id"), primary_key=True)
    door: Mapped[str] = mapped_column(primary_key=True)
    verifier: Mapped[str]


class Delivery(Base):
    """The first list of `door` that held the current revision of the grant; null while none did. `asked` counts how
    often that changed, so that a list made from an earlier look does not count for it; `since` is when it last did.
    `held_before` tells that a list with an earlier revision may still be at the door, `stale` that it was reported as
    late."""

    __tablename__ = "deliveries"
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id"), primary_key=True)
    door: Mapped[str] = mapped_column(primary_key=True, index=True)
    version: Mapped[int | None] = mapped_column(Instant)
    asked: Mapped[int] = mapped_column(default=1, server_default="1")
    since: Mapped[int] = mapped_column(Instant, default=0, server_default="0")
    held_before: Mapped[bool] = mapped_column(default=False)
    stale: Mapped[bool] = mapped_column(default=False)


class Handover(Base):
    """How a code reached its holder, or failed to, as the client tells it (R004-10): by which channel, never to which
    address."""

    __tablename__ = "handovers"
    id: Mapped[int] = mapped_column(primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id"), index=True)
    at: Mapped[int] = mapped_column(Instant)
    channel: Mapped[str] = mapped_column(String(20))
    ok: Mapped[bool]


class RoomClosure(Base):
    """A time in which renters stay out of a room: `room_closed`, or `room_not_ready` (R002-16, R004-18)."""

    __tablename__ = "closures"
    service: Mapped[str] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(String(100), primary_key=True)
    room: Mapped[str] = mapped_column(index=True)
    start: Mapped[int] = mapped_column(Instant)
    until: Mapped[int] = mapped_column(Instant)
    reason: Mapped[ClosureReason] = mapped_column(String(20))


class RetentionRule(Base):
    """One row, `town`: after so many months records no longer say who it was, and reservations are forgotten."""

    __tablename__ = "retention_rule"
    id: Mapped[str] = mapped_column(primary_key=True)
    months: Mapped[int]


class PolicyVersion(Base):
    """What a town decided about a door group (`group …`) or a room (`room …`), from when on, by which decision
    (R001-11). `applied` once it is in force."""

    __tablename__ = "policy_versions"
    subject: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[int] = mapped_column(Instant, primary_key=True)
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    decision: Mapped[str | None]
    applied: Mapped[bool]


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


class ListRequest(Base):
    """A door whose list has to be made anew, for what was written in the same transaction."""

    __tablename__ = "list_requests"
    id: Mapped[int] = mapped_column(primary_key=True)
    door: Mapped[str] = mapped_column(index=True)
    at: Mapped[int] = mapped_column(Instant)


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
