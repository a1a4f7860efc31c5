"""The desk where codes are handed over: reads what a sheet needs from the database and notes that it was read.

    sheet = Desk(sessions, keyring, read_house_rules(folder)).sheet("booking", "R-1", "c-9f…", now)

A credential comes with what was issued to the same person for the same reservation: the PIN with the QR code, the QR
code with the PIN. Everybody else's reservation is `not_found`, as everywhere in the API.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from controller.formats.code_list import Language
from controller.formats.errors import Refused
from sync.hub.artefacts.house_rules import HouseRules
from sync.hub.artefacts.sheet import Pin, Sheet, Time
from sync.hub.instants import instant
from sync.hub.keys.keyring import Keyring
from sync.hub.store import questions
from sync.hub.store.database import Sessions
from sync.hub.store.models import ApiEntry, Credential, DoorGroup, Grant, Room


@dataclass(frozen=True)
class Desk:
    """Hands sheets to the client that owns the reservation."""

    sessions: Sessions
    keyring: Keyring
    rules: HouseRules

    def sheet(self, client: str, ref: str, credential: str, now: int, language: Language | None = None) -> Sheet:
        """The sheet of one credential at `now` (UTC seconds), in the reservation's language unless another is asked
        for. Raises Refused `not_found` for whatever does not exist (any more), `not_yet` before the reveal."""
        with self.sessions.begin() as session:
            reservation = questions.reservation_of(session, client, ref)
            grant = reservation.grant
            handed_over = _handed_over(grant, credential, now)
            if now < grant.reveal_at:
                text = f"the codes may be shown from {instant(grant.reveal_at)}"
                raise Refused("not_yet", "reveal_at", text)
            session.add(ApiEntry(at=now, client=client, ref=ref, action="revealed"))
            return self._sheet(session, grant, handed_over, language or cast(Language, reservation.language), now)

    def _sheet(
        self, session: Session, grant: Grant, credentials: Sequence[Credential], language: Language, now: int
    ) -> Sheet:
        ids = tuple(dict.fromkeys(booking.room for booking in grant.bookings))
        found = {room.id: room for room in session.scalars(select(Room).where(Room.id.in_(ids)))}
        rooms = [found[room] for room in ids if room in found]
        groups = [session.get_one(DoorGroup, room.door_group) for room in rooms]
        pins = [each for each in credentials if each.pin_set is not None]
        return Sheet(
            language=language,
            rooms=tuple(map(self.rules.name, ids)),
            times=_times(session, grant, ZoneInfo(rooms[0].time_zone if rooms else "UTC"), now),
            pins=tuple(Pin(self._clear(each), self._leads_to(each, rooms, groups, len(pins))) for each in pins),
            qr=next((self._clear(each) for each in credentials if each.pin_set is None), None),
            leave=self.rules.leaving(ids, language),
            help=next((group.policy["help"] for group in groups if group.policy.get("help")), ""),
        )

    def _leads_to(
        self, pin: Credential, rooms: Sequence[Room], groups: Sequence[DoorGroup], pins: int
    ) -> tuple[str, ...]:
        if pins == 1:
            return ()
        return tuple(
            self.rules.name(room.id) for room, group in zip(rooms, groups, strict=True) if group.pin_set == pin.pin_set
        )

    def _clear(self, credential: Credential) -> str:
        assert credential.sealed is not None
        return self.keyring.unseal(credential.sealed, credential.id).decode("ascii")


def _handed_over(grant: Grant, asked: str, now: int) -> list[Credential]:
    """The credential asked for and those that go with it: same holder, still opening, not replaced by a newer one."""
    alive = [
        each
        for each in grant.credentials
        # A duress PIN is on no paper: whoever finds the sheet would know which one not to use.
        if each.sealed is not None and each.ends_at is None and each.method in grant.methods and not each.duress
    ]
    wanted = next((each for each in alive if each.id == asked), None)
    if wanted is None or grant.state == "cancelled" or questions.last_end(grant.bookings) <= now:
        raise Refused("not_found", "credential", "there is no such code, or it has been replaced or is over")
    return [each for each in alive if each.holder == wanted.holder]


def _times(session: Session, grant: Grant, zone: ZoneInfo, now: int) -> tuple[Time, ...]:
    """The grant's booked times that are not over, in the room's zone. Where several doors lead to the room, the last
    one to open counts: nobody is sent to stand before a closed door."""
    openings = questions.openings_of(session, grant)
    times = []
    for start, until in sorted({(booking.start, booking.until) for booking in grant.bookings if booking.until > now}):
        opens = max((each.start for each in openings if each.start <= start < each.until), default=start)
        times.append(Time(*(datetime.fromtimestamp(at, zone) for at in (start, until, opens))))
    return tuple(times)
