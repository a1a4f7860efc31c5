"""The faults a door has: raised once, cleared once, each with its record."""

from __future__ import annotations

from controller.draft import Draft

FIRE = "fire"
LEAF_ALARMS = frozenset({"forced", "held_open"})


class Alarms:
    """`faults` are those that are there now, by name."""

    def __init__(self) -> None:
        self.faults: set[str] = set()

    def set(self, fault: str, on: bool) -> list[Draft]:
        """The record of a change, none where nothing changed. While there is fire nobody is asked why a door stands
        open."""
        if on == (fault in self.faults) or (on and fault in LEAF_ALARMS and FIRE in self.faults):
            return []
        (self.faults.add if on else self.faults.discard)(fault)
        return [Draft("fault_raised" if on else "fault_cleared", fault)]
