"""`house-rules.toml` in the hub folder: how rooms are called on a sheet, and how to leave them (R004-05).

    [leave]                                   # every room without words of its own
    nl = ["Zet de stoelen terug op de kar."]

    [rooms."https://data.example/id/INF001"]  # as reservations name the room
    name = "Feestzaal"
    [rooms."https://data.example/id/INF001".leave]
    nl = ["Zet de verwarming op stand 1.", "Doe de lichten uit."]
    fr = ["Mettez le chauffage sur 1.", "Éteignez les lumières."]

The file may be absent: a room is then called by the last part of its id, and the catalogue's general words are used.
Whatever is unknown, too long or of the wrong type is Refused as `bad_house_rules`, naming its place.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

import msgspec
from msgspec import Meta

from controller.formats.code_list import Language
from controller.formats.encoding import split_place
from controller.formats.errors import Refused
from controller.formats.toml_file import parse_toml

FILE = "house-rules.toml"
Line = Annotated[str, Meta(min_length=1, max_length=200)]
Leaving = dict[Language, Annotated[tuple[Line, ...], Meta(min_length=1, max_length=15)]]


class RoomWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One room's words."""

    name: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    leave: Leaving = {}


class HouseRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    leave: Leaving = {}
    rooms: dict[str, RoomWords] = {}

    def name(self, room: str) -> str:
        """What people call a room."""
        words = self.rooms.get(room)
        return words.name if words is not None and words.name is not None else _last_part(room)

    def leaving(self, rooms: tuple[str, ...], language: Language) -> tuple[str, ...]:
        """The leave instructions of all rooms together, each line once; empty where the town wrote none."""
        lines = [line for room in rooms for line in self._leaving(room, language)]
        return tuple(dict.fromkeys(lines))

    def _leaving(self, room: str, language: Language) -> tuple[str, ...]:
        own = self.rooms[room].leave if room in self.rooms else {}
        return own.get(language) or self.leave.get(language, ())


def read_house_rules(folder: Path) -> HouseRules:
    """The house rules of a hub folder. Raises Refused `bad_house_rules`."""
    try:
        content = (folder / FILE).read_bytes()
    except FileNotFoundError:
        return HouseRules()
    document = parse_toml(content, "bad_house_rules", FILE)
    try:
        return msgspec.convert(document, HouseRules)
    except msgspec.ValidationError as error:
        said, place = split_place(str(error))
        raise Refused("bad_house_rules", f"{FILE} {place.strip('.')}".rstrip(), said) from None


def _last_part(room: str) -> str:
    return unquote(re.split(r"[/#:]", room.rstrip("/#:"))[-1]) or room
