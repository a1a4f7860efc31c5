"""The hub's work, one method per thing that can happen to it: a reservation comes, a door reports, time passes.

Each is one transaction; afterwards the lists that changed are handed to the link. Time is always an argument (whole
UTC seconds), randomness comes from the constructor: the same calls with the same seed give the same doors.

    service = Service(open_database(url), Keyring.load(folder))
    service.attach(link)                                   # anything with publish(topic, payload, retain)
    answer, created = service.put("booking", "R-1", wish, now)
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from controller.formats.errors import Refused
from controller.formats.jwk import VerifyKey, load_public
from controller.formats.state import StateReport
from sync import topics
from sync.hub import reservations, store
from sync.hub.apply import Change, apply_town
from sync.hub.codes import Randomness
from sync.hub.credentials import Minter, forget_over
from sync.hub.database import Sessions
from sync.hub.issuer import GrantState
from sync.hub.keys import Keyring
from sync.hub.lists import ListKeeper
from sync.hub.models import ApiEntry, Client, Delivery, Door, DoorList, Grant, Reservation, Room
from sync.hub.reservations import Wish
from sync.hub.town import Town
from sync.hub.windows import Opening

BEHIND_S = 60
"""A door that has not reported its current list for so long gets it again: a broker may forget."""

FORGET_S = 60
"""How often codes that are over are looked for."""

REFRESH_DOORS = 50
"""So many daily refreshes at a time: a town's lists grow old together, and reservations must not wait for all."""

AHEAD_S = 30 * 86_400
"""A reported number further ahead of the time than this is refused: one door could run the sequence to its end."""

DeliveryStatus = Literal["queued", "applied"]
TOKEN_BYTES = 32


class Publisher(Protocol):
    """The way to the broker. `publish` neither waits nor raises, and says whether it took the message. One that it did
    not take is due again at once; one that is lost on the way later, because its door stays behind."""

    def publish(self, topic: str, payload: bytes, retain: bool) -> bool: ...


@dataclass(frozen=True)
class Code:
    """A credential as its owner sees it; `pin` and `qr` are None unless this answer may reveal them."""

    id: str
    reveal_at: int
    pin: str | None
    qr: str | None


@dataclass(frozen=True)
class Answer:
    """What holds for a reservation now."""

    grant: str
    revision: int
    state: GrantState
    openings: tuple[Opening, ...]
    credentials: tuple[Code, ...]
    delivery: dict[str, DeliveryStatus]


@dataclass(frozen=True)
class DoorStatus:
    """A door as staff see it: last contact (UTC seconds) and list versions; 0 means none."""

    id: str
    enrolled: bool
    last_contact: int | None
    list_current: int
    list_applied: int


class Service:
    """The hub, apart from its transports."""

    def __init__(self, sessions: Sessions, keyring: Keyring, chance: Randomness | None = None) -> None:
        self._sessions = sessions
        self._keyring = keyring
        self._chance = chance or Randomness()
        self._publisher: Publisher | None = None
        self._forgot_at = 0

    def attach(self, publisher: Publisher) -> None:
        """From now on lists are handed to `publisher`. Without one they wait in the database."""
        self._publisher = publisher

    # --- reservations ---

    def put(self, client: str, ref: str, wish: Wish, now: int) -> tuple[Answer, bool]:
        """Create or replace a reservation; the flag says created. Repeating a call changes nothing and answers the
        same. Raises Refused: `unknown_room`, `window_required`, `too_far_ahead`, `bad_request`, `stale_revision`,
        `overlap`, `not_found` (what it replaces), `pin_space_low`, `door_full`."""
        reservations.check_wish(wish, now)
        if wish.replaces == ref:
            raise Refused("bad_request", "replaces", "a reservation cannot replace itself; send a higher revision")
        with self._sessions.begin() as session:
            # A cancellation must get through whatever has become of the rooms since.
            asked = () if wish.state == "cancelled" else wish.rooms
            rooms = store.rooms_of(session, session.get_one(Client, client).service, asked)
            reservation = session.get(Reservation, (client, ref))
            created = reservation is None
            if reservation is None:
                reservation = reservations.new_reservation(session, client, ref, self._chance)
            elif reservations.is_repeat(reservation, wish):
                return self._answer(session, reservation, now, reveal=True), False
            renewed = self._write(session, reservation, wish, rooms, now)
            self._note(session, reservation, "created" if created else "replaced", now)
            answer = self._answer(session, reservation, now, reveal=True)
        self._publish(renewed, now)
        return answer, created

    def get(self, client: str, ref: str, now: int) -> Answer:
        """What holds for a reservation, without codes. Raises Refused `not_found`."""
        with self._sessions.begin() as session:
            return self._answer(session, store.reservation_of(session, client, ref), now, reveal=False)

    def _write(self, session: Session, reservation: Reservation, wish: Wish, rooms: list[Room], now: int) -> list[str]:
        minter = Minter(session, self._keyring, self._chance, now)
        replaced: Reservation | None = None
        if wish.replaces is not None:
            # Cancelled first, in the same transaction: the new one may stand exactly where the old one stood (R004-16).
            replaced = store.reservation_of(session, reservation.client, wish.replaces)
            replaced.grant.state = "cancelled"
        doors = reservations.write(session, reservation, wish, rooms, now)
        if replaced is not None:
            doors |= reservations.take_over(session, reservation, replaced)
        session.refresh(reservation.grant, ["credentials", "bookings"])
        if wish.state == "active":
            minter.mint_missing(reservation.grant, rooms)
            session.refresh(reservation.grant, ["credentials"])
        return ListKeeper(minter).renew(doors, admitting=wish.state == "active")

    def _answer(self, session: Session, reservation: Reservation, now: int, *, reveal: bool) -> Answer:
        grant = reservation.grant
        minter = Minter(session, self._keyring, self._chance, now)
        reveal = reveal and now >= grant.reveal_at and grant.state != "cancelled"
        codes: list[Code] = []
        for credential in grant.credentials:
            if credential.method not in grant.methods:
                continue
            clear = minter.clear_text(credential) if reveal else None
            pin, qr = (clear, None) if credential.method == "pin" else (None, clear)
            codes.append(Code(credential.id, grant.reveal_at, pin, qr))
        if any(code.pin or code.qr for code in codes):
            self._note(session, reservation, "revealed", now)
        return Answer(
            grant=grant.id,
            revision=reservation.revision,
            state=grant.state,
            openings=tuple(store.openings_of(session, grant)),
            credentials=tuple(codes),
            delivery=_delivery(session, grant),
        )

    def _note(self, session: Session, reservation: Reservation, action: str, now: int) -> None:
        session.add(ApiEntry(at=now, client=reservation.client, ref=reservation.ref, action=action))

    # --- clients ---

    def client_of(self, token: str) -> Client:
        """The client a bearer token belongs to. Raises Refused `unauthorised`."""
        name, _, _ = token.partition(".")
        with self._sessions.begin() as session:
            client = store.client_by_token(session, name, _token_hash(token))
        if client is None:
            raise Refused("unauthorised", "authorization", "a bearer token of a known client is needed")
        return client

    def new_token(self, client_id: str) -> str:
        """A new bearer token for a client; the one before stops working. Only its hash is kept."""
        token = f"{client_id}.{secrets.token_urlsafe(TOKEN_BYTES)}"
        with self._sessions.begin() as session:
            client = session.get(Client, client_id)
            if client is None:
                raise Refused("not_found", "client", f"town.toml names no client {client_id}")
            client.token_hash = _token_hash(token)
        return token

    def doors_of(self, client: Client) -> list[str]:
        """The doors that lead to rooms of the client's service."""
        with self._sessions.begin() as session:
            rooms = session.scalars(select(Room.id).where(Room.service == client.service)).all()
            return store.doors_to(session, rooms)

    def refs(self, client: str, grants: set[str]) -> dict[str, str]:
        """The client's own reservations among these grants: grant id -> ref."""
        query = select(Reservation.grant_id, Reservation.ref)
        with self._sessions.begin() as session:
            found = session.execute(query.where(Reservation.client == client, Reservation.grant_id.in_(grants)))
            return {row.grant_id: row.ref for row in found}

    # --- the town and its doors ---

    def apply(self, town: Town, now: int, *, dry_run: bool = False) -> list[Change]:
        """Make the hub follow `town.toml` and renew the lists this changes. Raises Refused."""
        with self._sessions.begin() as session:
            changes = apply_town(session, town, self._keyring, self._chance, now, dry_run=dry_run)
            if dry_run:
                return changes
            session.flush()
            doors = session.scalars(select(Door.id)).all()
            renewed = ListKeeper(Minter(session, self._keyring, self._chance, now)).renew(doors)
        self._publish(renewed, now)
        return changes

    def enrol(self, door_id: str, event_key: VerifyKey) -> None:
        """Register the key with which a door signs its log and its state. Raises Refused `not_found`."""
        with self._sessions.begin() as session:
            _door(session, door_id).event_key = event_key.jwk()

    def event_key(self, door_id: str) -> VerifyKey | None:
        """The key a door signs with; None for a door that is unknown or not enrolled."""
        with self._sessions.begin() as session:
            door = session.get(Door, door_id)
            return None if door is None or door.event_key is None else load_public(door.event_key)

    def door_reported(self, door_id: str, report: StateReport, at: int) -> None:
        """Take in a state report whose signature held, received at `at`. Raises Refused `not_found`, `wrong_door`,
        `number_ahead`."""
        if report.door != door_id:
            raise Refused("wrong_door", "state.door", f"door {door_id} reports as {report.door}")
        with self._sessions.begin() as session:
            door = _door(session, door_id)
            current = session.get(DoorList, door_id)
            if report.list_version > max(current.version if current else 0, at + AHEAD_S):
                raise Refused("number_ahead", "state.list_version", "a number that this hub cannot have come near to")
            door.reported_at, door.reported_version = at, report.list_version
            door.reported_hash = report.list_hash
            door.highest_version = max(door.highest_version, report.list_version)

    def doors(self) -> list[DoorStatus]:
        """Every door, by id."""
        query = select(Door, DoorList.version).outerjoin(DoorList, DoorList.door == Door.id).order_by(Door.id)
        with self._sessions.begin() as session:
            return [
                DoorStatus(door.id, door.event_key is not None, door.reported_at, version or 0, door.reported_version)
                for door, version in session.execute(query)
            ]

    def list_of(self, door_id: str) -> bytes:
        """The door's current list, as signed. Raises Refused `not_found`."""
        with self._sessions.begin() as session:
            current = session.get(DoorList, door_id)
            if current is None:
                raise Refused("not_found", "door", f"there is no list for a door {door_id}")
            return current.envelope

    # --- time ---

    def due(self, now: int) -> None:
        """Do what is due: forget codes that are over, refresh lists after a day, publish what is new, and publish
        again to doors that are behind. Cheap when nothing is; to be called every few seconds."""
        with self._sessions.begin() as session:
            if now >= self._forgot_at + FORGET_S:
                forget_over(session, now)
                self._forgot_at = now
            query = select(Door.id).outerjoin(DoorList, DoorList.door == Door.id).limit(REFRESH_DOORS)
            old = session.scalars(query.where(or_(DoorList.door.is_(None), DoorList.refresh_after <= now))).all()
            ListKeeper(Minter(session, self._keyring, self._chance, now)).renew(old, daily=True)
            behind = select(DoorList.door).join(Door, Door.id == DoorList.door)
            unheard = (DoorList.version > Door.reported_version) & (DoorList.published_at <= now - BEHIND_S)
            waiting = session.scalars(behind.where(or_(DoorList.published_at.is_(None), unheard))).all()
        self._publish(waiting, now)

    def _publish(self, doors: Sequence[str], now: int) -> None:
        if self._publisher is None or not doors:
            return
        with self._sessions.begin() as session:
            for current in session.scalars(select(DoorList).where(DoorList.door.in_(doors))):
                if self._publisher.publish(topics.topic(current.door, "list"), current.envelope, True):
                    current.published_at = now


def _delivery(session: Session, grant: Grant) -> dict[str, DeliveryStatus]:
    query = select(Delivery, Door).join(Door, Door.id == Delivery.door).where(Delivery.grant_id == grant.id)
    return {
        door.id: "applied" if delivery.version is not None and door.reported_version >= delivery.version else "queued"
        for delivery, door in session.execute(query.order_by(Door.id))
    }


def _door(session: Session, door_id: str) -> Door:
    door = session.get(Door, door_id)
    if door is None:
        raise Refused("not_found", "door", f"town.toml names no door {door_id}")
    return door


def _token_hash(token: str) -> str:
    # Tokens carry 256 random bits, so a plain hash is enough: there is nothing to guess.
    return hashlib.sha256(token.encode()).hexdigest()
