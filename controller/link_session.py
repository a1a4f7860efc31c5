"""The controller's end of the link: which batch is in flight, which receipts count, what the door says of itself.

One batch at a time; the next one leaves when a receipt for this log has counted. What the agent delivers is judged here
and nowhere else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from controller.eventlog import EventLog
from controller.formats.encoding import canonical
from controller.formats.envelope import open_envelope, seal
from controller.formats.errors import Refused
from controller.formats.event import BATCH_TYP, RECEIPT_TYP, Receipt, parse_receipt
from controller.formats.jwe import encrypt
from controller.formats.jwk import Signer
from controller.formats.limits import LIMITS
from controller.formats.messages import SendBatch, SendState
from controller.formats.state import STATE_TYP, StateReport
from controller.formats.trust import Trust

SIGNED_TIME_WITHIN_MS = 60_000
HEARTBEAT_MS = 60_000
STATE_EVERY_MS = 1_000


class Contradicted(Exception):
    """The hub has signed for a history of this log that this unit does not know."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(f"the hub holds another record {receipt.seq}")
        self.receipt = receipt


class LinkSession:
    """`trust` is None on a unit that was never enrolled: then no receipt counts. Times are monotonic milliseconds."""

    def __init__(self, door: str, log: EventLog, trust: Trust | None, signer: Signer) -> None:
        self._door = door
        self._log = log
        self.trust = trust
        self._signer = signer
        self._in_flight: int | None = None
        self._agent_holds = False
        self._written: deque[tuple[int, int]] = deque(maxlen=1_000)  # (seq, monotonic ms) since start
        self._last_report: StateReport | None = None
        self._reported_ms = 0
        self.rolled_back_to: int | None = None  # the hub has lost what lies between its receipts and this number

    def connected(self) -> None:
        """A (new) agent is there and knows nothing."""
        self._in_flight = None
        self._agent_holds = False
        self._last_report = None

    def enrolled(self, trust: Trust, signer: Signer) -> None:
        """The unit has a new trust document and a new key of its own: what is in flight is said anew."""
        self.trust, self._signer = trust, signer
        self.connected()

    def restarted(self) -> None:
        """The log goes on under another name: nothing is in flight, no earlier record tells a time."""
        self._in_flight, self.rolled_back_to = None, None
        self._written.clear()

    def recorded(self, seq: int, now_ms: int) -> None:
        """A record was written; a receipt for it within 60 s tells the time."""
        self._written.append((seq, now_ms))

    def next_batch(self) -> SendBatch | None:
        """The batch to send now, if any: an empty one takes the last one back from an agent that would repeat it for
        ever. Raises StorageFault."""
        if self._in_flight is not None:
            return None
        after = self._log.acknowledged.seq
        if self._log.end.seq > after:
            collector = self.trust.collect_key(self._door) if self.trust else None
            # Movements leave this unit encrypted or not at all.
            batch = self._log.batch(after, self._signer) if collector is not None else None
            if batch is None or collector is None:
                return None
            self._in_flight, body = batch
            self._agent_holds = True
            return SendBatch(last=self._in_flight, body=encrypt(body, BATCH_TYP, collector))
        if self._agent_holds:
            self._agent_holds = False
            return SendBatch(last=max(1, after), body="")
        return None

    def receipt(self, body: str, now_ms: int, floor_s: int) -> int | None:
        """Judge a delivered receipt. The signed time it gives (UTC milliseconds), None when it gives none: it does not
        count, or the event it answers is not from the last 60 s. Raises Refused, Contradicted or StorageFault."""
        receipt = self._open_receipt(body)
        if self._log.contradicted_by(receipt):
            raise Contradicted(receipt)
        before = self._log.acknowledged.seq
        # The newest signed time, as signed time will judge its age (`Upkeep`): by a floor that a long outage left
        # behind what has just been signed for would go at once.
        if not self._log.acknowledge(receipt, max(floor_s, receipt.issued)):
            return None
        self._in_flight = None
        if receipt.seq < before:
            self.rolled_back_to = before
        elif self.rolled_back_to is not None and receipt.seq >= self.rolled_back_to:
            self.rolled_back_to = None
        written_ms = next((ms for seq, ms in reversed(self._written) if seq == receipt.seq), None)
        if written_ms is None or now_ms - written_ms > SIGNED_TIME_WITHIN_MS:
            return None
        return receipt.issued * 1000

    def state(self, report_now: Callable[[], StateReport], now_ms: int) -> SendState | None:
        """The state message to send now: at once when something changed, else once a minute."""
        waited_ms = now_ms - self._reported_ms
        if self._last_report is not None and waited_ms < STATE_EVERY_MS:
            return None
        report = report_now()
        if waited_ms < HEARTBEAT_MS and self._unchanged(report):
            return None
        self._last_report, self._reported_ms = report, now_ms
        return SendState(body=seal(canonical(report), STATE_TYP, self._signer).decode("ascii"))

    def _unchanged(self, report: StateReport) -> bool:
        before = self._last_report
        return before is not None and (
            msgspec.structs.replace(before, at=report.at, receipt=report.receipt, seq=report.seq, list_version=0)
            == msgspec.structs.replace(report, list_version=0)
        )

    def _open_receipt(self, body: str) -> Receipt:
        if self.trust is None:
            raise Refused("unknown_key", "receipt", "this unit has no trust document")
        # Also by a key that has outlived its date: a receipt tells the time, and a clock that was led astray is led
        # back by nothing else. A stolen key is revoked.
        keys = self.trust.keys_for("receipt", self._door)
        opened = open_envelope(body.encode("utf-8"), RECEIPT_TYP, keys, max_bytes=LIMITS.receipt_bytes)
        receipt = parse_receipt(opened.payload)
        if receipt.door != self._door:
            raise Refused("wrong_door", "receipt.door", "made for another door")
        return receipt
