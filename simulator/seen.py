"""What the witness of the simulated world has seen of one door: its own account, to hold against the door's."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from controller.door_events import Now
from controller.formats.event import GENESIS, Event


@dataclass
class Seen:
    """What the witness saw of one door. `durable` is the last record that was on disk when it was written; `doubtful` a
    log whose tail the card lost, so that door and hub may know two histories of it."""

    log: str = ""
    seq: int = 0
    hash: str = GENESIS
    durable: int = 0
    doubtful: set[str] = field(default_factory=set)
    data: dict[tuple[str, int], bytes] = field(default_factory=dict)
    compared: dict[str, int] = field(default_factory=dict)
    now: Now | None = None  # what the door's clock tells at the moment of looking, None while it is down
    last: Event | None = None
    last_ms: int = -1
    numbers: dict[str, int] = field(default_factory=dict)
    reachable_turns: int = 0
    breaks: tuple[int, int] = (0, 0)
    tries: int | None = None
    tries_ms: int = 0
    life: int = 0
    pulses: int = 0
    attended_until_ms: int = -1
    ends: deque[tuple[int, str, int]] = field(default_factory=deque)  # (world time, log, last record), 3 h of them
    entries: dict[str, list[int]] = field(default_factory=dict)  # world times of each grant's `in`, of this log
    awaited: dict[str, int] = field(default_factory=dict)  # grants let in and not yet through, since when
    commitments: set[str] = field(default_factory=set)

    def heard(self, event: Event, grant: str | None, now_ms: int) -> None:
        """Keep account of who was let in and went in."""
        if event.kind == "boot":
            self.awaited.clear()
        if grant is None:
            return
        if event.kind == "granted":
            self.awaited[grant] = now_ms
        elif event.kind in {"in", "no_entry"}:
            self.awaited.pop(grant, None)
        if event.kind == "in":
            self.entries.setdefault(grant, []).append(now_ms)
