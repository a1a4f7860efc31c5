"""The hub's work, one method per thing that can happen to it: a reservation comes, a door reports, time passes.

Each is one transaction; the lists it changes are made after it: at once, or by the thread of a hub that serves
(`issuing/list_builder.py`). Time is always an argument (whole UTC seconds), randomness comes from the constructor: the
same calls with the same seed give the same doors. What is asked about reservations is here; the other desks are
`town/clients.py`, `town/rooms.py`, `doors/desk.py` and `upkeep.py`.

    service = Service(open_database(url), Keyring.load(folder))
    service.attach(link)                                   # anything with publish(topic, payload, retain)
    answer, created = service.put("booking", "R-1", wish, now)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict

from controller.formats import pin
from controller.formats.code_list import Kind
from controller.formats.errors import Refused
from sync.hub.booking import lifecycle, pin_space, reservations, rotation
from sync.hub.booking.answers import Answer, HandedOver, answer_of, note
from sync.hub.booking.codes import Randomness
from sync.hub.booking.credentials import Minter
from sync.hub.booking.reservations import Method, Wish
from sync.hub.doors.desk import DoorDesk
from sync.hub.issuing.list_builder import Derive, ListBuilder
from sync.hub.keys.keyring import Keyring
from sync.hub.store import questions
from sync.hub.store.database import Sessions
from sync.hub.store.models import Client, Handover, Reservation, Room
from sync.hub.town.clients import ClientDesk
from sync.hub.town.rooms import RoomDesk
from sync.hub.upkeep import Upkeep
from sync.hub.workbench import Publisher, Workbench

AHEAD_S = 120
"""How far a caller's clock may be off when it tells when it handed a code over."""


class Service(ClientDesk, DoorDesk, RoomDesk, Upkeep):
    """The hub, apart from its transports."""

    def __init__(
        self, sessions: Sessions, keyring: Keyring, chance: Randomness | None = None, derive: Derive = pin.derive
    ) -> None:
        self.bench = Workbench(sessions, keyring, chance or Randomness())
        self.lists = ListBuilder(self.bench, derive)
        self.bench.when_lists_are_wanted(self.lists.build)
        super().__init__()

    def attach(self, publisher: Publisher) -> None:
        """From now on lists are handed to `publisher`. Without one they wait in the database."""
        self.bench.attach(publisher)

    def put(self, client: str, ref: str, wish: Wish, now: int) -> tuple[Answer, bool]:
        """Create or replace a reservation; the flag says created. Repeating a call changes nothing and answers the
        same. Raises Refused: `unknown_room`, `window_required`, `too_far_ahead`, `bad_request`, `stale_revision`,
        `overlap`, `not_found` (what it replaces), `not_owner`, `pin_space_low`, `door_full`."""

        return self.bench.run(now, lambda minter: self._put(minter, client, ref, wish))

    def swap(self, client: str, cancelled: str, ref: str, wish: Wish, now: int) -> tuple[Answer, bool]:
        """Cancel one reservation and put another in one transaction, so that never both and never neither may enter
        (R004-16). Codes do not go over: these are two holders. Raises what `put` raises."""

        def work(minter: Minter) -> tuple[Answer, bool]:
            displaced = questions.reservation_of(minter.session, client, cancelled)
            if displaced.grant.state != "cancelled":
                before = displaced.grant.state
                minter.ask_for_lists(reservations.cancel(minter.session, displaced, minter.now))
                note(minter.session, displaced, "swapped out", minter.now)
                lifecycle.written(minter.session, displaced, before, minter.now)
            return self._put(minter, client, ref, wish)

        if cancelled == ref:
            raise Refused("bad_request", "cancel", "a reservation cannot be swapped with itself")
        return self.bench.run(now, work)

    def get(self, client: str, ref: str, now: int) -> Answer:
        """What holds for a reservation, without codes. Raises Refused `not_found`."""
        bench = self.bench
        return bench.look(
            lambda session: answer_of(
                Minter(session, bench.keyring, bench.chance, now),
                questions.reservation_of(session, client, ref),
                reveal=False,
            )
        )

    def reveal(self, client: str, ref: str, now: int) -> Answer:
        """The codes in clear, for their owner, once their time has come; recorded (R002-07). Raises Refused
        `not_found`, `not_yet` before that time."""

        def work(minter: Minter) -> Answer:
            reservation = questions.reservation_of(minter.session, client, ref)
            if now < reservation.grant.reveal_at:
                raise Refused("not_yet", "ref", "the codes may not be shown before `reveal_at`")
            return answer_of(minter, reservation, reveal=True)

        return self.bench.run(now, work)

    def rotate(self, client: str, ref: str, now: int) -> Answer:
        """New codes; the old ones die with the next list (R002-23). Raises Refused `not_found`, `bad_request`,
        `pin_space_low`."""
        return self._change(client, ref, now, "rotated", rotation.rotate)

    def add_credential(self, client: str, ref: str, method: Method, holder: str, now: int) -> tuple[Answer, str]:
        """A further code for one more person (R002-05); the answer and its id. Raises Refused `not_found`,
        `bad_request`, `pin_space_low`."""
        added: list[str] = []

        def add(minter: Minter, reservation: Reservation) -> set[str]:
            name, doors = rotation.add_credential(minter, reservation, method, holder)
            added[:] = [name]
            return doors

        return self._change(client, ref, now, "credential added", add), added[0]

    def revoke(self, client: str, ref: str, credential: str, now: int) -> Answer:
        """End one code; the others go on. Raises Refused `not_found`."""
        return self._change(
            client, ref, now, "credential revoked",
            lambda minter, each: rotation.revoke(minter, each, credential), ending=True,
        )  # fmt: skip

    def hand_over(self, client: str, ref: str, told: HandedOver, now: int) -> Answer:
        """Note how the codes of a reservation reached their holder, or did not (R004-10). Raises Refused `not_found`,
        `bad_request` for what was before the codes could be shown, or is still to come."""

        def work(minter: Minter) -> Answer:
            reservation = questions.reservation_of(minter.session, client, ref, lock=True)
            if not reservation.grant.reveal_at - AHEAD_S <= told.at <= now + AHEAD_S:
                raise Refused("bad_request", "at", "between the time the codes may be shown and now")
            minter.session.add(Handover(grant_id=reservation.grant_id, **asdict(told)))
            minter.session.flush()
            note(minter.session, reservation, "handed over" if told.ok else "not handed over", now)
            return answer_of(minter, reservation, reveal=False)

        return self.bench.run(now, work)

    def _change(
        self,
        client: str,
        ref: str,
        now: int,
        action: str,
        change: Callable[[Minter, Reservation], set[str]],
        *,
        ending: bool = False,
    ) -> Answer:
        def work(minter: Minter) -> Answer:
            reservation = questions.reservation_of(minter.session, client, ref, lock=True)
            if not ending:
                grant = reservation.grant
                _check_books(client, grant.kind, questions.rooms_of_grant(minter.session, grant), now)
            minter.ask_for_lists(change(minter, reservation))
            note(minter.session, reservation, action, now)
            return answer_of(minter, reservation, reveal=True)

        return self.bench.run(now, work)

    def _put(self, minter: Minter, client_id: str, ref: str, wish: Wish) -> tuple[Answer, bool]:
        session, now = minter.session, minter.now
        client = session.get_one(Client, client_id)
        _check_may(client, ref, wish)
        # A cancellation must get through whatever has become of the rooms since.
        rooms = questions.rooms_of(session, client, () if wish.state == "cancelled" else wish.rooms)
        _check_books(client_id, wish.kind, rooms, now)
        windows = reservations.booked_windows(wish, rooms, now)
        reservation = session.get(Reservation, (client_id, ref), with_for_update={"of": Reservation})
        created = reservation is None
        if reservation is None:
            reservation = reservations.new_reservation(client_id, ref, self.bench.chance)
        elif reservations.is_repeat(reservation, wish):
            return answer_of(minter, reservation, reveal=True), False
        before = None if created else reservation.grant.state
        replaced: Reservation | None = None
        if wish.replaces is not None:
            # Cancelled first: the new one may stand exactly where the old one stood.
            replaced = questions.reservation_of(session, client_id, wish.replaces, lock=True)
            minter.ask_for_lists(reservations.cancel(session, replaced, now))
        minter.ask_for_lists(reservations.write(session, reservation, wish, rooms, windows, now))
        if replaced is not None:
            reservations.take_over(session, reservation, replaced)
        grant = reservation.grant
        if wish.state == "active":
            made = minter.mint_missing(grant, rooms)
            pin_space.check_room_left(session, grant, wish.rooms, now)
        note(session, reservation, "created" if created else "replaced", now)
        answer = answer_of(minter, reservation, reveal=True)
        if replaced is not None:
            lifecycle.written(session, replaced, None, now)
        codes = wish.state == "active" and (made or before != "active")
        lifecycle.written(session, reservation, before, now, codes=codes)
        return answer, created


def _check_books(client: str, kind: Kind, rooms: Iterable[Room], now: int) -> None:
    """A room may be one client's to book; moved to another, from that instant on the one before writes no more
    (R004-22). Staff and suppliers come by whichever tool plans them."""
    for room in rooms:
        moved = room.moves_at is not None and room.moves_at <= now
        books = room.next_client if moved else room.client
        if kind == "renter" and books not in {None, client}:
            raise Refused("not_owner", "rooms", f"room {room.id} is booked by another client")


def _check_may(client: Client, ref: str, wish: Wish) -> None:
    if client.owner is not None and wish.kind == "renter":
        raise Refused("not_owner", "category", "an external owner lets in staff; renters come by the town")
    if wish.replaces == ref:
        raise Refused("bad_request", "replaces", "a reservation cannot replace itself; send a higher revision")
