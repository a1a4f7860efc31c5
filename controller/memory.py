"""What a door remembers through a power cut: PIN tries, uses, who can be inside, posture, an unconfirmed pulse.

Kept as JSON values under short names, changed in the same transaction as the record that changed them. Each method that
changes something returns what is to be kept; `None` as a value forgets the name. Collections are replaced, never
changed in place, so a copy of this is a cheap picture of how it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from controller.door_events import Kept
from controller.formats.code_list import Policy
from controller.passage import Entrant
from controller.posture import Posture

USES_KEPT_S = 400 * 86_400  # longer than any grant can be booked ahead


class Memory(msgspec.Struct):
    """`uses` counts entries by grant, `used_s` has the UTC second of the last one; `pulse_at_ms` the UTC millisecond of
    a grant whose relay pulse is not confirmed yet; `in_service` whether the door was commissioned, and passed."""

    tries: int
    uses: dict[str, int] = msgspec.field(default_factory=dict)
    used_s: dict[str, int] = msgspec.field(default_factory=dict)
    inside: dict[str, Entrant] = msgspec.field(default_factory=dict)
    posture: Posture = msgspec.field(default_factory=Posture)
    pulse_at_ms: int | None = None
    in_service: bool = False

    @classmethod
    def restore(cls, kept: Mapping[str, Any] | None) -> Memory:
        """From what was kept. None means that it should be there and is not readable: then no PIN try is left, since
        an attacker who can destroy a database must not gain tries by it, nor a relay that tests itself. The same for
        what makes no sense."""
        if kept is None:
            return cls(tries=0, in_service=True)
        try:
            return cls._from_kept(kept)
        except (AttributeError, IndexError, TypeError, ValueError):
            return cls(tries=0, in_service=True)

    @classmethod
    def _from_kept(cls, kept: Mapping[str, Any]) -> Memory:
        uses = {name[4:]: value for name, value in kept.items() if name.startswith("use:")}
        return cls(
            tries=int(kept.get("tries", Policy().pin_tries)),
            uses={grant: count for grant, (count, _) in uses.items()},
            used_s={grant: at_s for grant, (_, at_s) in uses.items()},
            inside={name[7:]: Entrant(**value) for name, value in kept.items() if name.startswith("inside:")},
            posture=Posture(**kept["posture"]) if "posture" in kept else Posture(),
            pulse_at_ms=kept.get("pulse"),
            in_service=bool(kept.get("in_service", False)),
        )

    def everything(self) -> Kept:
        """All of it, for a log that has lost it."""
        uses = {f"use:{grant}": (count, self.used_s[grant]) for grant, count in self.uses.items()}
        inside = {f"inside:{grant}": entrant for grant, entrant in self.inside.items()}
        others = {"posture": self.posture, "pulse": self.pulse_at_ms, "in_service": self.in_service}
        return {**uses, **inside, **self.changed_tries(), **others}

    def changed_tries(self) -> Kept:
        return {"tries": self.tries}

    def went_in(self, entrant: Entrant, now_s: int) -> Kept:
        """One more use, and one grant inside."""
        count = self.uses.get(entrant.grant, 0) + 1
        self.uses = {**self.uses, entrant.grant: count}
        self.used_s = {**self.used_s, entrant.grant: now_s}
        still = {grant: who for grant, who in self.inside.items() if now_s < who.inside_until_s}
        gone = self.inside.keys() - still.keys()
        self.inside = {**still, entrant.grant: entrant}
        # Each in a row of its own: what an entry costs must not grow with how many are inside.
        forgotten: dict[str, object] = {f"inside:{grant}": None for grant in gone}
        return {**forgotten, f"use:{entrant.grant}": (count, now_s), f"inside:{entrant.grant}": entrant}

    def went_out(self, grant: str) -> Kept:
        """The grant has signed out."""
        self.inside = {inside: who for inside, who in self.inside.items() if inside != grant}
        return {f"inside:{grant}": None}

    def set_posture(self, posture: Posture) -> Kept:
        self.posture = posture
        return {"posture": posture}

    def set_in_service(self, on: bool) -> Kept:
        """The door was commissioned; `on`: it may go into service."""
        self.in_service = on
        return {"in_service": on}

    def forget_uses(self, still_listed: set[str], now_s: int) -> Kept:
        """Drop the counts of grants long gone."""
        old_s = now_s - USES_KEPT_S
        gone = {grant for grant, at_s in self.used_s.items() if grant not in still_listed and at_s < old_s}
        self.uses = {grant: count for grant, count in self.uses.items() if grant not in gone}
        self.used_s = {grant: at_s for grant, at_s in self.used_s.items() if grant not in gone}
        return {f"use:{grant}": None for grant in gone}
