"""The hub of the simulated world: the production issuer, windows, PIN drawing and collector around stores that are
dictionaries, so that it can be backed up, restored and stopped between any two messages.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from controller.formats import code_list, jwe, qr_pass
from controller.formats.code_list import CodeList, Kind, PassKey, PinEntry, PinKdf, Posture, QrEntry, Window
from controller.formats.encoding import b64, canonical
from controller.formats.envelope import open_envelope, seal
from controller.formats.errors import Refused
from controller.formats.event import BATCH_TYP, BEGINNING, RECEIPT_TYP, LogEnd, Receipt
from controller.formats.jwk import SigningKey
from controller.formats.limits import LIMITS
from controller.formats.state import MAX_BYTES, OFFLINE, STATE_TYP, parse_state
from simulator.hub_store import HubDoor, HubStore, Reservation
from simulator.simulated_ceremony import Ceremony, Named
from sync.hub.booking.codes import draw_pin
from sync.hub.booking.windows import Booking, RoomWays, openings
from sync.hub.issuing.issuer import (
    HORIZON_BACK_S,
    DoorRecord,
    GrantRecord,
    GrantState,
    beyond_reach,
    build_list,
    content_hash,
    needs_refresh,
    next_number,
)
from sync.hub.records.collector import Append, Fork, Gap, next_receipt_number, place, read_batch
from sync.topics import split, topic

BEHIND_MS = 60_000
DURESS = "c-duress"
"""The credential id of the PIN that staff give under threat."""
OLD_KEYS_KEPT = 20  # a list lives for three weeks, so nobody has one of an older key


def cheap_verifier(pin: str, kdf: PinKdf) -> str:
    """The world's stand-in for argon2id: its result is as opaque and takes a thousandth of the time."""
    return b64(hashlib.sha256(f"{kdf.salt}{pin}".encode()).digest())


@lru_cache(maxsize=4_096)
def _pin_entry(name: str, pin: str, kdf: PinKdf) -> PinEntry:
    """Made once: a reservation is in dozens of lists."""
    return PinEntry(name, cheap_verifier(pin, kdf), name == DURESS)


@lru_cache(maxsize=4_096)
def _qr_entry(shown: qr_pass.QrPass) -> QrEntry:
    return QrEntry(shown.credential, shown.list_hash)


class SimulatedHub:
    """`publish(topic, payload, retain)` goes to the broker, `now_ms` is this hub's own clock, right or wrong."""

    def __init__(
        self,
        rooms: tuple[RoomWays, ...],
        publish: Callable[[str, bytes, bool], None],
        now_ms: Callable[[], int],
        chance: random.Random,
        make_key: Callable[[], SigningKey],
    ) -> None:
        self.rooms = rooms
        self.store = HubStore()
        self.up = True
        self.well_since_ms = 0  # when it last came back, or went on from a backup
        self.group_keys: dict[str, bytes] = {}
        self.pins: set[bytes] = set()  # every PIN there ever was, for those who look where one should not be
        self.passes: dict[str, qr_pass.QrPass] = {}  # every pass there ever was, by grant
        self._publish = publish
        self._now_ms = now_ms
        self._chance = chance
        self._make_key = make_key
        self.witness: Callable[[str, bytes], None] = lambda _kind, _payload: None
        self._list_key = make_key()
        self._receipt_key = make_key()
        self._signed: set[str] = set()  # hashes of the lists made with the list key
        self.void: dict[str, int] = {}  # hashes of lists made with a stolen key, and the trust version that says so
        self._retired: list[SigningKey] = []
        self._revoked: list[tuple[SigningKey, int]] = []  # and the trust version that says so
        self._collect_key = jwe.make_key()
        self.ceremony = Ceremony(make_key, self._collect_key)
        self._sign_trust()

    @property
    def now_s(self) -> int:
        return self._now_ms() // 1000

    # ---- trust

    def trust(self) -> bytes:
        """The newest trust document, as a new door gets it."""
        return self.ceremony.documents[-1]

    def rotate_list_key(self) -> None:
        """A new list key; the old one is retired and signs nothing new. Every list is made again."""
        self._retired.append(self._list_key)
        self._replace_list_key()

    def revoke_list_key(self) -> None:
        """The list key was stolen: another one, and where that is known nothing counts that the old one has signed."""
        self._revoked.append((self._list_key, self.ceremony.version + 1))
        self.void |= dict.fromkeys(self._signed, self.ceremony.version + 1)
        self._replace_list_key()

    def _replace_list_key(self) -> None:
        self._list_key, self._signed = self._make_key(), set()
        self._sign_trust()
        for door in self.store.doors.values():
            self._send_trust(door, self.ceremony.version - 1)
        self._renew(list(self.store.doors.values()), daily=True)

    def rotate_roots(self, how: Callable[[Named, int], None]) -> None:
        """One offline key was lost, or all are replaced: `ceremony.replace_root` or `ceremony.replace_all_roots`."""
        before = self.ceremony.version
        how(self._named(), self.now_s)
        for door in self.store.doors.values():
            self._send_trust(door, before)

    def _named(self) -> Named:
        named: Named = [(self._list_key, "list", "active"), (self._receipt_key, "receipt", "active")]
        named += [(key, "list", "retired") for key in self._retired[-OLD_KEYS_KEPT:]]
        return [*named, *((key, "list", "revoked") for key, _ in self._revoked[-OLD_KEYS_KEPT:])]

    def _sign_trust(self) -> None:
        self.ceremony.sign(self._named(), self.now_s)

    def _send_trust(self, door: HubDoor, version: int) -> None:
        if self.up:
            self._publish(topic(door.id, "trust"), self.ceremony.since(version), True)

    # ---- reservations

    def reserve(self, ref: str, room: str, kind: Kind, booked: Window, **more: object) -> Reservation:
        """A reservation with its PIN and QR. Raises Refused `pin_space_low` or `overlap`."""
        lately = (each for each in self.store.reservations.values() if each.times[-1][1] + 30 * 86_400 > self.now_s)
        alive = {pin for each in lately for pin in (each.pin, each.duress) if pin}
        pin = self._draw(alive)
        duress = "" if kind == "renter" else self._draw(alive | {pin})
        credential = self._bytes(qr_pass.CREDENTIAL_BYTES)
        wanted = Reservation(ref, f"p-{credential.hex()}", room, kind, booked, "active", pin, duress, **more)  # type: ignore[arg-type]
        self._check_overlap(wanted, wanted.times)
        shown = self.passes[wanted.grant] = self._make_pass(wanted, credential)
        self.store.reservations[ref] = made = replace(wanted, qr=shown)
        self._renew(self._doors_of(room))
        return made

    def _draw(self, alive: set[str]) -> str:
        pin = draw_pin(6, alive, lambda below: int(self._chance.random() * below))
        self.pins.add(pin.encode())
        return pin

    def set_state(self, ref: str, state: GrantState) -> None:
        """Suspend, resume or cancel."""
        reservation = replace(self.store.reservations[ref], state=state)
        self.store.reservations[ref] = reservation
        self._renew(self._doors_of(reservation.room))

    def move(self, ref: str, booked: Window) -> None:
        """Another time, the same codes. Raises Refused `overlap`."""
        reservation = self.store.reservations[ref]
        self._check_overlap(reservation, (booked,))
        self.store.reservations[ref] = replace(reservation, booked=booked, further=())
        self._renew(self._doors_of(reservation.room))

    def make_again(self, door: str) -> None:
        """A door's list once more, under a new number."""
        self._renew([self.store.doors[door]], daily=True)

    def send_again(self, door: str) -> None:
        """The list that a door has, or should have, as it is."""
        known = self.store.doors[door]
        if known.envelope is not None:
            self._send(known, known.envelope)

    def lock_down(self, door: str, on: bool) -> None:
        """Let nobody in at a door, or let things be as usual again."""
        known = self.store.doors[door]
        known.posture = Posture(state="lockdown" if on else "controlled", since=self.now_s, until=None)
        self._renew([known])

    # ---- time

    def due(self) -> None:
        """Daily refresh, and lists again to doors that are behind."""
        now_ms = self._now_ms()
        now_s = now_ms // 1000
        old = [
            door
            for door in self.store.doors.values()
            if door.issued is None or needs_refresh(door.issued.issued, door.issued.refresh_after, now_s)
        ]
        self._renew(old, daily=True)
        for door in self.store.doors.values():
            if door.applied < door.version and now_ms - door.published_ms >= BEHIND_MS and door.envelope:
                self._send(door, door.envelope)

    # ---- messages

    def receive(self, name: str, payload: bytes) -> None:
        """A message from a door."""
        parts = split(name)
        if parts is None or not self.up or parts[0] not in self.store.doors:
            return
        door = self.store.doors[parts[0]]
        if parts[1] == "events":
            self._events(door, payload)
        elif parts[1] == "state" and payload != OFFLINE:
            self._state(door, payload)

    def _events(self, door: HubDoor, payload: bytes) -> None:
        try:
            data = jwe.decrypt(
                payload.decode("ascii", "replace"), BATCH_TYP, self._collect_key, max_bytes=LIMITS.sealed_batch_bytes
            )
            batch = read_batch(data, door.id, door.key)
        except Refused:
            return
        log = self.store.logs.setdefault((door.id, batch.statement.log), [])
        end = LogEnd(len(log), log[-1][0]) if log else BEGINNING
        meeting = batch.meets(end)
        held = "0" * 64 if meeting == 0 else log[meeting - 1][0] if meeting > 0 else None
        placing = place(batch, end, held)
        if isinstance(placing, Fork):
            self.store.forks[door.id] = self.store.forks.get(door.id, 0) + 1
        elif isinstance(placing, Append):
            log += [(record.hash, record.data) for record in placing.records]
        assert isinstance(placing, Append | Fork | Gap) or log
        self._receipt(door, batch.statement.log)

    def _receipt(self, door: HubDoor, log_id: str) -> None:
        log = self.store.logs[door.id, log_id]
        last = self.store.receipt_numbers.get(door.id, 0)
        number = next_receipt_number(last, door.reported_receipt, self.now_s)
        self.store.receipt_numbers[door.id] = number
        receipt = Receipt(
            door=door.id,
            log=log_id,
            seq=len(log),
            hash=log[-1][0] if log else BEGINNING.hash,
            number=number,
            issued=self.now_s,
        )
        payload = canonical(receipt)
        self.witness("receipt", payload)
        self._publish(topic(door.id, "receipt"), seal(payload, RECEIPT_TYP, self._receipt_key), True)

    def _state(self, door: HubDoor, payload: bytes) -> None:
        try:
            opened = open_envelope(payload, STATE_TYP, {door.key.thumbprint: door.key}, max_bytes=MAX_BYTES)
            report = parse_state(opened.payload)
        except Refused:
            return
        door.applied = report.list_version if report.list_hash is not None else 0
        door.trust_version = report.trust_version
        if report.trust_version < self.ceremony.version:
            self._send_trust(door, report.trust_version)
        door.reported_receipt = max(door.reported_receipt, report.receipt)
        if report.receipt > self.store.receipt_numbers.get(door.id, 0):
            # This hub goes on from a backup: the door must hear how far its log is held here.
            self.store.logs.setdefault((door.id, report.log), [])
            self._receipt(door, report.log)
        self.store.number = max(self.store.number, report.list_version)
        if beyond_reach(door.version, report):
            self._renew([door], daily=True)

    # ---- backup

    def backup(self) -> HubStore:
        """A copy of everything."""
        return self.store.copy()

    def restore(self, backup: HubStore, world_ms: int) -> None:
        """Go on from an older copy, at this world time."""
        self.store = backup.copy()
        self.well_since_ms = world_ms
        for door in self.store.doors.values():
            door.content = ""

    # ---- making lists

    def _renew(self, doors: list[HubDoor], daily: bool = False) -> None:
        for door in doors:
            number = next_number(self.store.number, self.now_s, self.store.number)
            made = self._build(door, number)
            content = content_hash(made)
            if content == door.content and not daily:
                continue
            self.store.number = number
            door.version, door.content, door.issued = number, content, made
            payload = code_list.dump(made)
            self._signed.add(code_list.payload_hash(payload))
            self.witness("list", payload)
            door.envelope = seal(payload, code_list.TYP, self._list_key)
            self._send(door, door.envelope)

    def sign_with_old_key(self, made: CodeList, door: HubDoor) -> bytes | None:
        """A list as somebody would sign it who has a key that was stolen, and the door knows it, or that is only
        retired; None while there is none."""
        old = [key for key, version in self._revoked if version <= door.trust_version] or self._retired
        return seal(code_list.dump(made), code_list.TYP, old[-1]) if old else None

    def sign_again(self, made: CodeList) -> bytes:
        """A list as a hub with a fault would sign it: with the right key, whatever was signed before."""
        return seal(code_list.dump(made), code_list.TYP, self._list_key)

    def _build(self, door: HubDoor, number: int) -> CodeList:
        # What is long over is in no list; a world of a year has a thousand of those.
        over_s = self.now_s - 2 * HORIZON_BACK_S
        reservations = [each for each in self.store.reservations.values() if each.times[-1][1] > over_s]
        live = [each for each in reservations if each.state in {"active", "suspended"}]
        booked = [Booking(each.grant, each.room, *time, each.kind == "renter") for each in live for time in each.times]
        # What is cancelled is said to be so, and the issuer leaves it out.
        found = {each.grant: list(each.times) for each in reservations if each.state == "cancelled"}
        for opening in openings(self.rooms, booked):
            if opening.door == door.id:
                found.setdefault(opening.grant, []).append((opening.start, opening.until))
        grants = [self._grant_record(each, tuple(found.get(each.grant, ())), door) for each in reservations]
        record = DoorRecord(
            id=door.id,
            epoch=self.ceremony.epoch,
            kdf=door.kdf,
            policy=door.policy,
            pass_keys=(PassKey(door.group, b64(self.group_keys[door.group])),),
            posture=door.posture,
        )
        # Everything this hub ever leaves out, it leaves out because a call or the time said so.
        return build_list(record, grants, number=number, now_s=self.now_s, shrink=True)

    def _grant_record(self, each: Reservation, found: tuple[tuple[int, int], ...], door: HubDoor) -> GrantRecord:
        return GrantRecord(
            id=each.grant,
            kind=each.kind,
            state=each.state,
            openings=found,
            pins=tuple(
                _pin_entry(name, pin, door.kdf) for name, pin in (("c-pin", each.pin), (DURESS, each.duress)) if pin
            ),
            qrs=(_qr_entry(each.qr),) if each.qr else (),
            max_uses=each.max_uses,
            offline_ok=each.offline_ok,
        )

    def _make_pass(self, each: Reservation, credential: bytes) -> qr_pass.QrPass:
        self.store.number = next_number(self.store.number, self.now_s, self.store.number)
        # By itself a pass opens for the next booked time; of a series the list knows the others long before.
        begins, ends = next((time for time in each.times if time[1] > self.now_s), each.booked)
        start = begins // 60 * 60
        minutes = (ends - start) // 60
        near = start <= self.now_s + qr_pass.ALONE_MAX_AHEAD_S and 0 < minutes <= qr_pass.ALONE_MAX_MINUTES
        groups = sorted({self.store.doors[door].group for door in self._door_ids(each.room)})
        keys = [self.group_keys[group] for group in groups][:3] if near and each.kind == "renter" else []
        length = minutes if keys else 0
        filler = self._bytes(qr_pass.TAGS_AREA)
        return qr_pass.make_pass(credential, max(start, qr_pass.EPOCH_S), length, self.store.number, keys, filler)

    def _check_overlap(self, wanted: Reservation, times: tuple[Window, ...]) -> None:
        for each in self.store.reservations.values():
            same = each.room == wanted.room and each.kind == wanted.kind == "renter"
            taken = same and each.ref != wanted.ref and each.state in {"active", "suspended"}
            if taken and any(old[0] < new[1] and new[0] < old[1] for old in each.times for new in times):
                raise Refused("overlap", "windows", "the room is taken")

    def _doors_of(self, room: str) -> list[HubDoor]:
        return [self.store.doors[door] for door in self._door_ids(room)]

    def _door_ids(self, room: str) -> tuple[str, ...]:
        return next(ways.doors + ways.entrances for ways in self.rooms if ways.id == room)

    def _send(self, door: HubDoor, envelope: bytes) -> None:
        door.published_ms = self._now_ms()
        if self.up:
            assert door.reader is not None  # every door of the world is enrolled
            self._publish(topic(door.id, "list"), jwe.encrypt(envelope, code_list.TYP, door.reader).encode(), True)

    def _bytes(self, count: int) -> bytes:
        return bytes(int(self._chance.random() * 256) for _ in range(count))
