"""A door's log made in memory: what the collector, the store and the audit are tested with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.formats.encoding import canonical, parse_object
from controller.formats.envelope import seal
from controller.formats.event import GENESIS, STATEMENT_TYP, Event, Opening, Statement, chain
from controller.formats.jwk import SigningKey, make_key

LOG = "00112233445566aa"


@dataclass
class DoorLog:
    """A log that grows event by event and hands out batches of any stretch of it."""

    door: str = "hall-1"
    log: str = LOG
    signing: SigningKey = field(default_factory=make_key)
    events: list[bytes] = field(default_factory=list)
    openings: list[Opening | None] = field(default_factory=list)
    hashes: list[str] = field(default_factory=lambda: [GENESIS])

    def add(self, count: int = 1, grant: str | None = None, **detail: int | str) -> None:
        """`count` more events, as entries of `grant` when one is given."""
        for _ in range(count):
            seq = len(self.events) + 1
            opening = Opening(nonce=f"{seq:032x}", grant=grant, credential="c1") if grant else None
            event = Event(
                door=self.door,
                log=self.log,
                seq=seq,
                at=1_800_000_000_000 + seq,
                clock="synced",
                kind="granted" if grant else "opened",
                who=opening.commitment() if opening else None,
                credential="pin" if grant else None,
                detail=dict(detail),
            )
            self.append(canonical(event), opening)

    def append(self, data: bytes, opening: Opening | None = None) -> None:
        """Any bytes as the next record."""
        self.events.append(data)
        self.openings.append(opening)
        self.hashes.append(chain(self.hashes[-1], data))

    def batch(
        self, first: int, last: int, lies: Mapping[str, int | str] | None = None, signing: SigningKey | None = None
    ) -> bytes:
        """The batch of `first`..`last`; `lies` replace members of its statement."""
        truth = {"door": self.door, "log": self.log, "first": first, "last": last}
        truth |= {"prev": self.hashes[first - 1], "hash": self.hashes[last]}
        statement = Statement(**(truth | dict(lies or {})))  # type: ignore[arg-type]
        sealed = seal(canonical(statement), STATEMENT_TYP, signing or self.signing)
        records = b",".join(self._record(seq) for seq in range(first, last + 1))
        return b'{"records":[' + records + b'],"statement":' + sealed + b"}"

    def _record(self, seq: int) -> bytes:
        opening = self.openings[seq - 1]
        beside = b',"opening":' + canonical(opening) if opening else b""
        return b'{"event":' + self.events[seq - 1] + beside + b"}"

    def event(self, seq: int) -> dict[str, object]:
        """An event as plain members, to be spoiled."""
        return parse_object(self.events[seq - 1], "event")
