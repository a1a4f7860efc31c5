"""Makes the lists that were asked for: beside the calls, each door's once however many calls asked (R002-17, R002-19).

Whatever changes a door's list leaves a `ListRequest` in the same transaction. A builder then

1. takes a statement number. Whatever has a lower one (a pass, an earlier list) is in the database from here on;
2. looks at everything the door's list is made from, at one moment and without a lock (`lists.py`);
3. derives the PIN verifiers that are missing, with nothing locked;
4. stores, signs and hands over the list: in one short transaction, if nothing was stored for the door since the look.

It takes a handful of doors through these steps together.

So several hubs on one database may build at once: whoever comes second finds the work done, or looks again.

    builder = ListBuilder(bench)
    builder.build(now)                  # everything that is asked for; without a thread
    worker = BuilderThread(builder)     # in a hub that serves: made within two seconds of being asked for
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import msgspec
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from controller.formats import pin
from controller.formats.code_list import TYP, CodeList, PinKdf, dump, parse, payload_hash
from controller.formats.envelope import seal, unverified
from controller.formats.errors import Refused
from sync.hub import store
from sync.hub.credentials import Minter
from sync.hub.issuer import REFRESH_S, content_hash, needs_refresh, windows_moved
from sync.hub.lists import Look, look_at
from sync.hub.models import Delivery, Door, DoorList, Grant, ListRequest, Verifier
from sync.hub.workbench import Workbench

Derive = Callable[[str, PinKdf], str]

DERIVE_THREADS = 2
"""A derivation releases the interpreter; one booking has two, at the entrance and at the room."""

TOGETHER = 20
"""Doors whose lists are stored in one transaction and handed over at once: a change that concerns every door would
otherwise spend most of its time in commits."""

GATHER_S = 0.2
"""A burst of calls becomes one list a door."""

LOOK_EVERY_S = 5.0
"""How often requests are looked for that nobody told of: those of a hub that has ended since."""

log = logging.getLogger(__name__)


class ListBuilder:
    """`derive` is how a PIN becomes a verifier."""

    def __init__(self, bench: Workbench, derive: Derive = pin.derive) -> None:
        self._bench = bench
        self._derive = derive
        self._pool = ThreadPoolExecutor(DERIVE_THREADS, "derive")

    def build(self, now: int) -> list[str]:
        """Bring every list up to date that was asked for, and hand over those that changed; the doors of those.
        Raises Refused `bad_list`, `bad_seal` after all the others were done."""
        changed: list[str] = []
        refused: Refused | None = None
        doors = self._bench.look(_asked_for)
        for start in range(0, len(doors), TOGETHER):
            done, error = self._bring_up_to_date(doors[start : start + TOGETHER], now)
            self._bench.publish(done, now)
            changed += done
            refused = error or refused
        if refused is not None:
            raise refused
        return changed

    def _bring_up_to_date(self, doors: list[str], now: int) -> tuple[list[str], Refused | None]:
        """The doors that got a new list, and what was refused."""
        results: dict[str, bool | None] = {}
        refused: Refused | None = None
        if len(doors) > 1:
            try:
                results = self._try(doors, now)
            except Refused:
                results = {}  # one of them; which one shows when each is tried alone
        for door in doors:
            try:
                while results.get(door) is None:
                    results |= self._try([door], now)
            except Refused as error:
                refused = error
        return [door for door in doors if results.get(door)], refused

    def _try(self, doors: list[str], now: int) -> dict[str, bool | None]:
        """Whether each door got a new list, None when somebody else was quicker. Of several doors those that need
        derivations are left out: the others would have to wait for them."""
        bench = self._bench
        first = bench.run(now, lambda minter: store.take_numbers(minter.session, now, len(doors)))
        looks = bench.look(lambda session: [look_at(session, bench.keyring, door, now) for door in doors])
        ready: list[tuple[Look, CodeList, dict[str, str]]] = []
        for number, look in enumerate(looks, first):
            if look is not None and (len(doors) == 1 or not look.underived):
                derived = self._verifiers(look)
                ready.append((look, look.draft(number, now, derived), derived))
        gone = [door for door, look in zip(doors, looks, strict=True) if look is None]

        def store_all(minter: Minter) -> dict[str, bool | None]:
            results: dict[str, bool | None] = dict.fromkeys(gone, False)
            for door in gone:
                _drop_requests(minter.session, door)
            for look, draft, derived in ready:
                results[draft.door] = self._store(minter.session, look, draft, derived)
            return results

        return bench.run(now, store_all)

    def _verifiers(self, look: Look) -> dict[str, str]:
        """What is missing, by credential."""
        wanted = look.underived
        made = self._pool.map(lambda each: self._derive(each.clear or "", look.kdf), wanted)
        return {each.credential: verifier for each, verifier in zip(wanted, made, strict=True)}

    def _store(self, session: Session, look: Look, draft: CodeList, derived: dict[str, str]) -> bool | None:
        """Whether there is a new list; None when the look is out of date."""
        door = session.get(Door, draft.door, with_for_update=True, populate_existing=True)
        row = session.get(DoorList, draft.door, populate_existing=True)
        version = 0 if row is None else row.version
        if door is None or door.salt != look.kdf.salt or door.epoch != look.door.epoch:
            return None
        if version != look.stored.version or draft.version <= version:
            return None
        session.execute(delete(ListRequest).where(ListRequest.id.in_(look.requests)))
        _keep_verifiers(session, door.id, derived)
        stored = look.stored
        due = row is None or needs_refresh(row.refresh_after - REFRESH_S, row.refresh_after, draft.issued)
        other = stored.content != content_hash(draft)
        changed = due or other
        if row is not None and other:
            _await_again(session, row, draft)
        if changed:
            shrink = _shrinks(session, door, look, draft)
            row = self._signed(session, row, msgspec.structs.replace(draft, shrink=shrink))
        assert row is not None
        _mark_delivered(session, look, row)
        return changed

    def _signed(self, session: Session, row: DoorList | None, code_list: CodeList) -> DoorList:
        payload = dump(code_list)
        row = row or DoorList(door=code_list.door)
        row.version, row.hash, row.content = code_list.version, payload_hash(payload), content_hash(code_list)
        row.shrink, row.grants = code_list.shrink, [grant.id for grant in code_list.grants]
        row.refresh_after, row.published_at = code_list.refresh_after, None
        row.envelope = seal(payload, TYP, self._bench.keyring.list_key)
        session.add(row)
        session.flush()
        return row


class BuilderThread:
    """A builder that works beside the calls, for a hub that serves. `clock` gives UTC seconds."""

    def __init__(self, builder: ListBuilder, clock: Callable[[], float] = time.time) -> None:
        self._builder = builder
        self._clock = clock
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hub-lists")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the lists at hand. What is asked for stays asked for."""
        self._stopping.set()
        self._wanted.set()
        self._thread.join()

    def wake(self, _now: int) -> None:
        """Lists are asked for. Returns at once."""
        self._wanted.set()

    def _work(self) -> None:
        while not self._stopping.is_set():
            if self._wanted.wait(LOOK_EVERY_S):
                self._stopping.wait(GATHER_S)
            self._wanted.clear()
            try:
                self._builder.build(int(self._clock()))
            except (SQLAlchemyError, Refused):
                log.exception("a list could not be made; it stays asked for")
                self._stopping.wait(LOOK_EVERY_S)


def _asked_for(session: Session) -> list[str]:
    """The doors with requests, whoever waits longest first."""
    query = select(ListRequest.door).group_by(ListRequest.door).order_by(func.min(ListRequest.id))
    return list(session.scalars(query))


def _drop_requests(session: Session, door: str) -> None:
    session.execute(delete(ListRequest).where(ListRequest.door == door))


def _keep_verifiers(session: Session, door: str, derived: Mapping[str, str]) -> None:
    # No other living PIN is equal; one that is over and only kept because its grant is still in the list gives way.
    session.execute(delete(Verifier).where(Verifier.door == door, Verifier.verifier.in_(derived.values())))
    for credential, verifier in derived.items():
        session.merge(Verifier(credential=credential, door=door, verifier=verifier))
    session.flush()


def _shrinks(session: Session, door: Door, look: Look, draft: CodeList) -> bool:
    """Whether the list may say that losing grants is meant: when every grant that is gone from it is still known here.
    A hub that forgot its grants (an old backup, a lost table) cannot empty its doors.

    The word is repeated until the door has taken a list that carried it."""
    stored, present = look.stored, {grant.id for grant in draft.grants}
    gone = set(stored.grants) - present
    known = set(session.scalars(select(Grant.id).where(Grant.id.in_(gone))))
    unheard = stored.shrink and door.reported_version < stored.version
    return known == gone and (bool(gone) or not present or unheard)


def _await_again(session: Session, row: DoorList, draft: CodeList) -> None:
    """Whom a neighbour gave other margins is no longer at the door as it is now: not before this list is."""
    moved = windows_moved(parse(unverified(row.envelope).payload), draft)
    here = (Delivery.grant_id.in_(moved), Delivery.door == row.door, Delivery.version.is_not(None))
    if moved:
        values = {"version": draft.version, "held_before": True, "since": draft.issued}
        session.execute(update(Delivery).where(*here).values(values))


def _mark_delivered(session: Session, look: Look, row: DoorList) -> None:
    """What the list carries, or rightly leaves out, counts as applied once the door reports its number."""
    carried = set(row.grants)
    for each in look.awaited:
        if not each.travels or each.grant in carried:
            here = (Delivery.grant_id == each.grant, Delivery.door == row.door)
            still = (Delivery.version.is_(None), Delivery.asked == each.asked)
            session.execute(update(Delivery).where(*here, *still).values(version=row.version))
