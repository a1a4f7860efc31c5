"""New codes for old: on request, after a theft, and by the calendar; and further codes for further people.

Every function works in the transaction of its `Minter` and returns the doors whose lists have to be renewed.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from controller.formats.encoding import b64
from controller.formats.errors import Refused
from sync.hub.booking import lifecycle, pin_space
from sync.hub.booking.credentials import SALT_BYTES, Minter
from sync.hub.booking.reservations import OVERLAP_S, ROTATE_S, Method, await_delivery
from sync.hub.issuing.issuer import TRAVELLING
from sync.hub.store import questions
from sync.hub.store.models import Credential, Door, DoorGroup, Grant, GrantBooking, Reservation, Verifier

CREDENTIALS_MAX = 40
"""Living credentials of one grant; a list carries at most 64 of a kind, successors included."""

ROTATED_AT_ONCE = 20
"""Long-term grants that get their next code in one transaction."""


def rotate(minter: Minter, reservation: Reservation, *, overlap_s: int = 0, only: Method | None = None) -> set[str]:
    """A new code for each of the reservation's own; the old ones open for `overlap_s` more (R002-23). Raises Refused
    `bad_request` for a reservation without codes."""
    grant, session = reservation.grant, minter.session
    own = [each for each in minter.living(grant) if each.ends_at is None and each.holder is None]
    old = [each for each in own if only is None or each.method == only]
    if not old:
        raise Refused("bad_request", "ref", "the reservation has no codes to rotate")
    _end(old, minter.now + overlap_s)
    session.flush()
    rooms = questions.rooms_of_grant(session, grant)
    minter.mint_missing(grant, rooms)
    lifecycle.tell_about(session, reservation, "credential.rotated", minter.now, detail=_names(old))
    lifecycle.codes_made(session, reservation, minter.now)
    return _concern(session, grant, minter.now)


def add_credential(minter: Minter, reservation: Reservation, method: Method, holder: str) -> tuple[str, set[str]]:
    """One more code, for one more person, revocable alone (R002-05); its id and the doors. Raises Refused
    `bad_request`, `pin_space_low`."""
    grant, session = reservation.grant, minter.session
    if grant.state != "active":
        raise Refused("bad_request", "ref", "only an active reservation has codes")
    if len(minter.living(grant)) >= CREDENTIALS_MAX:
        raise Refused("bad_request", "ref", f"a reservation has at most {CREDENTIALS_MAX} codes")
    rooms = questions.rooms_of_grant(session, grant)
    if method == "pin" and minter.pin_sets(grant, rooms):
        made, *_ = minter.mint_pins(grant, rooms, holder)
    elif method == "qr" and minter.wants_qr(grant, rooms):
        made = minter.mint_qr(grant, rooms, holder)
    else:
        raise Refused("bad_request", "method", "not a method of this reservation")
    doors = _concern(session, grant, minter.now)
    pin_space.check_room_left(session, grant, [room.id for room in rooms], minter.now)
    lifecycle.codes_made(session, reservation, minter.now)
    return made.id, doors


def revoke(minter: Minter, reservation: Reservation, credential_id: str) -> set[str]:
    """End one code of a reservation, with the PIN for under threat that belongs to it; the others go on. Raises Refused
    `not_found`."""
    for credential in reservation.grant.credentials:
        if credential.id == credential_id and credential.opens_at(minter.now):
            _end([credential, *_under_threat(reservation.grant, credential)], minter.now)
            doors = _concern(minter.session, reservation.grant, minter.now)
            lifecycle.tell_about(
                minter.session, reservation, "credential.revoked", minter.now, credential=credential_id
            )
            return doors
    raise Refused("not_found", "id", "the reservation has no such code")


def rekey_door(minter: Minter, door_id: str) -> set[str]:
    """A door unit was stolen or opened: its salt and its group's key become worthless, and every PIN that it could
    check is replaced, at all doors (X-12). Raises Refused `not_found`."""
    session = minter.session
    door = session.get(Door, door_id)
    if door is None:
        raise Refused("not_found", "door", f"there is no door {door_id}")
    query = (
        select(Reservation)
        .join(Grant, Grant.id == Reservation.grant_id)
        .where(Grant.state.in_(TRAVELLING), Grant.id.in_(_grants_with_pin_at(door_id)))
        .order_by(Grant.id)
    )
    concerned = session.scalars(query).all()
    door.salt = b64(minter.chance.take_bytes(SALT_BYTES))
    group = session.get_one(DoorGroup, door.door_group)
    minter.new_pass_key(group)
    session.execute(delete(Verifier).where(Verifier.door == door_id))
    doors = set(session.scalars(select(Door.id).where(Door.door_group == group.id)))
    return doors.union(*(_replace_pins(minter, each) for each in concerned))


def rotate_due(minter: Minter) -> set[str]:
    """The next code of every long-term grant whose time has come; the old one overlaps (R004-20)."""
    query = select(Reservation).join(Grant, Grant.id == Reservation.grant_id)
    query = query.where(Grant.rotate_at <= minter.now, Grant.state == "active").order_by(Grant.rotate_at)

    def rotate_one(reservation: Reservation) -> set[str]:
        grant = reservation.grant
        ends = questions.last_end(grant.bookings)
        grant.rotate_at = minter.now + ROTATE_S if ends > minter.now + ROTATE_S + OVERLAP_S else None
        has_codes = any(each.holder is None and each.ends_at is None for each in minter.living(grant))
        return rotate(minter, reservation, overlap_s=OVERLAP_S) if has_codes and ends > minter.now else set()

    due = minter.session.scalars(query.limit(ROTATED_AT_ONCE)).all()
    return set().union(*map(rotate_one, due))


def any_due(session: Session, now: int) -> bool:
    """Whether `rotate_due` has anything to do."""
    return session.scalar(select(Grant.id).where(Grant.rotate_at <= now, Grant.state == "active").limit(1)) is not None


def ended_since(session: Session, after: int, now: int) -> set[str]:
    """The doors of grants that have a code which ended after `after` and by `now`."""
    ended = select(Credential.grant_id).where(Credential.ends_at > after, Credential.ends_at <= now)
    rooms = session.scalars(select(GrantBooking.room).where(GrantBooking.grant_id.in_(ended)).distinct()).all()
    return set(questions.doors_to(session, rooms))


def _replace_pins(minter: Minter, reservation: Reservation) -> set[str]:
    """New PINs for old ones, each for whoever had the old one."""
    grant, session = reservation.grant, minter.session
    old = [each for each in minter.living(grant) if each.method == "pin"]
    others = {each.holder: None for each in old if each.holder is not None and each.ends_at is None}
    _end(old, minter.now)
    session.flush()
    rooms = questions.rooms_of_grant(session, grant)
    minter.mint_missing(grant, rooms)
    for holder in others:
        minter.mint_pins(grant, rooms, holder)
    lifecycle.tell_about(session, reservation, "credential.rotated", minter.now, detail=_names(old))
    lifecycle.codes_made(session, reservation, minter.now)
    return _concern(session, grant, minter.now)


def _grants_with_pin_at(door_id: str) -> Select[str]:
    return select(Credential.grant_id).where(
        Credential.id.in_(select(Verifier.credential).where(Verifier.door == door_id)), Credential.sealed.is_not(None)
    )


def _end(credentials: Iterable[Credential], at: int) -> None:
    for credential in credentials:
        credential.ends_at = at


def _under_threat(grant: Grant, credential: Credential) -> list[Credential]:
    """The duress PINs of whoever's everyday PIN this is."""
    if credential.duress or credential.method != "pin":
        return []
    return [each for each in grant.credentials if each.duress and each.holder == credential.holder]


def _names(old: Iterable[Credential]) -> dict[str, str]:
    return {"replaced": " ".join(each.id for each in old)}


def _concern(session: Session, grant: Grant, now: int) -> set[str]:
    """Await delivery at all doors of the grant, and name them."""
    doors = questions.doors_to(session, {booking.room for booking in grant.bookings})
    await_delivery(session, grant, doors, now)
    return set(doors)
