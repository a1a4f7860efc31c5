"""Making a grant's PIN and QR, and forgetting them again.

One PIN per PIN set that the grant's doors belong to, one QR for all of them (R004-04, R004-12). The clear text rests
sealed until the grant is over; a mark of the PIN and the QR's hash stay, so that no code is given out again where it
has just been in use. What a door compares a PIN with is derived when its list is made (`issuing/list_builder.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Select, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from controller.formats import qr_pass
from controller.formats.code_list import PinKdf, Window
from sync.hub.booking.codes import Randomness, draw_where, slips
from sync.hub.booking.windows import Opening
from sync.hub.keys.keyring import Keyring
from sync.hub.store import questions
from sync.hub.store.bulk import add_rows
from sync.hub.store.models import (
    Credential,
    Door,
    DoorGroup,
    Grant,
    GrantBooking,
    ListRequest,
    PinMark,
    PinSet,
    Room,
    Verifier,
    Way,
)

GRANT_PREFIX = "p-"
GROUP_KEY_BYTES = 32
SALT_BYTES = 16
ID_BYTES = 8
# Margins reach at most two hours beyond the booked time.
MARGIN_MAX_S = 7_200
# A PIN is not given out again at its doors for 30 days (R002-04).
COOL_OFF_S = 30 * 86_400


# Put together once (see questions.py).
ON_THE_WAY: Final = select(Door.door_group).join(Way, Way.door == Door.id)
GROUPS_ON_THE_WAY: Final = select(DoorGroup).where(
    DoorGroup.id.in_(ON_THE_WAY.where(Way.room.in_(bindparam("rooms", expanding=True))))
)
MARKS_TAKEN: Final = (
    select(PinMark.mark)
    .where(PinMark.pin_set == bindparam("pin_set"), PinMark.mark.in_(bindparam("marks", expanding=True)))
    .limit(1)
)


@dataclass(frozen=True)
class Minter:
    """Makes the codes of one transaction, and asks for the lists that are to carry them. `now` in UTC seconds."""

    session: Session
    keyring: Keyring
    chance: Randomness
    now: int
    asked: set[str] = field(default_factory=set)
    """The doors whose lists this transaction asked for."""
    groups: dict[tuple[str, ...], list[DoorGroup]] = field(default_factory=dict)
    """The door groups on the way to rooms, looked up once."""
    openings: dict[str, list[Opening]] = field(default_factory=dict)
    """Of grants, by id, looked up once as long as nothing changes."""

    def ask_for_lists(self, doors: Iterable[str]) -> None:
        """Have the lists of these doors made anew once this transaction is done (`issuing/list_builder.py`)."""
        self.openings.clear()  # whatever changes when a grant opens comes by here
        wanted = sorted(set(doors) - self.asked)
        add_rows(self.session, ListRequest, [{"door": door, "at": self.now} for door in wanted])
        self.asked.update(wanted)

    def openings_of(self, grant: Grant) -> list[Opening]:
        """Every opening of a grant; none while it is pending or cancelled."""
        if grant.id not in self.openings:
            self.openings[grant.id] = questions.openings_of(self.session, grant)
        return self.openings[grant.id]

    def mint_missing(self, grant: Grant, rooms: Sequence[Room]) -> bool:
        """Give an active grant the codes it has not got yet, and tell whether it got any; those it has stay as they
        are (R000-04). Raises Refused `pin_space_low`."""
        own = [each for each in self.living(grant) if each.holder is None and each.ends_at is None]
        has = {(each.pin_set, each.duress) for each in own}
        made = [
            self.mint_pin(grant, pin_set, duress=duress)
            for pin_set in self.pin_sets(grant, rooms)
            for duress in pins_of(grant)
            if (pin_set.id, duress) not in has
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

    def mint_pins(self, grant: Grant, rooms: Sequence[Room], holder: str) -> list[Credential]:
        """The PINs of one more person, the one to use first. Raises Refused `pin_space_low`."""
        sets = self.pin_sets(grant, rooms)
        return [self.mint_pin(grant, each, holder, duress=duress) for duress in pins_of(grant) for each in sets]

    def mint_pin(self, grant: Grant, pin_set: PinSet, holder: str | None = None, *, duress: bool = False) -> Credential:
        """A new PIN of the grant. Raises Refused `pin_space_low`."""

        def is_free(chosen: str) -> bool:
            marks = self._marks(pin_set, chosen)
            return not questions.plain_rows(self.session, MARKS_TAKEN, {"pin_set": pin_set.id, "marks": marks})

        name = f"c-{self.chance.take_bytes(ID_BYTES).hex()}"
        chosen = draw_where(pin_set.digits, is_free, self.chance.below)
        made = self._keep(Credential(id=name, pin_set=pin_set.id, holder=holder, duress=duress), grant, chosen)
        marks = {mark: place == pin_set.digits for place, mark in enumerate(self._marks(pin_set, chosen))}
        same = {"pin_set": pin_set.id, "credential": name}
        add_rows(self.session, PinMark, [{**same, "mark": mark, "whole": whole} for mark, whole in marks.items()])
        return made

    def mint_qr(self, grant: Grant, rooms: Sequence[Room], holder: str | None = None) -> Credential:
        """A new QR of the grant."""
        # The first QR shares its random bytes with the grant's id: a pass that opened before any list knew it was
        # recorded as `p-` + these bytes, and goes on under that name once the list has it.
        number = questions.take_number(self.session, self.now)
        own = bytes.fromhex(grant.id.removeprefix(GRANT_PREFIX))
        used = self.session.get(Credential, own.hex()) is not None
        chosen = self.chance.take_bytes(qr_pass.CREDENTIAL_BYTES) if used else own
        # A pass that stands alone is judged before any list knows its life: only the holder's first one may.
        made = self._pass(grant, self._groups(rooms), number, chosen, alone=not used and grant.max_uses is None)
        kept = Credential(id=made.credential, qr_hash=made.list_hash, holder=holder)
        return self._keep(kept, grant, made.text())

    def new_pass_key(self, group: DoorGroup) -> None:
        """A group's passes are made with another key from now on, and with none before it: what was minted with those
        opens by itself only at doors that have not heard of this."""
        group.sealed_key = self.keyring.seal(self.chance.take_bytes(GROUP_KEY_BYTES), f"group {group.id}")
        group.sealed_previous_key = None
        number = questions.take_number(self.session, self.now)
        self.session.execute(update(Door).where(Door.door_group == group.id).values(keyed_at=number))

    def clear_text(self, credential: Credential) -> str | None:
        """The PIN or QR text, None once it is forgotten."""
        sealed = credential.sealed
        return None if sealed is None else clear_text(self.keyring, credential.id, sealed)

    def _groups(self, rooms: Sequence[Room]) -> list[DoorGroup]:
        """The door groups on the way: entrances first, then rooms in the order asked."""
        order = {room.door_group: place for place, room in enumerate(rooms)}
        names = tuple(room.id for room in rooms)
        if names not in self.groups:
            self.groups[names] = list(self.session.scalars(GROUPS_ON_THE_WAY, {"rooms": names}))
        return sorted(self.groups[names], key=lambda group: (order.get(group.id, -1), group.id))

    def _marks(self, pin_set: PinSet, chosen: str) -> list[str]:
        """The marks of a PIN with each digit in turn blotted out, and last that of the PIN itself."""
        return [self.keyring.mark(f"{pin_set.id} {each}") for each in (*slips(chosen), chosen)]

    def _pass(
        self, grant: Grant, groups: Sequence[DoorGroup], number: int, credential: bytes, *, alone: bool
    ) -> qr_pass.QrPass:
        start, minutes = pass_window(next_openings(grant, self.openings_of(grant), self.now))
        near = start <= self.now + qr_pass.ALONE_MAX_AHEAD_S and 0 < minutes <= qr_pass.ALONE_MAX_MINUTES
        minting = [group for group in groups if group.policy["passes"]][: len(qr_pass.TAG_BYTES)]
        keys: list[bytes] = []
        if alone and near and grant.kind == "renter":
            keys = [self.keyring.unseal(group.sealed_key, f"group {group.id}") for group in minting]
        filler = self.chance.take_bytes(qr_pass.TAGS_AREA)
        return qr_pass.make_pass(credential, start, minutes if keys else 0, number, keys, filler)

    def _keep(self, credential: Credential, grant: Grant, clear: str) -> Credential:
        credential.sealed = self.keyring.seal(clear.encode("ascii"), credential.id)
        grant.credentials.append(credential)
        self.session.flush()
        return credential


def next_stretch(grant: Grant, now: int) -> Window | None:
    """The first booked time of a grant that is not over."""
    return min(((each.start, each.until) for each in grant.bookings if each.until > now), default=None)


def next_openings(grant: Grant, openings: Iterable[Opening], now: int) -> list[Opening]:
    """The openings for the first booked time that is not over: of a series, those of its next evening. That is what a
    pass may say by itself (docs/adr); every later time is in the list long before it comes."""
    stretch = next_stretch(grant, now)
    if stretch is None:
        return []
    return [each for each in openings if each.start <= stretch[0] and stretch[1] <= each.until]


def pass_window(openings: Sequence[Opening]) -> tuple[int, int]:
    """(start, minutes) during which a pass may stand alone: whole minutes inside every one of the openings, so that
    it gets nobody into a neighbour's time. Minutes may be 0 or less when the openings have none in common."""
    start = -(-max((opening.start for opening in openings), default=0) // 60) * 60
    until = min((opening.until for opening in openings), default=0)
    return max(start, qr_pass.EPOCH_S), (until - start) // 60


def pins_of(grant: Grant) -> tuple[bool, ...]:
    """Which PINs a person of the grant has in a PIN set: the one to use, and for staff the one to give under threat,
    which is as far from every other PIN. A renter has no use for an alarm that nobody explained to them."""
    return (False,) if grant.kind == "renter" else (False, True)


def clear_text(keyring: Keyring, name: str, sealed: bytes) -> str:
    """The PIN or QR text of the credential `name`. Raises Refused `bad_seal`."""
    return keyring.unseal(sealed, name).decode("ascii")


def kdf_of(door: Door, pin_set: PinSet) -> PinKdf:
    """How PINs are derived for one door."""
    return PinKdf(salt=door.salt, memory_kib=pin_set.memory_kib, iterations=pin_set.iterations)


def forget_over(session: Session, now: int) -> None:
    """Forget the clear text of every code that has ended or whose grant is cancelled or over, margins included, and
    after the cool-off its last mark and its verifiers too."""
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
    session.execute(delete(PinMark).where(PinMark.credential.in_(forgotten), PinMark.whole.is_(False)))
    cooled = forgotten.where(
        or_(Credential.grant_id.not_in(_booked_after(now - COOL_OFF_S)), Credential.ends_at <= now - COOL_OFF_S)
    )
    session.execute(delete(PinMark).where(PinMark.credential.in_(cooled)))
    session.execute(delete(Verifier).where(Verifier.credential.in_(cooled)))


def _booked_after(instant: int) -> Select[str]:
    return select(GrantBooking.grant_id).where(GrantBooking.until > instant)
