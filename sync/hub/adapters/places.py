"""The rooms of this hub as adapters need them: by their own or a foreign name, with zone and opening hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import select

from controller.formats.code_list import Window
from controller.formats.errors import Refused
from sync.hub.booking.occurrences import Days, LocalRoom
from sync.hub.store.database import Sessions, reading
from sync.hub.store.models import Room


@dataclass(frozen=True)
class Places:
    """Rooms by id; `names` maps what the other side calls a room to that id. One mapping, no second catalogue of rooms
    (R004-17)."""

    rooms: Mapping[str, LocalRoom]
    names: Mapping[str, str] = field(default_factory=dict)

    def room(self, name: str) -> str:
        """The id of a room. Raises Refused `unknown_room`."""
        room = self.names.get(name, name)
        if room not in self.rooms:
            raise Refused("unknown_room", "room", f"there is no room {name}")
        return room

    def zone(self, room: str) -> str:
        """The time zone of a room."""
        return self.rooms[room].zone

    def days(self, rooms: Sequence[str], days: Sequence[date]) -> list[Window]:
        """Whole days mean opening hours, never 00:00 to 24:00 in silence (R000-03). Raises Refused
        `window_required`."""
        pattern = Days(tuple(day.isoformat() for day in days))
        found = [pattern.windows(self.rooms[room]) for room in rooms]
        if any(each != found[0] for each in found):
            raise Refused("window_required", "rooms", "these rooms have different opening hours; give start and end")
        return found[0] if found else []


def places_of(sessions: Sessions, names: Mapping[str, str] | None = None) -> Places:
    """All rooms of the hub. Whether a client may book one is decided where everybody's bookings are."""
    with reading(sessions).begin() as session:
        query = select(Room.id, Room.time_zone, Room.opening_hours)
        rooms = {row.id: LocalRoom(row.time_zone, row.opening_hours) for row in session.execute(query)}
    return Places(rooms, names or {})
