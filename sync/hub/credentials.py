"""Making a grant's PIN and QR, and forgetting them again.

One PIN per PIN set that the grant's doors belong to, one QR for all of them (R004-04, R004-12). The clear text rests
sealed until the grant is over; what doors compare with (a verifier per door, the QR's hash) stays, so that no code is
given out again where it has just been in use.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.orm import Session

from controller.formats import pin, qr_pass
from controller.formats.code_list import PinKdf
from sync.hub import store
from sync.hub.codes import Randomness, draw_pin
from sync.hub.keys import Keyring
from sync.hub.models import Credential, Door, DoorGroup, Grant, GrantBooking, PinSet, Room, Verifier
from sync.hub.windows import Opening

GRANT_PREFIX = "p-"
ID_BYTES = 8
# Margins reach at most two hours beyond the booked time.
MARGIN_MAX_S = 7_200
# A PIN is not given out again at its doors for 30 days (R002-04).
COOL_OFF_S = 30 * 86_400


@dataclass(frozen=True)
class Minter:
    """Makes the codes of one transaction's grant. `now` in UTC seconds."""

    session: Session
    keyring: Keyring
    chance: Randomness
    now: int

    def mint_missing(self, grant: Grant, rooms: Sequence[Room]) -> None:
        """Give an active grant the codes it has not got yet; those it has stay as they are (R000-04).

        Raises Refused `pin_space_low`."""
        held = [credential for credential in grant.credentials if credential.sealed is not None]
        groups = self._groups(rooms)
        if "pin" in grant.methods:
            for pin_set in sorted({group.pin_set for group in groups} - {each.pin_set for each in held}):
                self._mint_pin(grant, self.session.get_one(PinSet, pin_set))
        staff_qr = all(group.policy["staff_qr"] for group in groups)
        wants_qr = "qr" in grant.methods and (grant.kind == "renter" or staff_qr)
        if wants_qr and not any(each.qr_hash for each in held):
            self._mint_qr(grant, groups)

    def clear_text(self, credential: Credential) -> str | None:
        """The PIN or QR text, None once it is forgotten."""
        if credential.sealed is None:
            return None
        return self.keyring.unseal(credential.sealed, credential.id).decode("ascii")

    def verifiers(self, door: Door, grants: Collection[str]) -> dict[str, list[Verifier]]:
        """The verifiers of these grants' PINs at one door, by grant, deriving those that are missing (a new grant, a
        door that was added to its room)."""
        pin_set = self.session.get_one(PinSet, self.session.get_one(DoorGroup, door.door_group).pin_set)
        query = (
            select(Credential, Verifier)
            .outerjoin(Verifier, (Verifier.credential == Credential.id) & (Verifier.door == door.id))
            .where(Credential.grant_id.in_(grants), Credential.pin_set == pin_set.id)
        )
        found: dict[str, list[Verifier]] = {}
        for row in self.session.execute(query).all():
            credential: Credential = row.Credential
            verifier: Verifier | None = row.Verifier
            clear = self.clear_text(credential) if verifier is None else None
            if clear is not None:
                derived = pin.derive(clear, kdf_of(door, pin_set))
                # No other living PIN is equal; one that is over and only kept for its cool-off gives way.
                self.session.execute(delete(Verifier).where(Verifier.door == door.id, Verifier.verifier == derived))
                verifier = Verifier(credential=credential.id, door=door.id, verifier=derived)
                self.session.add(verifier)
            if verifier is not None:
                found.setdefault(credential.grant_id, []).append(verifier)
        return found

    def _groups(self, rooms: Sequence[Room]) -> list[DoorGroup]:
        """The door groups on the way: entrances first, then rooms in the order asked."""
        order = {room.door_group: place for place, room in enumerate(rooms)}
        doors = store.doors_to(self.session, [room.id for room in rooms])
        query = select(DoorGroup).join(Door, Door.door_group == DoorGroup.id).where(Door.id.in_(doors)).distinct()
        return sorted(self.session.scalars(query), key=lambda group: (order.get(group.id, -1), group.id))

    def _mint_pin(self, grant: Grant, pin_set: PinSet) -> None:
        alive = {clear for clear in map(self.clear_text, self._alive(pin_set)) if clear}
        doors = self._doors(grant, pin_set)
        while True:
            chosen = draw_pin(pin_set.digits, alive, self.chance.below)
            verifiers = {door.id: pin.derive(chosen, kdf_of(door, pin_set)) for door in doors}
            if not self._was_in_use(verifiers):
                break
            alive.add(chosen)
        credential = f"c-{self.chance.take_bytes(ID_BYTES).hex()}"
        self._keep(Credential(id=credential, grant_id=grant.id, pin_set=pin_set.id), chosen)
        for door, verifier in verifiers.items():
            self.session.add(Verifier(credential=credential, door=door, verifier=verifier))
        self.session.flush()

    def _alive(self, pin_set: PinSet) -> Iterable[Credential]:
        query = select(Credential).where(Credential.pin_set == pin_set.id, Credential.sealed.is_not(None))
        return self.session.scalars(query).all()

    def _doors(self, grant: Grant, pin_set: PinSet) -> Sequence[Door]:
        doors = store.doors_to(self.session, {booking.room for booking in grant.bookings})
        query = select(Door).join(DoorGroup, DoorGroup.id == Door.door_group)
        return self.session.scalars(query.where(Door.id.in_(doors), DoorGroup.pin_set == pin_set.id)).all()

    def _was_in_use(self, verifiers: dict[str, str]) -> bool:
        pairs = [(Verifier.door == door) & (Verifier.verifier == verifier) for door, verifier in verifiers.items()]
        return self.session.scalar(select(Verifier.credential).where(or_(*pairs)).limit(1)) is not None

    def _mint_qr(self, grant: Grant, groups: Sequence[DoorGroup]) -> None:
        # The first QR shares its random bytes with the grant's id: a pass that opened before any list knew it was
        # recorded as `p-` + these bytes, and goes on under that name once the list has it.
        number = store.take_number(self.session, self.now)
        own = bytes.fromhex(grant.id.removeprefix(GRANT_PREFIX))
        used = self.session.get(Credential, own.hex()) is not None
        made = self._pass(grant, groups, number, self.chance.take_bytes(qr_pass.CREDENTIAL_BYTES) if used else own)
        self._keep(Credential(id=made.credential, grant_id=grant.id, qr_hash=made.list_hash), made.text())
        self.session.flush()

    def _pass(self, grant: Grant, groups: Sequence[DoorGroup], number: int, credential: bytes) -> qr_pass.QrPass:
        openings = store.openings_of(self.session, grant)
        start, minutes = pass_window(openings)
        near = start <= self.now + qr_pass.ALONE_MAX_AHEAD_S and 0 < minutes <= qr_pass.ALONE_MAX_MINUTES
        once = len({(booking.start, booking.until) for booking in grant.bookings}) == 1
        minting = [group for group in groups if group.policy["passes"]][: len(qr_pass.TAG_BYTES)]
        keys: list[bytes] = []
        if near and once and grant.kind == "renter":
            keys = [self.keyring.unseal(group.sealed_key, f"group {group.id}") for group in minting]
        filler = self.chance.take_bytes(qr_pass.TAGS_AREA)
        return qr_pass.make_pass(credential, start, minutes if keys else 0, number, keys, filler)

    def _keep(self, credential: Credential, clear: str) -> None:
        credential.sealed = self.keyring.seal(clear.encode("ascii"), credential.id)
        self.session.add(credential)
        self.session.flush()


def pass_window(openings: Sequence[Opening]) -> tuple[int, int]:
    """(start, minutes) during which a pass may stand alone: whole minutes inside every one of the openings, so that
    it gets nobody into a neighbour's time. Minutes may be 0 or less when the openings have none in common."""
    start = -(-max((opening.start for opening in openings), default=0) // 60) * 60
    until = min((opening.until for opening in openings), default=0)
    return max(start, qr_pass.EPOCH_S), (until - start) // 60


def kdf_of(door: Door, pin_set: PinSet) -> PinKdf:
    """How PINs are derived for one door."""
    return PinKdf(salt=door.salt, memory_kib=pin_set.memory_kib, iterations=pin_set.iterations)


def forget_over(session: Session, now: int) -> None:
    """Forget the clear text of every code whose grant is cancelled or over, margins included, and after the cool-off
    its verifiers too."""
    cancelled = select(Grant.id).where(Grant.state == "cancelled")
    over = or_(
        Credential.grant_id.not_in(_booked_after(now - MARGIN_MAX_S)),
        Credential.grant_id.in_(cancelled),
    )
    for credential in session.scalars(select(Credential).where(Credential.sealed.is_not(None), over)):
        credential.sealed = None
    session.flush()
    cooled = select(Credential.id).where(
        Credential.sealed.is_(None), Credential.grant_id.not_in(_booked_after(now - COOL_OFF_S))
    )
    session.execute(delete(Verifier).where(Verifier.credential.in_(cooled)))


def _booked_after(instant: int) -> Select[str]:
    return select(GrantBooking.grant_id).where(GrantBooking.until > instant)
