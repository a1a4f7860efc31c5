"""One door of a fleet: the link core and the MQTT edge as they ship, over a controller that only does the link's part.

The stand-in for the controller verifies lists and receipts with the production gate and the keys of a trust document,
signs states and batches, and has one batch in flight, as `controller.link_session` does. It has no disk and no
hardware, so thousands fit into a process.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Final

from controller.codelist import Floors, GateTime, accept_new
from controller.formats import jwe, jwk
from controller.formats.code_list import TYP as LIST_TYP
from controller.formats.encoding import canonical
from controller.formats.envelope import open_envelope, seal
from controller.formats.event import (
    BATCH_TYP,
    GENESIS,
    RECEIPT_TYP,
    STATEMENT_TYP,
    Event,
    EventKind,
    Opening,
    Statement,
    chain,
    parse_receipt,
)
from controller.formats.limits import LIMITS
from controller.formats.messages import Deliver, Link, SendBatch, SendState
from controller.formats.state import STATE_TYP, StateReport
from controller.formats.trust import Trust

LOG_BYTES: Final = 8
NONCE_BYTES: Final = 16
VISITS: Final[tuple[EventKind, ...]] = ("granted", "in", "out", "closed")


@dataclass(frozen=True)
class DoorKit:
    """What a unit was given: its id, TLS files, and private keys as JWK."""

    id: str
    certificate: Path
    private_key: Path
    signing: dict[str, str]
    reading: dict[str, str]


class LinkedController:
    """The controller's end of `sync.sock`, as far as the link notices. `heard` answers with what it says to the agent.

    `list_version` and `receipted` (records the hub has signed for) are what a fleet waits for."""

    def __init__(self, kit: DoorKit, trust: Trust) -> None:
        self.list_version = 0
        self.receipted = 0
        self.written = 0
        self.mute = False  # verify lists and say nothing: for measuring without a hub
        self._id = kit.id
        self._trust = trust
        self._signing = jwk.load_private(kit.signing)
        self._reading = jwe.load_private(kit.reading)
        self._list_hash: str | None = None
        self._receipt = 0
        self._log = os.urandom(LOG_BYTES).hex()
        self._end = GENESIS
        self._batches: list[SendBatch] = []

    def heard(self, message: Deliver | Link) -> list[SendState | SendBatch]:
        """Raises Refused for what a door would refuse."""
        if isinstance(message, Link):
            return [self.state()] if message.up else []
        match message.kind:
            case "list":
                return self._listed(message.body)
            case "receipt":
                return self._receipted(message.body)
            case _:
                return []

    def state(self) -> SendState:
        """What the door says of itself now."""
        report = StateReport(
            door=self._id,
            at=int(time() * 1000),
            clock="synced",
            list_version=self.list_version,
            list_hash=self._list_hash,
            trust_version=self._trust.version,
            receipt=self._receipt,
            log=self._log,
            seq=max(1, self.written),
            posture="controlled",
            faults=(),
        )
        return SendState(body=seal(canonical(report), STATE_TYP, self._signing).decode("ascii"))

    def write(self, batches: int, records: int) -> None:
        """Put so many batches of visits on the way; `send` starts them."""
        for _ in range(batches):
            self._batches.append(self._batch(records))

    def send(self) -> list[SendBatch]:
        """The first batch that has no receipt."""
        return self._batches[:1]

    def _listed(self, body: str) -> list[SendState | SendBatch]:
        envelope = jwe.decrypt(body, LIST_TYP, self._reading, max_bytes=LIMITS.envelope_bytes)
        floors = Floors(list_hash=self._list_hash, list_version=self.list_version, epoch=self._trust.epoch)
        # Without the list before it: thousands of them would only fill the memory of this machine.
        accepted = accept_new(envelope, self._id, self._trust, floors, None, GateTime(int(time()), trusted=True))
        if accepted is not None:
            self.list_version, self._list_hash = accepted.code_list.version, accepted.hash
        return [] if self.mute else [self.state()]

    def _receipted(self, body: str) -> list[SendState | SendBatch]:
        keys = self._trust.keys_for("receipt", self._id)
        receipt = parse_receipt(open_envelope(body.encode(), RECEIPT_TYP, keys, max_bytes=LIMITS.receipt_bytes).payload)
        if receipt.number <= self._receipt or receipt.log != self._log:
            return []
        self._receipt, self.receipted = receipt.number, max(self.receipted, receipt.seq)
        done = bool(self._batches) and self._batches[0].last <= receipt.seq
        if done:
            del self._batches[0]
        return [*self.send()] if done else []

    def _batch(self, records: int) -> SendBatch:
        first, previous, made = self.written + 1, self._end, []
        now_ms = int(time() * 1000)
        opening = Opening(nonce=os.urandom(NONCE_BYTES).hex(), grant=f"p-{os.urandom(5).hex()}", credential="c1")
        for seq in range(first, first + records):
            kind = VISITS[seq % len(VISITS)]
            named = opening if kind in ("granted", "in") else None
            event = Event(
                door=self._id, log=self._log, seq=seq, at=now_ms, clock="synced", kind=kind, detail={},
                who=named.commitment() if named else None, credential="pin" if named else None,
            )  # fmt: skip
            data = canonical(event)
            self._end = chain(self._end, data)
            made.append(b'{"event":' + data + (b',"opening":' + canonical(named) if named else b"") + b"}")
        self.written += records
        statement = Statement(
            door=self._id, log=self._log, first=first, prev=previous, last=self.written, hash=self._end
        )
        sealed = seal(canonical(statement), STATEMENT_TYP, self._signing)
        body = b'{"records":[' + b",".join(made) + b'],"statement":' + sealed + b"}"
        collector = self._trust.collect_key(self._id)
        if collector is None:
            raise ValueError("the trust document names no key to collect with")
        return SendBatch(last=self.written, body=jwe.encrypt(body, BATCH_TYP, collector))
