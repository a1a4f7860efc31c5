"""What the hub answers about a reservation: openings, codes and delivery, as they hold now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from controller.formats import qr_pass
from controller.formats.code_list import Window
from sync.hub.booking.credentials import Minter, next_stretch
from sync.hub.booking.reservations import Method
from sync.hub.booking.windows import Opening
from sync.hub.issuing.issuer import VALID_S, GrantState
from sync.hub.store import questions
from sync.hub.store.bulk import add_rows
from sync.hub.store.models import ApiEntry, Credential, Delivery, Door, DoorGroup, Grant, Handover, Reservation

MINUTE_S = 60

DeliveryStatus = Literal["queued", "applied"]

# Put together once (see questions.py).
DELIVERIES: Final = (
    select(Delivery, Door)
    .join(Door, Door.id == Delivery.door)
    .where(Delivery.grant_id == bindparam("grant"))
    .order_by(Door.id)
)
HANDOVERS: Final = (
    select(Handover.channel, Handover.at, Handover.ok)
    .where(Handover.grant_id == bindparam("grant"))
    .order_by(Handover.at, Handover.id)
)


@dataclass(frozen=True)
class Code:
    """A credential as its owner sees it; `pin` and `qr` are None unless this answer may reveal them. `ends_at` is when
    it stops before its grant does; `holder` whose it is, None for the reservation's own; `duress` marks the PIN that
    staff give under threat."""

    id: str
    reveal_at: int
    pin: str | None
    qr: str | None
    ends_at: int | None = None
    holder: str | None = None
    method: Method = "pin"
    duress: bool = False


@dataclass(frozen=True)
class Delivered:
    """Whether a door has what holds now. While it has not, what held before may open it, at most until `live_until`
    (X-14); None where nothing from before can be there. `opens_by` are the codes that it takes already: while `queued`
    that is a QR which opens by itself, or nothing yet."""

    status: DeliveryStatus
    live_until: int | None
    opens_by: tuple[Method, ...]


@dataclass(frozen=True)
class HandedOver:
    """How the codes reached their holder, or failed to, as the client told it (R004-10)."""

    channel: str
    at: int
    ok: bool


@dataclass(frozen=True)
class Answer:
    """What holds for a reservation now."""

    ref: str
    grant: str
    revision: int
    state: GrantState
    openings: tuple[Opening, ...]
    credentials: tuple[Code, ...]
    delivered: dict[str, Delivered]
    handovers: tuple[HandedOver, ...] = ()

    @property
    def delivery(self) -> dict[str, DeliveryStatus]:
        """Only the status of each door."""
        return {door: each.status for door, each in self.delivered.items()}


def answer_of(minter: Minter, reservation: Reservation, *, reveal: bool) -> Answer:
    """What holds. With `reveal`, codes in clear, once their time has come; that is noted (R002-07)."""
    session, grant = minter.session, reservation.grant
    reveal = reveal and minter.now >= grant.reveal_at and grant.state != "cancelled"
    codes: list[Code] = []
    for credential in sorted(grant.credentials, key=lambda each: each.id):
        if credential.method not in grant.methods or not credential.opens_at(minter.now):
            continue
        clear = minter.clear_text(credential) if reveal else None
        if credential.duress and clear is None:
            continue  # seen together with the PIN itself, or not at all
        pin, qr = (clear, None) if credential.method == "pin" else (None, clear)
        held = (credential.ends_at, credential.holder, credential.method, credential.duress)
        codes.append(Code(credential.id, grant.reveal_at, pin, qr, *held))
    if any(code.pin or code.qr for code in codes):
        note(session, reservation, "revealed", minter.now)
    openings = tuple(minter.openings_of(grant))
    return Answer(
        ref=reservation.ref,
        grant=grant.id,
        revision=reservation.revision,
        state=grant.state,
        openings=openings,
        credentials=tuple(codes),
        delivered=_delivered(minter, grant, openings),
        handovers=tuple(_handovers(session, grant)),
    )


def note(session: Session, reservation: Reservation, action: str, now: int) -> None:
    """Write into the API's audit."""
    entry = {"at": now, "client": reservation.client, "ref": reservation.ref, "action": action}
    add_rows(session, ApiEntry, [entry])


def _handovers(session: Session, grant: Grant) -> list[HandedOver]:
    return [HandedOver(*row) for row in questions.plain_rows(session, HANDOVERS, {"grant": grant.id})]


def _delivered(minter: Minter, grant: Grant, openings: Sequence[Opening]) -> dict[str, Delivered]:
    rows = minter.session.execute(DELIVERIES, {"grant": grant.id}).all()
    return {
        door.id: _at_door(minter, grant, delivery, door, [each for each in openings if each.door == door.id])
        for delivery, door in rows
    }


def _at_door(minter: Minter, grant: Grant, delivery: Delivery, door: Door, openings: Sequence[Opening]) -> Delivered:
    living = [each for each in minter.living(grant) if each.method in grant.methods] if grant.state == "active" else []
    if delivery.version is not None and door.reported_version >= delivery.version:
        return Delivered("applied", None, _methods(living))
    passes = [taken for taken in (_taken_alone(minter, each, door) for each in living) if taken is not None]
    stretch = next_stretch(grant, minter.now)
    opens = any(stretch is not None and _covers(each, stretch) for each in passes)
    # What the door may go by until then: an earlier revision, or a pass from before a neighbour came.
    old = delivery.held_before or not all(_inside(each, openings, minter.now) for each in passes)
    # A version is never below the second in which its list was issued, so what the door holds runs out by then.
    until = door.reported_version + VALID_S if old and door.reported_version > 0 else None
    return Delivered("queued", until, ("qr",) if opens else ())


def _methods(codes: Iterable[Credential]) -> tuple[Method, ...]:
    return tuple(sorted({each.method for each in codes}))


def _taken_alone(minter: Minter, credential: Credential, door: Door) -> qr_pass.QrPass | None:
    """The QR, if a door that has not heard of it takes it by its own words: newer than the door's list, which is not
    over, and tagged with a key that this list holds."""
    text = minter.clear_text(credential) if credential.method == "qr" else None
    if text is None or not max(minter.now - VALID_S, door.keyed_at) < door.reported_version:
        return None
    qr = qr_pass.parse(text)
    if not qr.may_stand_alone or qr.number <= door.reported_version:
        return None
    group = minter.session.get_one(DoorGroup, door.door_group)
    return qr if qr.tagged_by([minter.keyring.unseal(group.sealed_key, f"group {group.id}")]) else None


def _covers(qr: qr_pass.QrPass, stretch: Window) -> bool:
    """Whether a pass is for all of a booked time, but for the whole minutes in which it speaks. It is not when the
    reservation was moved, or is at a later evening than the one that the pass was made for."""
    return qr.start_s < stretch[0] + MINUTE_S and stretch[1] - MINUTE_S < qr.until_s


def _inside(qr: qr_pass.QrPass, openings: Iterable[Opening], now: int) -> bool:
    """Whether a pass opens at no time at which its door should not."""
    return qr.until_s <= now or any(each.start <= qr.start_s and qr.until_s <= each.until for each in openings)
