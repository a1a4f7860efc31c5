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
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from controller.formats import pin
from controller.formats.code_list import TYP, CodeList, PinKdf, dump, payload_hash
from controller.formats.envelope import seal, unverified
from controller.formats.errors import Refused
from sync.hub.issuing.issuer import REFRESH_S, Said, content_hash, needs_refresh, windows_moved
from sync.hub.issuing.lists import Look, look_at
from sync.hub.store import questions
from sync.hub.store.models import Delivery, Door, DoorList, Grant, ListRequest, Verifier
from sync.hub.workbench import Workbench

Derive = Callable[[str, PinKdf], str]
Ready = tuple[Look, CodeList, dict[str, str]]
"""A look, the list drafted from it, and the verifiers derived for that, by credential."""
Results = dict[str, bool | None]
"""Whether each door got a new list, None when somebody else was quicker."""

DERIVE_THREADS = 2
"""A derivation releases the interpreter; one booking has two, at the entrance and at the room."""

TOGETHER = 20
"""Doors whose lists are stored in one transaction and handed over at once: a change that concerns every door would
otherwise spend most of its time in commits."""

DERIVED_TOGETHER = 4
"""Doors of which the missing verifiers are derived in one go: few, because all of them wait for the last."""

GATHER_S = 0.2
"""A burst of calls becomes one list a door."""

LOOK_EVERY_S = 1.0
"""How often requests are looked for that nobody told of: those of a command beside the hub (`hub apply`), or of a hub
that has ended since. One question to a table that is nearly always empty."""

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
            changed += done
            refused = error or refused
        if refused is not None:
            raise refused
        return changed

    def _bring_up_to_date(self, doors: list[str], now: int) -> tuple[list[str], Refused | None]:
        """The doors that got a new list, and what was refused."""
        results = self._try_together(doors, now, derive=False) if len(doors) > DERIVED_TOGETHER else {}
        left = [door for door in doors if results.get(door) is None]
        for start in range(0, len(left), DERIVED_TOGETHER):
            results |= self._try_together(left[start : start + DERIVED_TOGETHER], now, derive=True)
        refused: Refused | None = None
        for door in doors:
            try:
                while results.get(door) is None:
                    results |= self._try([door], now, derive=True)
            except Refused as error:
                refused = error
        return [door for door in doors if results.get(door)], refused

    def _try_together(self, doors: list[str], now: int, *, derive: bool) -> Results:
        """The same as `_try`; nothing when one of the doors is refused: which one shows when each is tried alone."""
        try:
            return self._try(doors, now, derive=derive)
        except Refused:
            return {}

    def _try(self, doors: list[str], now: int, *, derive: bool) -> Results:
        """Hand over the lists of these doors that are new. Doors that need derivations are left out unless `derive`:
        the others would have to wait for them."""
        bench = self._bench
        first = bench.run(now, lambda minter: questions.take_numbers(minter.session, now, len(doors)))
        looks = bench.look(lambda session: look_at(session, bench.keyring, doors, now))
        chosen = [look for look in looks.values() if derive or not look.underived]
        derived = self._verifiers(chosen)
        ready = [
            (look, look.draft(number, now, verifiers), verifiers)
            for number, (look, verifiers) in enumerate(zip(chosen, derived, strict=True), first)
        ]
        gone = [door for door in doors if door not in looks]
        results = bench.run(now, lambda minter: self._store_all(minter.session, ready, gone))
        bench.publish([door for door, changed in results.items() if changed], now)
        return results

    def _store_all(self, session: Session, ready: Sequence[Ready], gone: Collection[str]) -> Results:
        results: Results = dict.fromkeys(gone, False)
        session.execute(delete(ListRequest).where(ListRequest.door.in_(gone)))
        names = [look.door.id for look, _, _ in ready]
        locked = select(Door).where(Door.id.in_(names)).order_by(Door.id).with_for_update()
        doors = {door.id: door for door in session.scalars(locked)}
        rows = {row.door: row for row in session.scalars(select(DoorList).where(DoorList.door.in_(names)))}
        for look, draft, derived in ready:
            name = look.door.id
            results[name] = self._store(session, doors.get(name), rows.get(name), look, draft, derived)
        done = [number for look, _, _ in ready if results[look.door.id] is not None for number in look.requests]
        session.execute(delete(ListRequest).where(ListRequest.id.in_(done)))
        return results

    def _verifiers(self, looks: Sequence[Look]) -> list[dict[str, str]]:
        """What is missing of each, by credential."""
        wanted = [(look.kdf, each) for look in looks for each in look.underived]
        made = self._pool.map(lambda kdf_and_pin: self._derive(kdf_and_pin[1].clear, kdf_and_pin[0]), wanted)
        return [{each.credential: next(made) for each in look.underived} for look in looks]

    def _store(
        self, session: Session, door: Door | None, row: DoorList | None, look: Look, draft: CodeList,
        derived: dict[str, str],
    ) -> bool | None:  # fmt: skip
        """Whether there is a new list; None when the look is out of date."""
        version = 0 if row is None else row.version
        if door is None or door.salt != look.kdf.salt or door.epoch != look.door.epoch:
            return None
        if version != look.stored.version or draft.version <= version:
            return None
        if derived:
            _keep_verifiers(session, door.id, derived)
        stored = look.stored
        due = row is None or needs_refresh(row.refresh_after - REFRESH_S, row.refresh_after, draft.issued)
        content = content_hash(draft)
        other = stored.content != content
        changed = due or other
        if row is not None and other:
            _await_again(session, row, draft)
        if changed:
            shrink = _shrinks(session, door, look, draft)
            row = self._signed(session, row, msgspec.structs.replace(draft, shrink=shrink), content)
        assert row is not None
        _mark_delivered(session, look, row)
        return changed

    def _signed(self, session: Session, row: DoorList | None, code_list: CodeList, content: str) -> DoorList:
        payload = dump(code_list)
        row = row or DoorList(door=code_list.door)
        row.version, row.hash, row.content = code_list.version, payload_hash(payload), content
        row.shrink, row.grants = code_list.shrink, [grant.id for grant in code_list.grants]
        row.refresh_after, row.published_at = code_list.refresh_after, None
        row.envelope = seal(payload, TYP, self._bench.keyring.list_key)
        session.add(row)
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
            except Exception:
                # Whatever it is must not end this thread and leave a hub that answers and reaches no door.
                log.exception("a list could not be made; it stays asked for")
                self._stopping.wait(LOOK_EVERY_S)


def _asked_for(session: Session) -> list[str]:
    """The doors with requests, whoever waits longest first."""
    query = select(ListRequest.door).group_by(ListRequest.door).order_by(func.min(ListRequest.id))
    return list(session.scalars(query))


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
    known = set(session.scalars(select(Grant.id).where(Grant.id.in_(gone)))) if gone else set()
    unheard = stored.shrink and door.reported_version < stored.version
    return known == gone and (bool(gone) or not present or unheard)


def _await_again(session: Session, row: DoorList, draft: CodeList) -> None:
    """Whom a neighbour gave other margins is no longer at the door as it is now: not before this list is."""
    moved = windows_moved(msgspec.json.decode(unverified(row.envelope).payload, type=Said), draft)
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
