"""Making a grant's PIN and QR, and forgetting them again.

One PIN per PIN set that the grant's doors belong to, one QR for all of them (R004-04, R004-12). The clear text rests
sealed until the grant is over; what doors compare with (a verifier per door, the QR's hash) stays, so that no code is
given out again where it has just been in use.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.orm import Session

from controller.formats import qr_pass
from controller.formats.code_list import PinKdf
from sync.hub import store
from sync.hub.codes import Randomness, draw_where, slips
from sync.hub.derivations import Derivations
from sync.hub.keys import Keyring
from sync.hub.models import Credential, Door, DoorGroup, Grant, GrantBooking, PinMark, PinSet, Room, Verifier
from sync.hub.windows import Opening

GRANT_PREFIX = "p-"
ID_BYTES = 8
# Margins reach at most two hours beyond the booked time.
MARGIN_MAX_S = 7_200
# A PIN is not given out again at its doors for 30 days (R002-04).
COOL_OFF_S = 30 * 86_400


@dataclass(frozen=True)
class Minter:
    """Makes the codes of one transaction. `now` in UTC seconds. Anything here may raise `Underived`: then the whole
    transaction is run again (derivations.py)."""

    session: Session
    keyring: Keyring
    chance: Randomness
    now: int
    derivations: Derivations = field(default_factory=Derivations)

    def mint_missing(self, grant: Grant, rooms: Sequence[Room]) -> bool:
        """Give an active grant the codes it has not got yet, and tell whether it got any; those it has stay as they
        are (R000-04). Raises Refused `pin_space_low`."""
        own = [each for each in self.living(grant) if each.holder is None and each.ends_at is None]
        made = [
            self.mint_pin(grant, pin_set)
            for pin_set in self.pin_sets(grant, rooms)
            if all(each.pin_set != pin_set.id for each in own)
        ]
        if self.wants_qr(grant, rooms) and not any(each.qr_hash for each in own):
            made.append(self.mint_qr(grant, rooms))
        return bool(made)

    def living(self, grant: Grant) -> list[Credential]:
        """The credentials of a grant that have not ended and are not forgotten."""
        return [each for each in grant.credentials if each.sealed is not None and each.opens_at(self.now)]

    def pin_sets(self, grant: Grant, rooms: Sequence[Room]) -> list[PinSet]:
        """The PIN sets in which the grant needs a PIN."""
        names = {group.pin_set for group in self._groups(rooms)} if "pin" in grant.methods else set()
        return [self.session.get_one(PinSet, name) for name in sorted(names)]

    def wants_qr(self, grant: Grant, rooms: Sequence[Room]) -> bool:
        """Whether the grant gets a QR: a renter does, staff where the policy of all doors on the way says so."""
        staff_qr = all(group.policy["staff_qr"] for group in self._groups(rooms))
        return "qr" in grant.methods and (grant.kind == "renter" or staff_qr)

    def mint_pin(self, grant: Grant, pin_set: PinSet, holder: str | None = None) -> Credential:
        """A new PIN of the grant. Raises Refused `pin_space_low`."""
        kdfs = {door.id: kdf_of(door, pin_set) for door in self._doors(grant, pin_set)}
        for chosen in self._candidates(pin_set):
            derived = self.derivations.verifiers((chosen, kdf) for kdf in kdfs.values())
            verifiers = {door: derived[chosen, kdf] for door, kdf in kdfs.items()}
            if not self._was_in_use(verifiers):
                break
        name = f"c-{self.chance.take_bytes(ID_BYTES).hex()}"
        made = self._keep(Credential(id=name, pin_set=pin_set.id, holder=holder), grant, chosen)
        marks = self._marks(pin_set, chosen)
        self.session.add_all(PinMark(pin_set=pin_set.id, mark=mark, credential=name) for mark in marks)
        self.session.add_all(
            Verifier(credential=name, door=door, verifier=verifier) for door, verifier in verifiers.items()
        )
        self.session.flush()
        return made

    def mint_qr(self, grant: Grant, rooms: Sequence[Room], holder: str | None = None) -> Credential:
        """A new QR of the grant."""
        # The first QR shares its random bytes with the grant's id: a pass that opened before any list knew it was
        # recorded as `p-` + these bytes, and goes on under that name once the list has it.
        number = store.take_number(self.session, self.now)
        own = bytes.fromhex(grant.id.removeprefix(GRANT_PREFIX))
        used = self.session.get(Credential, own.hex()) is not None
        chosen = self.chance.take_bytes(qr_pass.CREDENTIAL_BYTES) if used else own
        # A pass that stands alone is judged before any list knows its life: only the holder's first one may.
        made = self._pass(grant, self._groups(rooms), number, chosen, alone=not used and grant.max_uses is None)
        kept = Credential(id=made.credential, qr_hash=made.list_hash, holder=holder)
        return self._keep(kept, grant, made.text())

    def clear_text(self, credential: Credential) -> str | None:
        """The PIN or QR text, None once it is forgotten."""
        if credential.sealed is None:
            return None
        return self.keyring.unseal(credential.sealed, credential.id).decode("ascii")

    def verifiers(self, door: Door, grants: Collection[str]) -> dict[str, list[Verifier]]:
        """The verifiers of these grants' living PINs at one door, by grant, deriving those that are missing (a new
        grant, a door that was added to its room or re-keyed)."""
        pin_set = self.session.get_one(PinSet, self.session.get_one(DoorGroup, door.door_group).pin_set)
        kdf = kdf_of(door, pin_set)
        query = (
            select(Credential, Verifier)
            .outerjoin(Verifier, (Verifier.credential == Credential.id) & (Verifier.door == door.id))
            .where(Credential.grant_id.in_(grants), Credential.pin_set == pin_set.id)
            .where(or_(Credential.ends_at.is_(None), Credential.ends_at > self.now))
        )
        rows = self.session.execute(query).all()
        missing = {row.Credential: self.clear_text(row.Credential) for row in rows if row.Verifier is None}
        derived = self.derivations.verifiers((clear, kdf) for clear in missing.values() if clear is not None)
        found: dict[str, list[Verifier]] = {}
        for row in rows:
            credential: Credential = row.Credential
            verifier: Verifier | None = row.Verifier
            clear = missing.get(credential)
            if clear is not None:
                name = derived[clear, kdf]
                # No other living PIN is equal; one that is over and only kept for its cool-off gives way.
                self.session.execute(delete(Verifier).where(Verifier.door == door.id, Verifier.verifier == name))
                verifier = Verifier(credential=credential.id, door=door.id, verifier=name)
                self.session.add(verifier)
            if verifier is not None:
                found.setdefault(credential.grant_id, []).append(verifier)
        return found

    def _groups(self, rooms: Sequence[Room]) -> list[DoorGroup]:
        """The door groups on the way: entrances first, then rooms in the order asked."""
        order = {room.door_group: place for place, room in enumerate(rooms)}
        doors = store.doors_to(self.session, [room.id for room in rooms])
        query = select(DoorGroup).where(DoorGroup.id.in_(select(Door.door_group).where(Door.id.in_(doors))))
        return sorted(self.session.scalars(query), key=lambda group: (order.get(group.id, -1), group.id))

    def _candidates(self, pin_set: PinSet) -> Iterator[str]:
        def is_free(chosen: str) -> bool:
            marks = self._marks(pin_set, chosen)
            taken = select(PinMark.mark).where(PinMark.pin_set == pin_set.id, PinMark.mark.in_(marks))
            return self.session.scalar(taken.limit(1)) is None

        def draw() -> str:
            return draw_where(pin_set.digits, is_free, self.chance.below)

        return filter(is_free, self.derivations.pins(pin_set.digits, draw))

    def _marks(self, pin_set: PinSet, chosen: str) -> list[str]:
        return [self.keyring.mark(f"{pin_set.id} {slip}") for slip in slips(chosen)]

    def _doors(self, grant: Grant, pin_set: PinSet) -> Sequence[Door]:
        doors = store.doors_to(self.session, {booking.room for booking in grant.bookings})
        query = select(Door).join(DoorGroup, DoorGroup.id == Door.door_group)
        return self.session.scalars(query.where(Door.id.in_(doors), DoorGroup.pin_set == pin_set.id)).all()

    def _was_in_use(self, verifiers: dict[str, str]) -> bool:
        pairs = [(Verifier.door == door) & (Verifier.verifier == verifier) for door, verifier in verifiers.items()]
        return self.session.scalar(select(Verifier.credential).where(or_(*pairs)).limit(1)) is not None

    def _pass(
        self, grant: Grant, groups: Sequence[DoorGroup], number: int, credential: bytes, *, alone: bool
    ) -> qr_pass.QrPass:
        openings = store.openings_of(self.session, grant)
        start, minutes = pass_window(openings)
        near = start <= self.now + qr_pass.ALONE_MAX_AHEAD_S and 0 < minutes <= qr_pass.ALONE_MAX_MINUTES
        once = len({(booking.start, booking.until) for booking in grant.bookings}) == 1
        minting = [group for group in groups if group.policy["passes"]][: len(qr_pass.TAG_BYTES)]
        keys: list[bytes] = []
        if alone and near and once and grant.kind == "renter":
            keys = [self.keyring.unseal(group.sealed_key, f"group {group.id}") for group in minting]
        filler = self.chance.take_bytes(qr_pass.TAGS_AREA)
        return qr_pass.make_pass(credential, start, minutes if keys else 0, number, keys, filler)

    def _keep(self, credential: Credential, grant: Grant, clear: str) -> Credential:
        credential.sealed = self.keyring.seal(clear.encode("ascii"), credential.id)
        grant.credentials.append(credential)
        self.session.flush()
        return credential


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
    """Forget the clear text of every code that has ended or whose grant is cancelled or over, margins included, and
    after the cool-off its verifiers too."""
    cancelled = select(Grant.id).where(Grant.state == "cancelled")
    over = or_(
        Credential.grant_id.not_in(_booked_after(now - MARGIN_MAX_S)),
        Credential.grant_id.in_(cancelled),
        Credential.ends_at <= now,
    )
    for credential in session.scalars(select(Credential).where(Credential.sealed.is_not(None), over)):
        credential.sealed = None
    session.flush()
    forgotten = select(Credential.id).where(Credential.sealed.is_(None))
    session.execute(delete(PinMark).where(PinMark.credential.in_(forgotten)))
    cooled = forgotten.where(
        or_(Credential.grant_id.not_in(_booked_after(now - COOL_OFF_S)), Credential.ends_at <= now - COOL_OFF_S)
    )
    session.execute(delete(Verifier).where(Verifier.credential.in_(cooled)))


def _booked_after(instant: int) -> Select[str]:
    return select(GrantBooking.grant_id).where(GrantBooking.until > instant)
