"""Rooms out of OSLO documents, as a draft of `town.toml`: the back office's own ids, so that nobody keeps a second
catalogue of rooms (R004-17).

    for room in read_rooms(document, base="https://data.mortsel.example/id/"): …
    print(draft(rooms))

A document tells what a room is called and when it is open; which doors lead to it is only known on the spot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from controller.formats.errors import Refused
from sync.hub.adapters.oslo import absolute, last_part, listed, text_of
from sync.hub.booking.occurrences import WEEKDAYS

ROOM_TYPES = frozenset({"Infrastructuur", "Binnenruimte", "Buitenruimte", "Ruimte", "Zaal"})
_TIME = re.compile(r"([01]\d|2[0-4]):([0-5]\d)(:00)?")


@dataclass(frozen=True)
class OsloRoom:
    """A room as its owner describes it. `hours` are from and to, the same every day; None where nothing is said."""

    id: str
    name: str
    hours: tuple[str, str] | None


def read_rooms(data: bytes, base: str = "") -> list[OsloRoom]:
    """The rooms of a document, each id once (the first one counts). Raises Refused `bad_document`."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise Refused("bad_document", "document", "is not JSON") from None
    nodes = document.get("@graph", [document]) if isinstance(document, dict) else document
    rooms: dict[str, OsloRoom] = {}
    for node in listed(nodes):
        if isinstance(node, dict) and ROOM_TYPES.intersection(map(str, listed(node.get("@type")))) and node.get("@id"):
            room = _room(node, base)
            rooms.setdefault(room.id, room)
    if not rooms:
        raise Refused("bad_document", "@graph", f"describes no room ({', '.join(sorted(ROOM_TYPES))})")
    return list(rooms.values())


def draft(rooms: Iterable[OsloRoom]) -> str:
    """The `[rooms]` of a town.toml, with what is still to be filled in."""
    return "\n".join(map(_section, rooms))


def _room(node: dict[str, Any], base: str) -> OsloRoom:
    room = absolute(str(node["@id"]), base)
    name = next(filter(None, map(text_of, listed(node.get("Infrastructuur.naam")))), last_part(room))
    times = next((each for each in listed(node.get("Infrastructuur.openingsuren")) if isinstance(each, dict)), {})
    opens, closes = (_time(times.get(f"Openingsurenspecificatie.{end}")) for end in ("open", "gesloten"))
    return OsloRoom(room, name, (opens, closes) if opens and closes else None)


def _time(value: object) -> str | None:
    match = _TIME.fullmatch(text_of(value) or "")
    return f"{match[1]}:{match[2]}" if match else None


def _section(room: OsloRoom) -> str:
    # JSON's strings are TOML's, so what a document says cannot break out of its place.
    name = re.sub(r"[^A-Za-z0-9-]", "-", last_part(room.id))[:40] or "room"
    lines = [f"[rooms.{name}]", f"id = {json.dumps(room.id)}", f"# {json.dumps(room.name, ensure_ascii=False)}"]
    lines += ['service = ""', 'building = ""', "doors = []"]
    if room.hours is not None:
        hours = json.dumps(["-".join(room.hours)])
        lines.append("opening_hours = { " + ", ".join(f"{day} = {hours}" for day in WEEKDAYS) + " }")
    return "\n".join(lines) + "\n"
